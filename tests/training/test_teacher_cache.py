from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facetrust.data.batches import collate
from facetrust.data.dataset import FaceData
from facetrust.data.manifest import absolute
from facetrust.errors import UsageError
from facetrust.models import Score
from facetrust.records import Preprocessing, Sample
from facetrust.tasks.antispoof.objective import objective as antispoof
from facetrust.training.distillation import Distill, WeightedTeacher, distill
from facetrust.training.teacher_cache import TeacherCache, cache_in, fill

VIEWS = {
    "student": Preprocessing(size=(8, 8)),
    "bright": Preprocessing(margins=(1.0, 2.0), size=(8, 8), top=255.0),
    "red": Preprocessing(margins=(1.0,), size=(8, 8)),
}


class _Brightness(nn.Module):
    asked = 0

    def forward(self, images: Tensor) -> Score:
        _Brightness.asked += len(images)
        logit = images.mean((1, 2, 3))
        return Score(logit, logit[:, None, None])


@pytest.fixture
def task() -> Distill:
    teachers = {"bright": WeightedTeacher(_Brightness(), 1.0), "red": WeightedTeacher(_Brightness(), 3.0)}
    return distill(antispoof(_Brightness()), teachers, {"logit-distillation": {}})


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
    cache = TeacherCache(tmp_path / "taught", 5)
    fill(task, FaceData(samples, views=VIEWS), range(5), cache, batch_size=2)
    for index in range(5):
        grey = 40.0 * index
        assert cache[index]["logits"] == pytest.approx((grey + 3 * grey / 255) / 4, rel=1e-3)
        # Another epoch's key stands for the same picture.
        assert cache[index + 15] == cache[index]


def test_what_is_replayed_is_what_was_said_to_half_precision(
    task: Distill, samples: list[Sample], tmp_path: Path
) -> None:
    cache = TeacherCache(tmp_path / "taught", 5)
    data = FaceData(samples, views=VIEWS)
    fill(task, data, range(5), cache)
    said = task.ask(collate([data[index] for index in range(5)])["views"])["logits"]
    kept = np.array([cache[index]["logits"] for index in range(5)])
    assert kept.dtype == np.float16
    assert np.array_equal(kept, said.numpy().astype(np.float16))
    replayed = FaceData(samples, views={"student": VIEWS["student"]}, taught=cache)
    batch = collate([replayed[index] for index in range(5)])
    assert torch.equal(batch["taught"]["logits"], said.half().float())


def test_every_draw_of_a_picture_has_its_own_answer(samples: list[Sample], tmp_path: Path) -> None:
    """Three draws of the student's own augmented view; only the keys that were asked for are kept."""
    views = {"student": VIEWS["student"], "a": VIEWS["student"]}
    settings = {"views": views, "seed": 3, "training": True, "same": ("a",), "draws": 3}
    task = distill(
        antispoof(_Brightness()), {"a": WeightedTeacher(_Brightness())}, {"logit-distillation": {}}
    )
    data = FaceData(samples, **settings)  # type: ignore[arg-type]
    cache = TeacherCache(tmp_path / "taught", 3 * 5)
    wanted = [1, 6, 11, 4]
    fill(task, data, wanted, cache)
    for key in wanted:
        seen = data[key]["views"]["student"]  # type: ignore[index]
        assert cache[key]["logits"] == pytest.approx(seen.mean().item(), rel=2e-3)
    assert len({float(cache[key]["logits"]) for key in (1, 6, 11)}) == 3
    assert cache.missing(range(15)) == [key for key in range(15) if key not in wanted]
    # The fourth epoch shows the first draw again.
    assert cache.missing([15 + 1]) == []


def test_nothing_is_asked_twice_and_a_stopped_run_goes_on(
    task: Distill, samples: list[Sample], tmp_path: Path
) -> None:
    data = FaceData(samples, views=VIEWS)
    fill(task, data, [0, 3], TeacherCache(tmp_path / "taught", 5))
    before = _Brightness.asked
    told: list[tuple[int, int]] = []
    again = TeacherCache(tmp_path / "taught", 5)
    fill(task, data, range(5), again, batch_size=2, progress=lambda *at: told.append(at))
    assert _Brightness.asked - before == 3 * (2 + 1)
    assert told == [(2, 3), (3, 3)]
    fill(task, data, range(5), again)
    assert _Brightness.asked - before == 3 * (2 + 1)


