"""Genuine or manipulated face."""

from __future__ import annotations

from torch import nn

from facetrust.tasks._binary import Binary


def deepfake(
    model: nn.Module,
    *,
    weight: float = 1.0,
    smoothing: float = 0.0,
    evidence: float = 0.0,
    inside: bool = False,
) -> Binary:
    """Returns the task of telling manipulated faces (1) from genuine ones (0) with one logit.

    No manipulated picture is needed for it: `data.augment.species: [self-blend]` makes them.
    """
    return Binary(model, weight=weight, smoothing=smoothing, evidence=evidence, inside=inside)
