"""Cross Efficient ViT, a deepfake detector: two EfficientNets, whose tokens look across at each other."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from facetrust.models._one_token import OneToken, efficientnet
from facetrust.models._output import Score
from facetrust.models._tokens import spread
from facetrust.models._transformer import Attention, Transformer

# A table of positions as if there were as many patches; two of its rows are used.
_SMALL_POSITIONS, _LARGE_POSITIONS = 32 * 32 + 1, 4 * 4 + 1
_Pair = tuple[Tensor, Tensor]


def cross_efficient_vit(
    *,
    image_size: tuple[int, int] = (224, 224),
    widths: tuple[int, int] = (192, 384),
    depth: int = 4,
    depths: tuple[int, int, int] = (2, 3, 2),
    heads: int = 8,
    hidden: int = 2048,
    dropout: float = 0.15,
    pretrained: bool = False,
) -> CrossEfficientVit:
    """Returns a Cross Efficient ViT, 101,377,610 parameters at 224 x 224 pixels (arXiv 2107.02612).

    Input (B, 3, 224, 224); the published weights want BGR in 0..255. The small branch makes one token
    of EfficientNet-B0's last map (7 x 7 cells), the large one a token of the map behind the third
    block (56 x 56 cells) of a second EfficientNet-B0. Built is the authors' code: both are trained,
    and kept whole, though the large branch never runs its further blocks.

    Args:
        image_size: (height, width) in pixels, multiples of 32; a map stays one patch at any size.
        widths: of the small and of the large branch's tokens.
        depth: rounds of both branches' transformers and the looking across.
        depths: in a round, blocks of the small and of the large transformer, and times of looking across.
        heads: attention heads of 64.
        hidden: width within the feed-forward layers.
        dropout: of tokens, attention and feed-forward layers in training.
        pretrained: fetch timm's ImageNet weights of both trunks over the network.

    Raises:
        UsageError: the size does not fit.
        ModelError: pretrained weights cannot be fetched.
    """
    small, large = (
        OneToken(
            efficientnet(pretrained),
            width,
            image_size=image_size,
            early=early,
            positions=positions,
            dropout=dropout,
        )
        for width, early, positions in zip(
            widths, (False, True), (_SMALL_POSITIONS, _LARGE_POSITIONS), strict=True
        )
    )
    rounds = [_Round(widths, depths, heads=heads, hidden=hidden, dropout=dropout) for _ in range(depth)]
    return CrossEfficientVit(small, large, rounds, widths=widths)


class CrossEfficientVit(nn.Module):
    """Two branches of two tokens each; a head on either class token, and the sum of both logits."""

    evidence_means = (
        "where the network's two patch tokens come from, not what each part adds: each branch's logit "
        "spread over the picture by the size of each cell's part in its token's projection, and both added"
    )

    def __init__(
        self, small: OneToken, large: OneToken, rounds: list[_Round], *, widths: tuple[int, int]
    ) -> None:
        super().__init__()
        self.small, self.large = small, large
        self.rounds = nn.ModuleList(rounds)
        self.small_head, self.large_head = (
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1)) for width in widths
        )

    def forward(self, images: Tensor) -> Score:
        """Returns logits (B,) and evidence (B, h / 32, w / 32) for images (B, 3, h, w)."""
        return self.answer(images)[0]

    def answer(self, images: Tensor) -> tuple[Score, Tensor]:
        """Returns the answer, and both class tokens side by side (B, c + d), the small branch's first."""
        (small, small_share), (large, large_share) = self.small(images), self.large(images)
        for each in self.rounds:
            small, large = each(small, large)
        small, large = small[:, 0], large[:, 0]
        ours = spread(self.small_head(small)[:, 0], small_share)
        theirs = spread(self.large_head(large)[:, 0], large_share)
        output = Score(ours.logit + theirs.logit, ours.evidence + theirs.evidence)
        return output, torch.cat([small, large], dim=1)


class _Round(nn.Module):
    """Each branch's own transformer, then the class tokens look at the other branch's patches."""

    def __init__(
        self,
        widths: tuple[int, int],
        depths: tuple[int, int, int],
        *,
        heads: int,
        hidden: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.small, self.large = (
            Transformer(
                width,
                depth,
                heads=heads,
                hidden=hidden,
                dropout=dropout,
                feed_dropout=dropout,
                last_norm=True,
            )
            for width, depth in zip(widths, depths[:2], strict=True)
        )
        self.across = nn.ModuleList(
            nn.ModuleList(
                [
                    _Across(widths[0], widths[1], heads=heads, dropout=dropout),
                    _Across(widths[1], widths[0], heads=heads, dropout=dropout),
                ]
            )
            for _ in range(depths[2])
        )

    def forward(self, small: Tensor, large: Tensor) -> _Pair:
        small, large = self.small(small), self.large(large)
        (small_first, small_rest), (large_first, large_rest) = _parted(small), _parted(large)
        for looks in self.across:
            small_looks, large_looks = cast(nn.ModuleList, looks)
            small_first = small_first + small_looks(small_first, large_rest)
            large_first = large_first + large_looks(large_first, small_rest)
        return torch.cat([small_first, small_rest], dim=1), torch.cat([large_first, large_rest], dim=1)


class _Across(nn.Module):
    """A class token in the other branch's width sees itself and that branch's patches, and comes back."""

    def __init__(self, width: int, other: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.project_in = nn.Linear(width, other) if width != other else nn.Identity()
        self.attention = Attention(other, heads=heads, dropout=dropout)
        self.project_out = nn.Linear(other, width) if width != other else nn.Identity()

    def forward(self, first: Tensor, patches: Tensor) -> Tensor:
        return self.project_out(self.attention(self.project_in(first), patches))  # type: ignore[no-any-return]


def _parted(tokens: Tensor) -> _Pair:
    return tokens[:, :1], tokens[:, 1:]
