#!/usr/bin/env python3
"""Writes from the installed cuda.h, cuda_abi.h, layers.list, interop.list and newer.list:

    abi_stubs.c, abi_ptds.c, abi_procaddr.c, abi_errors.c, abi_layers.c    the room's generated objects
    abi_layers.h    what the layers are asked
    abi_direct.h    prototypes of hawser_direct_NAME, the function behind the layers, and hawser_exported_NAME, the one
                    that asks them
    abi_rename.h    NAME becomes hawser_direct_NAME in written sources, of this room and of the library that links it

    gen_abi.py --cc CC --include DIR --out DIR
"""

import argparse
import collections
import os
import re

import cuda_header
import gen_layers

HEAD = '/* Generated from cuda.h by cuda-abi/gen_abi.py. */\n#include "abi_internal.h"\n\n'

# Defined by hand in this room.
OWN = {"cuGetProcAddress", "cuGetProcAddress_v2", "cuGetExportTable", "cuGetErrorName", "cuGetErrorString"}


def declared(f):
    return gen_layers.declared(f.params)


HERE = os.path.dirname(os.path.abspath(__file__))
LAYERS = os.path.join(HERE, "layers.list")
INTEROP = os.path.join(HERE, "interop.list")
NEWER = os.path.join(HERE, "newer.list")


def is_variant(name):
    return re.search(r"_pt(ds|sz)$", name)


def newest_alike(f, functions):
    """The newest revision of a function that takes the same parameters, if that is another one."""
    base = re.sub(r"_v\d$", "", f.name)
    types = [t for t, _ in f.params]
    for revision in range(9, 1, -1):
        g = functions.get(f"{base}_v{revision}")
        if g and [t for t, _ in g.params] == types:
            return g if g.name != f.name else None
    return None


# The types of the first revision, in which an address had 32 bits, and what they became.
WIDER = {"CUdeviceptr_v1": "CUdeviceptr", "unsigned int": "size_t"}
STRUCTS = ("CUDA_MEMCPY2D", "CUDA_MEMCPY3D", "CUDA_ARRAY_DESCRIPTOR", "CUDA_ARRAY3D_DESCRIPTOR")


def plain(c_type):
    return re.sub(r"\s*\*", "*", re.sub(r"\bconst\b", "", c_type)).strip()


def narrowed(f, functions):
    """The second revision of a function, if it differs from the first only in the width of its parameters."""
    g = functions.get(f.name + "_v2")
    if not g or f.name.endswith("_v2") or len(g.params) != len(f.params):
        return None
    for (t, _), (u, _) in zip(f.params, g.params):
        t, u = plain(t), plain(u)
        star = "*" if t.endswith("*") else ""
        base = t.rstrip("*")
        struct = base.removesuffix("_v1") in STRUCTS and u.rstrip("*").removesuffix("_v2") == base.removesuffix("_v1")
        if t != u and not (WIDER.get(base, "") + star == u) and not struct:
            return None
    return g


