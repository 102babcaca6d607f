#!/usr/bin/env python3
"""Calls driver functions with one bad argument each and holds the answer against what CUDA documents.

    bad-arguments.py INCLUDE_DIR        (with libcuda.so.1 to be found as programs find it)

The cases are made from cuda.h's signatures: every pointer once NULL, every handle once foreign, once of another kind
and once freed, devices and enumerations out of range, device addresses that are none. RULES says what CUDA answers to
each; EXCEPTIONS names the functions to which CUDA answers otherwise, with the reason. Prints a line for each mismatch
and the count of cases; exit status 1 if there was a mismatch.
"""

import ctypes
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "cuda-abi"))
import cuda_header

SUCCESS, VALUE, CONTEXT, HANDLE, DEVICE, FOUND = 0, 1, 201, 400, 101, 500
NAMES = {0: "SUCCESS", 1: "INVALID_VALUE", 201: "INVALID_CONTEXT", 400: "INVALID_HANDLE", 101: "INVALID_DEVICE",
         500: "NOT_FOUND", 801: "NOT_SUPPORTED", 3: "NOT_INITIALIZED", 709: "CONTEXT_IS_DESTROYED"}
BUFFER = ctypes.create_string_buffer(4096)  # where good pointers lead

PTX = b""".version 7.0
.target sm_70
.address_size 64
.visible .global .align 4 .u32 variable;
.visible .entry kernel(.param .u64 p) { ret; }
\0"""

# What CUDA answers to a bad handle of a kind.
RULES = {"CUcontext": CONTEXT, "CUstream": HANDLE, "CUevent": HANDLE, "CUmodule": HANDLE, "CUfunction": HANDLE,
         "CUlibrary": HANDLE, "CUkernel": HANDLE, "CUarray": HANDLE, "CUmipmappedArray": HANDLE, "CUlinkState": HANDLE,
         "CUmemoryPool": VALUE, "CUgraph": VALUE, "CUgraphNode": VALUE, "CUgraphExec": VALUE, "CUuserObject": VALUE,
         "CUmemGenericAllocationHandle": VALUE}

# Not tried: no argument to be bad, callbacks, or an answer that depends on what else is going on.
LEFT_OUT = ("cuInit", "cuGetProcAddress", "cuGetProcAddress_v2", "cuGetExportTable", "cuLogsUnregisterCallback",
            "cuProfilerInitialize", "cuThreadExchangeStreamCaptureMode", "cuCtxGetApiVersion", "cuCtxDetach",
            "cuCoredump", "cuGraphics", "cuTexRef", "cuSurfRef", "cuModuleGetTexRef", "cuModuleGetSurfRef",
            "cuParamSet", "cuLaunch", "cuMulticast", "cuGreen", "cuDevSm", "cuDevResource", "cuCtxFromGreenCtx",
            "cuTensorMap", "cuImportExternal", "cuExternal", "cuDestroyExternal", "cuSignalExternal",
            "cuWaitExternal", "cuDeviceRegisterAsync", "cuDeviceGetNvSci",
            "cuDeviceGetLuid", "cuMemExport", "cuMemImport", "cuMemPoolExport", "cuMemPoolImport",
            "cuMemGetHandleForAddressRange", "cuMemMapArrayAsync", "cuMemBatchDecompress", "cuFlushGPUDirect",
            "cuDeviceGetHostAtomic", "cuDeviceGetP2PAtomic", "cuGraphAddExternal", "cuGraphExternal",
            "cuGraphExecExternal", "cuCtxGetDevResource", "cuDeviceGetDevResource", "cuCtxRecordEvent",
            "cuCtxWaitEvent", "cuOccupancyMaxActiveClusters", "cuOccupancyMaxPotentialClusterSize",
            "cuStreamGetGreenCtx", "cuStreamGetCtx_v2", "cuLibraryGetUnifiedFunction", "cuCheckpoint",
            "cuIpc", "cuMemPrefetchBatch", "cuMemDiscard", "cuMemcpy3DBatch", "cuMemcpyBatch", "cuMemcpy3DPeer",
            "cuGraphConditional", "cuGraphDebugDot", "cuStreamUpdateCapture", "cuStreamBeginCaptureToGraph")

