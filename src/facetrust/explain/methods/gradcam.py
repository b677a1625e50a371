"""Grad-CAM, for comparison with the exact map and for networks that have none."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facetrust.errors import MissingExtra, UsageError


def gradcam(model: nn.Module, images: Tensor, *, layer: str = "features") -> Tensor:
    """Returns (B, h, w) float32 in [0, 1]: where the features of a layer push the logit up, per image.

    Args:
        model: its forward gives a `Score`; left in the mode it was in, without gradients.
        images: (B, 3, h, w), normalised as the model's card says.
        layer: dotted name of a module that gives (B, c, gh, gw).

    Raises:
        UsageError: the model has no such module.
        MissingExtra: pytorch-grad-cam is not installed.

    Source: Selvaraju et al. 2017, arXiv 1610.02391, equations 1 and 2.
    """
    try:
        from pytorch_grad_cam import GradCAM
    except ImportError:
        raise MissingExtra("grad-cam", "explain") from None
    try:
        target = model.get_submodule(layer)
    except AttributeError:
        known = ", ".join(name for name, _ in model.named_children())
        raise UsageError(f"layer: the model has no module {layer!r}; its own are {known}") from None
    logits = _Logits(model)
    training = model.training
    wanted = [parameter.requires_grad for parameter in model.parameters()]
    held = [parameter.grad for parameter in model.parameters()]
    try:
        with torch.enable_grad(), GradCAM(logits.eval(), [target]) as method:
            maps = method(images.detach().clone().requires_grad_(), targets=[_identity] * len(images))
    finally:
        model.train(training)
        for parameter, want, grad in zip(model.parameters(), wanted, held, strict=True):
            parameter.requires_grad_(want).grad = grad
    return torch.from_numpy(maps).to(images.device, torch.float32)


class _Logits(nn.Module):
    """Gives (B, 1) logits, which is what pytorch-grad-cam expects of a network."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(images).logit
        return logits[:, None]


def _identity(output: Tensor) -> Tensor:
    return output[0]
