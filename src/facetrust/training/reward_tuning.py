"""Task-reward tuning: wraps an objective of classes of pixels, and raises what its own answers are worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from facetrust.training.recipe import Reward
from facetrust.training.rewards import Rewards, f1_rewards, panoptic_rewards
from facetrust.training.wrapper import Wrapper

_NEAR = 1e-6  # Of a probability to 1, from which on its complement has no gradient.


class RewardTuning(Wrapper):
    """REINFORCE: adds, to the objective's own loss times `likelihood`, that of the expected reward.

    For each picture, answers are drawn from the network's categorical distribution of each pixel,
    independently; what each is worth, less the mean of the others' worth, weighs its log-probability. The
    gradient is an unbiased estimate of that of the expected reward (times the scaling).

    Source: Pinto et al., Tuning computer vision models with task rewards, arXiv 2302.08242, section 3.

    Args:
        task: its outputs are logits (B * M, C, h, w), the first class the background.
        settings: of a recipe's `reward`.
    """

    accepts = ()

    def __init__(self, task: nn.Module, settings: Reward) -> None:
        super().__init__(task)
        self.model = task.model
        self.settings = settings
        own: Mapping[str, float] = task.weights  # type: ignore[assignment]
        self.weights = {name: settings.likelihood * each for name, each in own.items()}
        self.weights["reward"] = settings.weight

    def forward(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Returns the objective's parts, `reward` (the mean worth of what was drawn), and `loss`."""
        parts: dict[str, Any] = self.task(batch)
        loss = self.settings.likelihood * parts["loss"]
        if not self.training:
            return {**parts, "loss": loss}
        with torch.autocast(batch["target"].device.type, enabled=False):
            logits, truth = parts["outputs"].float(), batch["target"].flatten(0, 1)
            drawn = draw(logits.detach(), self.settings.samples)
            worth = [self._worth(answer, truth, logits.shape[1]) for answer in drawn]
            term = self._term(logits, drawn, worth)
        reward = torch.stack([each.per_picture() for each in worth]).mean()
        return {**parts, "reward": reward, "loss": loss + self.settings.weight * term}

    def _worth(self, answer: Tensor, truth: Tensor, classes: int) -> Rewards:
        weight = self.settings.false_positives
        if self.settings.kind == "f1":
            return f1_rewards(answer, truth, classes, false_positives=weight, stray=self.settings.stray)
        return panoptic_rewards(answer, truth, classes, false_positives=weight)

    def _term(self, logits: Tensor, drawn: Tensor, worth: list[Rewards]) -> Tensor:
        if self.settings.advantages == "class":
            term = class_reinforce(logits, drawn, torch.stack([each.per_class() for each in worth]))
        else:
            term = reinforce(logits, drawn, torch.stack([each.per_picture() for each in worth]))
        pixels = logits.shape[2] * logits.shape[3]
        return term / pixels if self.settings.scaling == "pixel" else term


def draw(logits: Tensor, samples: int) -> Tensor:
    """Returns (samples, B, h, w) classes, each pixel's drawn by the softmax of its logits (B, C, h, w)."""
    # One uniform number a pixel: its class is the first whose cumulated probability exceeds it.
    bounds = logits.softmax(1).cumsum(1)[:, :-1]
    return torch.stack([(torch.rand_like(logits[:, :1]) >= bounds).sum(1) for _ in range(samples)])


def advantages(rewards: Tensor) -> Tensor:
    """Returns each reward (N, …) less the mean of the other N - 1; no gradient flows through it."""
    count = len(rewards)
    return ((rewards - rewards.mean(0)) * (count / (count - 1))).detach()


def reinforce(logits: Tensor, drawn: Tensor, rewards: Tensor) -> Tensor:
    """Returns a scalar whose gradient estimates, without bias, that of minus the expected reward.

    -(1 / N) sum over samples of A_i log p(y_i), log p summed over the pixels, the mean over pictures.

    Args:
        logits: (B, C, h, w).
        drawn: (N, B, h, w), N >= 2 answers drawn from their softmax.
        rewards: (N, B), what each answer is worth.
    """
    chosen = logits.log_softmax(1).expand(len(drawn), *logits.shape).gather(2, drawn[:, :, None])[:, :, 0]
    return -(advantages(rewards) * chosen.sum((2, 3))).mean()


def class_reinforce(logits: Tensor, drawn: Tensor, rewards: Tensor) -> Tensor:
    """Returns what `reinforce` does, of a sum of rewards, each of which hangs on one class's pixels alone.

    Such a reward changes only with whether a pixel is of its class, so that its advantage weighs the
    log-probability of just that: log p_c where it was drawn and log(1 - p_c) elsewhere. The expectation is
    the same, and the noise of the other classes is not in it.

    Args:
        logits, drawn: as of `reinforce`.
        rewards: (N, B, C - 1), of the classes but the first.
    """
    # A class's advantages add up to zero over the answers: log(1 - p_c) of every pixel, drawn or not, has no
    # part in the sum; left are the log-odds of the pixels where the class was drawn.
    log_p = logits.log_softmax(1)
    total = logits.new_zeros(())
    for answer, weight in zip(drawn, advantages(rewards), strict=True):
        own = log_p.gather(1, answer[:, None])[:, 0]
        odds = own - torch.log1p(-own.exp().clamp(max=1 - _NEAR))
        of_pixel = functional.pad(weight, (1, 0)).gather(1, answer.flatten(1)).view_as(own)
        total = total - (of_pixel * odds).sum((1, 2)).mean()
    return total / len(drawn)
