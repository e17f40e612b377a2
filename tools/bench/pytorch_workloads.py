#!/usr/bin/env python3
"""Times one whole training step of a reference workload in PyTorch; prints one JSON object.

The same layers, sizes, loss and optimizer as `sinter bench`: forward, cross-entropy,
backward, fused AdamW over all parameters, steps rotating through eight batches. `--mode model` compiles
the network, `--mode step` the whole step; `--autotune` asks torch.compile for max-autotune. `--dtype bf16` is autocast."""
import argparse
import contextlib
import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional

BATCHES = 8
WARM_UP = 4
LEAST_STEPS = 5


def mlp():
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))


def cnn():
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(3136, 128), nn.ReLU(), nn.Linear(128, 10))
    return network.to(memory_format=torch.channels_last)


# name: (network, shape of one input, batch)
WORKLOADS = {"mlp": (mlp, (784,), 128), "cnn": (cnn, (1, 28, 28), 128)}


def make_step(network, mode, autotune, device, dtype):
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, fused=True)
    options = {"mode": "max-autotune"} if autotune else {}
    forward = torch.compile(network, **options) if mode == "model" else network

    def step(inputs, labels):
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=dtype == "bf16"):
            loss = functional.cross_entropy(forward(inputs), labels)
        loss.backward()
        optimizer.step()
        return loss

    return torch.compile(step, **options) if mode == "step" else step


def measure(arguments):
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    make_network, shape, usual_batch = WORKLOADS[arguments.workload]
    batch, device = arguments.batch or usual_batch, arguments.device
    step = make_step(make_network().to(device), arguments.mode, arguments.autotune, device,
                     arguments.dtype)
    batches = [(torch.randn(batch, *shape, device=device), torch.randint(10, (batch,), device=device))
               for _ in range(BATCHES)]

    start = time.perf_counter()
    step(*batches[0]).item()
    first = time.perf_counter() - start
    for inputs, labels in batches[1:WARM_UP]:
        step(inputs, labels).item()
    times = []
    end = time.perf_counter() + arguments.seconds
    while time.perf_counter() < end or len(times) < LEAST_STEPS:
        start = time.perf_counter()
        # sinter bench reads the loss of every step, too, and so waits for the device.
        loss = step(*batches[len(times) % BATCHES]).item()
        times.append(time.perf_counter() - start)
    times.sort()
    median = times[len(times) // 2]
    result = {
        "workload": arguments.workload, "framework": "pytorch", "version": torch.__version__,
        "mode": arguments.mode, "autotune": arguments.autotune, "device": device, "dtype": arguments.dtype,
        "threads": torch.get_num_threads(), "batch": batch, "units": "samples",
        "units_per_s": batch / median, "steps": len(times), "last_loss": loss,
        "step_ms": {"min": 1e3 * times[0], "median": 1e3 * median, "max": 1e3 * times[-1]},
        "first_step_ms": 1e3 * first,
    }
    if device != "cpu":
        # As users get it: convolutions by TF32, matrix products not.
        result |= {"gpu": torch.cuda.get_device_name(), "tf32_convolutions": torch.backends.cudnn.allow_tf32,
                   "tf32_products": torch.backends.cuda.matmul.allow_tf32}
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--mode", choices=["eager", "model", "step"], default="eager")
    parser.add_argument("--autotune", action="store_true")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=4.0)
    # The compiler prints to standard output; the result alone belongs there.
    with contextlib.redirect_stdout(sys.stderr):
        result = measure(parser.parse_args())
    print(json.dumps(result))


if __name__ == "__main__":
    main()
