"""Numba: a kernel, a reduction, shared memory and atomics."""

import warnings

import numpy as np
from numba import cuda, float32

warnings.simplefilter("ignore")


@cuda.jit
def saxpy(y, a, x):
    i = cuda.grid(1)
    if i < y.size:
        y[i] += a * x[i]


@cuda.reduce
def total(a, b):
    return a + b


@cuda.jit
def reversed_blocks(out, x):
    tile = cuda.shared.array(64, float32)
    t = cuda.threadIdx.x
    tile[t] = x[cuda.grid(1)]
    cuda.syncthreads()
    out[cuda.grid(1)] = tile[63 - t]
    cuda.atomic.add(out, 256, x[cuda.grid(1)])


x = np.arange(1000, dtype=np.float32)
y = cuda.to_device(np.ones(1000, dtype=np.float32))
saxpy[8, 128](y, 2.0, cuda.to_device(x))
assert np.array_equal(y.copy_to_host(), 1 + 2 * x)
assert total(np.arange(5000, dtype=np.int64)) == 5000 * 4999 // 2
out = cuda.to_device(np.zeros(257, dtype=np.float32))
reversed_blocks[4, 64](out, cuda.to_device(x[:256]))
assert np.array_equal(out.copy_to_host()[:256], x[:256].reshape(4, 64)[:, ::-1].reshape(256))
assert out.copy_to_host()[256] == x[:256].sum()
print("ok")
