"""What Grad-CAM and its kin share: the layer, the tokens of a ViT, the sign, and the model left as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from facetrust.errors import MissingExtra, UsageError
from facetrust.explain.methods._cells import LEAST, fine_enough, need_cells

Grid = tuple[int, int]
_LISTS = (nn.Sequential, nn.ModuleList)


class Layer(NamedTuple):
    """A layer whose output is a map (B, c, h, w), or that `as_map` makes one of, if given."""

    module: nn.Module
    as_map: Callable[[Tensor], Tensor] | None


def gradient_map(kind: str, model: nn.Module, images: Tensor, *, layer: str | None, against: bool) -> Tensor:
    """Returns (B, h, w) float32 in [0, 1] by a class of pytorch-grad-cam, at the size of the images.

    Args:
        kind: the class's name, such as `GradCAM`.
        model, images, layer, against: see `gradcam`.

    Raises:
        UsageError: there is no such layer, or none that gives 7 x 7 cells.
        MissingExtra: pytorch-grad-cam is not installed.
    """
    try:
        import pytorch_grad_cam as library
    except ImportError:
        raise MissingExtra("grad-cam", "explain") from None
    sign = -1.0 if against else 1.0
    with _undisturbed(model), torch.enable_grad():
        chosen = layer_of(model, images[:1], layer)
        with getattr(library, kind)(
            _Logits(model), [chosen.module], reshape_transform=chosen.as_map
        ) as method:
            wanted = [lambda output: sign * output[0]] * len(images)
            maps = method(images.detach().clone().requires_grad_(), targets=wanted)
    return torch.from_numpy(maps).to(images.device, torch.float32)


def layer_of(model: nn.Module, images: Tensor, layer: str | None = None) -> Layer:
    """Returns the layer of a name, or the last one with 7 x 7 cells or more that the logit depends on.

    Looked at are the entries of the network's lists of layers and parts called `features`; of a transformer
    the norm that begins each block, its patch tokens laid out as the evidence is, prefix tokens dropped.

    Args:
        model: in evaluation mode; its forward gives a `Score`.
        images: (B, 3, h, w), on which it is tried out.

    Raises:
        UsageError: there is no such layer, it gives no map, or none gives 7 x 7 cells.
    """
    named = {layer: _part(model, layer)} if layer is not None else _candidates(model)
    given: list[tuple[nn.Module, Tensor]] = []
    hooks = [
        part.register_forward_hook(lambda module, args, out: given.append((module, out)))
        for part in named.values()
    ]
    try:
        answer = model(images.detach().clone().requires_grad_())
    finally:
        for hook in hooks:
            hook.remove()
    grid = (int(answer.evidence.shape[1]), int(answer.evidence.shape[2]))
    maps = [(module, out, _as_map(out, grid)) for module, out in given if _is_map(out, grid)]
    if layer is not None:
        if not maps:
            raise UsageError(f"layer: {layer!r} gives no map (B, c, h, w) and no patch tokens")
        module, out, as_map = maps[-1]
        need_cells((as_map(out) if as_map else out).shape, f"layer: {layer!r}", "name an earlier one")
        return Layer(module, as_map)
    fine = [each for each in maps if fine_enough((each[2](each[1]) if each[2] else each[1]).shape)]
    slopes = (
        torch.autograd.grad(answer.logit.sum(), [out for _, out, _ in fine], allow_unused=True)
        if fine
        else ()
    )
    for (module, _, as_map), slope in reversed(list(zip(fine, slopes, strict=True))):
        if slope is not None and (as_map(slope) if as_map else slope).any():
            return Layer(module, as_map)
    size = f"{images.shape[-2]}x{images.shape[-1]}"
    raise UsageError(
        f"no layer of this network gives a map of {LEAST}x{LEAST} cells for inputs of {size} pixels; "
        "take a network of larger inputs"
    )


def _part(model: nn.Module, layer: str) -> nn.Module:
    try:
        return model.get_submodule(layer)
    except AttributeError:
        known = ", ".join(name for name, _ in model.named_children())
        raise UsageError(f"layer: the model has no module {layer!r}; its own are {known}") from None


def _candidates(model: nn.Module) -> dict[str, nn.Module]:
    """Layers that may be chosen, by name; a backbone that keeps channels last is not looked into."""
    closed = tuple(
        f"{name}." for name, part in model.named_modules() if getattr(part, "output_fmt", "") == "NHWC"
    )
    found: dict[str, nn.Module] = {}
    for name, part in model.named_modules():
        if closed and name.startswith(closed):
            continue
        if name.rpartition(".")[2] == "features":
            found[name] = part
        if isinstance(part, _LISTS):
            for key, entry in part.named_children():
                found[f"{name}.{key}"] = entry
                norms = [(k, p) for k, p in entry.named_children() if isinstance(p, nn.LayerNorm)]
                found |= {f"{name}.{key}.{k}": p for k, p in norms[:1]}
    return found


def _is_map(out: Any, grid: Grid) -> bool:
    """Whether an output is a map of several channels, or tokens of which the last lie on the grid."""
    if not isinstance(out, Tensor) or not out.requires_grad:
        return False
    if out.ndim == 4:
        return out.shape[1] > 1
    return out.ndim == 3 and out.shape[1] >= grid[0] * grid[1]


def _as_map(out: Tensor, grid: Grid) -> Callable[[Tensor], Tensor] | None:
    """How tokens (B, N, c) become a map (B, c, rows, columns); none for what is one."""
    if out.ndim == 4:
        return None
    rows, columns = grid
    return lambda tokens: tokens[:, -rows * columns :].mT.reshape(len(tokens), -1, rows, columns)


@contextmanager
def _undisturbed(model: nn.Module) -> Iterator[None]:
    """Evaluation mode within; afterwards the mode, the gradients and who wants them are as they were."""
    training = [(part, part.training) for part in model.modules()]
    held = [(parameter, parameter.requires_grad, parameter.grad) for parameter in model.parameters()]
    model.eval()
    try:
        yield
    finally:
        for part, mode in training:
            part.training = mode
        for parameter, want, grad in held:
            parameter.requires_grad_(want).grad = grad


class _Logits(nn.Module):
    """Gives (B, 1) logits, which is what pytorch-grad-cam expects of a network."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(images).logit
        return logits[:, None]
