"""tinygrad, which looks for the driver's file in folders and compiles with NVRTC: tensors beside NumPy's."""

import numpy
from tinygrad import Tensor, TinyJit

random = numpy.random.default_rng(1)
a, b = (random.standard_normal(shape, dtype=numpy.float32) for shape in ((64, 32), (32, 48)))


def near(got, want, most=1e-5):
    assert got.shape == want.shape and numpy.abs(got.numpy() - want).max() <= most


x, y = Tensor(a), Tensor(b)
assert x.device.startswith("CUDA"), x.device
near(x @ y, a @ b)
want = numpy.maximum(a @ b, 0).sum(0) / 100
near(((x @ y).relu().sum(axis=0) / 100).softmax(), numpy.exp(want) / numpy.exp(want).sum())
near(x.sin().sort()[0], numpy.sort(numpy.sin(a), -1))

image, filters = random.standard_normal((1, 3, 10, 10), dtype=numpy.float32), random.standard_normal((4, 3, 3, 3), dtype=numpy.float32)
want = numpy.lib.stride_tricks.sliding_window_view(image, (3, 3), (2, 3))
near(Tensor(image).conv2d(Tensor(filters)), numpy.einsum("ncyxij,ocij->noyx", want, filters), 1e-4)

weights = Tensor(random.standard_normal((32, 1), dtype=numpy.float32))
target = Tensor(a @ random.standard_normal((32, 1), dtype=numpy.float32))


@TinyJit
def step():
    loss = ((x @ weights - target) ** 2).mean()
    gradient, = loss.gradient(weights)
    weights.assign(weights - 0.1 * gradient).realize()
    return loss.realize()


losses = [step().item() for _ in range(20)]
assert losses[-1] < losses[0] / 10, losses
print("ok")
