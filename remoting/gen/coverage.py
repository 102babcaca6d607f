"""The coverage pages, docs/coverage.md and docs/coverage-nvml.md."""

import os
import re
import subprocess

MEANING = {"local": "answered in the guest", "post": "forwarded, not awaited",
           "call": "forwarded, awaited", "via": "by hand, via the wire calls named"}


def defined(folders, prefix):
    """Functions that the objects in build folders define, other than weakly, which is how the missing ones are."""
    objects = [os.path.join(d, n) for folder in folders for d, _, names in os.walk(folder) for n in names
               if n.endswith(".o")]
    if not objects:
        raise FileNotFoundError(f"no objects in {' '.join(folders)}: build first")
    table = subprocess.run(["nm", *objects], capture_output=True, text=True, check=True).stdout
    return set(re.findall(rf" T (?:hawser_direct_)?({prefix}[A-Z]\w+)$", table, re.M))


def cuda_page(spec, softgpu_folders):
    soft = defined(softgpu_folders, "cu")
    functions = sorted(spec.functions.values(), key=lambda f: f.name)
    abi = {"cuGetErrorString", "cuGetErrorName", "cuGetProcAddress", "cuGetProcAddress_v2",
           "cuGetExportTable"}
    soft |= abi | set(spec.shared)
    # cuda-abi/ gives an old name its newest revision where that takes the same parameters.
    alike = {"cuDeviceGetUuid", *spec.aliases}
    soft |= {n for n in alike if any(f"{n}_v{i}" in soft for i in range(2, 10))}
    carried = len(functions) + len(spec.aliases) + len(spec.shared)
    total = carried + len(spec.later) + len(spec.refused)
    out = [f"# What hawser carries of the CUDA driver API (cuda.h {spec.version})", "",
           "Generated from [remoting/api/cuda.spec](../remoting/api/cuda.spec); a test holds it current.",
           f"{carried} of {total} functions and ABI revisions are carried, {carried} of the {carried + len(spec.later)} "
           "that need no graphics API and no other driver's objects. The software GPU defines "
           f"{len(soft & (set(spec.functions) | set(spec.aliases) | set(spec.shared)))}.", "",
           "Every other name that cuda.h declares is exported too; it returns CUDA_ERROR_NOT_SUPPORTED and "
           "logs its name once, and so does every name of cudaGL.h, cudaEGL.h and cudaVDPAU.h, and every one that cuda.h gained "
           "from CUDA 13.1 to 13.5 (cuda-abi/newer.list). The `_ptds` and `_ptsz` forms (per-thread default stream) exist "
           "for every function that cuda.h gives one and mean the same function on another default stream.", "",
           f"cuDriverGetVersion tells of CUDA {spec.version // 1000}.{spec.version % 1000 // 10} at most, whatever the "
           "host's driver is. Runtimes of later releases of the same major version work with it, as they do with a driver of that "
           "release.", "",
           "| class | meaning |", "| --- | --- |"]
    out += [f"| {k} | {v} |" for k, v in MEANING.items()]
    out += ["", "| function | through hawser | software GPU |", "| --- | --- | --- |"]
    rows = {f.name: f"{f.kind} {', '.join(f.wires)}".strip() for f in functions}
    rows.update({n: "as its newest revision" for n in spec.aliases})
    rows.update({n: "in cuda-abi/, by other functions" for n in spec.shared})
    rows.update({n: "not supported" for n in spec.later})
    rows.update({n: "not supported: interop" for n in spec.refused})
    for name in sorted(rows):
        out.append(f"| {name} | {rows[name]} | {'yes' if name in soft else 'not supported'} |")
    return "\n".join(out) + "\n"


def nvml_page(spec, softgpu_folders):
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


PAGES = {"cuda": cuda_page, "nvml": nvml_page}
