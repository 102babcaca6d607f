#!/usr/bin/env python3
"""Writes trace_functions.c: for every function of cuda.h and of nvml.spec one of the same name that calls hawser's and
reports the call, with what its parameters are by their types.

    gen_trace.py --cc CC --include DIR --out FILE
"""

import argparse
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "cuda-abi"), os.path.join(HERE, "..", "remoting", "gen")]

import cuda_header
from spec import Spec

NUMBERS = {"unsigned int": "U32", "unsigned": "U32", "unsigned char": "U8", "unsigned short": "U16", "size_t": "U64",
           "unsigned long long": "U64", "cuuint64_t": "U64", "cuuint32_t": "U32", "int": "S32", "CUdevice": "S32",
           "CUdeviceptr": "X64", "CUdeviceptr_v1": "X32", "CUtexObject": "X64", "CUsurfObject": "X64",
           "CUgraphConditionalHandle": "X64", "CUmemGenericAllocationHandle": "X64", "CUlogIterator": "U32",
           "float": "F32", "long long": "S64", "unsigned long": "U64"}
# Arrays that are read although nothing says const, and what is no result though it could be one.
READ = {"kernelParams", "extra", "options", "optionValues", "jitOptions", "jitOptionsValues", "libraryOptions",
        "libraryOptionValues", "paramsArray", "paramArray", "dependencies"}


def enums(text):
    """name -> {value: enumerator}, of the typedef'd enumerations."""
    out = {}
    for body, name in re.findall(r"typedef enum \w* ?\{([^}]*)\} ?(\w+);", text):
        value, names = -1, {}
        for item in body.split(","):
            m = re.match(r"\s*(?:__attribute__\(\(\w+\)\)\s*)?(\w+)\s*(?:__attribute__\(\(\w+\)\)\s*)?(?:=\s*(.+))?$",
                         item.strip())
            if not m:
                continue
            try:
                value = int(m.group(2).strip("() ").rstrip("uU"), 0) if m.group(2) else value + 1
            except ValueError:
                continue  # made of others
            names.setdefault(value, m.group(1))
        if names:
            out[name] = names
    return out


class Types:
    def __init__(self, text):
        self.enums = enums(text)
        self.handles = set(re.findall(r"typedef struct \w+ ?\* ?(\w+);", text))
        flat, inner = text, 1
        while inner: # a struct within another ends with a name too
            flat, inner = re.subn(r"(?<!typedef )\b(?:struct|union) ?\w* ?\{[^{}]*\}[^;]*;", "", flat)
        self.structs = set(re.findall(r"typedef (?:struct|union) \w* ?\{[^{}]*\} ?(\w+);", flat))
        for old, new in re.findall(r"typedef (CU\w+) (CU\w+);", text):
            if old in self.enums:
                self.enums[new] = self.enums[old]
            if old in self.structs:
                self.structs.add(new)

    def scalar(self, base):
        """(kind, enumeration or None) of a value of this type, None when it is none that can be shown."""
        if base in self.enums:
            return "ENUM", base
        if base in NUMBERS:
            return NUMBERS[base], None
        if base in ("CUfunction", "CUkernel"):
            return "KERNEL", None
        if base in self.handles or base == "nvmlDevice_t":
            return "X64", None
        if base.startswith("nvml") and base.endswith("_t") and base not in self.structs:
            return "U32", None
        return None

    def of(self, c_type, name):
        """(kind, enumeration, result) of a parameter."""
        const = "const" in c_type
        t = re.sub(r"\s*\*\s*", "*", re.sub(r"\bconst\b", "", c_type)).strip()
        if not t.endswith("*"):
            return *(self.scalar(t) or ("OPAQUE" if t in self.structs else "POINTER", None)), False
        base = t[:-1].strip()
        if base == "char":
            return ("TEXT", None, not const)
        if const or name in READ or base in self.structs or base == "void":
            return "POINTER", None, False
        if base == "char*":
            return "TEXT_POINTER", None, True
        if base.endswith("*"):
            return "X64", None, True
        return *(self.scalar(base) or ("POINTER", None)), self.scalar(base) is not None


