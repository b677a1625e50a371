from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facetrust._teaching import ask
from facetrust.data.dataset import absolute
from facetrust.models import Output
from facetrust.records import Preprocessing, Sample
from facetrust.tasks.antispoof import antispoof
from facetrust.tasks.distill import Distill, Taught, distill

VIEWS = {
    "student": Preprocessing(size=(8, 8)),
    "bright": Preprocessing(margins=(1.0, 2.0), size=(8, 8), top=255.0),
    "red": Preprocessing(margins=(1.0,), size=(8, 8)),
}


class _Brightness(nn.Module):
    calls = 0

    def forward(self, images: Tensor) -> Output:
        _Brightness.calls += 1
        logit = images.mean((1, 2, 3))
        return Output(logit, logit[:, None, None])


@pytest.fixture
def task() -> Distill:
    teachers = {"bright": Taught(_Brightness(), 1.0), "red": Taught(_Brightness(), 3.0)}
    return distill(antispoof(_Brightness()), teachers, weight=1.0)


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    rows = []
    for index in range(5):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((30, 30, 3), 40 * index, np.uint8))
        rows.append(Sample(path=f"{index}.png", label=0, split="train", x=5, y=5, w=10, h=10))
    return absolute(rows, tmp_path)


def test_each_picture_gets_its_own_weighted_answer(
    task: Distill, samples: list[Sample], tmp_path: Path
) -> None:
    """On flat pictures of grey value g the teachers say g and g / 255, weighted 1 to 3."""
    answers = ask(task, samples, VIEWS, cache=tmp_path / "taught.npy", batch_size=2)
    greys = 40.0 * np.arange(5)
    assert np.allclose(answers, (greys + 3 * greys / 255) / 4, rtol=1e-5)


def test_a_second_call_does_not_ask_again(task: Distill, samples: list[Sample], tmp_path: Path) -> None:
    first = ask(task, samples, VIEWS, cache=tmp_path / "taught.npy")
    before = _Brightness.calls
    again = ask(task, samples, VIEWS, cache=tmp_path / "taught.npy")
    assert _Brightness.calls == before
    assert np.array_equal(first, again)
    assert len(ask(task, samples[:3], VIEWS, cache=tmp_path / "taught.npy")) == 3


def test_an_unreadable_picture_has_no_answer(task: Distill, samples: list[Sample], tmp_path: Path) -> None:
    Path(samples[1].path).unlink()
    answers = ask(task, samples, VIEWS, cache=tmp_path / "taught.npy")
    assert np.isnan(answers).tolist() == [False, True, False, False, False]


def test_answers_given_before_count_like_answers_now(task: Distill) -> None:
    views = {name: torch.rand(4, len(how.margins), 3, 8, 8) for name, how in VIEWS.items()}
    batch = {"views": views, "label": torch.tensor([0.0, 1.0, 0.0, 1.0])}
    asked = task(batch)
    told = task({**batch, "taught": task.teacher_logits(views)})
    assert torch.equal(asked["loss"], told["loss"])
