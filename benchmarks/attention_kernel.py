"""One training step of ViT-Tiny on a CPU: precision against attention kernel, turn by turn in one run.

    python benchmarks/attention_kernel.py [--model clip-vit-t16] [--size 112] [--batch 50] [--rounds 7]

The first line is what torch does unasked in single precision; the others are ratios to it.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from facetrust.models import create_model, mean_logits

KERNELS = {"fused": SDPBackend.FLASH_ATTENTION, "plain": SDPBackend.MATH}


def main() -> None:
    """Prints images per second of the first way, and how many times faster the others are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="clip-vit-t16")
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    model = create_model(given.model, image_size=(given.size, given.size)).train()
    faces = torch.randn(given.batch, 1, 3, given.size, given.size)
    ways = [(half, kernel) for half in (False, True) for kernel in KERNELS]
    times: dict[tuple[bool, str], list[float]] = {way: [] for way in ways}
    for _ in range(given.rounds + 1):
        for half, kernel in ways:
            start = time.perf_counter()
            with sdpa_kernel(KERNELS[kernel]):
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
                    loss = mean_logits(model, faces).square().mean()
                loss.backward()
            times[half, kernel].append(time.perf_counter() - start)
            model.zero_grad()
    # The first round warms up.
    middle = {way: statistics.median(found[1:]) for way, found in times.items()}
    first = middle[ways[0]]
    print(f"{given.model}, {given.size} px, batch {given.batch}, {torch.get_num_threads()} threads")
    print(f"single precision, fused attention: {given.batch / first:.0f} images/s")
    for half, kernel in ways[1:]:
        name = "bfloat16" if half else "single precision"
        print(f"{name}, {kernel} attention: {first / middle[half, kernel]:.2f} times")


if __name__ == "__main__":
    main()
