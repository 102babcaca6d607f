"""What the installed cuda.h declares, read through the C compiler's preprocessor."""

import os
import re
import subprocess
from dataclasses import dataclass


@dataclass
class Function:
    name: str
    params: list  # (type, name) pairs


def preprocess(cc, include, headers):
    """The headers as one text, with every exported name visible under its own name."""
    text = "".join(f"#include <{h}>\n" for h in headers)
    command = [cc, "-E", "-P", "-D__CUDA_API_VERSION_INTERNAL", f"-I{include}", "-x", "c", "-"]
    out = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    return " ".join(out.split())


def split_params(text):
    """[(type, name)] of a parameter list; every parameter of cuda.h has a name."""
    if text.strip() in ("", "void"):
        return []
    params = []
    for part in text.split(","):
        m = re.match(r"(.*?)(\w+)$", part.strip())
        params.append((" ".join(m.group(1).split()), m.group(2)))
    return params


def load(cc, include):
    """name -> Function, for every cu… function that cuda.h and cudaProfiler.h declare."""
    text = preprocess(cc, include, ["cuda.h", "cudaProfiler.h"])
    functions = {}
    for name, params in re.findall(r"\bCUresult (?:\w+ )?(cu[A-Z]\w*) ?\(([^;{]*?)\);", text):
        functions[name] = Function(name, split_params(params))
    return functions


def version(include):
    """CUDA_VERSION."""
    with open(os.path.join(include, "cuda.h")) as f:
        return int(re.search(r"#define CUDA_VERSION (\d+)", f.read()).group(1))


def typedefs(cc, include):
    """(base name, version, "" or "ptds" or "ptsz") of every PFN_… typedef."""
    text = preprocess(cc, include, ["cudaTypedefs.h", "cudaProfilerTypedefs.h"])
    found = re.findall(r"\(\s*(?:\w+ )?\* ?PFN_(cu\w+?)_v(\d+)(?:_(ptds|ptsz))?\)", text)
    return sorted({(name, int(version), variant) for name, version, variant in found})


def results(cc, include):
    """name -> value of the CUresult enumerators."""
    text = preprocess(cc, include, ["cuda.h"])
    body = re.search(r"typedef enum cudaError_enum \{(.*?)\}", text).group(1)
    return {name: int(value) for name, value in re.findall(r"(CUDA_\w+) = (\d+)", body)}
