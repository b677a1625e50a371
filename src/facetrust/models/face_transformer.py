"""Face Transformer: a ViT over aligned faces whose patches may overlap (Zhong and Deng, arXiv 2103.14803)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from facetrust.errors import UnknownName, UsageError
from facetrust.models._output import Embedding
from facetrust.models._transformer import Attention, FeedForward

_STEP = 8  # Pixels between patches.
# Side of a patch and padding around the image, so that 112 pixels give 14 x 14 patches.
_PATCHES = {"p8s8": (8, 0), "p10s8": (10, 1), "p12s8": (12, 4)}


def face_transformer(
    variant: str = "p8s8",
    *,
    image_size: tuple[int, int] = (112, 112),
    width: int = 512,
    depth: int = 20,
    heads: int = 8,
    hidden: int = 2048,
    dropout: float = 0.1,
    scale: str = "width",
) -> FaceTransformer:
    """Returns a Face Transformer: `p8s8`, `p10s8` or `p12s8` (63,218,176, 63,273,472, 63,341,056 parameters).

    Input (B, 3, 112, 112), RGB in 0..255 as it is. Patches of 8, 10 or 12 pixels every 8 pixels become
    tokens; the answer is the normed class token. The padding of p10s8 is not stated anywhere: 1 here.

    Args:
        image_size: (height, width) in pixels, multiples of 8.
        width: of the tokens, and numbers of the answer.
        depth: transformer blocks.
        heads: attention heads of 64.
        hidden: width within the feed-forward layers.
        dropout: of tokens, attention and feed-forward layers in training.
        scale: what attention is scaled by: 1/sqrt(`width`), as published and as the published weights need,
            or 1/sqrt(`head`), as elsewhere.

    Raises:
        UnknownName: no such variant, or no such scale.
        UsageError: the size does not fit.
    """
    if variant not in _PATCHES:
        raise UnknownName("Face Transformer variant", variant, _PATCHES)
    scales = {"width": width**-0.5, "head": None}
    if scale not in scales:
        raise UnknownName("attention scale", scale, scales)
    if any(side < _STEP or side % _STEP for side in image_size):
        raise UsageError(f"image_size {tuple(image_size)}: give two multiples of {_STEP}, such as 112, 112")
    blocks = [
        _Block(width, heads=heads, hidden=hidden, dropout=dropout, scale=scales[scale]) for _ in range(depth)
    ]
    return FaceTransformer(blocks, _PATCHES[variant], tuple(image_size), width=width, dropout=dropout)


class FaceTransformer(nn.Module):
    """Patches, a class token and positions, then blocks that norm before they attend."""

    def __init__(
        self,
        blocks: list[_Block],
        patch: tuple[int, int],
        image_size: tuple[int, ...],
        *,
        width: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.dimensions = width
        self.patch, self.image_size = patch, image_size
        count = image_size[0] // _STEP * (image_size[1] // _STEP)
        self.pos_embedding = nn.Parameter(torch.randn(1, count + 1, width))
        self.patch_to_embedding = nn.Linear(3 * patch[0] ** 2, width)
        self.cls_token = nn.Parameter(torch.randn(1, 1, width))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(width)

    def forward(self, images: Tensor) -> Embedding:
        """Returns embeddings (B, d) of images (B, 3, h, w).

        Raises:
            UsageError: the images are not of the size that the network was built for.
        """
        if tuple(images.shape[2:]) != self.image_size:
            given = tuple(images.shape[2:])
            raise UsageError(f"images are {given}, this network was built for image_size {self.image_size}")
        side, padding = self.patch
        cut = functional.unfold(images, side, padding=padding, stride=_STEP).mT
        patches = self.patch_to_embedding(cut)
        first = self.cls_token.expand(len(images), 1, -1)
        tokens = self.dropout(torch.cat([first, patches], dim=1) + self.pos_embedding)
        return Embedding(self.norm(self.blocks(tokens)[:, 0]))

    def answer(self, images: Tensor) -> tuple[Embedding, Tensor]:
        """Returns the answer, and the embedding in it."""
        output = self(images)
        return output, output.embedding


class _Block(nn.Module):
    def __init__(self, width: int, *, heads: int, hidden: int, dropout: float, scale: float | None) -> None:
        super().__init__()
        self.attn = Attention(width, heads=heads, dropout=dropout, scale=scale)
        self.feed = FeedForward(width, hidden, dropout=dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attn(tokens)
        return cast(Tensor, tokens + self.feed(tokens))
