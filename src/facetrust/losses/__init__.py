"""One file per loss: a function of tensors, and a module beside it where the loss learns something itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from facetrust import registry
from facetrust.errors import UsageError
from facetrust.losses._centres import ClassCentres

__all__ = ["ClassCentres", "Loss", "arguments_of", "loss_module", "settings_in", "weight_of"]


class Loss(nn.Module):
    """A loss function with its settings kept."""

    def __init__(self, function: Callable[..., Tensor], **settings: Any) -> None:
        super().__init__()
        self.function = function
        self.settings = settings

    def forward(self, *inputs: Any) -> Tensor:
        """Returns the function's value for its inputs, in the order of its signature."""
        return self.function(*inputs, **self.settings)

    def extra_repr(self) -> str:
        """Returns the function's name and the settings, for printing."""
        return ", ".join(
            [self.function.__name__, *(f"{key}={value}" for key, value in self.settings.items())]
        )


def loss_module(name: str, **settings: Any) -> nn.Module:
    """Returns the loss of a name as a module: its own class where it learns something, else a `Loss`.

    Raises:
        UnknownName: no such loss.
        UsageError: a setting that it does not have.
    """
    if kind := registry.find_type("losses", name):
        return registry.call(kind, name, **settings)  # type: ignore[no-any-return]
    function = registry.find("losses", name)
    known = {
        key: each
        for key, each in inspect.signature(function).parameters.items()
        if key not in arguments_of(name)
    }
    if unknown := set(settings) - set(known):
        raise UsageError(f"{name}: no setting {min(unknown)!r}; it has {', '.join(sorted(known)) or 'none'}")
    return Loss(function, **settings)


def arguments_of(name: str) -> list[str]:
    """Returns the names of what a loss is given, in order; all else in its signature is a setting.

    Raises:
        UnknownName: no such loss.
    """
    parameters = inspect.signature(registry.find("losses", name)).parameters.values()
    return [each.name for each in parameters if each.default is each.empty]


def weight_of(losses: Mapping[str, Mapping[str, Any]], name: str, default: float = 1.0) -> float:
    """Returns the weight of a loss in a recipe's `losses`; `default` where it is not among them."""
    return float(losses[name].get("weight", 1.0)) if name in losses else default


def settings_in(losses: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Returns the settings of a loss in a recipe's `losses`, without its weight."""
    return {key: value for key, value in losses.get(name, {}).items() if key != "weight"}
