"""Dr.Jit, which writes PTX itself: arithmetic, gathers, scatters, a loop, prefix sums and derivatives."""

import drjit as dr
from drjit.cuda import Float, UInt
from drjit.cuda.ad import Float as Differentiable

x = dr.arange(Float, 1000)
y = 2 * dr.sin(x) + x * x
assert abs(y[10] - 98.91196) < 1e-3 and dr.sum(x)[0] == 499500 and dr.max(x)[0] == 999
i = dr.arange(UInt, 1000)
assert dr.gather(Float, x, 999 - i)[0] == 999
counts = dr.zeros(Float, 10)
dr.scatter_reduce(dr.ReduceOp.Add, counts, Float(1), i % 10)
assert list(counts) == [100] * 10
assert list(dr.prefix_sum(Float([1, 2, 3, 4]))) == [0, 1, 3, 6]
a = Differentiable([1, 2, 3])
dr.enable_grad(a)
dr.backward(dr.sum(a * a * a))
assert list(dr.grad(a)) == [3, 12, 27]


@dr.syntax
def triangle(n):
    k, t = UInt(0), Float(0)
    while k < n:
        t += Float(k)
        k += 1
    return t


assert list(triangle(UInt([5, 10]))) == [10, 45]
print("ok")
