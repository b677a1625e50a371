"""What wraps an objective and adds losses to it: everything but the step is the wrapped one's."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class Wrapper(nn.Module):
    """Hands `predict`, `measure`, `scores` and `figures` on to the objective inside, under `task`."""

    def __init__(self, task: nn.Module) -> None:
        super().__init__()
        self.task = task

    @property
    def figures(self) -> dict[str, str]:
        """The development figures by name, and whether each is to be high (`max`) or low (`min`)."""
        return self.task.figures  # type: ignore[return-value]

    def predict(self, model: nn.Module, batch: dict[str, Any]) -> Tensor:
        """Returns what the objective makes of a batch with a model."""
        return self.task.predict(model, batch)  # type: ignore[operator,no-any-return]

    def scores(self, outputs: Tensor) -> Tensor:
        """Returns the objective's outputs as scores that a threshold can be fitted on."""
        return self.task.scores(outputs)  # type: ignore[operator,no-any-return]

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Returns the objective's development figures."""
        return self.task.measure(outputs, targets)  # type: ignore[operator,no-any-return]


def innermost(task: nn.Module) -> nn.Module:
    """Returns the objective itself, without what is wrapped around it."""
    return innermost(task.task) if isinstance(task, Wrapper) else task
