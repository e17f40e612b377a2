#!/usr/bin/env python3
"""What PyTorch's copy and its f32 matrix product (without TF32) reach on this GPU; prints one JSON object."""
import json

import torch


def best_seconds(work, repeats):
    work()
    best = float("inf")
    for _ in range(5):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(repeats):
            work()
        end.record()
        torch.cuda.synchronize()
        best = min(best, start.elapsed_time(end) / 1e3 / repeats)
    return best


def main():
    torch.backends.cuda.matmul.allow_tf32 = False
    source = torch.empty(1 << 28, device="cuda")
    target = torch.empty_like(source)
    copied = best_seconds(lambda: target.copy_(source), 10)
    products = []
    for size in (1024, 4096, 8192):
        a, b = (torch.rand(size, size, device="cuda") - 0.5 for _ in range(2))
        seconds = best_seconds(lambda: a @ b, 20 if size < 8192 else 5)
        products.append({"size": size, "gflop_per_s": 2 * size ** 3 / seconds * 1e-9})
    print(json.dumps({"copy_gb_per_s": 2 * 4 * source.numel() / copied * 1e-9, "matmul": products}))


if __name__ == "__main__":
    main()
