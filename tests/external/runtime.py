#!/usr/bin/env python3
"""The CUDA runtime of any release, called as nvcc's output calls it:   runtime.py LIBCUDART ADD_FATBIN

Registers the kernel, adds two vectors with it, and prints the runtime's and the driver's version.
"""

import ctypes
import sys

N = 1000


class Wrapper(ctypes.Structure):
    """What __cudaRegisterFatBinary is given (fatbinary_section.h): magic, version, data."""
    _fields_ = [("magic", ctypes.c_int), ("version", ctypes.c_int), ("data", ctypes.c_void_p),
                ("more", ctypes.c_void_p)]


class Dim3(ctypes.Structure):
    _fields_ = [("x", ctypes.c_uint), ("y", ctypes.c_uint), ("z", ctypes.c_uint)]


def main():
    cudart = ctypes.CDLL(sys.argv[1])
    with open(sys.argv[2], "rb") as f:
        image = f.read()

    def check(name, *args):
        status = getattr(cudart, name)(*args)
        if status:
            sys.exit(f"{name} returned {status}")

    version, driver = ctypes.c_int(), ctypes.c_int()
    check("cudaRuntimeGetVersion", ctypes.byref(version))
    check("cudaDriverGetVersion", ctypes.byref(driver))

    data = ctypes.create_string_buffer(image, len(image))
    wrapper = Wrapper(0x466243b1, 1, ctypes.addressof(data), None)
    host_function = ctypes.create_string_buffer(16)  # stands for the stub whose address names the kernel
    cudart.__cudaRegisterFatBinary.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(cudart.__cudaRegisterFatBinary(ctypes.byref(wrapper)))
    cudart.__cudaRegisterFunction(handle, host_function, b"add", b"add", -1, None, None, None, None, None)
    if version.value >= 10010:
        cudart.__cudaRegisterFatBinaryEnd(handle)

    a, b, out = ((ctypes.c_int * N)() for _ in range(3))
    for i in range(N):
        a[i], b[i] = 3 * i, i * i
    pointers = [ctypes.c_void_p() for _ in range(3)]
    for p in pointers:
        check("cudaMalloc", ctypes.byref(p), ctypes.c_size_t(4 * N))
    size = ctypes.c_size_t(4 * N)
    check("cudaMemcpy", pointers[1], a, size, 1)
    check("cudaMemcpy", pointers[2], b, size, 1)
    n = ctypes.c_int(N)
    values = (ctypes.c_void_p * 4)(*(ctypes.addressof(v) for v in (*pointers, n)))
    check("cudaLaunchKernel", host_function, Dim3((N + 127) // 128, 1, 1), Dim3(128, 1, 1), values,
          ctypes.c_size_t(0), None)
    check("cudaMemcpy", out, pointers[0], size, 2)
    wrong = [i for i in range(N) if out[i] != 3 * i + i * i]
    if wrong:
        sys.exit(f"{len(wrong)} wrong results, the first at {wrong[0]}: {out[wrong[0]]}")
    print(version.value, driver.value)


if __name__ == "__main__":
    main()
