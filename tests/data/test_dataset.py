from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from facetrust.data.dataset import EpochSampler, FaceData, Failed, absolute, balance, box_of, collate
from facetrust.errors import UsageError
from facetrust.imaging import crop_face, read_image, to_tensor
from facetrust.records import Preprocessing, Sample

SMALL = Preprocessing(margins=(1.0, 2.0), size=(24, 24))
VIEWS = {"student": SMALL, "teacher": Preprocessing(margins=(1.5,), size=(16, 16), color="BGR", top=255.0)}


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    rng = np.random.default_rng(0)
    rows = []
    for index in range(6):
        name = f"{index}.png"
        cv2.imwrite(str(tmp_path / name), rng.integers(0, 256, (60, 50, 3), dtype=np.uint8))
        rows.append(Sample(path=name, label=index % 2, split="train", domain="d", x=10, y=12, w=20, h=24))
    return absolute(rows, tmp_path)


def test_a_plain_item_is_the_crop_of_the_card(samples: list[Sample]) -> None:
    item = FaceData(samples, views=VIEWS)[3]
    image = read_image(samples[3].path)
    for name, how in VIEWS.items():
        for index, margin in enumerate(how.margins):
            crop = to_tensor(crop_face(image, (10, 12, 20, 24), how, margin=margin), how)
            assert np.array_equal(item["views"][name][index].numpy(), crop)
    assert item["label"] == 1.0
    assert item["index"] == 3


def test_items_depend_on_seed_epoch_and_index_only(samples: list[Sample]) -> None:
    data = FaceData(samples, views=VIEWS, training=True, tight=0.5, simulate=0.5, seed=5)
    key = 2 * len(samples) + 4
    first = data[key]["views"]["student"]
    _ = data[0]
    assert torch.equal(first, data[key]["views"]["student"])
    assert not torch.equal(first, data[key + len(samples)]["views"]["student"])
    other = FaceData(samples, views=VIEWS, training=True, tight=0.5, simulate=0.5, seed=6)
    assert not torch.equal(first, other[key]["views"]["student"])


def test_only_the_student_sees_the_degraded_face(samples: list[Sample]) -> None:
    plain = FaceData(samples, views=VIEWS)
    data = FaceData(samples, views=VIEWS, training=True, strength=1.0, tight=1.0)
    assert torch.equal(data[1]["views"]["teacher"], plain[1]["views"]["teacher"])
    assert not torch.equal(data[1]["views"]["student"][0], plain[1]["views"]["student"][0])
    assert data[1]["views"]["student"].shape == (1, 3, 24, 24)


def test_simulation_turns_live_faces_into_attacks_for_every_view(samples: list[Sample]) -> None:
    plain, data = FaceData(samples, views=VIEWS), FaceData(samples, views=VIEWS, simulate=1.0)
    assert [data[i]["label"] for i in range(6)] == [1.0] * 6
    assert [data[i]["simulated"] for i in range(6)] == [True, False] * 3
    assert not torch.equal(data[0]["views"]["teacher"], plain[0]["views"]["teacher"])
    assert torch.equal(data[1]["views"]["teacher"], plain[1]["views"]["teacher"])


def test_an_unreadable_picture_is_put_aside_and_no_label_moves(samples: list[Sample]) -> None:
    Path(samples[2].path).write_bytes(b"not a picture")
    Path(samples[4].path).unlink()
    batch = collate([FaceData(samples, views=VIEWS)[i] for i in range(6)])
    assert batch["index"].tolist() == [0, 1, 3, 5]
    assert batch["label"].tolist() == [0.0, 1.0, 1.0, 1.0]
    assert [Path(row.path).name for row in batch["failed"]] == ["2.png", "4.png"]
    assert all(isinstance(row, Failed) and "\n" not in row.reason for row in batch["failed"])
    assert collate(batch["failed"])["index"].tolist() == []


def test_what_teachers_said_stays_with_its_sample(samples: list[Sample]) -> None:
    data = FaceData(samples, views=VIEWS, training=True, taught=[10.0, 11.0, 12.0, 13.0, 14.0, 15.0])
    Path(samples[1].path).unlink()
    batch = collate([data[key] for key in (9, 1, 5)])
    assert batch["index"].tolist() == [3, 5]
    assert batch["taught"].tolist() == [13.0, 15.0]
    assert "taught" not in collate([FaceData(samples, views=VIEWS)[0]])


def test_workers_give_the_same_batches_as_none(samples: list[Sample]) -> None:
    data = FaceData(samples, views=VIEWS, training=True, seed=1)
    runs = []
    for workers in (0, 2):
        sampler = EpochSampler(len(data), seed=1)
        sampler.set_epoch(3)
        loader = DataLoader(data, batch_size=4, sampler=sampler, num_workers=workers, collate_fn=collate)
        runs.append(torch.cat([batch["views"]["student"] for batch in loader]))
    assert torch.equal(*runs)


def test_the_sampler_visits_every_row_once_and_reshuffles() -> None:
    sampler = EpochSampler(50, seed=2)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert sorted(first) == list(range(50))
    assert sorted(second) == list(range(50, 100))
    assert first != [key - 50 for key in second]


def test_weights_are_the_chances(samples: list[Sample]) -> None:
    sampler = EpochSampler(3, seed=0, weights=[1.0, 3.0, 0.0], length=4000)
    count = Counter(sampler)
    assert len(sampler) == 4000
    assert count[2] == 0
    assert abs(count[1] / 4000 - 0.75) < 0.03


def test_balance_gives_each_label_half_of_its_domain() -> None:
    def row(domain: str, label: int) -> Sample:
        return Sample(path="p", label=label, split="train", domain=domain)

    rows = [row("a", 0)] * 6 + [row("a", 1)] * 2 + [row("b", 0)] * 4
    chances = balance(rows, {"a": 0.5, "b": 0.5})
    assert sum(chances[:6]) == pytest.approx(0.25)
    assert sum(chances[6:8]) == pytest.approx(0.25)
    assert sum(chances[8:]) == pytest.approx(0.5)
    assert sum(balance(rows)[8:]) == pytest.approx(4 / 12)


def test_a_row_without_a_box_is_all_face() -> None:
    sample = Sample(path="p", label=0, split="dev")
    assert box_of(sample, np.zeros((30, 40, 3), np.uint8)) == (0.0, 0.0, 40.0, 30.0)


def test_no_samples_is_an_error() -> None:
    with pytest.raises(UsageError, match="no samples"):
        FaceData([], views=VIEWS)
