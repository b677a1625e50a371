"""FLIP-MCL's two further losses, over two more views of every face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from facetrust.errors import UsageError
from facetrust.losses import loss_module, settings_in, weight_of
from facetrust.training.wrapper import Wrapper

Subsets = Literal["split", "with-replacement"]
_CONTRAST, _CONSISTENCY = "nt-xent", "view-consistency"


def flip(task: nn.Module, losses: Mapping[str, Mapping[str, Any]]) -> Flip:
    """Returns the task with SimCLR's loss and the view-consistency loss added to its own.

    Source: Srivatsan et al. 2023, arXiv 2309.16649, section 3.3. The paper splits each class's
    prompts at random into two halves (`subsets: split`, built by default); its code draws half of them
    with replacement and takes those not drawn as the other set (`with-replacement`).

    Args:
        task: its model has `embed`, `project` and `text_embeddings` (`flip-mcl`).
        losses: weight and settings of `nt-xent` (temperature 0.1 if none is set) and `view-consistency`,
            which here has one more, `subsets`; a weight of 0 for one that is not among them.

    Raises:
        UsageError: the model has no text side or no projection head, or no such setting.
    """
    return Flip(task, losses)


class Flip(Wrapper):
    """Looks at the views `contrast-0` and `contrast-1` of a batch."""

    accepts = (_CONTRAST, _CONSISTENCY)

    def __init__(self, task: nn.Module, losses: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__(task)
        self.model: nn.Module = task.model  # type: ignore[assignment]
        if missing := [name for name in ("project", "text_embeddings") if not hasattr(self.model, name)]:
            raise UsageError(
                f"{type(self.model).__name__} has no {missing[0]}; the FLIP losses need flip-mcl"
            )
        consistency = settings_in(losses, _CONSISTENCY)
        self.subsets: Subsets = consistency.pop("subsets", "split")
        if self.subsets not in get_args(Subsets):
            raise UsageError(
                f"{_CONSISTENCY}: subsets is {' or '.join(get_args(Subsets))}, not {self.subsets!r}"
            )
        self.contrastive = loss_module(_CONTRAST, **{"temperature": 0.1, **settings_in(losses, _CONTRAST)})
        self.consistency = loss_module(_CONSISTENCY, **consistency)
        self.weights: dict[str, float] = {
            **task.weights,  # type: ignore[dict-item]
            **{name: weight_of(losses, name, 0.0) for name in self.accepts},
        }

    def forward(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Returns the task's parts and both losses by their names, `loss` the sum of all."""
        parts: dict[str, Any] = self.task(batch)
        views, model = batch["views"], self.model
        both = torch.cat([views["contrast-0"], views["contrast-1"]]).flatten(0, 1)
        first, second = model.embed(both).float().chunk(2)  # type: ignore[operator]
        projected = [model.project(features).float() for features in (first, second)]  # type: ignore[operator]
        texts = _sample_prompts(model.text_embeddings().float(), batch["target"], self.subsets)  # type: ignore[operator]
        terms = {
            _CONTRAST: self.contrastive(*projected),
            _CONSISTENCY: self.consistency(first, second, *texts),
        }
        loss = parts["loss"] + sum(self.weights[name] * term for name, term in terms.items())
        return {**parts, **terms, "loss": loss}


def _sample_prompts(prompts: Tensor, labels: Tensor, subsets: Subsets) -> tuple[Tensor, Tensor]:
    """Returns two mean text embeddings (B, d) a sample, from two disjoint subsets of its class's prompts.

    Args:
        prompts: (2, P, d), the classes in the order attack, bona fide.
        labels: (B,), 1 = attack.
    """
    count, size = prompts.shape[1], len(labels)
    order = torch.rand(size, count, device=prompts.device)
    chosen = order.argsort(1).argsort(1) < count // 2
    if subsets == "with-replacement":
        drawn = torch.randint(count, (size, count // 2), device=prompts.device)
        chosen = torch.zeros_like(chosen).scatter(1, drawn, value=True)
        mean_drawn = nn.functional.one_hot(drawn, count).float().mean(1)
    else:
        mean_drawn = chosen.float() / chosen.sum(1, keepdim=True)
    rest = (~chosen).float() / (~chosen).sum(1, keepdim=True)
    own = prompts[1 - labels.long()]
    first, second = (torch.einsum("bp,bpd->bd", share.to(own.dtype), own) for share in (mean_drawn, rest))
    return first, second
