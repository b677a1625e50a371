"""Grad-CAM, for networks that have no exact map, and beside those that have."""

from __future__ import annotations

from torch import Tensor, nn

from facetrust.explain.methods._gradients import gradient_map


def gradcam(model: nn.Module, images: Tensor, *, layer: str | None = None, against: bool = False) -> Tensor:
    """Returns (B, h, w) float32 in [0, 1]: where the features of a layer push the logit up, per image.

    Args:
        model: its forward gives a `Score`; left in the mode it was in, without gradients.
        images: (B, 3, h, w), normalised as the model's card says.
        layer: dotted name of a module that gives (B, c, gh, gw), or tokens (B, N, c); if none, the last one
            with 7 x 7 cells or more that the logit depends on.
        against: where they push the logit down instead: what speaks for the answer 0.

    Raises:
        UsageError: the model has no such module, or none that gives 7 x 7 cells.
        MissingExtra: pytorch-grad-cam is not installed.

    Source: Selvaraju et al. 2017, arXiv 1610.02391, equations 1 and 2; the scale is pytorch-grad-cam's, the
    least of an image 0 and the most 1.
    """
    return gradient_map("GradCAM", model, images, layer=layer, against=against)
