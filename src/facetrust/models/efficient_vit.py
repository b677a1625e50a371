"""Efficient ViT, a deepfake detector: EfficientNet-B0, then a transformer over two tokens."""

from __future__ import annotations

from itertools import chain
from typing import Any, cast

from torch import Tensor, nn

from facetrust.models._one_token import OneToken, efficientnet
from facetrust.models._output import Score
from facetrust.models._tokens import spread
from facetrust.models._transformer import Transformer

_TRAINED_BLOCKS = 3


def efficient_vit(
    *,
    image_size: tuple[int, int] = (224, 224),
    width: int = 1024,
    depth: int = 6,
    heads: int = 8,
    hidden: int = 2048,
    dropout: float = 0.15,
    pretrained: bool = False,
) -> EfficientVit:
    """Returns an Efficient ViT, 109,417,061 parameters at 224 x 224 pixels (arXiv 2107.02612).

    Input (B, 3, 224, 224); the published weights want BGR in 0..255. The last feature map, 7 x 7
    cells, is one patch, so that the transformer sees a class token and one more. EfficientNet's blocks
    are frozen but for the last three. The authors' code has 32 positions, added by an image's place
    in its batch; built is one for each of the two tokens.

    Args:
        image_size: (height, width) in pixels, multiples of 32; the map stays one patch at any size.
        width: of the tokens.
        depth: transformer blocks.
        heads: attention heads of 64.
        hidden: width within the feed-forward layers and the head.
        dropout: of tokens and attention in training; the feed-forward layers have none.
        pretrained: fetch timm's ImageNet weights of the trunk over the network.

    Raises:
        UsageError: the size does not fit.
        ModelError: pretrained weights cannot be fetched.
    """
    embedder = OneToken(
        efficientnet(pretrained), width, image_size=image_size, early=False, positions=2, dropout=dropout
    )
    _train_last_blocks(embedder.efficient_net)
    transformer = Transformer(
        width, depth, heads=heads, hidden=hidden, dropout=dropout, feed_dropout=0.0, last_norm=False
    )
    return EfficientVit(embedder, transformer, width=width, hidden=hidden)


class EfficientVit(nn.Module):
    """Two tokens, a transformer, and a head of two layers on the class token."""

    evidence_means = (
        "where the network's one patch token comes from, not what each part adds: the logit spread over "
        "the cells of the last feature map by the size of each cell's part in the token's projection, so "
        "that all bear the sign of the answer"
    )

    def __init__(self, embedder: OneToken, transformer: Transformer, *, width: int, hidden: int) -> None:
        super().__init__()
        self.embedder = embedder
        self.transformer = transformer
        self.mlp_head = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, images: Tensor) -> Score:
        """Returns logits (B,) and evidence (B, h / 32, w / 32) for images (B, 3, h, w)."""
        return self.answer(images)[0]

    def answer(self, images: Tensor) -> tuple[Score, Tensor]:
        """Returns the answer, and the class token (B, c) that it is made from."""
        tokens, share = self.embedder(images)
        embedding = self.transformer(tokens)[:, 0]
        return spread(self.mlp_head(embedding)[:, 0], share), embedding


def _train_last_blocks(trunk: nn.Module) -> None:
    blocks = list(chain.from_iterable(cast(Any, trunk).blocks))
    for block in blocks[:-_TRAINED_BLOCKS]:
        block.requires_grad_(False)
