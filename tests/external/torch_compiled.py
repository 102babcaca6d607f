"""PyTorch where its own kernels, which are machine code, cannot run: Triton kernels, what torch.compile makes of
functions, of a model's training and of attention, and what it leaves to cuBLAS, cuDNN and cuFFT, beside the CPU's
results."""

import torch
import triton
import triton.language as tl

torch.manual_seed(1)


def near(got, want, most=1e-4):
    error = (got.detach().cpu().double() - want.detach().double()).abs().max().item()
    assert error <= most, error


# ---- Triton

@triton.jit
def masked_add(x, y, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + i, tl.load(x + i, mask=i < n) + tl.load(y + i, mask=i < n), mask=i < n)


@triton.jit
def product(a, b, out, N: tl.constexpr, K: tl.constexpr):
    rows, columns, inner = tl.arange(0, N), tl.arange(0, N), tl.arange(0, 16)
    total = tl.zeros((N, N), dtype=tl.float32)
    for k in range(0, K, 16):
        left = tl.load(a + rows[:, None] * K + (k + inner)[None, :])
        right = tl.load(b + (k + inner)[:, None] * N + columns[None, :])
        total = tl.dot(left, right, total)
    tl.store(out + rows[:, None] * N + columns[None, :], total)


x, y = torch.randn(1000), torch.randn(1000)
out = torch.empty(1000, device="cuda")
masked_add[(triton.cdiv(1000, 256),)](x.cuda(), y.cuda(), out, 1000, BLOCK=256)
near(out, x + y, 0)

a, b = torch.randn(32, 64).half(), torch.randn(64, 32).half()
out = torch.empty(32, 32, device="cuda")
product[(1,)](a.cuda(), b.cuda(), out, N=32, K=64)
near(out, a.float() @ b.float(), 1e-3)


# ---- torch.compile

def mixed(a, b):
    return torch.softmax(torch.sin(a) * b + 1, -1).sum(0), (a * b).argmax(-1), torch.cumsum(b, 0)


a, b = torch.randn(64, 100), torch.randn(64, 100)
for got, want in zip(torch.compile(mixed)(a.cuda(), b.cuda()), mixed(a, b)):
    near(got, want)

for kind, most in ((torch.float64, 1e-12), (torch.float32, 1e-4), (torch.float16, 0.1), (torch.bfloat16, 1)):
    a, b = torch.randn(65, 129, dtype=kind), torch.randn(129, 33, dtype=kind)
    near(a.cuda() @ b.cuda(), a.double() @ b.double(), most) # cuBLAS


def attention(q, k, v):
    return torch.softmax(q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5, -1) @ v


q, k, v = torch.randn(3, 2, 4, 16, 8)
near(torch.compile(attention)(q.cuda(), k.cuda(), v.cuda()), attention(q, k, v))


# ---- a model's training

torch._inductor.config.joint_graph_constant_folding = False # it would ask one of PyTorch's own kernels

def loss_of(parameters, data):
    w1, b1, scale, w2 = parameters
    x, want = data
    hidden = torch.nn.functional.gelu(x @ w1 + b1)
    hidden = torch.nn.functional.layer_norm(hidden, hidden.shape[-1:], scale)
    return ((hidden @ w2 - want) ** 2).mean()


def step(parameters, data):
    gradients, loss = torch.func.grad_and_value(loss_of)(parameters, data)
    return tuple(p - 0.1 * g for p, g in zip(parameters, gradients)), loss


def trained(step, move):
    torch.manual_seed(2)
    parameters = tuple(move(torch.randn(*shape) * 0.3) for shape in ((8, 32), (32,), (32,), (32, 4)))
    data = move(torch.randn(64, 8)), move(torch.randn(64, 4))
    losses = []
    for _ in range(20):
        parameters, loss = step(parameters, data)
        losses.append(loss.item())
    return losses


want, got = trained(step, lambda t: t), trained(torch.compile(step), lambda t: t.cuda())
assert want[-1] < want[0] and max(abs(w - g) for w, g in zip(want, got)) < 1e-3, (want, got)

# ---- libraries

torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False


def same(f, *arguments, most=1e-4):
    got, want = f(*(a.cuda() for a in arguments)), f(*arguments)
    for g, w in zip(got, want) if isinstance(want, tuple) else [(got, want)]:
        near(torch.view_as_real(g) if g.is_complex() else g, torch.view_as_real(w) if w.is_complex() else w, most)


def convolution_backward(y, x, kernel):
    return torch.ops.aten.convolution_backward(y, x, kernel, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1,
                                               [True, True, False])[:2]


image, kernel = torch.randn(2, 3, 16, 16), torch.randn(4, 3, 3, 3)
same(lambda x, k: torch.nn.functional.conv2d(x, k, padding=1), image, kernel)
same(lambda x, k: torch.nn.functional.conv2d(x, k, stride=2, dilation=2), image, kernel)
same(lambda x, k: torch.nn.functional.conv3d(x[:, :, None], k[:, :, None]), image, kernel)
same(torch.nn.functional.conv_transpose2d, image, torch.randn(3, 4, 3, 3))
same(convolution_backward, torch.randn(2, 4, 16, 16), image, kernel)
same(torch.matmul, image[0, 0], image[0, 1])
same(torch.fft.rfft, image)
cell = torch.nn.LSTM(4, 5)
want = cell(torch.ones(3, 2, 4))[0]
near(cell.cuda()(torch.ones(3, 2, 4).cuda())[0], want)
print("ok")