# (function, parameter, kind of badness): what CUDA answers instead.
EXCEPTIONS = {}
SAME = "the same"  # as to a good argument
UNTRIED = "untried"


def optional(functions, parameter):
    for f in functions.split():
        EXCEPTIONS[f, parameter, "null"] = SAME


def untried(functions, parameter, kind="null"):
    for f in functions.split():
        EXCEPTIONS[f, parameter, kind] = UNTRIED


def dir_of_graph_functions():
    return [n for n in cuda_header.load("cc", sys.argv[1]) if n.startswith("cuGraph")]


def answers(result, *cases):
    for case in cases:
        EXCEPTIONS[case] = result


exec(open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "bad_arguments_exceptions.py")).read())


class Driver:
    def __init__(self):
        self.lib = ctypes.CDLL("libcuda.so.1")
        self.good, self.freed = {}, {}

    def call(self, name, *args):
        return getattr(self.lib, name)(*args)

    def try_out(self, name, args):
        ctypes.memset(BUFFER, 0, len(BUFFER))
        self.call("cuCtxSetCurrent", ctypes.c_void_p(self.good["CUcontext"]))
        return self.call(name, *args)

    def made(self, name, *before, after=()):
        out = ctypes.c_void_p()
        r = self.call(name, *before, ctypes.byref(out), *after)
        if r != SUCCESS:
            sys.exit(f"{name}: {r}")
        return out.value

    def start(self):
        v = ctypes.c_void_p
        assert self.call("cuInit", 0) == SUCCESS
        context = self.made("cuDevicePrimaryCtxRetain", after=(0,))
        assert self.call("cuCtxSetCurrent", v(context)) == SUCCESS
        self.good["CUcontext"] = context
        for group in (self.good, self.freed):
            group["CUstream"] = self.made("cuStreamCreate", after=(0,))
            group["CUevent"] = self.made("cuEventCreate", after=(0,))
            group["CUmodule"] = self.made("cuModuleLoadData", after=(PTX,))
            group["CUlibrary"] = self.made("cuLibraryLoadData", after=(PTX, None, None, 0, None, None, 0))
            group["CUgraph"] = self.made("cuGraphCreate", after=(0,))
            group["CUgraphNode"] = self.made("cuGraphAddEmptyNode", after=(v(group["CUgraph"]), None, v(0)))
            group["CUgraphExec"] = self.made("cuGraphInstantiateWithFlags", after=(v(group["CUgraph"]),
                                                                                   ctypes.c_ulonglong(0)))
            group["CUlinkState"] = self.made("cuLinkCreate_v2", 0, None, None)
            array = (ctypes.c_size_t * 5)(8, 8, 0, 0x20, 0)  # Width, Height, Depth, Format | NumChannels << 32, Flags
            array[3] = 0x20 | 1 << 32
            group["CUarray"] = self.made("cuArray3DCreate_v2", after=(array,))
            group["CUmipmappedArray"] = self.made("cuMipmappedArrayCreate", after=(array, 2))
            group["CUdeviceptr"] = self.made("cuMemAlloc_v2", after=(v(4096),))
        self.good["CUfunction"] = self.made("cuModuleGetFunction", after=(v(self.good["CUmodule"]), b"kernel"))
        self.good["CUkernel"] = self.made("cuLibraryGetKernel", after=(v(self.good["CUlibrary"]), b"kernel"))
        self.good["CUmemoryPool"] = self.made("cuDeviceGetDefaultMemPool", after=(0,))
        for name, kind in (("cuGraphExecDestroy", "CUgraphExec"), ("cuGraphDestroyNode", "CUgraphNode"),
                           ("cuGraphDestroy", "CUgraph"), ("cuStreamDestroy_v2", "CUstream"),
                           ("cuEventDestroy_v2", "CUevent"), ("cuModuleUnload", "CUmodule"),
                           ("cuLibraryUnload", "CUlibrary"), ("cuLinkDestroy", "CUlinkState"),
                           ("cuArrayDestroy", "CUarray"), ("cuMipmappedArrayDestroy", "CUmipmappedArray"),
                           ("cuMemFree_v2", "CUdeviceptr")):
            assert self.call(name, v(self.freed[kind])) == SUCCESS, name


