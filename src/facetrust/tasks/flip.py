"""FLIP-MCL's two further losses, over two more views of every face."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from facetrust.errors import UsageError
from facetrust.losses.nt_xent import nt_xent
from facetrust.losses.view_consistency import view_consistency

Subsets = Literal["split", "with-replacement"]


def flip(
    task: nn.Module, *, contrastive: float = 1.0, consistency: float = 1.0, subsets: Subsets = "split"
) -> Flip:
    """Returns the task with SimCLR's loss and the view-consistency loss added to its own.

    Source: Srivatsan et al. 2023, arXiv 2309.16649, section 3.3. The paper splits each class's
    prompts at random into two halves (`split`, built by default); its code draws half of them with
    replacement and takes those not drawn as the other set (`with-replacement`).

    Args:
        task: its model has `embed`, `project` and `text_embeddings` (`flip-mcl`).
        contrastive: weight of `nt_xent`, temperature 0.1.
        consistency: weight of `view_consistency`.

    Raises:
        UsageError: the model has no text side or no projection head.
    """
    return Flip(task, contrastive=contrastive, consistency=consistency, subsets=subsets)


class Flip(nn.Module):
    """Looks at the views `contrast-0` and `contrast-1` of a batch."""

    def __init__(
        self,
        task: nn.Module,
        *,
        contrastive: float = 1.0,
        consistency: float = 1.0,
        subsets: Subsets = "split",
    ) -> None:
        super().__init__()
        self.task = task
        self.model: nn.Module = task.model  # type: ignore[assignment]
        if missing := [name for name in ("project", "text_embeddings") if not hasattr(self.model, name)]:
            raise UsageError(
                f"{type(self.model).__name__} has no {missing[0]}; the FLIP losses need flip-mcl"
            )
        self.subsets = subsets
        self.weights: dict[str, float] = {
            **task.weights,  # type: ignore[dict-item]
            "contrastive": contrastive,
            "consistency": consistency,
        }

    def forward(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Returns the task's parts, `contrastive` and `consistency` added, `loss` the sum of all."""
        parts: dict[str, Any] = self.task(batch)
        views, model = batch["views"], self.model
        both = torch.cat([views["contrast-0"], views["contrast-1"]]).flatten(0, 1)
        first, second = model.embed(both).float().chunk(2)  # type: ignore[operator]
        projected = [model.project(features).float() for features in (first, second)]  # type: ignore[operator]
        texts = _drawn(model.text_embeddings().float(), batch["label"], self.subsets)  # type: ignore[operator]
        terms = {
            "contrastive": nt_xent(*projected, temperature=0.1),
            "consistency": view_consistency(first, second, *texts),
        }
        loss = parts["loss"] + sum(self.weights[name] * term for name, term in terms.items())
        return {**parts, **terms, "loss": loss}


def _drawn(prompts: Tensor, labels: Tensor, subsets: Subsets) -> tuple[Tensor, Tensor]:
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
