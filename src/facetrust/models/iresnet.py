"""IResNet, the residual networks of insightface's `arcface_torch`; parameter names are theirs."""

from __future__ import annotations

from torch import Tensor, nn

from facetrust.errors import UnknownName
from facetrust.models._aligned import cells_of
from facetrust.models._output import Embedding

_WIDTHS = (64, 128, 256, 512)
_DEPTHS = {
    "18": (2, 2, 2, 2),
    "34": (3, 4, 6, 3),
    "50": (3, 4, 14, 3),
    "100": (3, 13, 30, 3),
}


def iresnet(
    variant: str = "50",
    *,
    image_size: tuple[int, int] = (112, 112),
    embedding: int = 512,
    dropout: float = 0.0,
    pooled: bool = False,
) -> IResNet:
    """Returns an IResNet for aligned faces: `18`, `34`, `50` or `100` (24.0, 34.1, 43.6, 65.2 million).

    Input (B, 3, 112, 112), RGB brought to [-1, 1]. The last normalisation's weight stays 1.

    Args:
        image_size: (height, width) in pixels, multiples of 16.
        embedding: numbers of the answer.
        dropout: of the last map in training.
        pooled: shortcuts that change no number of channels only leave out every second pixel, as in AdaFace's
            networks; insightface's have a convolution there.

    Raises:
        UnknownName: no such variant.
        UsageError: the size does not fit.
    """
    if variant not in _DEPTHS:
        raise UnknownName("IResNet variant", variant, _DEPTHS)
    return IResNet(_DEPTHS[variant], cells_of(image_size), embedding, dropout, pooled=pooled)


class IResNet(nn.Module):
    """A stem at full size, four stages that each halve it, and a linear layer over the whole last map."""

    def __init__(
        self,
        depths: tuple[int, ...],
        cells: tuple[int, int],
        embedding: int,
        dropout: float,
        *,
        pooled: bool,
    ) -> None:
        super().__init__()
        self.dimensions = embedding
        width = _WIDTHS[0]
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.prelu = nn.PReLU(width)
        for number, (out, depth) in enumerate(zip(_WIDTHS, depths, strict=True), start=1):
            blocks = [
                _Block(width, out, stride=2, pooled=pooled),
                *(_Block(out, out) for _ in range(depth - 1)),
            ]
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
            width = out
        self.bn2 = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(width * cells[0] * cells[1], embedding)
        self.features = nn.BatchNorm1d(embedding)
        self.features.weight.requires_grad = False
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.normal_(part.weight, std=0.1)

    def forward(self, images: Tensor) -> Embedding:
        """Returns embeddings (B, d) of images (B, 3, h, w)."""
        x = self.prelu(self.bn1(self.conv1(images)))
        for number in range(1, 1 + len(_WIDTHS)):
            x = self.get_submodule(f"layer{number}")(x)
        return Embedding(self.features(self.fc(self.dropout(self.bn2(x)).flatten(1))))

    def answer(self, images: Tensor) -> tuple[Embedding, Tensor]:
        """Returns the answer, and the embedding in it."""
        output = self(images)
        return output, output.embedding


class _Block(nn.Module):
    def __init__(self, channels: int, out: int, *, stride: int = 1, pooled: bool = False) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.prelu = nn.PReLU(out)
        self.conv2 = nn.Conv2d(out, out, 3, stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.downsample: nn.Module = nn.Identity()
        if pooled and channels == out:
            self.downsample = nn.MaxPool2d(1, stride)
        elif stride != 1 or channels != out:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x: Tensor) -> Tensor:
        inner = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        return self.bn3(self.conv2(inner)) + self.downsample(x)  # type: ignore[no-any-return]
