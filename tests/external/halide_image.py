"""Halide, compiled at run time for CUDA."""

import halide as hl
import numpy as np

x, y, xi, yi = [hl.Var(n) for n in "x y xi yi".split()]
squares = hl.Func("squares")
squares[x, y] = hl.i32(x * x + 3 * y)
blurred = hl.Func("blurred")
blurred[x, y] = squares[x, y] + squares[x + 1, y]
squares.compute_root().gpu_tile(x, y, xi, yi, 16, 16)
blurred.gpu_tile(x, y, xi, yi, 8, 8)
target = hl.get_host_target().with_feature(hl.TargetFeature.CUDA).with_feature(hl.TargetFeature.CUDACapability50)
out = blurred.realize([64, 48], target)
out.copy_to_host()
want = np.fromfunction(lambda i, j: i * i + (i + 1) ** 2 + 6 * j, (64, 48), dtype=np.int64)
got = np.array([[out[i, j] for j in range(48)] for i in range(64)])
assert np.array_equal(got, want)
print("ok")
