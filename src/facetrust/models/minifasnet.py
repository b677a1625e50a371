"""MiniFASNet, the small nets of Silent-Face-Anti-Spoofing, so that their published weights can teach.

Channel numbers are those of the pruned published networks; parameter names are theirs too.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facetrust.errors import UnknownName
from facetrust.models._convolution import Convolution
from facetrust.models._output import Score

_STEM = 32
_WIDTHS = (64, 128, 128)
_HEAD = 512
_EMBEDDING = 128
# Per variant and stage: channels inside the strided block, then inside each residual block.
_INNER: dict[str, tuple[tuple[int, ...], ...]] = {
    "v2": ((103, 13, 13, 13, 13), (231, 231, 52, 26, 77, 26, 26), (308, 26, 26)),
    "v1se": ((103, 13, 26, 13, 52), (231, 154, 52, 26, 52, 26, 26), (308, 26, 26)),
}
_STAGES = (("conv_23", "conv_3"), ("conv_34", "conv_4"), ("conv_45", "conv_5"))


def minifasnet(variant: str = "v2") -> MiniFasNet:
    """Returns MiniFASNetV2 (`"v2"`, 434,560 parameters) or MiniFASNetV1SE (`"v1se"`, 433,586).

    Input (B, 3, 80, 80) BGR in 0..255. The published nets tell three classes apart, the second of
    them live; the logit is that of "not live". The net ends in a full convolution, so its evidence
    is a single cell.
    """
    if variant not in _INNER:
        raise UnknownName("MiniFASNet variant", variant, _INNER)
    return MiniFasNet(_INNER[variant], squeeze=variant.endswith("se"))


class MiniFasNet(nn.Module):
    """A strided block and residual blocks per stage, then a depthwise 5x5 to a 128-d embedding."""

    def __init__(self, inner: tuple[tuple[int, ...], ...], *, squeeze: bool) -> None:
        super().__init__()
        self.conv1 = Convolution(3, _STEM, kernel=3, stride=2)
        self.conv2_dw = Convolution(_STEM, _STEM, kernel=3, groups=_STEM)
        width = _STEM
        for (down, rest), channels, out in zip(_STAGES, inner, _WIDTHS, strict=True):
            self.add_module(down, _Bottleneck(width, out, inner=channels[0], stride=2))
            self.add_module(rest, _Residual(out, channels[1:], squeeze=squeeze))
            width = out
        self.conv_6_sep = Convolution(width, _HEAD, kernel=1)
        self.conv_6_dw = Convolution(_HEAD, _HEAD, kernel=5, groups=_HEAD, padding=0, active=False)
        self.linear = nn.Linear(_HEAD, _EMBEDDING, bias=False)
        self.bn = nn.BatchNorm1d(_EMBEDDING)
        self.prob = nn.Linear(_EMBEDDING, 3, bias=False)

    def forward(self, images: Tensor) -> Score:
        """Returns the logit of "not live" (B,) and it again as a map (B, 1, 1)."""
        return self.answer(images)[0]

    def answer(self, images: Tensor) -> tuple[Score, Tensor]:
        """Returns the answer, and the embedding (B, 128) that it is made from."""
        x = self.conv2_dw(self.conv1(images))
        for down, rest in _STAGES:
            x = self.get_submodule(rest)(self.get_submodule(down)(x))
        x = self.conv_6_dw(self.conv_6_sep(x))
        embedding = self.bn(self.linear(x.flatten(1)))
        classes = self.prob(embedding)
        logit = torch.logsumexp(classes[:, 0::2], dim=1) - classes[:, 1]
        return Score(logit, logit[:, None, None]), embedding


class _Bottleneck(nn.Module):
    def __init__(
        self, channels: int, out: int, *, inner: int, stride: int = 1, squeeze: bool = False
    ) -> None:
        super().__init__()
        self.conv = Convolution(channels, inner, kernel=1)
        self.conv_dw = Convolution(inner, inner, kernel=3, stride=stride, groups=inner)
        self.project = Convolution(inner, out, kernel=1, active=False)
        self.se_module = _Squeeze(out) if squeeze else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.se_module(self.project(self.conv_dw(self.conv(x))))  # type: ignore[no-any-return]


class _Residual(nn.Module):
    def __init__(self, width: int, inner: tuple[int, ...], *, squeeze: bool) -> None:
        super().__init__()
        last = len(inner) - 1
        self.model = nn.ModuleList(
            _Bottleneck(width, width, inner=channels, squeeze=squeeze and index == last)
            for index, channels in enumerate(inner)
        )

    def forward(self, x: Tensor) -> Tensor:
        for block in self.model:
            x = x + block(x)
        return x


class _Squeeze(nn.Module):
    def __init__(self, width: int, *, reduction: int = 4) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(width, width // reduction, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width // reduction)
        self.fc2 = nn.Conv2d(width // reduction, width, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        weights = torch.relu(self.bn1(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(self.bn2(self.fc2(weights)))
