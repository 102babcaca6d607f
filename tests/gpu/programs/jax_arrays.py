"""JAX on its GPU backend; prints "ok SECTION VALUE" and "time SECTION SECONDS"."""

import time

import jax
import jax.numpy as jnp

assert jax.devices()[0].platform == "gpu", jax.devices()


def elementwise():
    x = jnp.arange(1 << 20, dtype=jnp.float32)
    return float(jnp.sin(x).sum())


def matmul():
    key = jax.random.PRNGKey(0)
    a = jax.random.normal(key, (1024, 1024))
    return float((a @ a.T).trace())


def gradient():
    @jax.jit
    def loss(w, x, y):
        return ((jnp.tanh(x @ w) - y) ** 2).mean()

    x, y = jax.random.normal(jax.random.PRNGKey(1), (256, 64)), jnp.ones((256, 8))
    w = jnp.zeros((64, 8)) + 0.01
    step = jax.jit(lambda w: w - 0.1 * jax.grad(loss)(w, x, y))
    first = float(loss(w, x, y))
    for _ in range(50):
        w = step(w)
    last = float(loss(w, x, y))
    assert last < first
    return last


for section in (elementwise, matmul, gradient):
    begin = time.monotonic()
    value = section()
    print(f"ok {section.__name__} {value!r}")
    print(f"time {section.__name__} {time.monotonic() - begin:.4f}", flush=True)