def value(kind, name):
    if kind == "F32":
        return f"hawser_trace_float({name})"
    return "0" if kind == "OPAQUE" else f"(uint64_t)(uintptr_t){name}" if kind in ("POINTER", "TEXT") else f"(uint64_t){name}"


def function(api, name, params, types, result):
    declared = ", ".join(f"{t}{'' if t.endswith('*') else ' '}{n}" for t, n in params) or "void"
    rows, values = [], []
    for t, n in params:
        kind, enum, out = types.of(t, n)
        rows.append(f'{{"{n}", TRACE_{kind}, {int(out)}, {"names_" + enum if enum else "NULL"}}}')
        cast = f"(uint64_t)(uintptr_t){n}" if out or t.rstrip().endswith("*") else value(kind, n)
        values.append(cast)
    after = f"    if (status == CUDA_SUCCESS) hawser_trace_replace({', '.join(n for _, n in params[:2])});\n" \
        if name.startswith("cuGetProcAddress") else ""
    table = f"    static const struct trace_param shown[] = {{{', '.join(rows)}}};\n" if rows else ""
    given = f"shown, {len(rows)}, (const uint64_t[]){{{', '.join(values)}}}" if rows else "NULL, 0, NULL"
    return (f"{result} {name}({declared})\n{{\n    static struct trace_function here = {{\"{name}\", {api}, NULL}};\n{table}"
            f"    struct trace_call traced;\n"
            f"    {result} (*real)({declared}) = hawser_trace_begin(&traced, &here, __builtin_return_address(0));\n"
            f"    if (!real) return {'CUDA_ERROR_NOT_SUPPORTED' if result == 'CUresult' else 'NVML_ERROR_FUNCTION_NOT_FOUND'};\n"
            f"    {result} status = real({', '.join(n for _, n in params)});\n{after}"
            f"    hawser_trace_end(&traced, &here, (int)status, {given});\n    return status;\n}}\n")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument("--cc", default="cc")
    ap.add_argument("--include", required=True)
    ap.add_argument("--out", required=True)
    args = ap.parse_args()
    types = Types(cuda_header.preprocess(args.cc, args.include, ["cuda.h", "cudaProfiler.h"]))
    with open(os.path.join(HERE, "..", "cuda-abi", "nvml", "nvml_abi.h")) as f:
        types.structs |= set(re.findall(r"^\} (nvml\w+);", f.read(), re.M))
    functions = [function("TRACE_CUDA", f.name, f.params, types, "CUresult")
                 for f in cuda_header.load(args.cc, args.include).values()]
    nvml = Spec(os.path.join(HERE, "..", "remoting", "api", "nvml.spec"))
    functions += [function("TRACE_NVML", f.name, [(p.type, p.name) for p in f.params], types, "nvmlReturn_t")
                  for f in nvml.functions.values()]
    used = sorted(set(re.findall(r"names_(\w+)", "".join(functions))))
    out = ["/* Generated by trace/gen_trace.py. */\n#define __CUDA_API_VERSION_INTERNAL\n"
           "#pragma GCC visibility push(default)\n#include <cuda.h>\n#include <cudaProfiler.h>\n"
           "#pragma GCC visibility pop\n#include \"nvml_api.h\"\n#include \"trace.h\"\n"]
    for name in used:
        rows = ", ".join(f'{{{v}, "{n}"}}' for v, n in sorted(types.enums[name].items()))
        out.append(f"static const struct trace_name names_{name}[] = {{{rows}, {{0, NULL}}}};\n")
    names = re.findall(r"^(?:CUresult|nvmlReturn_t) (\w+)\(", "\n".join(functions), re.M)
    table = "".join(f'    {{"{n}", (void *){n}}},\n' for n in names)
    out += functions + [f"const struct trace_wrapper hawser_trace_wrappers[] = {{\n{table}    {{NULL, NULL}}}};\n"]
    with open(args.out, "w") as f:
        f.write("\n".join(out))


if __name__ == "__main__":
    main()
