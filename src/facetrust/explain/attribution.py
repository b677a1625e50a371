"""A network looks at crops, and an explanation says where: what a picture and a comparison both need."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facetrust import registry
from facetrust.errors import UnknownName, UsageError
from facetrust.imaging import Pixels, inputs_of
from facetrust.imaging.crop import Points
from facetrust.models import Inside, Score, attention_of, look_inside
from facetrust.records import Box, Preprocessing

SPATIAL = "spatial-attention"  # Of a feature map, which a network without attention has too.


class Attribution(NamedTuple):
    """Heat (B, h, w) over images, and the attention maps (B, L, H, N, N) it was made from, if it was."""

    heat: NDArray[np.float32]
    maps: Tensor | None


def by_attention(method: str) -> bool:
    """Returns whether an explanation is made from attention maps, which have no sign.

    Raises:
        UnknownName: no such explanation.
    """
    if method not in registry.names("explain.methods"):
        raise UnknownName("explanation", method, registry.names("explain.methods"))
    return "maps" in _arguments(method)


def has_sign(method: str) -> bool:
    """Returns whether an explanation says what speaks for an attack, and not only where a network looks.

    Raises:
        UnknownName: no such explanation.
    """
    return not by_attention(method) and method != SPATIAL


def one_sided(method: str) -> bool:
    """Returns whether an explanation gives what speaks for one answer, and has to be asked for the other.

    Its maps are from 0 to 1, the most in the image, and not in logits.

    Raises:
        UnknownName: no such explanation.
    """
    return "against" in _arguments(method)


def crops_of(
    image: Pixels, boxes: Sequence[Box], how: Preprocessing, points: Sequence[Points] | None = None
) -> Tensor:
    """Returns the crops (B, M, 3, h, w) of the faces at B boxes, as the card says, M its margins.

    Args:
        points: five per box, which a card that asks for aligned faces needs.
    """
    of_faces: Sequence[Points | None] = points or [None] * len(boxes)
    crops = [inputs_of(image, box, how, points=own) for box, own in zip(boxes, of_faces, strict=True)]
    return torch.from_numpy(np.stack(crops))


def attribute(model: nn.Module, images: Tensor, *, method: str, against: bool = False) -> Attribution:
    """Returns where an explanation says that a network, in evaluation mode, looks in images (B, 3, h, w).

    Args:
        against: by gradients, what speaks for the answer 0 instead of 1; that heat is 0 or less.

    Raises:
        UsageError: the explanation is made from attention, and the network has none that can be seen.
    """
    if not by_attention(method):
        settings = {"against": True} if against and one_sided(method) else {}
        heat = registry.build("explain.methods", method, model, images, **settings).numpy()
        return Attribution(-heat if settings else heat, None)
    with torch.enable_grad():
        inside = look_inside(model, images.detach().clone().requires_grad_())
        if not inside.queries:
            raise UsageError(
                f"{method}: this network has no attention that can be seen; take cam or {SPATIAL}"
            )
        pooled = _pools_patches(inside)
    maps = attention_of(inside).detach()
    # Where the answer is no map, the patches are laid out by the picture's shape.
    grid = tuple(inside.output.evidence.shape[1:]) if isinstance(inside.output, Score) else None
    readout = "patches" if pooled else "cls"
    heat = registry.build("explain.methods", method, maps, images, grid=grid, readout=readout)
    return Attribution(heat.numpy(), maps)


def _arguments(method: str) -> list[str]:
    return list(inspect.signature(registry.find("explain.methods", method)).parameters)


def _pools_patches(inside: Inside) -> bool:
    """Whether the answer is read from the patch tokens: its gradient reaches them after the last block."""
    scored = isinstance(inside.output, Score)
    patches = inside.output.evidence[0].numel() if scored else inside.hidden[-1].shape[1] - 1
    answer = inside.output.logit if scored else inside.embedding[:, 0]
    (slope,) = torch.autograd.grad(answer.sum(), inside.hidden[-1])
    return bool(slope[:, -patches:].any())
