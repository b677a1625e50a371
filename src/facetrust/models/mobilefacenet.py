"""MobileFaceNet (arXiv 1804.07573): inverted residuals, then one weight per cell and channel at last."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from facetrust.errors import UnknownName
from facetrust.models._aligned import cells_of
from facetrust.models._convolution import Convolution
from facetrust.models._output import Embedding


class _Widths(NamedTuple):
    """Channels of the stem, of the three stages, and of the last map."""

    stem: int
    stages: tuple[int, int, int]
    last: int


# Per variant; the paper's own is `m`.
_VARIANTS = {
    "s": _Widths(32, (48, 88, 88), 384),
    "m": _Widths(64, (64, 128, 128), 512),
    "l": _Widths(64, (96, 192, 192), 704),
}
# Expansion, stage and number of blocks of each group; the first block of the groups marked halves the size.
_GROUPS = ((2, 0, 5, True), (4, 1, 1, True), (2, 1, 6, False), (4, 2, 1, True), (2, 2, 2, False))


def mobilefacenet(
    variant: str = "m", *, image_size: tuple[int, int] = (112, 112), embedding: int = 128
) -> MobileFaceNet:
    """Returns a MobileFaceNet for aligned faces: `s`, `m` (the paper's) or `l`, of 0.5, 1.0 and 2.2 million.

    Input (B, 3, 112, 112), RGB brought to about [-1, 1].

    Args:
        image_size: (height, width) in pixels, multiples of 16.
        embedding: numbers of the answer.

    Raises:
        UnknownName: no such variant.
        UsageError: the size does not fit.
    """
    if variant not in _VARIANTS:
        raise UnknownName("MobileFaceNet variant", variant, _VARIANTS)
    return MobileFaceNet(_VARIANTS[variant], cells_of(image_size), embedding)


class MobileFaceNet(nn.Module):
    """Stem at half the size, five groups of inverted residuals, and one weight per cell and channel."""

    def __init__(self, widths: _Widths, cells: tuple[int, int], embedding: int) -> None:
        super().__init__()
        self.dimensions = embedding
        self.stem = nn.Sequential(
            Convolution(3, widths.stem, kernel=3, stride=2),
            Convolution(widths.stem, widths.stem, kernel=3, groups=widths.stem),
        )
        blocks: list[nn.Module] = []
        width = widths.stem
        for times, stage, count, halves in _GROUPS:
            out = widths.stages[stage]
            for number in range(count):
                stride = 2 if halves and not number else 1
                blocks.append(_InvertedResidual(width, out, inner=times * width, stride=stride))
                width = out
        self.blocks = nn.Sequential(*blocks)
        self.widen = Convolution(width, widths.last, kernel=1)
        self.gather = nn.Conv2d(widths.last, widths.last, cells, groups=widths.last, bias=False)
        self.gathered = nn.BatchNorm2d(widths.last)
        self.head = nn.Linear(widths.last, embedding, bias=False)
        self.norm = nn.BatchNorm1d(embedding)

    def forward(self, images: Tensor) -> Embedding:
        """Returns embeddings (B, d) of images (B, 3, h, w)."""
        maps = self.widen(self.blocks(self.stem(images)))
        return Embedding(self.norm(self.head(self.gathered(self.gather(maps)).flatten(1))))

    def answer(self, images: Tensor) -> tuple[Embedding, Tensor]:
        """Returns the answer, and the embedding in it."""
        output = self(images)
        return output, output.embedding


class _InvertedResidual(nn.Module):
    def __init__(self, channels: int, out: int, *, inner: int, stride: int) -> None:
        super().__init__()
        self.added = stride == 1 and channels == out
        self.layers = nn.Sequential(
            Convolution(channels, inner, kernel=1),
            Convolution(inner, inner, kernel=3, stride=stride, groups=inner),
            Convolution(inner, out, kernel=1, active=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.added else self.layers(x)  # type: ignore[no-any-return]
