#!/usr/bin/python3
"""The peer of bench/graph: the same network in torch. Reads lines "MODE BATCH THREADS", answers images a second, median and best."""
import sys
import time

try:
    import torch
    from torch import nn
except ImportError:
    sys.exit(3)

net = nn.Sequential(
    nn.Conv2d(1, 16, 4, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 4, 2, 1), nn.ReLU(),
    nn.Flatten(), nn.Linear(1568, 100), nn.ReLU(), nn.Linear(100, 10))
optimiser = torch.optim.SGD(net.parameters(), 0.01)
loss = nn.functional.cross_entropy


def forward(x, y):
    with torch.no_grad():
        net(x)


def gradient(x, y):
    # What the attacks need: no gradients of parameters.
    x = x.detach().requires_grad_(True)
    torch.autograd.grad(loss(net(x), y), x)


def train(x, y):
    optimiser.zero_grad()
    loss(net(x), y).backward()
    optimiser.step()


print("torch", torch.__version__, flush=True)
for line in sys.stdin:
    mode, batch, threads = line.split()
    batch = int(batch)
    torch.set_num_threads(int(threads))
    for p in net.parameters():
        p.requires_grad_(mode == "train")
    x, y = torch.rand(batch, 1, 28, 28), torch.randint(0, 10, (batch,))
    run = {"forward": forward, "gradient": gradient, "train": train}[mode]
    times, end = [], time.perf_counter() + 0.5
    for _ in range(3):
        run(x, y)
    while len(times) < 20 or time.perf_counter() < end:
        begin = time.perf_counter()
        run(x, y)
        times.append(time.perf_counter() - begin)
    times.sort()
    print(batch / times[len(times) // 2], batch / times[0], flush=True)
