"""numba-cuda, NVIDIA's own: device code of C++ linked to a kernel, a barrier of the whole grid, random numbers, printing
half floats. It links with nvJitLink, and knows which compute capabilities there are."""

import site
import sys
import warnings

site.addsitedir(sys.argv[1])  # its .pth file makes numba.cuda be numba-cuda

import numba.cuda  # noqa: E402
import numpy as np  # noqa: E402
from numba import cuda  # noqa: E402
from numba.cuda.random import create_xoroshiro128p_states, xoroshiro128p_uniform_float32  # noqa: E402

warnings.simplefilter("ignore")
assert "numba_cuda" in numba.cuda.__file__, numba.cuda.__file__

SOURCE = 'extern "C" __device__ int twice(int *result, int x) { *result = 2 * x; return 0; }'
twice = cuda.declare_device("twice", "int32(int32)", link=cuda.CUSource(SOURCE))


@cuda.jit
def doubled(out):
    i = cuda.grid(1)
    out[i] = twice(i)


@cuda.jit
def neighbours(a, b):
    i = cuda.grid(1)
    a[i] = i * i
    cuda.cg.this_grid().sync()
    b[i] = a[(i + 1) % a.size]


@cuda.jit
def draw(states, out):
    out[cuda.grid(1)] = xoroshiro128p_uniform_float32(states, cuda.grid(1))


@cuda.jit
def sines(out, x):
    i = cuda.grid(1)
    out[i] = cuda.fp16.hsin(x[i])


out = np.zeros(64, np.int32)
doubled[1, 64](out)
assert np.array_equal(out, 2 * np.arange(64))
a, b = np.zeros(256, np.int64), np.zeros(256, np.int64)
neighbours[4, 64](a, b)
assert np.array_equal(b, np.roll(np.arange(256) ** 2, -1))
uniform = np.zeros(1024, np.float32)
draw[8, 128](create_xoroshiro128p_states(1024, seed=7), uniform)
assert 0.45 < uniform.mean() < 0.55 and uniform.min() >= 0 and uniform.max() < 1 and len(set(uniform)) > 1000
x = np.linspace(0, 1, 64).astype(np.float16)
halves = np.zeros(64, np.float16)
sines[1, 64](halves, x)
assert np.allclose(halves, np.sin(x.astype(np.float32)), atol=2e-3)
print("ok")
