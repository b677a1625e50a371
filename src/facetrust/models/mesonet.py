"""MesoNet, the smallest deepfake detectors of the field, so that their published weights stand in reports."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn

from facetrust.errors import UnknownName, UsageError
from facetrust.models._output import Score

_SHRINKS = 32  # Pixels per cell of the last feature map, in both directions.
_CHANNELS = 16
_HIDDEN = 16
_LEAK = 0.1


def mesonet(variant: str = "meso4", *, image_size: tuple[int, int] = (256, 256)) -> MesoNet:
    """Returns Meso4 (`"meso4"`, 27,977 parameters) or MesoInception4 (`"inception4"`, 28,615), at 256 pixels.

    Input (B, 3, 256, 256) RGB in [0, 1]. The authors' output is the chance that the face is genuine; the
    logit here is that of a manipulated one.

    Args:
        variant: `meso4` or `inception4`.
        image_size: (height, width) in pixels, multiples of 32; the first dense layer grows with it.

    Raises:
        UnknownName: no such variant.
        UsageError: the size does not fit.

    Source: Afchar, Nozick, Yamagishi and Echizen, MesoNet (WIFS 2018, arXiv 1809.00888), figures 4 and 5.
    """
    if variant not in _FEATURES:
        raise UnknownName("MesoNet variant", variant, _FEATURES)
    if min(image_size) < _SHRINKS or any(side % _SHRINKS for side in image_size):
        raise UsageError(f"MesoNet: image_size {image_size} must be multiples of {_SHRINKS}")
    cells = (image_size[0] // _SHRINKS, image_size[1] // _SHRINKS)
    return MesoNet(_FEATURES[variant](), cells)


class MesoNet(nn.Module):
    """Convolutions that shrink a face to a map of 16 channels, and two dense layers on the whole of it."""

    evidence_means = (
        "what each cell of the last feature map adds to the logit: exact, as the dense layers are linear for "
        "one picture once the signs of their 16 hidden values are known; the biases are spread evenly"
    )

    def __init__(self, features: nn.Module, cells: tuple[int, int]) -> None:
        super().__init__()
        self.features = features
        self.dropout = nn.Dropout(0.5)
        self.dense = nn.Linear(cells[0] * cells[1] * _CHANNELS, _HIDDEN)
        self.head = nn.Linear(_HIDDEN, 1)

    def forward(self, images: Tensor) -> Score:
        """Returns logits (B,) and evidence (B, h / 32, w / 32) for images (B, 3, h, w)."""
        return self.answer(images)[0]

    def answer(self, images: Tensor) -> tuple[Score, Tensor]:
        """Returns the answer, and the hidden values (B, 16) that it is made from."""
        cells = self.dropout(self.features(images).permute(0, 2, 3, 1))
        weights = self.dense.weight.reshape(-1, *cells.shape[1:])
        added = torch.einsum("bhwc,uhwc->bhwu", cells, weights)
        hidden = added.sum((1, 2)) + self.dense.bias
        # A leaky ReLU multiplies a hidden value by 1 or by its leak, and so all that cells added to it.
        slope = self.dropout(torch.where(hidden > 0, 1.0, _LEAK))
        answer = slope * self.head.weight[0]
        even = answer @ self.dense.bias + self.head.bias
        evidence = (added * answer[:, None, None]).sum(-1) * cells[0, ..., 0].numel() + even[:, None, None]
        embedding = slope * hidden
        return Score(self.head(embedding)[:, 0], evidence), embedding


def _meso4() -> nn.Sequential:
    return nn.Sequential(
        _block(nn.Conv2d(3, 8, 3, padding=1), 8, pool=2),
        _block(nn.Conv2d(8, 8, 5, padding=2), 8, pool=2),
        _block(nn.Conv2d(8, _CHANNELS, 5, padding=2), _CHANNELS, pool=2),
        _block(nn.Conv2d(_CHANNELS, _CHANNELS, 5, padding=2), _CHANNELS, pool=4),
    )


def _inception4() -> nn.Sequential:
    first, second = (1, 4, 4, 2), (2, 4, 4, 2)
    return nn.Sequential(
        _block(_Inception(3, first), sum(first), pool=2),
        _block(_Inception(sum(first), second), sum(second), pool=2),
        _block(nn.Conv2d(sum(second), _CHANNELS, 5, padding=2), _CHANNELS, pool=2),
        _block(nn.Conv2d(_CHANNELS, _CHANNELS, 5, padding=2), _CHANNELS, pool=4),
    )


def _block(layer: nn.Module, width: int, *, pool: int) -> nn.Sequential:
    # Keras's constants: what batch normalisation adds to a variance, and its momentum as torch counts it.
    norm = nn.BatchNorm2d(width, eps=1e-3, momentum=0.01)
    parts = {"layer": layer, "active": nn.ReLU(), "norm": norm, "pool": nn.MaxPool2d(pool)}
    return nn.Sequential(OrderedDict(parts))


class _Inception(nn.Module):
    """A 1x1 convolution beside three of 3x3 that see 1, 2 and 3 pixels far, each behind a 1x1 of its own."""

    def __init__(self, channels: int, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.point = nn.Conv2d(channels, widths[0], 1)
        self.wider = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, width, 1),
                nn.ReLU(),
                nn.Conv2d(width, width, 3, padding=reach, dilation=reach),
            )
            for reach, width in enumerate(widths[1:], start=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.point(x), *(branch(x) for branch in self.wider)], dim=1)


_FEATURES: dict[str, Callable[[], nn.Sequential]] = {"meso4": _meso4, "inception4": _inception4}