def narrow(f, g, name):
    """An old function in terms of its second revision: a size that does not fit is cut to the largest that does, an
    address that does not fit is an error."""
    before, after, arguments = "", "", []
    for (t, n), (u, _) in zip(f.params, g.params):
        base, wide = plain(t).rstrip("*"), plain(u).rstrip("*")
        if base.removesuffix("_v1") in STRUCTS and base.endswith("_v1"):
            kind = base.removesuffix("_v1")
            before += f"    {wide} wide_{n};\n    if (!{n}) return CUDA_ERROR_INVALID_VALUE;\n"
            if "const" in t:
                before += f"    hawser_abi_widen_{kind}({n}, &wide_{n});\n"
            else:
                after += f"    if (r == CUDA_SUCCESS) hawser_abi_narrow_{kind}(&wide_{n}, {n});\n"
            arguments.append(f"&wide_{n}")
        elif plain(t).endswith("*") and plain(t) != plain(u):
            before += f"    {wide} wide_{n} = 0;\n"
            if wide == "CUdeviceptr":
                after += f"    if (r == CUDA_SUCCESS && wide_{n} > 0xffffffffu) {{\n"
                after += f"        cuMemFree_v2(wide_{n});\n" if f.name.startswith("cuMemAlloc") else ""
                after += "        return CUDA_ERROR_OUT_OF_MEMORY;\n    }\n"
                after += f"    if (r == CUDA_SUCCESS && {n}) *{n} = (CUdeviceptr_v1)wide_{n};\n"
            else:
                after += (f"    if (r == CUDA_SUCCESS && {n})\n"
                          f"        *{n} = wide_{n} > 0xffffffffu ? 0xffffffffu : (unsigned)wide_{n};\n")
            arguments.append(f"{n} ? &wide_{n} : NULL")
        else:
            arguments.append(n)
    return (f"__attribute__((weak)) CUresult {name}({declared(f)})\n{{\n{before}"
            f"    CUresult r = {g.name}({', '.join(arguments)});\n{after}    return r;\n}}\n")


def comes_down(f, functions):
    """Whether a function is another one's old name."""
    return is_variant(f.name) or newest_alike(f, functions) or narrowed(f, functions)


def stubs(functions, layered):
    """Weak definitions: an old name as its newest revision where the parameters are the same, or as the second
    where they only became wider; all others as not supported."""
    out = [HEAD]
    for f in functions.values():
        if is_variant(f.name) or f.name in OWN:
            continue
        name = f"hawser_direct_{f.name}" if f.name in layered else f.name
        newest = newest_alike(f, functions)
        if newest:
            out.append(f"__attribute__((weak)) CUresult {name}({declared(f)})\n{{\n"
                       f"    return {newest.name}({', '.join(n for _, n in f.params)});\n}}\n")
            continue
        wide = narrowed(f, functions)
        if wide:
            out.append(narrow(f, wide, name))
            continue
        unused = "".join(f"    (void){n};\n" for _, n in f.params)
        out.append(f"__attribute__((weak)) CUresult {name}({declared(f)})\n{{\n{unused}"
                   f'    return hawser_abi_not_supported("{f.name}");\n}}\n')
    return "\n".join(out)


def direct(functions, layered):
    return ("/* Generated by cuda-abi/gen_abi.py. */\n"
            + "".join(f"CUresult hawser_direct_{n}({declared(functions[n])});\n"
                      f"CUresult hawser_exported_{n}({declared(functions[n])});\n" for n in layered))


def rename(layered):
    """cuda.h has macros of some of these names, so it comes first."""
    return (HEAD
            + "".join(f"#undef {n}\n#define {n} hawser_direct_{n}\n" for n in layered))


def variant(f, functions):
    """NAME_ptds and NAME_ptsz: NAME, with another meaning of the default stream."""
    plain = functions[re.sub(r"_pt(ds|sz)$", "", f.name)]
    call = f"{plain.name}({', '.join(n for _, n in f.params)})"
    streams = [n for t, n in f.params if t == "CUstream"]
    if streams:
        body = "".join(f"    if (!{s}) {s} = CU_STREAM_PER_THREAD;\n" for s in streams)
        return f"CUresult {f.name}({declared(f)})\n{{\n{body}    return {call};\n}}\n"
    return (f"CUresult {f.name}({declared(f)})\n{{\n    CUstream before = hawser_abi_enter_per_thread();\n"
            f"    CUresult r = {call};\n    hawser_abi_leave_per_thread(before);\n    return r;\n}}\n")


def variants(functions):
    return HEAD + "\n".join(variant(f, functions) for f in functions.values() if is_variant(f.name))


