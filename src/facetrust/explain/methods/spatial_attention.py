"""Where a convolutional network looks: how strongly its last feature map answers in every cell."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from facetrust.errors import UsageError


def spatial_attention(model: nn.Module, images: Tensor, *, layer: str = "features") -> Tensor:
    """Returns (B, h, w) float32 in [0, 1]: the energy of every cell, drawn larger, 1 the most in the image.

    It says where a network looks, not what speaks for an attack: it has no sign.

    Args:
        model: left in the mode it was in.
        images: (B, 3, h, w), normalised as the model's card says.
        layer: dotted name of a module that gives (B, c, gh, gw).

    Raises:
        UsageError: the model has no such module, or it gives no map.

    Source: Zagoruyko and Komodakis 2017, arXiv 1612.03928, section 3.1, the sum of squares over channels.
    """
    energy = energy_of(model, images, layer=layer)
    size = (int(images.shape[-2]), int(images.shape[-1]))
    drawn = functional.interpolate(energy[:, None], size, mode="bilinear", align_corners=False)[:, 0]
    return drawn / drawn.amax((1, 2), keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)


def energy_of(model: nn.Module, images: Tensor, *, layer: str = "features") -> Tensor:
    """Returns (B, gh, gw) float32, 0 or more: the sum over channels of the squares of a layer's map.

    Raises:
        UsageError: the model has no such module, or it gives no map.
    """
    try:
        part = model.get_submodule(layer)
    except AttributeError:
        known = ", ".join(name for name, _ in model.named_children())
        raise UsageError(f"layer: the model has no module {layer!r}; its own are {known}") from None
    kept: list[Tensor] = []
    training = model.training
    hook = part.register_forward_hook(lambda module, args, out: kept.append(out))
    try:
        model.eval()
        with torch.no_grad():
            model(images)
    finally:
        hook.remove()
        model.train(training)
    if not kept or not isinstance(kept[-1], Tensor) or kept[-1].ndim != 4:
        raise UsageError(f"layer: {layer!r} gives no map (B, c, h, w); spatial attention needs one")
    return kept[-1].float().square().sum(1)