def test_two_that_ask_at_once_ask_everything_once(
    task: Distill, samples: list[Sample], tmp_path: Path
) -> None:
    """A lock is of an open file, so that two threads wait for each other as two processes do."""
    data, before, told = FaceData(samples, views=VIEWS), _Brightness.asked, []
    both = Barrier(2)

    def ask(_: int) -> None:
        cache = TeacherCache(tmp_path / "taught", 5)
        both.wait()
        fill(task, data, range(5), cache, batch_size=1, progress=lambda *at: told.append(at))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(ask, range(2)))
    assert told == [(number, 5) for number in range(1, 6)]
    assert _Brightness.asked - before == 5 * (2 + 1)
    cache = TeacherCache(tmp_path / "taught", 5)
    assert cache.missing(range(5)) == []
    said = [float(cache[index]["logits"]) for index in range(5)]
    assert said == pytest.approx([(40 * index + 3 * 40 * index / 255) / 4 for index in range(5)], rel=1e-3)


def test_rows_written_by_two_lose_nothing(tmp_path: Path) -> None:
    """Each writes its own rows between those of the other, of which it holds no copy."""
    first, second = (TeacherCache(tmp_path / "taught", 40) for _ in range(2))
    for row in range(0, 40, 2):
        first.write(np.array([row]), {"logits": torch.full((1,), float(row))})
        second.write(np.array([row + 1]), {"logits": torch.full((1,), row + 1.0)})
    for cache in (first, second, TeacherCache(tmp_path / "taught", 40)):
        assert [float(cache[row]["logits"]) for row in range(40)] == list(range(40))
        assert cache.missing(range(40)) == []


def test_files_that_a_stopped_process_left_are_made_again(
    task: Distill, samples: list[Sample], tmp_path: Path
) -> None:
    folder = tmp_path / "taught"
    folder.mkdir()
    (folder / "logits.npy").write_bytes(b"half")
    (folder / "asked.part").write_bytes(b"half")
    cache = TeacherCache(folder, 5)
    assert cache.missing(range(5)) == [0, 1, 2, 3, 4]
    fill(task, FaceData(samples, views=VIEWS), range(5), cache)
    assert cache.missing(range(5)) == []
    assert sorted(file.name for file in folder.iterdir()) == ["asked.npy", "lock", "logits.npy"]


def test_an_unreadable_picture_has_no_answer(task: Distill, samples: list[Sample], tmp_path: Path) -> None:
    Path(samples[1].path).unlink()
    cache = TeacherCache(tmp_path / "taught", 5)
    fill(task, FaceData(samples, views=VIEWS), range(5), cache)
    assert cache.missing(range(5)) == [1]


def test_other_facts_are_other_answers(tmp_path: Path) -> None:
    first = cache_in(tmp_path, 5, {"seed": 0})
    assert cache_in(tmp_path, 5, {"seed": 0}).folder == first.folder
    assert cache_in(tmp_path, 5, {"seed": 1}).folder != first.folder
    assert json.loads((first.folder / "facts.json").read_text()) == {"seed": 0}


def test_answers_of_another_size_are_refused(task: Distill, samples: list[Sample], tmp_path: Path) -> None:
    fill(task, FaceData(samples, views=VIEWS), range(5), TeacherCache(tmp_path / "taught", 5))
    with pytest.raises(UsageError, match="of another run; remove the folder"):
        TeacherCache(tmp_path / "taught", 6).missing([0])


def test_rows_that_were_never_asked_take_no_room(samples: list[Sample], tmp_path: Path) -> None:
    cache = TeacherCache(tmp_path / "taught", 1_000_000)
    cache.write(np.array([7]), {"embedding": torch.ones(1, 64)})
    used = sum(file.stat().st_blocks * 512 for file in cache.folder.glob("*.npy"))
    assert used < 1_000_000
    assert cache[7]["embedding"].sum() == 64