def lookups(functions, typedefs):
    """(base, variant, version, symbol): the typedef versions of a name, in order, belong to the exported
    symbols name, name_v2, name_v3 …, counted from the newest."""
    versions = collections.defaultdict(list)
    for base, version, kind in typedefs:
        versions[base, kind].append(version)
    rows = []
    for (base, kind), found in versions.items():
        suffix = f"_{kind}" if kind else ""
        symbols = [s for s in [base + suffix] + [f"{base}_v{i}{suffix}" for i in range(2, 10)]
                   if s in functions]
        rows += [(base, kind, v, s) for v, s in zip(sorted(found), symbols[-len(found):])]
    # From CUDA 12 on the plain name means the newer function, whose typedef has another name.
    rows.append(("cuGraphInstantiate", "", 12000, "cuGraphInstantiateWithFlags"))
    return sorted(rows)


def interop():
    """Rows as of lookups."""
    with open(INTEROP) as f:
        lines = [line.split() for line in f if not line.startswith("#")]
    return [(name, "ptsz" if is_variant(symbol) else "", int(version), symbol) for name, version, symbol in lines]


def newer(functions):
    """Names that the installed cuda.h is too old for."""
    with open(NEWER) as f:
        return [line.strip() for line in f if not line.startswith("#") and line.strip() not in functions]


def api_version():
    with open(os.path.join(HERE, "cuda_abi.h")) as f:
        return int(re.search(r"#define HAWSER_CUDA_VERSION (\d+)", f.read()).group(1))


def procaddr(functions, typedefs):
    out = [HEAD, "#define REFUSED(name) \\",
           '    __attribute__((visibility("default"))) CUresult name(void); \\',
           "    CUresult name(void) { return hawser_abi_not_supported(#name); }"]
    out += [f"REFUSED({name})" for name in [row[3] for row in interop()] + newer(functions)]
    out.append("\nconst struct abi_symbol hawser_abi_symbols[] = {")
    rows = sorted([r for r in lookups(functions, typedefs) if r[3] in functions and r[2] <= api_version()] + interop())
    out += [f'    {{"{base}", {version}, {1 if kind else 0}, (void *){symbol}}},'
            for base, kind, version, symbol in rows]
    out += ["};", f"const unsigned hawser_abi_n_symbols = {len(rows)};", ""]
    return "\n".join(out)


def phrase(name):
    return name.replace("CUDA_ERROR_", "").replace("CUDA_", "").replace("_", " ").lower()


def errors(results):
    out = [HEAD, "const struct abi_error hawser_abi_errors[] = {"]
    text = {0: "no error", 999: "unknown error", 700: "an illegal memory access was encountered",
            34: "CUDA driver is a stub library"}
    out += [f'    {{{value}, "{name}", "{text.get(value, phrase(name))}"}},'
            for name, value in sorted(results.items(), key=lambda r: r[1])]
    out += ["};", f"const unsigned hawser_abi_n_errors = {len(results)};", ""]
    return "\n".join(out)


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--cc", default="cc")
    ap.add_argument("--include", required=True)
    ap.add_argument("--out", required=True)
    args = ap.parse_args()
    functions = cuda_header.load(args.cc, args.include)
    newest = {n for n, f in functions.items() if not comes_down(f, functions)}
    layered = gen_layers.table(gen_layers.read(LAYERS), functions, newest)
    files = {"abi_stubs.c": stubs(functions, layered), "abi_layers.c": gen_layers.source(layered, functions),
             "abi_layers.h": gen_layers.prototypes(layered, functions),
             "abi_direct.h": direct(functions, layered), "abi_rename.h": rename(layered),
             "abi_ptds.c": variants(functions),
             "abi_procaddr.c": procaddr(functions, cuda_header.typedefs(args.cc, args.include)),
             "abi_errors.c": errors(cuda_header.results(args.cc, args.include))}
    os.makedirs(args.out, exist_ok=True)
    for name, content in files.items():
        with open(os.path.join(args.out, name), "w") as f:
            f.write(content)


if __name__ == "__main__":
    main()
