"""CuPy: elementwise, raw kernels by NVRTC and by nvcc, reductions, sorting, and the libraries that it calls."""

import os

import cupy as cp
import numpy as np

x = cp.arange(10000, dtype=cp.float32)
assert np.array_equal((x * 2 + 1).get(), np.arange(10000, dtype=np.float32) * 2 + 1)
square = cp.RawKernel(r'''extern "C" __global__ void square(float *out, const float *a, int n)
{ int i = blockIdx.x * blockDim.x + threadIdx.x; if (i < n) out[i] = a[i] * a[i]; }''', "square")
out = cp.empty_like(x)
square((79,), (128,), (out, x, np.int32(10000)))
assert np.array_equal(out.get(), x.get() ** 2)
larger = cp.ElementwiseKernel("float32 a, float32 b", "float32 c", "c = a > b ? a : b", "larger")
assert np.array_equal(larger(x, out).get(), np.maximum(x.get(), out.get()))
n = cp.arange(10000, dtype=cp.int64)
assert int(n.sum()) == 9999 * 5000 and int(n.max()) == 9999 and int(cp.argmax(n)) == 9999
assert float(x.mean()) == 4999.5 and int((n % 7).cumsum()[-1]) == int((np.arange(10000) % 7).sum())
assert cp.sort(-n)[:3].get().tolist() == [-9999, -9998, -9997]
assert float((cp.ones((32, 32)) @ cp.ones((32, 32)))[3, 4]) == 32  # cuBLAS
assert abs(cp.fft.fft(cp.ones(16)).get() - np.fft.fft(np.ones(16))).max() < 1e-12  # cuFFT
assert cp.random.rand(1000).get().std() > 0.2  # cuRAND
other, words = cp.cuda.Stream(non_blocking=True), cp.empty(1 << 20, dtype=cp.int32)
for i in range(20):  # what cudaMemcpy has copied is there for streams that do not wait for the default one
    host = np.full(words.size, 7 * i, dtype=np.int32)
    cp.cuda.runtime.memcpy(words.data.ptr, host.ctypes.data, host.nbytes, cp.cuda.runtime.memcpyHostToDevice)
    with other:
        last = words[-100:] + 1
        assert (last.get() == 7 * i + 1).all(), i
if "asan" not in os.environ["LD_PRELOAD"]:  # beside which nvcc's own compiler crashes
    triple = cp.RawModule(code='extern "C" __global__ void triple(int *x) { x[threadIdx.x] *= 3; }', backend="nvcc")
    few = cp.arange(32, dtype=cp.int32)
    triple.get_function("triple")((1,), (32,), (few,))
    assert few.get().tolist() == list(range(0, 96, 3))
print("ok")
