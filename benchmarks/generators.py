"""Trains a small generator on photographs of 32 x 32 pixels and writes pictures of it as PNG.

    python benchmarks/generators.py dcgan FOLDER --out generated [--steps 20000] [--count 5000] [--seed 0]
        [--batch 128]
    python benchmarks/generators.py ddpm FOLDER --out generated …       (pip install diffusers)

FOLDER holds the photographs, such as CIFAR-10's train pictures in CIFAKE's layout (`train/REAL`); of larger
ones the middle square is shrunk. `dcgan`: a generator of four transposed convolutions against a
discriminator of four convolutions (Radford et al., ICLR 2016). `ddpm`: the noise of 1,000 steps is learnt by
diffusers' UNet and drawn in 50 steps of DDIM (Ho et al., NeurIPS 2020; Song et al., ICLR 2021). Both take a
GPU where there is one; on a CPU they only show that they run. Look at the pictures before you use them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from facetrust.errors import ImageError, InputError, UsageError
from facetrust.imaging import Pixels, read_image
from facetrust.imaging.inputs import inputs_in
from facetrust.models._torchvision import make_torchvision_importable
from facetrust.records import write_whole

SIDE, NOISE, WIDTH = 32, 100, 64
LEVELS, DRAWN_IN = 1000, 50  # Steps of noise that are learnt, and in how many a picture is drawn.


def photographs(folder: Path) -> Tensor:
    """Returns the pictures of a folder (N, 3, 32, 32) in [-1, 1]; those that cannot be read are left out.

    Raises:
        InputError: fewer than two pictures can be read.
    """
    found = []
    for source in map(str, inputs_in([folder]).sources):
        try:
            found.append(_square(read_image(source)))
        except ImageError:
            continue
    if len(found) < 2:
        raise InputError(f"{folder}: holds {len(found)} pictures; two are needed at least")
    return torch.from_numpy(np.stack(found).transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1)


def _square(image: Pixels) -> Pixels:
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    middle = image[top : top + side, left : left + side]
    return np.asarray(cv2.resize(middle, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def generator() -> nn.Sequential:
    """Returns DCGAN's generator: noise (B, 100, 1, 1) to pictures (B, 3, 32, 32) in [-1, 1]."""
    layers: list[nn.Module] = [nn.ConvTranspose2d(NOISE, 4 * WIDTH, 4, 1, 0, bias=False)]
    for channels, out in ((4 * WIDTH, 2 * WIDTH), (2 * WIDTH, WIDTH)):
        layers += [
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.ConvTranspose2d(channels, out, 4, 2, 1, bias=False),
        ]
    last = [nn.BatchNorm2d(WIDTH), nn.ReLU(), nn.ConvTranspose2d(WIDTH, 3, 4, 2, 1), nn.Tanh()]
    return nn.Sequential(*layers, *last)


def discriminator() -> nn.Sequential:
    """Returns DCGAN's discriminator: pictures (B, 3, 32, 32) to logits (B, 1, 1, 1), high for photographs."""
    layers: list[nn.Module] = [nn.Conv2d(3, WIDTH, 4, 2, 1), nn.LeakyReLU(0.2)]
    for channels, out in ((WIDTH, 2 * WIDTH), (2 * WIDTH, 4 * WIDTH)):
        layers += [nn.Conv2d(channels, out, 4, 2, 1, bias=False), nn.BatchNorm2d(out), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(4 * WIDTH, 1, 4))


def batches(photos: Tensor, steps: int, batch: int, device: str) -> Iterator[Tensor]:
    """Yields batches of photographs, drawn with replacement and half of them mirrored."""
    for _ in range(steps):
        shown = photos[torch.randint(len(photos), (batch,))]
        mirrored = (torch.rand(batch) < 0.5)[:, None, None, None]
        yield torch.where(mirrored, shown.flip(-1), shown).to(device)


def dcgan(photos: Tensor, *, steps: int, batch: int, device: str) -> Iterator[Tensor]:
    """Trains a DCGAN, and then yields pictures (B, 3, 32, 32) in [-1, 1] without end."""
    makes, doubts = generator().to(device), discriminator().to(device)
    for layer in (*makes.modules(), *doubts.modules()):
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0, 0.02)
    ours, theirs = (torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999)) for net in (makes, doubts))
    for real in batches(photos, steps, batch, device):
        fake = makes(torch.randn(batch, NOISE, 1, 1, device=device))
        loss = functional.softplus(-doubts(real)).mean() + functional.softplus(doubts(fake.detach())).mean()
        theirs.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        theirs.step()
        loss = functional.softplus(-doubts(fake)).mean()
        ours.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        ours.step()
    makes.eval()
    while True:
        with torch.no_grad():
            yield makes(torch.randn(batch, NOISE, 1, 1, device=device))


def ddpm(photos: Tensor, *, steps: int, batch: int, device: str) -> Iterator[Tensor]:
    """Trains a DDPM, and then yields pictures (B, 3, 32, 32) in [-1, 1] without end.

    Raises:
        UsageError: diffusers is not installed.
    """
    make_torchvision_importable()  # diffusers imports it, whatever is used of it.
    try:
        from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel
    except ImportError:
        raise UsageError("a DDPM needs diffusers; install it with: pip install diffusers") from None
    network = UNet2DModel(
        sample_size=SIDE,
        block_out_channels=(WIDTH, 2 * WIDTH, 2 * WIDTH),
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    ).to(device)
    noising = DDPMScheduler(LEVELS)
    optimizer = torch.optim.AdamW(network.parameters(), 2e-4)
    for real in batches(photos, steps, batch, device):
        noise, level = torch.randn_like(real), torch.randint(LEVELS, (batch,), device=device)
        said = network(noising.add_noise(real, noise, level), level).sample
        loss = functional.mse_loss(said, noise)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    network.eval()
    drawing = DDIMScheduler(LEVELS)
    drawing.set_timesteps(DRAWN_IN)
    while True:
        shown = torch.randn(batch, 3, SIDE, SIDE, device=device)
        with torch.no_grad():
            for level in drawing.timesteps:
                shown = drawing.step(network(shown, level).sample, level, shown).prev_sample
        yield shown


KINDS = {"dcgan": dcgan, "ddpm": ddpm}


def write(pictures: Iterator[Tensor], count: int, out: Path) -> int:
    """Writes the first `count` pictures as PNG, named by number; returns how many were written."""
    written = 0
    while written < count:
        levels = ((next(pictures).clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        for pixels in levels[: count - written]:
            _, content = cv2.imencode(".png", np.ascontiguousarray(pixels[:, :, ::-1]))
            write_whole(out / f"{written:06}.png", content.tobytes())
            written += 1
    return written


def main(words: Sequence[str] | None = None) -> None:
    """Runs the benchmark as the module's docstring says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(words)
    torch.manual_seed(asked.seed)
    photos = photographs(asked.folder)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    made = KINDS[asked.kind](photos, steps=asked.steps, batch=asked.batch, device=device)
    print(f"{len(photos)} photographs; {write(made, asked.count, asked.out)} pictures in {asked.out}")


if __name__ == "__main__":
    main()
