"""The gradient of REINFORCE against the expected reward, written out in full for two pixels."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from facetrust.errors import UsageError
from facetrust.losses.cross_entropy import cross_entropy
from facetrust.models import Classes
from facetrust.tasks.parsing.objective import objective
from facetrust.training.assembly import assemble
from facetrust.training.recipe import Reward, check_recipe
from facetrust.training.reward_tuning import RewardTuning, advantages, class_reinforce, draw, reinforce
from facetrust.training.rewards import f1_rewards

LOGITS = torch.tensor([[0.3, -0.4], [0.9, 0.1], [-0.5, 0.7]], dtype=torch.float64).view(1, 3, 1, 2)
TRUTH = torch.tensor([[[1, 2]]])
ANSWERS = [torch.tensor(pixels).view(1, 1, 2) for pixels in product(range(3), repeat=2)]
CONTENT = {
    "task": "parsing",
    "model": {"name": "x"},
    "data": {"manifests": ["m.csv"], "classes": ["background", "skin", "hair"]},
}


def rewards_of(answers: list[Tensor], kind: str) -> Tensor:
    made = [f1_rewards(answer, TRUTH, 3, false_positives=0.2) for answer in answers]
    return torch.stack(
        [each.per_picture() if kind == "picture" else each.per_class() for each in made]
    ).double()


def probability(logits: Tensor, answer: Tensor) -> Tensor:
    return logits.softmax(1).gather(1, answer[:, None]).prod()


def exact(kind: str) -> Tensor:
    """The gradient of the expected reward, by all nine answers."""
    logits = LOGITS.clone().requires_grad_()
    worth = rewards_of(ANSWERS, kind).flatten(1).sum(1)
    sum(p * r for p, r in zip((probability(logits, a) for a in ANSWERS), worth, strict=True)).backward()
    return logits.grad


def estimates(kind: str, samples: int) -> list[tuple[float, Tensor]]:
    """The estimator's gradient for every way to draw so many answers, and how likely that is."""
    surrogate = {"picture": reinforce, "class": class_reinforce}[kind]
    found = []
    for drawn in product(ANSWERS, repeat=samples):
        logits = LOGITS.clone().requires_grad_()
        surrogate(logits, torch.stack(drawn), rewards_of(list(drawn), kind)).backward()
        chance = torch.stack([probability(LOGITS, answer) for answer in drawn]).prod().item()
        found.append((chance, logits.grad))
    return found


@pytest.mark.parametrize("samples", [2, 3])
@pytest.mark.parametrize("kind", ["picture", "class"])
def test_the_gradient_is_unbiased(kind, samples):
    found = estimates(kind, samples)
    assert sum(chance for chance, _ in found) == pytest.approx(1)
    torch.testing.assert_close(
        sum(chance * grad for chance, grad in found), -exact(kind), rtol=1e-6, atol=1e-7
    )
    assert exact(kind).abs().max() > 0.02


def test_advantages_by_class_have_the_smaller_variance():
    """Of one and the same reward, the mean over all classes."""
    spread = {}
    for kind, surrogate in (("picture", reinforce), ("class", class_reinforce)):
        total = 0.0
        for drawn in product(ANSWERS, repeat=2):
            logits = LOGITS.clone().requires_grad_()
            worth = rewards_of(list(drawn), "class")
            surrogate(logits, torch.stack(drawn), worth if kind == "class" else worth.sum(2)).backward()
            chance = probability(LOGITS, drawn[0]) * probability(LOGITS, drawn[1])
            total += (chance * (logits.grad + exact("class")).square().sum()).item()
        spread[kind] = total
    assert 0 < spread["class"] < spread["picture"]


def test_the_baseline_is_the_mean_of_the_others():
    rewards = torch.tensor([[1.0], [4.0], [7.0]])
    torch.testing.assert_close(advantages(rewards), torch.tensor([[-4.5], [0.0], [4.5]]))


def test_answers_are_drawn_by_the_softmax_and_pixels_independently():
    torch.manual_seed(0)
    drawn = draw(LOGITS.float().expand(5000, 3, 1, 2), 2).flatten(0, 1)[:, 0]
    shares = torch.bincount(drawn[:, 0] * 3 + drawn[:, 1], minlength=9) / len(drawn)
    expected = torch.stack([probability(LOGITS, answer) for answer in ANSWERS]).float()
    # Four deviations of a share of 10,000 draws.
    assert (shares - expected).abs().max() < 4 * 0.5 / 100


class Painted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Classes:
        return Classes(self.factor * images)


