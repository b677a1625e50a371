"""Grad-CAM++: as Grad-CAM, but several places of one kind all count."""

from __future__ import annotations

from torch import Tensor, nn

from facetrust.explain.methods._gradients import gradient_map


def gradcam_plus_plus(
    model: nn.Module, images: Tensor, *, layer: str | None = None, against: bool = False
) -> Tensor:
    """Returns (B, h, w) float32 in [0, 1]: where the features of a layer push the logit up, per image.

    A channel weighs the mean of its rising gradients, each by how much of the channel's answer it explains.
    Arguments and errors are those of `gradcam`.

    Source: Chattopadhyay et al. 2018, arXiv 1710.11063, equations 10 to 19, for the exponential of the logit.
    """
    return gradient_map("GradCAMPlusPlus", model, images, layer=layer, against=against)
