"""Live person or presentation attack."""

from __future__ import annotations

from torch import nn

from facetrust.tasks._binary import Binary


def antispoof(
    model: nn.Module,
    *,
    weight: float = 1.0,
    smoothing: float = 0.0,
    evidence: float = 0.0,
    inside: bool = False,
) -> Binary:
    """Returns the task of telling attacks (1) from live faces (0) with one logit."""
    return Binary(model, weight=weight, smoothing=smoothing, evidence=evidence, inside=inside)
