"""The exact class activation map of a network that ends in pooling and a linear layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from facetrust.explain.methods._cells import need_cells


def cam(model: nn.Module, images: Tensor) -> Tensor:
    """Returns (B, h, w) float32: what each place adds to the logit, at the size of the images.

    Nothing is estimated: the evidence that the model gives with its logit is drawn larger, each
    cell kept at its centre and blended linearly between. Units are those of the logit; above 0
    speaks for an attack, below for a live face.

    Args:
        model: its forward gives a `Score`; left in the mode it was in.
        images: (B, 3, h, w), normalised as the model's card says.

    Raises:
        UsageError: the map has fewer than 7 x 7 cells.

    Source: Zhou et al. 2016, arXiv 1512.04150, equation 2, with the bias spread evenly over the cells.
    """
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            evidence = model(images).evidence.float()
    finally:
        model.train(training)
    need_cells(evidence.shape, "cam: the last map", "gradcam takes an earlier one")
    size = (int(images.shape[-2]), int(images.shape[-1]))
    return functional.interpolate(evidence[:, None], size, mode="bilinear", align_corners=False)[:, 0]
