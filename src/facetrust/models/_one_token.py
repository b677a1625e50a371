"""A whole feature map of EfficientNet-B0 becomes one token, and each cell's part in it is known."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from facetrust.errors import ModelError, UsageError
from facetrust.models._torchvision import make_torchvision_importable

STRIDE = 32  # Pixels per cell of the last map.
# The variant with TensorFlow's padding and epsilon, as the published networks have it.
_TRUNK = "tf_efficientnet_b0.aa_in1k"
_EARLY_STAGES = 2  # The stem and three blocks: 24 channels, a cell every 4 pixels.
_EARLY_STRIDE, _EARLY_WIDTH = 4, 24


def efficientnet(pretrained: bool) -> nn.Module:
    """Returns timm's EfficientNet-B0, classifier and all (5,288,548 parameters).

    Raises:
        ModelError: pretrained weights cannot be fetched.
    """
    make_torchvision_importable()
    import timm

    try:
        return timm.create_model(_TRUNK, pretrained=pretrained, drop_path_rate=0.2, bn_momentum=0.01)
    except Exception as error:  # The hub raises many kinds when it cannot be reached.
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise ModelError(
            f"{_TRUNK}: the weights cannot be fetched ({reason}); set pretrained=false or connect"
        ) from error


class OneToken(nn.Module):
    """Images become two tokens: a learnt first one, and a linear map of all cells of a feature map.

    The trunk is kept whole, as published, though its classifier, and behind an early map all further
    blocks, are never run: these have no gradient.
    """

    def __init__(
        self,
        trunk: nn.Module,
        width: int,
        *,
        image_size: tuple[int, int],
        early: bool,
        positions: int,
        dropout: float,
    ) -> None:
        super().__init__()
        _check_size(image_size)
        self.image_size, self.early = tuple(image_size), early
        self.grid = (image_size[0] // STRIDE, image_size[1] // STRIDE)
        stride, channels = (_EARLY_STRIDE, _EARLY_WIDTH) if early else (STRIDE, cast(Any, trunk).num_features)
        self.efficient_net = trunk
        self.project = nn.Linear(image_size[0] // stride * (image_size[1] // stride) * channels, width)
        self.pos_embedding = nn.Parameter(torch.randn(1, positions, width))
        self.cls_token = nn.Parameter(torch.randn(1, 1, width))
        self.dropout = nn.Dropout(dropout)
        self._freeze_unused()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Returns tokens (B, 2, c) and each cell's share of the second (B, gh, gw), summing to one.

        A share is the length of the cell's part in the projection over the sum of all lengths.

        Raises:
            UsageError: the images are not of the size that the network was built for.
        """
        if tuple(images.shape[2:]) != self.image_size:
            given = tuple(images.shape[2:])
            raise UsageError(f"images are {given}, this network was built for image_size {self.image_size}")
        parts = self._parts(self._features(images))
        token = parts.sum((1, 2)) + self.project.bias
        tokens = torch.stack([self.cls_token[0].expand_as(token), token], dim=1)
        lengths = parts.norm(dim=3)
        share = lengths / lengths.sum((1, 2), keepdim=True).clamp_min(1e-12)
        return self.dropout(tokens + self.pos_embedding[:, :2]), share

    def _features(self, images: Tensor) -> Tensor:
        net = cast(Any, self.efficient_net)
        if not self.early:
            return net.forward_features(images)  # type: ignore[no-any-return]
        return net.blocks[:_EARLY_STAGES](net.bn1(net.conv_stem(images)))  # type: ignore[no-any-return]

    def _parts(self, features: Tensor) -> Tensor:
        """Returns (B, gh, gw, c), whose sum over all cells is the projection without its bias.

        The weights are read as they lie: row by row, column by column, channels last. An early
        map's rows are multiplied one by one, as many of its columns together as a cell is wide.
        """
        batch, channels, rows, columns = features.shape
        down, across = self.grid
        cells = features.permute(2, 3, 0, 1).reshape(rows * across, columns // across, batch, channels)
        weights = self.project.weight.reshape(-1, rows * across, columns // across * channels)
        made = torch.bmm(cells.transpose(1, 2).flatten(2), weights.permute(1, 2, 0))
        return made.reshape(down, rows // down, across, batch, -1).sum(1).permute(2, 0, 1, 3)

    def _freeze_unused(self) -> None:
        net = cast(Any, self.efficient_net)
        unused = [net.classifier]
        if self.early:
            unused += [net.blocks[_EARLY_STAGES:], net.conv_head, net.bn2]
        for part in unused:
            part.requires_grad_(False)


def _check_size(image_size: tuple[int, int]) -> None:
    if len(image_size) != 2 or any(side < STRIDE or side % STRIDE for side in image_size):
        raise UsageError(f"image_size {tuple(image_size)}: give two multiples of {STRIDE}, such as 224, 224")
