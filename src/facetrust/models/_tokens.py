"""One walk through CLIP's image tower: its tokens, and where its class token looks last."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from facetrust.errors import UsageError
from facetrust.models._output import Score

LOOKS = (
    "where the network looks, not what each part adds: the logit spread over the patches by the class "
    "token's attention in the last block (mean over heads), so that all bear the sign of the answer"
)


def tokens_of(tower: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the last block's tokens (B, 1 + gh * gw, c), and its shares of attention (B, gh, gw).

    The class token comes first. Its attention to the patches is averaged over the heads and
    divided by its sum, so that an image's shares add up to one.

    Raises:
        UsageError: the images are not of the tower's size.
    """
    visual = cast(Any, tower)
    patches = visual.conv1(images)
    grid = patches.shape[2:]
    if grid.numel() + 1 != len(visual.positional_embedding):
        wanted, given = tuple(visual.image_size), tuple(images.shape[2:])
        raise UsageError(f"images are {given}, this network was built for image_size {wanted}")
    first = visual.class_embedding.expand(images.shape[0], 1, -1)
    x = torch.cat([first, patches.flatten(2).mT], dim=1) + visual.positional_embedding
    x = visual.ln_pre(x)
    *early, last = visual.transformer.resblocks
    for block in early:
        x = block(x)
    share = _first_row(last.attn, last.ln_1(x))[:, 1:]
    share = share / share.sum(1, keepdim=True).clamp_min(1e-12)
    return last(x), share.reshape(-1, *grid)


def _first_row(attention: nn.MultiheadAttention, tokens: Tensor) -> Tensor:
    """Returns where the first of tokens (B, N, c) looks, (B, N), mean over heads.

    The keys are never made: q (W x) = (q W) x, and their bias is the same for all, which the softmax
    does not see. That is a hundredth of what an attention map costs.
    """
    heads, width = attention.num_heads, tokens.shape[-1]
    weight = cast(Tensor, attention.in_proj_weight)
    ask, keep = weight[:width], weight[width : 2 * width]
    query = functional.linear(tokens[:, 0], ask, attention.in_proj_bias[:width])
    asked = query.reshape(-1, heads, 1, width // heads) @ keep.reshape(heads, width // heads, width)
    likeness = tokens @ asked[:, :, 0].mT * (width // heads) ** -0.5
    share: Tensor = likeness.softmax(1).mean(2)
    return share


def spread(logit: Tensor, share: Tensor) -> Score:
    """Returns logits (B,) with evidence (B, gh, gw) = logit * gh * gw * share, whose mean they are."""
    return Score(logit, logit[:, None, None] * share * share[0].numel())
