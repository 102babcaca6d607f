#!/usr/bin/env python3
"""Writes from an API spec what both ends of the wire need.

    generate.py --spec api/cuda.spec --cc CC --include DIR --out DIR [--coverage FILE --softgpu DIR...]
    generate.py --spec api/cuda.spec --lock
    generate.py --proto wire.proto [--lock]

Into --out: cuda.proto, cuda_api.h, cuda_api.c (both ends), cuda_guest.c (the guest's functions),
cuda_host.c (the host's dispatch); for nvml.spec (nvml.py) the same and nvml_missing.c (what the software GPU does not
define). With --coverage only the coverage table is written. The numbers are those of the lock file beside the spec or
the proto (lock.py), which fails what would change one; --lock brings it up to date.
"""

import argparse
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "cuda-abi")]

import cuda_header
import coverage
import nvml
from lock import Field, Lock
from roles import NOTICE, RANGES, Names, camel, emit_proto, emit_retired, messages_of, numbered, numbers_of, roles_of, write
from spec import Spec, SpecError

# ---- the parts

def driver_names(spec, functions):
    return sorted(set(spec.driver) | {f.name for f in functions if f.number})


def emit_header(spec, functions, header):
    calls = numbered(spec, functions)
    out = [NOTICE.format(spec.path.split("/")[-1]),
           "#ifndef HAWSER_CUDA_API_H\n#define HAWSER_CUDA_API_H\n",
           '#include "cuda_types.h"\n#include "api.h"\n#include "cuda.pb-c.h"\n', "enum {"]
    out += [f"    HAWSER_FN_{c.name} = {c.number}," for c in calls]
    out += [f"    HAWSER_FN_LIMIT = {calls[-1].number + 1}", "};\n", "enum hawser_object_kind {",
            "    HAWSER_NO_OBJECT,"]
    out += [f"    HAWSER_{k.upper()}," for k in dict.fromkeys(spec.handles.values())]
    out += ["    HAWSER_OBJECT_KINDS", "};\n",
            "#define HAWSER_MAX_ELEMENTS 4096u /* of an array that travels with a call */\n",
           "extern const struct hawser_api_function hawser_cuda_api[HAWSER_FN_LIMIT];",
            "extern const struct hawser_retired_field hawser_cuda_retired[];",
           "/* Every function of the API, by name, and whether it is carried; ends with NULL. */",
           "extern const struct hawser_api_name hawser_cuda_names[];\n",
            "/* The driver functions that the host uses; NULL where the driver has none. */",
            "struct cuda_driver {"]
    for name in driver_names(spec, functions):
        f = header.get(name)
        if f:
            params = ", ".join(t for t, _ in f.params) or "void"
            out.append(f"    CUresult (*{name})({params});")
    out += ["};",
            "extern const struct hawser_symbol cuda_driver_symbols[];\n",
            "#endif\n"]
    return "\n".join(out)


def emit_common(spec, functions, header, lock):
    out = [NOTICE.format(spec.path.split("/")[-1]), '#include "cuda_api.h"\n',
           "const struct hawser_api_function hawser_cuda_api[HAWSER_FN_LIMIT] = {"]
    for c in numbered(spec, functions):
        n, r = Names(c.name), Names(camel(c.name) + "Reply")
        flags = [f"HAWSER_API_{c.kind.upper()}"]
        flags += [f"HAWSER_API_{w.upper()}" for w in sorted(c.flags & {"waits", "syncs", "work"})]
        out.append(f'    [{c.number}] = {{"{c.name}", {" | ".join(flags)}, &{n.descriptor}, '
                   f'&{r.descriptor}}},')
    out.append("};\n\nconst struct hawser_api_name hawser_cuda_names[] = {")
    carried = {*spec.functions, *spec.aliases, *spec.shared}
    out += [f'    {{"{n}", {int(n in carried)}}},' for n in sorted(carried | set(spec.later) | set(spec.refused))]
    out += ["    {NULL, 0}\n};", *emit_retired(spec, lock)]
    out.append("\n/* The spec's signatures against the header's. */")
    for f in spec.present(header):
        out.append(f'_Static_assert(__builtin_types_compatible_p(__typeof__(&{f.name}), '
                   f'CUresult (*)({f.signature})), "{f.name}: {spec.path.split("/")[-1]} line '
                   f'{f.line} and cuda.h disagree");')
    return "\n".join(out) + "\n"


