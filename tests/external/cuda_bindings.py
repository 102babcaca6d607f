"""NVIDIA's own Python bindings of the driver API and NVRTC."""

import numpy as np
from cuda.bindings import driver, nvrtc


def check(result):
    status, *values = result
    assert status.value == 0, (status, values)
    return values[0] if len(values) == 1 else values


check(driver.cuInit(0))
device = check(driver.cuDeviceGet(0))
context = check(driver.cuDevicePrimaryCtxRetain(device))
check(driver.cuCtxSetCurrent(context))
major = check(driver.cuDeviceGetAttribute(driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device))
minor = check(driver.cuDeviceGetAttribute(driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device))
source = b'extern "C" __global__ void scale(float *x, float a) { x[threadIdx.x] *= a; }'
program = check(nvrtc.nvrtcCreateProgram(source, b"scale.cu", 0, [], []))
check(nvrtc.nvrtcCompileProgram(program, 1, [f"--gpu-architecture=sm_{major}{minor}".encode()]))
image = b" " * check(nvrtc.nvrtcGetCUBINSize(program))
check(nvrtc.nvrtcGetCUBIN(program, image))
module = check(driver.cuModuleLoadData(np.char.array(image)))
kernel = check(driver.cuModuleGetFunction(module, b"scale"))
x = np.arange(64, dtype=np.float32)
memory = check(driver.cuMemAlloc(x.nbytes))
check(driver.cuMemcpyHtoD(memory, x.ctypes.data, x.nbytes))
pointer, factor = np.array([int(memory)], dtype=np.uint64), np.array([2.5], dtype=np.float32)
arguments = np.array([pointer.ctypes.data, factor.ctypes.data], dtype=np.uint64)
check(driver.cuLaunchKernel(kernel, 1, 1, 1, 64, 1, 1, 0, 0, arguments.ctypes.data, 0))
got = np.empty_like(x)
check(driver.cuMemcpyDtoH(got.ctypes.data, memory, x.nbytes))
assert np.array_equal(got, x * np.float32(2.5))
print("ok")
