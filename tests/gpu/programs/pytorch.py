"""PyTorch as its users use it, in sections:   pytorch.py [--device cpu] [SECTION...]

Prints "ok SECTION VALUE" and "time SECTION SECONDS" for each. VALUE is computed with fixed seeds and deterministic
algorithms, so that it must be the same natively and through hawser. "skip SECTION REASON" where a part is missing.
"""

import os
import sys
import time

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
import torch
from torch import nn

DEVICE = "cpu" if "--device" in sys.argv else "cuda"


def sync():
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def matmul():
    a, b = torch.randn(1024, 1024, device=DEVICE), torch.randn(1024, 1024, device=DEVICE)
    for _ in range(20):
        c = a @ b
    half = (a.bfloat16() @ b.bfloat16()).float()
    assert (half - c).abs().max() < 2
    return c.double().sum().item()


def convolution():
    torch.backends.cudnn.deterministic = True
    x = torch.randn(16, 32, 64, 64, device=DEVICE)
    layers = nn.Sequential(nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(),
                           nn.Conv2d(64, 32, 5, stride=2)).to(DEVICE)
    for _ in range(10):
        y = layers(x)
    y.square().mean().backward()
    assert torch.isfinite(layers[0].weight.grad).all()
    return y.double().sum().item()


def training_step():
    model = nn.Sequential(nn.Linear(256, 512), nn.GELU(), nn.Linear(512, 10)).to(DEVICE)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x, y = torch.randn(512, 256, device=DEVICE), torch.randint(0, 10, (512,), device=DEVICE)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    return losses[-1]


class Transformer(nn.Module):
    def __init__(self, width=128, heads=4, depth=2, words=96, length=64):
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.places = nn.Parameter(torch.zeros(length, width))
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.out = nn.Linear(width, words)
        mask = torch.full((length, length), float("-inf")).triu(1)
        self.register_buffer("mask", mask)

    def forward(self, x):
        return self.out(self.layers(self.words(x) + self.places, mask=self.mask))


def transformer():
    """Learns to count: the text is a sequence of numbers modulo 96 with steps that depend on the first."""
    model = Transformer().to(DEVICE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(50):
        first, step = torch.randint(0, 96, (32, 1)), torch.randint(1, 6, (32, 1))
        text = ((first + step * torch.arange(65)) % 96).to(DEVICE)
        loss = nn.functional.cross_entropy(model(text[:, :-1]).flatten(0, 1), text[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.5, losses
    return losses[-1]


def compiled():
    try:
        import triton  # noqa: F401
    except ImportError:
        return None
    model = nn.Sequential(nn.Linear(256, 256), nn.GELU(), nn.LayerNorm(256)).to(DEVICE)
    x = torch.randn(128, 256, device=DEVICE)
    with torch.no_grad():
        want, got = model(x), torch.compile(model)(x)
    assert torch.allclose(want, got, atol=1e-4), (want - got).abs().max()
    return want.double().sum().item()


def graphs():
    if DEVICE == "cpu":
        return None
    model = nn.Sequential(nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 128)).cuda()
    x = torch.zeros(64, 128, device="cuda")
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side), torch.no_grad():
        for _ in range(3):
            model(x)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph), torch.no_grad():
        y = model(x)
    total = 0.0
    for i in range(50):
        fresh = torch.randn(64, 128, device="cuda")
        x.copy_(fresh)
        graph.replay()
        with torch.no_grad():
            assert torch.allclose(y, model(fresh), atol=1e-5)
        total += y.double().sum().item()
    return total


class Numbers(torch.utils.data.Dataset):
    def __len__(self):
        return 512

    def __getitem__(self, i):
        return torch.full((64,), float(i)), i


def loader():
    """Batches made by worker processes, in pinned memory."""
    batches = torch.utils.data.DataLoader(Numbers(), batch_size=32, num_workers=2, pin_memory=DEVICE == "cuda")
    total = torch.zeros((), device=DEVICE)
    for x, i in batches:
        x, i = x.to(DEVICE, non_blocking=True), i.to(DEVICE, non_blocking=True)
        assert torch.equal(x[:, 0], i.float())
        total += x.sum()
    assert total.item() == 64 * sum(range(512))
    return total.item()


def pinned():
    if DEVICE == "cpu":
        return None
    host = torch.randn(1 << 22).pin_memory()
    back = torch.empty(1 << 22, pin_memory=True)
    stream = torch.cuda.Stream()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    with torch.cuda.stream(stream):
        start.record()
        for _ in range(5):
            device = host.to("cuda", non_blocking=True)
            back.copy_(device * 2, non_blocking=True)
        end.record()
    end.synchronize()
    assert torch.equal(back, host * 2) and start.elapsed_time(end) > 0
    return back.double().sum().item()


SECTIONS = {f.__name__: f for f in (matmul, convolution, training_step, transformer, graphs, loader, pinned, compiled)}


def main():
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    wanted = [a for a in sys.argv[1:] if a in SECTIONS] or list(SECTIONS)
    torch.zeros(1, device=DEVICE)
    for name in wanted:
        torch.manual_seed(1234)
        begin = time.monotonic()
        value = SECTIONS[name]()
        sync()
        if value is None:
            print(f"skip {name} not available here", flush=True)
            continue
        print(f"ok {name} {value!r}", flush=True)
        print(f"time {name} {time.monotonic() - begin:.4f}", flush=True)


if __name__ == "__main__":
    main()
