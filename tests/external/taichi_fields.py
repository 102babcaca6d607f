"""Taichi, which writes PTX itself: a reduction, matrices, atomics, random numbers and sparse fields."""

import numpy as np
import taichi as ti

ti.init(arch=ti.cuda)
assert ti.cfg.arch == ti.cuda, ti.cfg.arch
matrices, vectors = ti.Matrix.field(3, 3, ti.f32, shape=64), ti.Vector.field(3, ti.f32, shape=64)
counts = ti.field(ti.i32, shape=10)
sparse = ti.field(ti.f32)
ti.root.pointer(ti.ij, 8).dense(ti.ij, 8).place(sparse)


@ti.kernel
def total(x: ti.types.ndarray()) -> ti.f32:
    s = 0.0
    for i in range(x.shape[0]):
        s += x[i]
    return s


@ti.kernel
def multiply():
    for i in matrices:
        matrices[i] = ti.Matrix([[i, 1, 2], [3, i, 5], [6, 7, i]], ti.f32)
        vectors[i] = matrices[i] @ ti.Vector([1.0, 2.0, 3.0])


@ti.kernel
def count(n: ti.i32):
    for i in range(n):
        ti.atomic_add(counts[i % 10], 1)


@ti.kernel
def mean() -> ti.f32:
    s = 0.0
    for i in range(10000):
        s += ti.random()
    return s / 10000


@ti.kernel
def diagonal():
    for i in range(64):
        sparse[i, i] = i


@ti.kernel
def active() -> ti.i32:
    c = 0
    for i, j in sparse:
        c += 1
    return c


assert total(np.arange(1000, dtype=np.float32)) == 499500
multiply()
assert np.allclose(vectors.to_numpy(), np.arange(64)[:, None] * [1, 2, 3] + [8, 18, 20])
count(10000)
assert (counts.to_numpy() == 1000).all()
assert 0.45 < mean() < 0.55
diagonal()
assert active() == 8 * 64
print("ok")