@pytest.fixture
def batch() -> dict[str, Any]:
    draws = torch.Generator().manual_seed(0)
    blocks = torch.randint(0, 3, (2, 1, 2, 2), generator=draws)
    target = blocks.repeat_interleave(3, 2).repeat_interleave(3, 3)
    images = 3 * torch.eye(3)[target].movedim(-1, 2) + torch.randn(2, 1, 3, 6, 6, generator=draws)
    return {"views": {"student": images}, "target": target}


@pytest.mark.parametrize("advantage", ["picture", "class"])
@pytest.mark.parametrize("kind", ["f1", "panoptic"])
def test_the_loss_is_the_likelihoods_and_the_rewards(batch, kind, advantage):
    settings = Reward(kind=kind, weight=3.0, likelihood=0.5, advantages=advantage, scaling="sum")
    task = RewardTuning(objective(Painted(), classes=("a", "b", "c")), settings)
    made = {}
    for scaling in ("sum", "pixel"):
        task.settings = settings.model_copy(update={"scaling": scaling})
        torch.manual_seed(1)
        made[scaling] = task(batch)
    likelihood = cross_entropy(batch["views"]["student"][:, 0], batch["target"][:, 0])
    torch.testing.assert_close(made["sum"]["cross-entropy"], likelihood)
    terms = {name: parts["loss"] - 0.5 * likelihood for name, parts in made.items()}
    torch.testing.assert_close(terms["pixel"], terms["sum"] / 36)
    assert terms["sum"].abs() > 1e-3
    assert 0 < made["sum"]["reward"] < 1
    made["sum"]["loss"].backward()
    assert task.model.factor.grad.abs().min() > 0
    assert task.weights == {"cross-entropy": 0.5, "reward": 3.0}


def test_nothing_is_drawn_where_nothing_is_trained(batch):
    task = RewardTuning(objective(Painted(), classes=("a", "b", "c")), Reward(likelihood=0.5)).eval()
    parts = task(batch)
    assert "reward" not in parts
    torch.testing.assert_close(parts["loss"], 0.5 * parts["cross-entropy"])


def test_steps_by_the_reward_alone_raise_it(batch):
    torch.manual_seed(0)
    model = Painted()
    batch["views"]["student"] = torch.eye(3)[batch["target"]].movedim(-1, 2)
    settings = Reward(samples=8, likelihood=0.0, advantages="class", scaling="sum")
    task = RewardTuning(objective(model, classes=("a", "b", "c")), settings)
    optimizer = torch.optim.SGD(task.parameters(), lr=1.0)
    worth = []
    for _ in range(150):
        optimizer.zero_grad()
        parts = task(batch)
        parts["loss"].backward()
        optimizer.step()
        worth.append(parts["reward"].item())
    assert sum(worth[-5:]) / 5 > sum(worth[:5]) / 5 + 0.1


class Named:
    settings = {"classes": ("background", "skin", "hair")}  # noqa: RUF012
    dense = True


def test_a_setting_of_the_other_kind_is_refused():
    with pytest.raises(UsageError, match="stray is of kind f1"):
        check_recipe({**CONTENT, "reward": {"kind": "panoptic", "stray": False}}, "test")


def test_a_recipe_wraps_its_task():
    recipe = check_recipe({**CONTENT, "reward": {"kind": "panoptic", "samples": 4}}, "test")
    task = assemble(recipe, Painted(), Named()).task
    assert isinstance(task, RewardTuning)
    assert (task.settings.kind, task.settings.samples, task.settings.likelihood) == ("panoptic", 4, 0.1)
    assert task.figures == {"mean-f1": "max", "mean-iou": "max"}
    assert not isinstance(
        assemble(check_recipe(dict(CONTENT), "test"), Painted(), Named()).task, RewardTuning
    )


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        ({"samples": 1}, r"reward\.samples: Input should be greater than or equal to 2"),
        ({"sample": 3}, r"unknown key 'reward\.sample'; did you mean 'samples'"),
        ({"kind": "f2"}, r"reward\.kind"),
    ],
)
def test_wrong_settings_are_named(reward, message):
    with pytest.raises(UsageError, match=message):
        check_recipe({**CONTENT, "reward": reward}, "test")


def test_a_task_without_classes_cannot_be_tuned(brightness):
    recipe = check_recipe({**CONTENT, "task": "antispoof", "reward": {}}, "test")
    with pytest.raises(UsageError, match="antispoof does not answer with classes of pixels"):
        assemble(recipe, brightness(1.0))
