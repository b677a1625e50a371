"""A feature pyramid over any timm backbone: classes of every pixel (Lin et al., CVPR 2017, made small)."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from facetrust.errors import UsageError
from facetrust.models._output import Classes
from facetrust.models.timm import backbone_of, cut_blocks


def fpn(
    backbone: str,
    *,
    image_size: tuple[int, int] = (256, 256),
    classes: int = 19,
    block: int | None = None,
    width: int = 64,
    depth: int = 1,
    finest: int = 4,
    separable: bool = True,
    dropout: float = 0.0,
    pretrained: bool | str = False,
) -> Fpn:
    """Returns the backbone `backbone` with a pyramid that brings its coarse maps back to fine ones.

    Args:
        backbone: a name of `timm.list_models()`; a CNN or a network with stages.
        image_size: (height, width) in pixels.
        classes: number of classes, background included.
        block: cut after this many groups of blocks of an EfficientNet or MobileNet; none keeps all of it.
        width: channels of the pyramid.
        depth: convolutions at each of its steps.
        finest: image pixels per cell of the finest map that is used, such as 4; logits are enlarged from it.
        separable: convolutions first over place, then over channels, which saves most of the parameters.
        dropout: probability that a channel of the finest map is dropped in training.
        pretrained: a weight file in timm's names, or an EfficientNet's in efficientnet_pytorch's; true
            fetches timm's over the network.

    Raises:
        UnknownName: timm has no such backbone.
        UsageError: the block does not exist, or the backbone gives no maps between its layers.
        ModelError: pretrained weights cannot be fetched or read, or do not fit.
    """
    network = backbone_of(backbone, image_size, pretrained)
    if block is not None:
        cut_blocks(network, block)
    maps = _Maps(network, image_size, finest)
    return Fpn(maps, classes, width=width, depth=depth, separable=separable, dropout=dropout)


class Fpn(nn.Module):
    """From the coarsest map on, each step enlarges what is there, adds the next finer map, and convolves.

    The coarsest step also sees the mean over the whole picture, by which left and right are told apart.
    """

    def __init__(
        self,
        maps: _Maps,
        classes: int,
        *,
        width: int = 64,
        depth: int = 1,
        separable: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.maps = maps
        self.lateral = nn.ModuleList(_normed(nn.Conv2d(each, width, 1, bias=False)) for each in maps.widths)
        self.context = nn.Conv2d(maps.widths[-1], width, 1)
        self.refine = nn.ModuleList(_step(width, depth, separable=separable) for _ in maps.widths)
        self.dropout = nn.Dropout2d(dropout)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, images: Tensor) -> Classes:
        """Returns logits (B, C, h, w) for images (B, 3, h, w)."""
        found = self.maps(images)
        seen = self.lateral[-1](found[-1]) + self.context(found[-1].mean((2, 3), keepdim=True))
        seen = self.refine[-1](seen)
        for level in reversed(range(len(found) - 1)):
            finer = self.lateral[level](found[level])
            seen = self.refine[level](_resized(seen, finer) + finer)
        return Classes(_resized(self.head(self.dropout(seen)), images))


class _Maps(nn.Module):
    """A backbone's maps from fine to coarse, the deepest of each size."""

    def __init__(self, backbone: nn.Module, image_size: tuple[int, int], finest: int) -> None:
        super().__init__()
        takes: Any = getattr(backbone, "forward_intermediates", None)
        if takes is None:
            raise UsageError(f"{type(backbone).__name__} hands out no maps between its layers; take another")
        blocks = "extra_blocks" in inspect.signature(takes).parameters
        # Of an EfficientNet the maps behind each group of blocks; else those that timm lists.
        self.how: dict[str, Any] = {"extra_blocks": True} if blocks else {}
        self.backbone = backbone
        self.indices: list[int] = []
        shapes = self._shapes(image_size)
        deepest = {shape[-2:]: index for index, shape in enumerate(shapes)}
        self.indices = [
            index for index in sorted(deepest.values()) if shapes[index][-1] * finest <= image_size[1]
        ]
        if not self.indices:
            raise UsageError(f"finest {finest}: the backbone has no map that coarse")
        self.widths = [shapes[index][1] for index in self.indices]
        if hasattr(backbone, "prune_intermediate_layers"):  # What lies behind the last map is left out.
            backbone.prune_intermediate_layers(self.indices, prune_norm=True, prune_head=True, **self.how)  # type: ignore[operator]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Returns maps (B, c, h, w), the finest first."""
        return self.backbone.forward_intermediates(  # type: ignore[operator,no-any-return]
            images, indices=self.indices, intermediates_only=True, stop_early=True, **self.how
        )

    def _shapes(self, image_size: tuple[int, int]) -> list[torch.Size]:
        training = self.backbone.training
        self.backbone.eval()
        with torch.no_grad():
            maps = self.backbone.forward_intermediates(  # type: ignore[operator]
                torch.zeros(1, 3, *image_size), intermediates_only=True, **self.how
            )
        self.backbone.train(training)
        return [each.shape for each in maps]


def _step(width: int, depth: int, *, separable: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(depth):
        if separable:
            layers += [
                nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
                _normed(nn.Conv2d(width, width, 1, bias=False)),
            ]
        else:
            layers.append(_normed(nn.Conv2d(width, width, 3, padding=1, bias=False)))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def _normed(layer: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(layer, nn.BatchNorm2d(layer.out_channels))


def _resized(maps: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(maps, like.shape[-2:], mode="bilinear", align_corners=False)