def plain(c_type):
    return c_type.replace("const", "").replace(" ", "")


def good_value(driver, c_type, name):
    t = plain(c_type)
    if t in driver.good:
        return ctypes.c_void_p(driver.good[t])
    if t.endswith("*"):
        return b"kernel" if t == "char*" and "const" in c_type else BUFFER
    if name in ("numDependencies", "numLibraryOptions", "numJitOptions", "numOptions"):
        return ctypes.c_size_t(1 if name != "numDependencies" else 0)
    if t == "size_t":
        return ctypes.c_size_t(16)
    if t in ("float",):
        return ctypes.c_float(0)
    if t in ("unsignedlonglong", "cuuint64_t", "longlong"):
        return ctypes.c_ulonglong(0)
    if name.lower() in ("flags", "srcoffset", "dstoffset"):
        return 0
    return 0 if t in ("CUdevice",) or t.startswith("CU") else 1


def bad_values(driver, c_type, name):
    """(kind of badness, value, what CUDA answers)."""
    t = plain(c_type)
    if t in RULES:
        yield "foreign", ctypes.c_void_p(0x123456780), RULES[t]
        other = "CUevent" if t != "CUevent" else "CUstream"
        yield "wrong kind", ctypes.c_void_p(driver.good[other]), RULES[t]
        if t in driver.freed:
            yield "freed", ctypes.c_void_p(driver.freed[t]), RULES[t]
        if t != "CUstream":
            yield "null", ctypes.c_void_p(0), RULES[t]
    elif t.endswith("*"):
        yield "null", None, VALUE
    elif t == "CUdevice":
        yield "out of range", 99, DEVICE
        yield "negative", -5, DEVICE
    elif t == "CUdeviceptr":
        yield "foreign", ctypes.c_void_p(0x10), VALUE
        yield "freed", ctypes.c_void_p(driver.freed[t]), VALUE
    elif t.startswith("CU") and t not in driver.good and not t.startswith(("CUDA_", "CUmemLocation", "CUipc", "CUtex",
                                                                          "CUsurf", "CUhostFn", "CUstreamCallback",
                                                                          "CUoccupancy", "CUlogs", "CUdeviceptr_v1")):
        yield "out of range", 9999, VALUE


def main():
    driver = Driver()
    functions = cuda_header.load("cc", sys.argv[1])
    folder = tempfile.TemporaryDirectory() # for what functions write
    os.chdir(folder.name)
    with open("kernel", "wb") as f: # the string that they get is a good file's name too
        f.write(PTX)
    driver.start()
    cases = mismatches = 0
    for name, f in sorted(functions.items()):
        if name.startswith(LEFT_OUT) or name.endswith(("_ptds", "_ptsz")) or not f.params:
            continue
        if any("CUdeviceptr_v1" in t or t.strip() in ("CUhostFn", "CUstreamCallback", "CUlogsCallback",
                                                      "CUoccupancyB2DSize") for t, _ in f.params):
            continue
        for i, (c_type, parameter) in enumerate(f.params):
            for kind, value, expected in bad_values(driver, c_type, parameter):
                if kind != "null":
                    expected = EXCEPTIONS.get((name, parameter, "any"), expected)
                expected = EXCEPTIONS.get((name, parameter, kind), expected)
                if expected == UNTRIED:
                    continue
                args = [good_value(driver, t, n) for t, n in f.params]
                if expected == SAME:
                    expected = driver.try_out(name, args)
                args[i] = value
                got = driver.try_out(name, args)
                cases += 1
                if got != expected:
                    mismatches += 1
                    print(f"{name}: {parameter} {kind}: {NAMES.get(got, got)}, not {NAMES.get(expected, expected)}",
                          flush=True)
    print(f"{cases} cases, {mismatches} mismatches")
    return 1 if mismatches else 0


if __name__ == "__main__":
    sys.exit(main())
