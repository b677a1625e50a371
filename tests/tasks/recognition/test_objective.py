"""Recognition: margins with identities, teachers without, and the pairs that development faces make."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from facetrust.errors import UsageError
from facetrust.losses.adaface import adaface
from facetrust.losses.arcface import arcface
from facetrust.losses.cosface import cosface
from facetrust.models import Embedding
from facetrust.tasks.recognition.objective import Recognition, objective


class Net(nn.Module):
    """Mean colours, mixed to four numbers."""

    dimensions = 4

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(3, 4)

    def forward(self, images: torch.Tensor) -> Embedding:
        return Embedding(self.mix(images.mean((2, 3))))

    def answer(self, images: torch.Tensor) -> tuple[Embedding, torch.Tensor]:
        output = self(images)
        return output, output.embedding


def batch(who: list[int], *, crops: int = 1) -> dict[str, object]:
    torch.manual_seed(1)
    return {"views": {"student": torch.randn(len(who), crops, 3, 8, 8)}, "target": torch.tensor(who)}


def made(losses: dict[str, dict[str, float]], identities: int = 3, **settings: bool) -> Recognition:
    torch.manual_seed(0)
    return objective(Net(), losses, identities=identities, **settings)


def test_arcface_is_what_it_learns_by_if_nothing_is_named():
    task = made({})
    given = batch([0, 2, 1], crops=2)
    parts = task(given)
    vectors = task.model(given["views"]["student"].flatten(0, 1)).embedding.reshape(3, 2, 4).mean(1)
    cosines = functional.normalize(vectors) @ functional.normalize(task.centres.weight).T
    torch.testing.assert_close(parts["loss"], arcface(cosines, given["target"]))
    torch.testing.assert_close(parts["outputs"], functional.normalize(vectors))
    torch.testing.assert_close(task.predict(task.model, given), parts["outputs"])
    assert task.weights == {"arcface": 1.0}


def test_margins_are_weighted_and_share_their_centres():
    losses = {"cosface": {"weight": 2, "margin": 0.2}, "adaface": {"weight": 0.5}}
    task = made(losses)
    given = batch([0, 2, 1, 1])
    parts = task(given)
    cosines, own = task.centres(task.model(given["views"]["student"][:, 0]).embedding, given["target"])
    norms = task.model(given["views"]["student"][:, 0]).embedding.norm(dim=1)
    wanted = 2 * cosface(cosines, own, margin=0.2) + 0.5 * adaface(cosines, norms, own)
    torch.testing.assert_close(parts["loss"], wanted)
    parts["loss"].backward()
    assert task.centres.weight.grad.abs().sum() > 0
    assert task.model.mix.weight.grad.abs().sum() > 0


def test_faces_of_nobody_are_passed_over_by_the_margin():
    task = made({"arcface": {}})
    both, named = batch([0, -1, 2]), batch([0, -1, 2])
    keep = torch.tensor([0, 2])
    named = {"views": {"student": both["views"]["student"][keep]}, "target": both["target"][keep]}
    torch.testing.assert_close(task(both)["loss"], task(named)["loss"])
    alone = task(batch([-1, -1]))
    assert alone["loss"].item() == 0
    alone["loss"].backward()


def test_without_a_margin_no_identity_is_needed():
    task = made({"feature-distillation": {"weight": 2}}, identities=0, inside=True)
    parts = task(batch([-1, -1]))
    assert not hasattr(task, "centres")
    assert parts["loss"].item() == 0
    assert parts["inside"].embedding.shape == (2, 4)
    assert task.weights == {}


def test_a_share_of_the_centres_may_be_sampled():
    task = made({"arcface": {"sampled": 0.5}}, identities=10)
    assert task.centres.share == 0.5
    assert torch.isfinite(task(batch([0, 9]))["loss"])
    with pytest.raises(UsageError, match="sampled"):
        made({"arcface": {"sampled": 0.5}, "cosface": {}})


def test_a_margin_needs_people_and_a_network_that_embeds():
    with pytest.raises(UsageError, match="identities"):
        made({"arcface": {}}, identities=1)
    with pytest.raises(UsageError, match="gives no embedding"):
        objective(nn.Linear(3, 3), {}, identities=3)


def test_development_pairs_are_measured_by_hand():
    angles = np.radians([0, 12, 90, 97, 20, 0])
    outputs = torch.tensor(np.stack([np.cos(angles), np.sin(angles)], 1))
    # Pairs of one person are 12 and 7 degrees apart; of two, 90, 97, 20, 78, 85, 8, 70 and 77.
    figures = made({}).measure(outputs, torch.tensor([5, 5, 7, 7, 8, -1]))
    assert figures["auc"] == pytest.approx(15 / 16)
    assert figures["tar-at-far-1e-2"] == figures["tar-at-far-1e-3"] == pytest.approx(0.5)
    assert set(figures) == set(Recognition.figures)


def test_a_perfect_embedding_has_perfect_figures_and_one_person_makes_no_pairs():
    outputs = torch.eye(4)[[0, 0, 1, 1, 2, 2]]
    figures = made({}).measure(outputs, torch.tensor([0, 0, 1, 1, 2, 2]))
    assert set(figures.values()) == {1.0}
    for people in ([0, 1, 2], [3, 3, 3], [-1, -1, -1]):
        with pytest.raises(UsageError, match="no pairs"):
            made({}).measure(outputs[:3], torch.tensor(people))
