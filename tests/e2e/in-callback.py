#!/usr/bin/env python3
"""Calls every driver function from inside a host function and holds the answer against CUDA_ERROR_NOT_PERMITTED.

    in-callback.py INCLUDE_DIR        (with libcuda.so.1 to be found as programs find it)

Pointers lead to zeros, all else is 0. Prints a line for each function that answers otherwise and the count of those
that were called; exit status 1 if there was one.
"""

import ctypes
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "cuda-abi"))
import cuda_header

NOT_PERMITTED = 800
# What tells of the library and not of the device.
ALLOWED = {"cuGetErrorName", "cuGetErrorString", "cuDriverGetVersion", "cuGetProcAddress", "cuGetProcAddress_v2",
           "cuGetExportTable", "cuDeviceGetAttribute"}
ZEROS = ctypes.create_string_buffer(4096)


def argument(c_type):
    if c_type == "float":
        return ctypes.c_float(0)
    if "*" in c_type or "[" in c_type:
        return ctypes.cast(ZEROS, ctypes.c_void_p)
    return ctypes.c_void_p(0)


def need(result, what):
    if result:
        sys.exit(f"{what}: error {result}")


def main():
    functions = {n: f for n, f in cuda_header.load("cc", sys.argv[1]).items() if n not in ALLOWED}
    driver = ctypes.CDLL("libcuda.so.1")
    context, stream = ctypes.c_void_p(), ctypes.c_void_p()
    need(driver.cuInit(0), "cuInit")
    need(driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0), "cuDevicePrimaryCtxRetain")
    need(driver.cuCtxSetCurrent(context), "cuCtxSetCurrent")
    need(driver.cuStreamCreate(ctypes.byref(stream), 0), "cuStreamCreate")
    answers = {}

    def body(_):
        for name, f in functions.items():
            # By value, the larger structures go through memory: only their size matters, and nobody looks.
            answers[name] = getattr(driver, name)(*[argument(t) for t, _ in f.params])

    callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(body)
    need(driver.cuLaunchHostFunc(stream, callback, None), "cuLaunchHostFunc")
    need(driver.cuStreamSynchronize(stream), "cuStreamSynchronize")
    wrong = {n: r for n, r in answers.items() if r != NOT_PERMITTED}
    for name, r in wrong.items():
        print(f"{name}: {r}")
    print(f"{len(answers)} functions")
    sys.exit(1 if wrong or len(answers) != len(functions) else 0)


if __name__ == "__main__":
    main()
