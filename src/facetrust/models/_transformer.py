"""The transformer of both Efficient ViTs: the norm comes first, and a head's width is set on its own."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

HEAD_WIDTH = 64


class Attention(nn.Module):
    """Norm, then `heads` heads of 64; queries, keys and values have no bias, the way out has one.

    `scale` multiplies the products of queries and keys; 1/sqrt(64) if none is given.
    """

    def __init__(self, width: int, *, heads: int, dropout: float = 0.0, scale: float | None = None) -> None:
        super().__init__()
        inner = heads * HEAD_WIDTH
        self.heads = heads
        self.scale = scale
        self.norm = nn.LayerNorm(width)
        self.to_q = nn.Linear(width, inner, bias=False)
        self.to_kv = nn.Linear(width, 2 * inner, bias=False)
        self.to_out = nn.Sequential(nn.Linear(inner, width), nn.Dropout(dropout))

    def forward(self, tokens: Tensor, context: Tensor | None = None) -> Tensor:
        """Returns what tokens (B, N, c) see in themselves and in a context (B, M, c), which is not normed."""
        asking = self.norm(tokens)
        seen = asking if context is None else torch.cat([asking, context], dim=1)
        key, value = (self._split(part) for part in self.to_kv(seen).chunk(2, dim=-1))
        query = self._split(self.to_q(asking))
        mixed = functional.scaled_dot_product_attention(query, key, value, scale=self.scale)
        return self.to_out(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def inside(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns queries, keys and values (B, H, N, 64) of tokens (B, N, c).

        Queries are multiplied so that the usual 1/sqrt(64) gives what this attention's own scale does.
        """
        asking = self.norm(tokens)
        key, value = (self._split(part) for part in self.to_kv(asking).chunk(2, dim=-1))
        own = 1.0 if self.scale is None else self.scale * HEAD_WIDTH**0.5
        return self._split(self.to_q(asking)) * own, key, value

    def _split(self, made: Tensor) -> Tensor:
        return made.reshape(*made.shape[:2], self.heads, HEAD_WIDTH).transpose(1, 2)


class FeedForward(nn.Module):
    """Norm, then two linear layers with a GELU between them."""

    def __init__(self, width: int, hidden: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.net = nn.Sequential(
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, width),
            nn.Dropout(dropout),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        return self.net(self.norm(tokens))  # type: ignore[no-any-return]


class Transformer(nn.Module):
    """`depth` times attention and feed-forward, each added to what it was given; a last norm if asked for."""

    def __init__(
        self,
        width: int,
        depth: int,
        *,
        heads: int,
        hidden: int,
        dropout: float,
        feed_dropout: float,
        last_norm: bool,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleList(
                [
                    Attention(width, heads=heads, dropout=dropout),
                    FeedForward(width, hidden, dropout=feed_dropout),
                ]
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width) if last_norm else nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        """Returns tokens (B, N, c) for tokens (B, N, c)."""
        for layer in self.layers:
            attention, feed = cast(nn.ModuleList, layer)
            tokens = tokens + attention(tokens)
            tokens = tokens + feed(tokens)
        return self.norm(tokens)  # type: ignore[no-any-return]
