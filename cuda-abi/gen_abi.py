#!/usr/bin/env python3
"""Writes abi_stubs.c, abi_ptds.c, abi_procaddr.c and abi_errors.c from the installed cuda.h.

    gen_abi.py --cc CC --include DIR --out DIR
"""

import argparse
import collections
import os
import re

import cuda_header

HEAD = '/* Generated from cuda.h by cuda-abi/gen_abi.py. */\n#include "abi_internal.h"\n\n'

# Defined by hand in this room.
OWN = {"cuGetProcAddress", "cuGetProcAddress_v2", "cuGetExportTable", "cuGetErrorName", "cuGetErrorString"}


def declared(f):
    return ", ".join(f"{t}{'' if t.endswith('*') else ' '}{n}" for t, n in f.params) or "void"


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


def stubs(functions):
    """Weak definitions: an old name as its newest revision where the parameters are the same, all others as
    not supported."""
    out = [HEAD]
    for f in functions.values():
        if is_variant(f.name) or f.name in OWN:
            continue
        newest = newest_alike(f, functions)
        if newest:
            out.append(f"__attribute__((weak)) CUresult {f.name}({declared(f)})\n{{\n"
                       f"    return {newest.name}({', '.join(n for _, n in f.params)});\n}}\n")
            continue
        unused = "".join(f"    (void){n};\n" for _, n in f.params)
        out.append(f"__attribute__((weak)) CUresult {f.name}({declared(f)})\n{{\n{unused}"
                   f'    return hawser_abi_not_supported("{f.name}");\n}}\n')
    return "\n".join(out)


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


def procaddr(functions, typedefs):
    out = [HEAD, "const struct abi_symbol hawser_abi_symbols[] = {"]
    rows = [r for r in lookups(functions, typedefs) if r[3] in functions]
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
    files = {"abi_stubs.c": stubs(functions), "abi_ptds.c": variants(functions),
             "abi_procaddr.c": procaddr(functions, cuda_header.typedefs(args.cc, args.include)),
             "abi_errors.c": errors(cuda_header.results(args.cc, args.include))}
    os.makedirs(args.out, exist_ok=True)
    for name, content in files.items():
        with open(os.path.join(args.out, name), "w") as f:
            f.write(content)


if __name__ == "__main__":
    main()
