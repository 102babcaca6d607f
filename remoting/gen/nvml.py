"""The parts for NVML: its functions have no contexts, streams or posts, and tell things even when they fail."""

import os

from coverage import defined
from roles import NOTICE, RANGES, Names, camel, emit_retired, numbered, roles_of

FIRST = RANGES["nvml"][0]


def prototypes(spec):
    return [f"nvmlReturn_t {f.name}({f.signature});" for f in spec.functions.values()]


def driver_functions(spec):
    names = {f.name for f in spec.functions.values() if f.number} | set(spec.driver)
    return [spec.functions[n] for n in sorted(names)]


def emit_header(spec):
    calls = numbered(spec, list(spec.functions.values()))
    out = [NOTICE.format("nvml.spec"), "#ifndef HAWSER_NVML_API_H\n#define HAWSER_NVML_API_H\n",
           '#include <stddef.h>\n\n#include "nvml_abi.h"\n#include "api.h"\n#include "nvml.pb-c.h"\n', "enum {",
           f"    HAWSER_NVML_FIRST = {FIRST},"]
    out += [f"    HAWSER_FN_{c.name} = {FIRST + c.number}," for c in calls]
    out += [f"    HAWSER_NVML_LIMIT = {FIRST + calls[-1].number + 1}", "};\n",
            "extern const struct hawser_api_function hawser_nvml_api[HAWSER_NVML_LIMIT - HAWSER_NVML_FIRST];",
            "extern const struct hawser_retired_field hawser_nvml_retired[];",
            "extern const struct hawser_api_name hawser_nvml_names[];\n"]
    out += ["#pragma GCC visibility push(default)", *prototypes(spec), "const char *nvmlErrorString(nvmlReturn_t result);",
            "#pragma GCC visibility pop"]
    out += ["\n/* The functions of the host's library; NULL where it has none. */", "struct nvml_driver {"]
    out += [f"    nvmlReturn_t (*{f.name})({f.signature or 'void'});" for f in driver_functions(spec)]
    out += ["};", "extern const struct hawser_symbol nvml_driver_symbols[];\n", "#endif\n"]
    return "\n".join(out)


def emit_common(spec, lock):
    out = [NOTICE.format("nvml.spec"), '#include "nvml_api.h"\n',
           "const struct hawser_api_function hawser_nvml_api[HAWSER_NVML_LIMIT - HAWSER_NVML_FIRST] = {"]
    for c in numbered(spec, list(spec.functions.values())):
        n, r = Names(c.name), Names(camel(c.name) + "Reply")
        out.append(f'    [{c.number}] = {{"{c.name}", HAWSER_API_CALL | HAWSER_API_WAITS, &{n.descriptor}, '
                   f'&{r.descriptor}}},')
    out.append("};\n\nconst struct hawser_api_name hawser_nvml_names[] = {")
    carried = {*spec.functions, *spec.shared}
    out += [f'    {{"{n}", {int(n in carried)}}},' for n in sorted(carried | set(spec.later) | set(spec.refused))]
    out.append("    {NULL, 0}\n};")
    return "\n".join(out + emit_retired(spec, lock)) + "\n"


# ---- the guest

def guest_checks(roles):
    pointers = [f"!{r.name}" for r in roles if r.pointer and not (r.count or "").startswith("*")]
    out = [f"    if ({' || '.join(pointers)}) return NVML_ERROR_INVALID_ARGUMENT;"] if pointers else []
    for r in roles:
        if r.kind == "versioned":
            out.append(f"    if (!nvml_sized({r.name})) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;")
        if not r.count:
            continue
        missing = f" || ({r.count} && !{r.name})" if r.count.startswith("*") else ""
        out.append(f"    if ((size_t){r.count} > NVML_MAX_ELEMENTS{missing}) return NVML_ERROR_INVALID_ARGUMENT;")
    return out


