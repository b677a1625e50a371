"""Agreement of two views with two wordings of their class (FLIP-MCL)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from facetrust.losses._reduction import Reduction, reduced


def view_consistency(
    first: Tensor, second: Tensor, first_text: Tensor, second_text: Tensor, *, reduction: Reduction = "mean"
) -> Tensor:
    """Returns (cos(first, first_text) - cos(second, second_text))^2, in [0, 4].

    It compares two cosine similarities, not an image with a text. Gradients flow to all four inputs.
    Source: FLIP (Srivatsan et al. 2023, arXiv 2309.16649), third loss of FLIP-MCL, as its code builds it.

    Args:
        first: (B, d) image embeddings of the first views.
        second: (B, d) of the second views of the same samples.
        first_text: (B, d) text embeddings of each sample's own class, from one part of its prompts.
        second_text: (B, d) from the other part.
        reduction: `"mean"` gives a scalar, `"none"` (B,).
    """
    difference = functional.cosine_similarity(first, first_text) - functional.cosine_similarity(
        second, second_text
    )
    return reduced(difference.square(), reduction)
