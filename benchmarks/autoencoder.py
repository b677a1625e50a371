"""Trains a small autoencoder on a manifest's genuine train pictures, whose decoder makes pseudo-fakes.

    python benchmarks/autoencoder.py data/generated.parquet --out weights/decoder.onnx
        [--up transposed|subpixel] [--steps 1500] [--side 64] [--most 400] [--seed 0]

Two convolutions of stride 2 down to 12 channels, and up again by transposed convolutions or by convolutions
whose channels become pixels (sub-pixel), as generators' last layers do. It learns the mean absolute
difference on windows of `--side` pixels at the pictures' own resolution, of at most `--most` pictures, which
are held in memory. Printed are its parameters, the seconds that training took, and how well it makes windows
of the dev pictures: PSNR, and the share of fine detail that is left (the energy of a Laplacian over that of
the window itself), medians with 5 and 95 % points. A recipe takes it with `data.augment.decoder` and the
species `decoded`.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from facetrust.data.manifest import Manifest, absolute
from facetrust.data.simulate.decoder import DOWNSCALE, Decoder
from facetrust.errors import ImageError, ManifestError
from facetrust.imaging import Pixels, read_sample
from facetrust.records import Sample, write_whole

BATCH = 16


class Autoencoder(nn.Module):
    """Pictures (B, 3, h, w) in [0, 1] to 12 channels of a quarter of each side, and back; fewer than 100,000
    parameters."""

    def __init__(self, up: str = "transposed") -> None:
        super().__init__()
        self.down = nn.Sequential(
            nn.Conv2d(3, 24, 3, 2, 1), nn.SiLU(), nn.Conv2d(24, 48, 3, 2, 1), nn.SiLU(), nn.Conv2d(48, 12, 1)
        )
        steps = [_twice(up, 48, 32), nn.SiLU(), _twice(up, 32, 16), nn.SiLU()]
        self.up = nn.Sequential(nn.Conv2d(12, 48, 3, 1, 1), nn.SiLU(), *steps, nn.Conv2d(16, 3, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Returns pictures of the same size, not clipped."""
        made: Tensor = self.up(self.down(images))
        return made


def _twice(up: str, channels: int, out: int) -> nn.Module:
    if up == "transposed":
        return nn.ConvTranspose2d(channels, out, 4, 2, 1)
    return nn.Sequential(nn.Conv2d(channels, 4 * out, 3, 1, 1), nn.PixelShuffle(2))


def pictures(rows: Sequence[Sample], *, side: int, most: int) -> list[Pixels]:
    """Returns the pictures of about `most` rows, evenly spread, that are as large as a window."""
    found = []
    for row in rows[:: max(1, len(rows) // most)]:
        try:
            image, _ = read_sample(row)
        except ImageError:
            continue
        if min(image.shape[:2]) >= side:
            found.append(image)
    if not found:
        raise ManifestError(f"no genuine picture has {side} pixels a side")
    return found


def windows(images: Sequence[Pixels], side: int, rng: np.random.Generator) -> Tensor:
    """Returns windows (`BATCH`, 3, side, side) in [0, 1], each anywhere in a picture."""
    cut = []
    for number in rng.integers(len(images), size=BATCH):
        image = images[int(number)]
        top, left = (int(rng.integers(length - side + 1)) for length in image.shape[:2])
        cut.append(image[top : top + side, left : left + side])
    return torch.from_numpy(np.stack(cut).transpose(0, 3, 1, 2).astype(np.float32) / 255)


def train(images: Sequence[Pixels], *, up: str, steps: int, side: int, seed: int) -> Autoencoder:
    """Returns the network after so many steps of Adam, the rate falling to nought by a cosine."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = Autoencoder(up)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        shown = windows(images, side, rng)
        loss = (network(shown) - shown).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def write(network: Autoencoder, out: Path, *, side: int) -> None:
    """Writes the network as an .onnx file that takes pictures of any size, in multiples of `DOWNSCALE`."""
    sides = {
        2: DOWNSCALE * torch.export.Dim("rows", min=2),
        3: DOWNSCALE * torch.export.Dim("columns", min=2),
    }
    shown = torch.zeros(1, 3, side, side + DOWNSCALE)
    with warnings.catch_warnings():
        # The exporter uses names of torch that torch calls outdated; no caller can change that.
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        made = _graph(network, shown, sides)
    if made is None:
        raise RuntimeError("torch made no graph of the autoencoder")
    write_whole(out, made.model_proto.SerializeToString())


def _graph(network: Autoencoder, shown: Tensor, sides: dict[int, Any]) -> Any:
    program = torch.export.export(network, (shown,), dynamic_shapes=(sides,), strict=False)
    return torch.onnx.export(
        program,
        (),
        input_names=["image"],
        output_names=["made"],
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def quality(decoder: Decoder, images: Sequence[Pixels], *, side: int) -> Iterator[tuple[float, float]]:
    """Yields PSNR in dB and the share of fine detail that is left, of the middle of each picture."""
    for image in images:
        top, left = ((length - side) // 2 for length in image.shape[:2])
        window = np.ascontiguousarray(image[top : top + side, left : left + side])
        made = decoder(window)
        error = np.mean((made.astype(np.float64) - window) ** 2)
        fine = [float(cv2.Laplacian(each, cv2.CV_64F).var()) for each in (made, window)]
        yield 10 * float(np.log10(255**2 / max(error, 1e-6))), fine[0] / max(fine[1], 1e-6)


def main() -> None:
    """Runs the benchmark as the module's docstring says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--up", choices=("transposed", "subpixel"), default="transposed")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--side", type=int, default=64, help="pixels of a window, a multiple of 4")
    parser.add_argument("--most", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    source = Manifest.read(asked.manifest)
    genuine = [row for row in absolute(source.samples(), source.root) if row.label == 0]
    side, most = asked.side, asked.most
    seen = pictures([row for row in genuine if row.split == "train"], side=side, most=most)
    begun = time.perf_counter()
    network = train(seen, up=asked.up, steps=asked.steps, side=side, seed=asked.seed)
    count = sum(value.numel() for value in network.parameters())
    print(f"{asked.up}: {count:,} parameters, {len(seen)} pictures, {time.perf_counter() - begun:.0f} s")
    write(network, asked.out, side=side)
    others = pictures([row for row in genuine if row.split == "dev"], side=side, most=most)
    measured = list(quality(Decoder(asked.out), others, side=side))
    low, median, high = np.percentile(measured, (5, 50, 95), axis=0)
    print(f"{len(others)} dev pictures, medians with 5 and 95 % points:")
    for number, name in enumerate(("PSNR, dB", "fine detail left")):
        print(f"{name}: {median[number]:.2f} [{low[number]:.2f}, {high[number]:.2f}]")
    print(asked.out)


if __name__ == "__main__":
    main()