def guest_function(f, spec):
    roles, n, reply = roles_of(spec, f), Names(f.name), Names(camel(f.name) + "Reply")
    out = [f"nvmlReturn_t {f.name}({f.signature})", "{", "    struct shim_call c;", f"    {n.struct} m = {n.init};",
           f"    {reply.struct} *reply = NULL;", f"    nvmlReturn_t r = nvml_enter(&c, HAWSER_FN_{f.name});",
           "    if (r != NVML_SUCCESS) return r;"] + guest_checks(roles)
    for r in roles:
        if r.kind == "handle":
            out += [f"    r = nvml_device({r.name}, &m.{r.field});", "    if (r != NVML_SUCCESS) return r;"]
        elif r.kind in ("in", "capacity"):
            out.append(f"    m.{r.field} = {'*' if r.kind == 'capacity' else ''}{r.name};")
        elif r.kind == "versioned":
            out.append(f"    m.{r.field} = (ProtobufCBinaryData){{nvml_sized({r.name}), (uint8_t *){r.name}}};")
        elif r.kind == "both":
            out.append(f"    m.{r.field} = (ProtobufCBinaryData){{{r.bytes}, (uint8_t *){r.name}}};")
    out += ["    r = nvml_call(&c, &m.base, (ProtobufCMessage **)&reply);", "    if (r != NVML_SUCCESS) return r;",
            "    r = (nvmlReturn_t)reply->status;"]
    for r in roles:
        if r.kind == "out":
            out.append(f"    if (r == NVML_SUCCESS) *{r.name} = ({r.base})reply->{r.field};")
        elif r.kind in ("fill", "both", "versioned"):
            size = f"nvml_sized({r.name})" if r.kind == "versioned" else r.bytes
            out.append(f"    if (r == NVML_SUCCESS) r = nvml_take({r.name}, {size}, &reply->{r.field});")
    for r in roles:  # after the arrays, whose room they tell
        if r.kind == "capacity":
            out.append(f"    if (r == NVML_SUCCESS || r == NVML_ERROR_INSUFFICIENT_SIZE) *{r.name} = "
                       f"({r.base})reply->{r.field};")
    return "\n".join(out + ["    shim_free_reply(reply);", "    return r;", "}\n"])


def emit_guest(spec):
    out = [NOTICE.format("nvml.spec"), '#include "nvml_guest.h"\n']
    out += [guest_function(f, spec) for f in spec.functions.values() if f.number]
    out += [f"NVML_LATER({n})" for n in sorted(spec.later)]
    out += [f"NVML_REFUSED({n})" for n in sorted(spec.refused)]
    return "\n".join(out) + "\n"


# ---- the host

def host_function(f, spec):
    roles, n, reply = roles_of(spec, f), Names(f.name), Names(camel(f.name) + "Reply")
    out = [f"static CUresult serve_{f.name}(struct served *c, const ProtobufCMessage *msg)", "{",
           f"    const {n.struct} *m = (const {n.struct} *)msg;", f"    {reply.struct} reply = {reply.init};"]
    checks, args, after, frees = [], [], [], []
    for r in roles:
        if r.kind == "handle":
            out.append(f"    nvmlDevice_t {r.name} = NULL;")
            checks.append(f"!served_nvml_device(c, m->{r.field}, &{r.name})")
            args.append(r.name)
        elif r.kind == "in":
            args.append(f"({r.base})m->{r.field}")
        elif r.kind in ("both", "versioned"):
            size = f"m->{r.field}.len < sizeof(unsigned)" if r.kind == "versioned" else \
                f"(uint64_t)m->{r.count.lower()} > NVML_MAX_ELEMENTS || m->{r.field}.len != {r.host_bytes}"
            checks.append(size)
            if r.kind == "versioned":
                checks.append(f"nvml_sized(m->{r.field}.data) != m->{r.field}.len")
            args.append(f"(void *)m->{r.field}.data")
            after.append(f"    reply.{r.field} = m->{r.field};")
        elif r.kind == "fill" and r.count:
            checks.append(f"m->{r.count.strip('*').lower()} > NVML_MAX_ELEMENTS")
            out.append(f"    {r.base} *{r.name} = NULL;")
            checks.append(f"!({r.name} = calloc((size_t)m->{r.count.strip('*').lower()} + 1, sizeof *{r.name}))")
            args.append(r.name)
            after.append(f"    reply.{r.field} = (ProtobufCBinaryData){{{r.host_bytes}, (uint8_t *){r.name}}};")
            frees.append(f"    free({r.name});")
        elif r.kind == "fill":
            out += [f"    {r.base} {r.name};", f"    memset(&{r.name}, 0, sizeof {r.name});"]
            args.append(f"&{r.name}")
            after.append(f"    reply.{r.field} = (ProtobufCBinaryData){{sizeof {r.name}, (uint8_t *)&{r.name}}};")
        else:
            start = f"({r.base})m->{r.field}" if r.kind == "capacity" else "0"
            out.append(f"    {r.base} {r.name} = {start};")
            args.append(f"&{r.name}")
            after.append(f"    reply.{r.field} = {r.name};")
    call = f"c->nvml->{f.name}"
    if not any(r.to_host for r in roles):
        out.append("    (void)m;")
    out += ["    reply.status = NVML_ERROR_INVALID_ARGUMENT;",
            f"    if (!served_nvml(c) || !{call}) {{", "        reply.status = NVML_ERROR_FUNCTION_NOT_FOUND;",
            "    } else" + (f" if (!({' || '.join(checks)}))" if checks else "") + " {",
            f"        reply.status = {call}({', '.join(args)});"] + ["    " + line for line in after] + ["    }"]
    return "\n".join(out + ["    served_reply(c, &reply.base);"] + frees + ["    return CUDA_SUCCESS;", "}\n"])