def emit_hooks(spec, functions):
    """For shim.h, so that the compiler holds the written hooks against the generated calls."""
    return "\n".join([NOTICE.format(spec.path.split("/")[-1])] + hook_prototypes(spec, functions)) + "\n"


def guest_function(spec, f):
    roles, n = roles_of(spec, f), Names(f.name)
    reply = Names(camel(f.name) + "Reply")
    outs = [r for r in roles if r.to_guest]
    made = [r for r in roles if r.kind == "new"]
    out = [f"CUresult {f.name}({f.signature})", "{", "    struct shim_call c;",
           f"    {n.struct} m = {n.init};"]
    if made:
        out.append("    struct shim_object *made = NULL;")
    stream = next((r.name for r in roles if r.kind == "handle" and r.object == "HAWSER_STREAM"), None)
    if f.name in spec.outside or not stream:
        context = "false" if f.name in spec.outside else "true"
        out.append(f"    CUresult r = shim_enter(&c, HAWSER_FN_{f.name}, {context});")
    else:
        out.append(f"    CUresult r = shim_enter_stream(&c, HAWSER_FN_{f.name}, {stream});")
    out.append("    if (r != CUDA_SUCCESS) return r;")
    pointers = [r.name for r in roles if r.pointer and r.name not in spec.optional]
    for r in roles:
        if r.count and not r.fixed:
            out.append(f"    if ({r.too_many(r.count)}) return CUDA_ERROR_INVALID_VALUE;")
    if pointers:
        out.append(f"    if ({' || '.join('!' + p for p in pointers)}) return CUDA_ERROR_INVALID_VALUE;")
    for r in roles:
        if r.kind == "handle":
            out.append(f"    r = shim_handle({r.object}, (const void *)(uintptr_t){r.name}, &m.{r.field});")
            out.append("    if (r != CUDA_SUCCESS) return r;")
        elif r.kind == "in":
            out.append(f"    m.{r.field} = {'(uintptr_t)' if r.base == 'void *' else ''}{r.name};")
        elif r.kind == "text":
            out.append(f"    m.{r.field} = (char *){r.name};")
        elif r.kind == "value":
            out.append(f"    m.{r.field} = (ProtobufCBinaryData){{{r.bytes}, (uint8_t *)&{r.name}}};")
        elif r.kind == "block":
            out.append(f"    m.{r.field} = (ProtobufCBinaryData){{{r.bytes}, (uint8_t *){r.name}}};")
    for r in made:
        out += [f"    made = shim_object_new({r.object}, &c);",
                "    if (!made) return CUDA_ERROR_OUT_OF_MEMORY;", f"    m.{r.field} = made->id;"]
    names = ", ".join((["made"] if made else []) + [r.name for r in roles])
    if "check" in f.flags:
        out.append(f"    r = shim_check_{f.name}({names});")
        out.append("    if (r != CUDA_SUCCESS) "
                   + ("goto out;" if made else "return r;"))
    if f.kind == "post":
        out.append("    r = shim_post(&c, &m.base, NULL, 0);")
    else:
        if outs:
            out.append(f"    {reply.struct} *reply = NULL;")
            out.append("    r = shim_call(&c, &m.base, NULL, 0, (ProtobufCMessage **)&reply);")
            out.append("    if (r == CUDA_SUCCESS) {")
            for r in outs:
                if r.kind == "fill":
                    out.append(f"        if (reply->{r.field}.len == {r.bytes})\n"
                               f"            memcpy({r.name}, reply->{r.field}.data, reply->{r.field}.len);\n"
                               f"        else\n            r = CUDA_ERROR_UNKNOWN;")
                elif r.name in spec.optional:
                    out.append(f"        if ({r.name}) *{r.name} = ({r.base})reply->{r.field};")
                else:
                    out.append(f"        *{r.name} = ({r.base})reply->{r.field};")
            out += ["    }", "    shim_free_reply(reply);"]
        else:
            out.append("    r = shim_call(&c, &m.base, NULL, 0, NULL);")
    for r in roles:
        if r.gone:
            out.append(f"    if (r == CUDA_SUCCESS) shim_object_gone((void *)(uintptr_t){r.name});")
    if "note" in f.flags:
        out.append(f"    if (r == CUDA_SUCCESS) shim_note_{f.name}({names});")
    if made:
        if "check" in f.flags:
            out.append("out:")
        out.append("    if (r == CUDA_SUCCESS)")
        out.append(f"        *{made[0].name} = ({made[0].base})made;")
        out.append("    else\n        shim_object_gone(made);")
    out += ["    return r;", "}\n"]
    return "\n".join(out)


