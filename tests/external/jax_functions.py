"""JAX on its GPU backend beside its CPU backend: XLA's own kernels, and what it leaves to cuBLAS, cuDNN, cuFFT, cuSOLVER,
CUB and, with several devices, NCCL."""

import jax
import jax.numpy as jnp
import numpy
from jax import lax

jax.config.update("jax_default_matmul_precision", "highest")  # not TensorFloat-32
gpu, cpu = jax.devices("gpu")[0], jax.devices("cpu")[0]
assert jax.devices()[0] == gpu
random = numpy.random.default_rng(1)


def floats(*shape):
    return random.standard_normal(shape, dtype=numpy.float32)


def same(f, *arguments, most=1e-4):
    """f compiled for both, and applied to the same arrays."""
    got, want = (jax.jit(f)(*(jax.device_put(a, d) for a in arguments)) for d in (gpu, cpu))
    assert all(d == gpu for a in jax.tree.leaves(got) for d in a.devices())
    for g, w in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        numpy.testing.assert_allclose(numpy.asarray(g, float), numpy.asarray(w, float), rtol=most, atol=most)


line, matrix, square = floats(5000), floats(64, 48), floats(24, 24)
positive = square @ square.T + 24 * numpy.eye(24, dtype=numpy.float32)

same(lambda x: (jnp.sin(x), jnp.exp(x).sum(), x.max(), jnp.argmin(x), jnp.where(x > 0, x, 0)), line)
same(lambda x: (x[::3], x[jnp.array([5, 1, 7])], jnp.roll(x, 3), jnp.concatenate([x, x[:9]])), line)
same(lambda x: (x.astype(jnp.bfloat16), x.astype(jnp.int8), x.astype(jnp.float16)), line)
same(lambda x: jnp.histogram(x, bins=10)[0], line)
same(jnp.sort, line)
same(lambda x: jnp.argsort(x)[:100], line)
same(jnp.cumsum, line, most=2e-3)
same(lambda a, b: a @ b, matrix, floats(48, 32))
same(lambda a, b: jnp.einsum("bij,bkj->bik", a, b), floats(3, 16, 8), floats(3, 12, 8))
same(lambda x: jnp.abs(jnp.fft.fft(x)), line[:1000], most=2e-3)
same(jnp.linalg.cholesky, positive)
same(jnp.linalg.solve, positive, square)
same(lambda a: jnp.linalg.eigvalsh(a), positive, most=1e-3)
same(lambda a: jnp.linalg.svd(a, compute_uv=False), matrix, most=1e-3)
same(lambda image, kernel: lax.conv(image, kernel, (1, 1), "SAME"), floats(2, 3, 16, 16), floats(4, 3, 3, 3))
same(lambda x: lax.scan(lambda c, v: (c * 0.5 + v, c), 0.0, x)[1], line[:100])
same(lambda x: lax.while_loop(lambda s: s[0] < 10, lambda s: (s[0] + 1, s[1] * 1.1), (0, x))[1], line[:10])
same(lambda x: lax.cond(x[0] > 0, lambda v: v + 1, lambda v: v - 1, x), line[:10])
key = jax.random.PRNGKey(1)
same(lambda k: (jax.random.randint(k, (500,), 0, 100), jax.random.normal(k, (500,))), key)


def loss(weights, x, y):
    hidden = jnp.tanh(x @ weights[0])
    return ((hidden @ weights[1] - y) ** 2).mean()


def train(weights, x, y):
    def step(w, _):
        value, gradient = jax.value_and_grad(loss)(w, x, y)
        return jax.tree.map(lambda p, g: p - 0.05 * g, w, gradient), value
    return lax.scan(step, weights, None, length=20)[1]


x, y, first, second = floats(64, 16), floats(64, 4), floats(16, 8), floats(8, 4)
same(lambda a, b, x, y: train((a, b), x, y), first, second, x, y, most=1e-3)
same(jax.vmap(lambda v: jax.jacfwd(lambda u: jnp.sin(u) * u)(v)), floats(4, 5))
if len(jax.devices("gpu")) > 1:  # NCCL
    parts = floats(len(jax.devices("gpu")), 1000)
    for total in jax.pmap(lambda v: lax.psum(v, "device"), axis_name="device")(parts):
        numpy.testing.assert_allclose(total, parts.sum(0), rtol=1e-5, atol=1e-5)
print("ok")