def emit_host(spec):
    out = [NOTICE.format("nvml.spec"), '#include "nvml_host.h"\n\n#include <stdlib.h>\n#include <string.h>\n']
    wires = [m for m in spec.messages.values() if m.number]
    out += [f"CUresult serve_{m.name}(struct served *c, const ProtobufCMessage *msg);" for m in wires]
    out += [""] + [host_function(f, spec) for f in spec.functions.values() if f.number]
    out.append("const serve_function hawser_nvml_serve[HAWSER_NVML_LIMIT - HAWSER_NVML_FIRST] = {")
    out += [f"    [{c.number}] = serve_{c.name}," for c in numbered(spec, list(spec.functions.values()))]
    out += ["};\n", "const struct hawser_symbol nvml_driver_symbols[] = {"]
    out += [f'    {{"{f.name}", offsetof(struct nvml_driver, {f.name})}},' for f in driver_functions(spec)]
    return "\n".join(out + ["    {NULL, 0}", "};"]) + "\n"


# ---- the software GPU, the pages

def emit_missing(spec):
    """What the software GPU's library does not define."""
    out = [NOTICE.format("nvml.spec"), '#include "nvml_room.h"\n', "#define MISSING(name, error) \\",
           "    __attribute__((weak, visibility(\"default\"))) nvmlReturn_t name(void); \\",
           "    nvmlReturn_t name(void) \\", "    { \\", "        nvmlReturn_t r = hawser_nvml_ready(); \\",
           "        return r == NVML_SUCCESS ? error : r; \\", "    }\n"]
    names = {**spec.functions, **spec.later}
    out += [f"MISSING({n}, NVML_ERROR_NOT_SUPPORTED)" for n in sorted(names)]
    out += [f"MISSING({n}, NVML_ERROR_NO_PERMISSION)" for n in sorted(spec.refused)]
    return "\n".join(out) + "\n"


def coverage(spec, softgpu_folders):
    soft = defined(softgpu_folders, "nvml") | set(spec.shared)
    carried = sorted({*spec.functions, *spec.shared})
    how = {f.name: "local" if f.kind == "local" else "call" for f in spec.functions.values()}
    out = ["# What hawser carries of NVML", "",
           "Generated from [remoting/api/nvml.spec](../remoting/api/nvml.spec); a test holds it current.",
           f"{len(carried)} of {len(carried) + len(spec.later) + len(spec.refused)} functions and ABI revisions are "
           f"carried; the software GPU answers {len(soft & set(carried))} of them with figures, the others with "
           "NVML_ERROR_NOT_SUPPORTED. Every other name is exported too.", "",
           "| function | through hawser | software GPU |", "| --- | --- | --- |"]
    out += [f"| {n} | {how.get(n, 'local')} | {'yes' if n in soft else 'not supported'} |" for n in carried]
    out += ["", "Not for guests, because they change a device that is the host's (NVML_ERROR_NO_PERMISSION): "
            + ", ".join(sorted(spec.refused)) + ".", "",
            "Not carried (NVML_ERROR_NOT_SUPPORTED): " + ", ".join(sorted(spec.later)) + "."]
    return "\n".join(out) + "\n"


def files(spec, lock):
    return {"nvml_api.h": emit_header(spec), "nvml_api.c": emit_common(spec, lock), "nvml_guest.c": emit_guest(spec),
            "nvml_host.c": emit_host(spec), "nvml_missing.c": emit_missing(spec)}


def load_header(path):
    """name -> [parameter types], of an nvml.h."""
    text = re.sub(r"//.*|/\*.*?\*/", "", open(path).read(), flags=re.S)
    return dict(re.findall(r"\bnvmlReturn_t DECLDIR\s+(nvml\w+)\s*\(([^;]*)\);", text))