def hook_prototypes(spec, functions):
    out = []
    for f in functions:
        made = any(r.kind == "new" for r in roles_of(spec, f)) if f.number else False
        params = ", ".join((["struct shim_object *"] if made else []) + [p.type for p in f.params])
        if "check" in f.flags:
            out.append(f"CUresult shim_check_{f.name}({params});")
        if "note" in f.flags:
            out.append(f"void shim_note_{f.name}({params});")
    return out


def emit_guest(spec, functions):
    out = [NOTICE.format(spec.path.split("/")[-1]), '#include "shim.h"\n\n#include <string.h>\n']
    out += [guest_function(spec, f) for f in functions if f.number]
    return "\n".join(out)


def host_function(spec, f):
    roles, n = roles_of(spec, f), Names(f.name)
    reply = Names(camel(f.name) + "Reply")
    outs = [r for r in roles if r.to_guest]
    fills = [r for r in roles if r.kind == "fill" and r.count and not r.fixed]
    out = [f"static CUresult serve_{f.name}(struct served *c, const ProtobufCMessage *msg)", "{",
           f"    const {n.struct} *m = (const {n.struct} *)msg;",
           f"    if (!c->driver->{f.name}) return CUDA_ERROR_NOT_SUPPORTED;"]
    if not any(r.to_host for r in roles):
        out.append("    (void)m;")
    args = []
    for r in roles:
        if r.kind == "handle":
            out += [f"    {r.base} {r.name};",
                    f"    CUresult r_{r.name} = served_handle(c, {r.object}, m->{r.field}, "
                    f"(void **)&{r.name});",
                    f"    if (r_{r.name} != CUDA_SUCCESS) return r_{r.name};"]
            args.append(r.name)
        elif r.kind == "in":
            args.append(f"({r.base}){'(uintptr_t)' if r.base == 'void *' else ''}m->{r.field}")
        elif r.kind in ("value", "block"):
            limit = r.too_many("m->" + r.count.lower()) + " || " if r.count and not r.fixed else ""
            out.append(f"    if ({limit}m->{r.field}.len != {r.host_bytes}) return CUDA_ERROR_INVALID_VALUE;")
            args.append(f"{'*' if r.kind == 'value' else ''}({r.base} *)m->{r.field}.data")
        elif r.kind == "text":
            args.append(f"m->{r.field}")
        elif r.kind == "fill" and r.fixed:
            out.append(f"    {r.base} {r.name}[{r.count}] = {{0}};")
            args.append(r.name)
        elif r.kind == "fill" and r.count:
            out += [f"    if ({r.too_many('m->' + r.count.lower())}) return CUDA_ERROR_INVALID_VALUE;",
                    f"    {r.base} *{r.name} = calloc((size_t)m->{r.count.lower()} + 1, sizeof *{r.name});",
                    f"    if (!{r.name}) return CUDA_ERROR_OUT_OF_MEMORY;"]
            args.append(r.name)
        else:
            out += [f"    {r.base} {r.name};", f"    memset(&{r.name}, 0, sizeof {r.name});"]
            args.append(f"&{r.name}")
    out.append(f"    CUresult r = c->driver->{f.name}({', '.join(args)});")
    for r in roles:
        if r.kind == "new":
            out.append(f"    if (r == CUDA_SUCCESS) r = served_bind(c, {r.object}, m->{r.field}, "
                       f"(void *)(uintptr_t){r.name});")
        elif r.gone:
            out.append(f"    served_unbind(c, m->{r.field});")
    if outs:
        out.append(f"    {reply.struct} reply = {reply.init};")
        for r in outs:
            if r.kind == "out":
                out.append(f"    reply.{r.field} = {r.name};")
            else:
                out.append(f"    reply.{r.field} = (ProtobufCBinaryData){{{r.host_bytes}, (uint8_t *)"
                           f"{'' if r.count else '&'}{r.name}}};")
        out.append("    served_reply(c, &reply.base);")
    out += [f"    free({r.name});" for r in fills]
    out += ["    return r;", "}\n"]
    return "\n".join(out)


