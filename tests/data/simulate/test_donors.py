from __future__ import annotations

import numpy as np
import pytest

from facetrust.data.simulate.donors import Donors, _pose
from facetrust.errors import UsageError
from facetrust.records import Sample

FRONTAL = [(30, 40), (60, 40), (45, 55), (34, 72), (56, 72)]
TURNED = [(30, 40), (60, 40), (57, 55), (34, 72), (56, 72)]


def row(name: str, subject: str | None, points=FRONTAL, label: int = 0) -> Sample:
    box = {"x": 20, "y": 20, "w": 50, "h": 65}
    return Sample(path=name, label=label, split="train", subject=subject, points=points, **box)


def read(sample: Sample) -> tuple[np.ndarray, Sample]:
    """A picture of one level, which its name says."""
    return np.full((100, 90, 3), int(sample.path.split("-")[1]), np.uint8), sample


def drawn(rows: list[Sample], times: int = 20) -> set[int]:
    donors = Donors(rows, read)
    image = read(rows[0])[0]
    return {int(donors.draw(rows[0], image, np.random.default_rng(n)).image[0, 0, 0]) for n in range(times)}


def test_never_the_same_person_nor_an_attack_nor_a_face_without_points() -> None:
    rows = [row("a-100", "anna"), row("b-101", "anna"), row("c-102", "ben"), row("d-103", "carl", label=1)]
    rows.append(row("e-104", "dora", points=None))
    assert drawn(rows) == {102}


def test_of_those_drawn_the_nearest_in_tone() -> None:
    rows = [row("a-100", "anna"), row("b-240", "ben"), row("c-110", "carl"), row("d-20", "dora")]
    assert drawn(rows) == {110}


def test_poses_are_alike() -> None:
    """Forty are turned and thirty not: a turned face gets one of the turned, whatever its tone."""
    rows = [row("a-100", "anna", TURNED)]
    rows += [row(f"t-{200 + n}", f"t{n}", TURNED) for n in range(40)]
    rows += [row("f-100", f"f{n}") for n in range(30)]
    assert min(drawn(rows)) >= 200


def test_a_pose_does_not_depend_on_place_size_or_roll() -> None:
    turn = 2.5 * np.array([[0.8, -0.6], [0.6, 0.8]])
    moved = [tuple(turn @ each + (7, 300)) for each in TURNED]
    assert _pose(moved) == pytest.approx(_pose(TURNED))
    assert _pose(TURNED)[0] == pytest.approx(0.4)
    assert _pose(FRONTAL) == pytest.approx([0, 15 / 32])


def test_one_person_alone_is_an_error() -> None:
    with pytest.raises(UsageError, match="two people with five points"):
        Donors([row("a-1", "anna"), row("b-2", "anna")], read)