def emit_host(spec, functions, header):
    out = [NOTICE.format(spec.path.split("/")[-1]), '#include "served.h"\n\n#include <stdlib.h>\n#include <string.h>\n']
    wires = [m for m in spec.messages.values() if m.number]
    out += [f"CUresult serve_{m.name}(struct served *c, const ProtobufCMessage *msg);" for m in wires]
    out += [""] + [host_function(spec, f) for f in functions if f.number]
    out.append("const serve_function hawser_cuda_serve[HAWSER_FN_LIMIT] = {")
    out += [f"    [{c.number}] = serve_{c.name}," for c in numbered(spec, functions)]
    out += ["};\n", "const struct hawser_symbol cuda_driver_symbols[] = {"]
    out += [f'    {{"{name}", offsetof(struct cuda_driver, {name})}},'
            for name in driver_names(spec, functions) if name in header]
    out += ["    {NULL, 0}", "};"]
    return "\n".join(out) + "\n"


# ---- the released numbers

def proto_messages(path):
    """{name: [Field]} of a .proto file of plain messages."""
    messages = {}
    for line in open(path):
        text = line.split("//")[0]
        if m := re.match(r"message (\w+) \{", text):
            last = messages.setdefault(m.group(1), [])
        elif m := re.match(r"\s+(repeated )?(\w+) (\w+) = (\d+);", text):
            last.append(Field(m.group(3), m.group(2), bool(m.group(1)), int(m.group(4))))
    return messages


def locked(path, functions, messages, update, numbers=(0, 0)):
    """The lock file beside a spec or proto, which must say the same; with update it is made to, where it may."""
    source = os.path.basename(path)
    lock = Lock(os.path.splitext(path)[0] + ".lock", numbers)
    wrong, new, gone = lock.check(functions, messages)
    if wrong:
        raise SpecError(f"{path}: a released number of the wire would change its meaning ({lock.name}):\n  "
                        + "\n  ".join(wrong))
    before = open(lock.path).read() if os.path.exists(lock.path) else ""
    lock.update(functions, messages)
    if update:
        write(lock.path, lock.text(source))
    elif lock.text(source) != before:
        told = [f"new: {x}" for x in new] + [f"gone, to stay reserved for ever: {x}" for x in gone]
        raise SpecError(f"{path}: {lock.name} does not say the same:\n  " + "\n  ".join(told or ["its text differs"])
                        + f"\nIf that is meant, run: ninja -C BUILD wire-lock, look at what it changes in {lock.name}, and "
                        "commit it (docs/adding-a-function.md).")
    return lock


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument("--spec")
    ap.add_argument("--proto")
    ap.add_argument("--lock", action="store_true", help="bring the lock file up to date")
    ap.add_argument("--cc", default="cc")
    ap.add_argument("--include")
    ap.add_argument("--out")
    ap.add_argument("--coverage")
    ap.add_argument("--softgpu", nargs="+", help="build folders with the software GPU's objects")
    args = ap.parse_args()
    try:
        if args.proto:
            locked(args.proto, {}, proto_messages(args.proto), args.lock)
            return
        spec = Spec(args.spec)
        header = None
        if spec.api == "cuda" and args.include:  # first: what the header does not have is not locked
            header = cuda_header.load(args.cc, args.include)
            spec.check_header(header, header_version(args.include))
        lock = locked(args.spec, numbers_of(spec), messages_of(spec), args.lock, RANGES[spec.api])
        if not args.lock:
            generate_nvml(spec, lock, args) if spec.api == "nvml" else generate_cuda(spec, header, lock, args)
    except SpecError as e:
        sys.exit(str(e))


def generate_cuda(spec, header, lock, args):
    functions = spec.present(header)
    if args.coverage:
        write(args.coverage, coverage.table(spec, args.softgpu))
    if args.out:
        files = {"cuda.proto": emit_proto(spec, lock),
                 "cuda_api.h": emit_header(spec, functions, header),
                 "cuda_api.c": emit_common(spec, functions, header, lock),
                 "cuda_guest.c": emit_guest(spec, functions), "cuda_hooks.h": emit_hooks(spec, functions),
                 "cuda_host.c": emit_host(spec, functions, header)}
        write_all(args.out, files)


def generate_nvml(spec, lock, args):
    if args.coverage:
        write(args.coverage, nvml.coverage(spec, args.softgpu))
    if args.out:
        write_all(args.out, {"nvml.proto": emit_proto(spec, lock), **nvml.files(spec, lock)})


def write_all(folder, files):
    os.makedirs(folder, exist_ok=True)
    for name, text in files.items():
        write(os.path.join(folder, name), text)


def header_version(include):
    text = open(os.path.join(include, "cuda.h")).read()
    return int(re.search(r"#define CUDA_VERSION (\d+)", text).group(1))


if __name__ == "__main__":
    main()
