"""The benchmarks of deepfake models on planted facts: what they call a hit, a chance and a winner."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from facetrust.data.manifest import Manifest
from facetrust.records import ModelCard, Preprocessing, Sample

POINTS = ((120.0, 100.0), (180.0, 100.0), (150.0, 130.0), (130.0, 160.0), (170.0, 160.0))


@pytest.fixture(scope="module")
def hits(benchmark) -> ModuleType:
    return benchmark("part_hits")


@pytest.fixture(scope="module")
def compared(benchmark) -> ModuleType:
    return benchmark("deepfake_report")


def card(**how: Any) -> ModelCard:
    preprocessing = Preprocessing(margins=(1.0,), size=(64, 64), **how)
    return ModelCard(
        name="m", task="deepfake", architecture="a", preprocessing=preprocessing, score_means="s"
    )


def case(hits: ModuleType, parts: dict[str, np.ndarray], replaced: tuple[str, ...]) -> Any:
    image = np.zeros((300, 300, 3), np.uint8)
    return hits.Case("a", image, (50.0, 50.0, 200.0, 200.0), POINTS, parts, replaced)


def at(row: int, column: int) -> np.ndarray:
    found = np.zeros((4, 4))
    found[row, column] = 1.0
    return found


def test_a_cell_counts_by_the_share_of_it_that_lies_on_the_part(hits: ModuleType) -> None:
    # The crop is 200 pixels, a cell 50: the part fills the cell in row 1, column 2, and half of the next.
    part = np.zeros((300, 300), bool)
    part[100:150, 150:225] = True
    one = case(hits, {"mouth": part}, ("mouth",))
    seen = hits.looked(card(), lambda _: (0.5, at(1, 2)), one)
    expected = np.zeros((4, 4))
    expected[1, 2], expected[1, 3] = 1.0, 0.5
    np.testing.assert_allclose(seen.shares["mouth"], expected, atol=0.04)
    assert seen.shares["mouth"].mean() == pytest.approx(1.5 / 16, abs=0.01)


def test_maps_that_are_all_the_same_are_better_than_chance_and_no_better_than_elsewhere(
    hits: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    upper, lower = np.zeros((300, 300), bool), np.zeros((300, 300), bool)
    upper[50:100, 50:100], lower[200:250, 200:250] = True, True
    cases = [
        case(hits, {"eye_image_left": upper, "mouth": lower}, (name,))
        for name in ("eye_image_left", "mouth") * 4
    ]
    fixed = [hits.looked(card(), lambda _: (0.5, at(0, 0)), each) for each in cases]
    found = hits.row("m", "parts", cases, fixed)
    assert found["hit"][0] == 0.5
    assert found["chance"] == pytest.approx(1 / 16)
    assert found["less_chance"][1] > 0
    assert found["less_elsewhere"][1] <= 0 <= found["less_elsewhere"][2]
    right = [
        hits.looked(card(), lambda c: (0.5, at(0, 0) if c.replaced[0] != "mouth" else at(3, 3)), each)
        for each in cases
    ]
    found = hits.row("m", "parts", cases, right)
    assert found["hit"] == (1.0, 1.0, 1.0)
    assert found["less_elsewhere"][1] > 0.5
    line = hits.part_line("m", "mouth", cases, right)
    assert "1.00 [1.00, 1.00] (4) | 0.00 [0.00, 0.00] (4)" in line
    assert "parts" in capsys.readouterr().out


def test_places_of_an_aligned_face_are_those_of_its_points(hits: ModuleType) -> None:
    """The template has the nose at half the width and 0.64 of the height; its mouth lies under it."""
    one = case(hits, {}, ())
    where = hits.places(card(align="points"), one, (112, 112))
    nose = where[:, 71, 56]
    assert abs(nose[0] - 150.5) < 3
    assert abs(nose[1] - 130.5) < 6
    assert where[1, 92, 56] > nose[1]


def test_parts_lie_around_the_points_and_apart(hits: ModuleType) -> None:
    parts = hits.parts_of((300, 300), np.array(POINTS))
    assert set(parts) == set(hits.PARTS)
    for name, (x, y) in zip(("eye_image_left", "eye_image_right", "nose"), POINTS, strict=False):
        assert parts[name][int(y), int(x)]
    assert parts["mouth"][160, 150]
    assert not (parts["eye_image_left"] & parts["eye_image_right"]).any()
    assert not (parts["mouth"] & parts["eye_image_left"]).any()


def test_a_row_is_one_picture_with_the_parts_that_its_name_says(hits: ModuleType, photo: Path) -> None:
    def row(attack: str) -> Sample:
        return Sample(path=str(photo), label=1, split="dev", attack=attack, points=POINTS)

    cases = hits.composites([row("mid:eyes+nose"), row("hard:eye_image_right"), row("deepfakes")])
    assert [each.replaced for each in cases] == [
        ("eye_image_left", "eye_image_right", "nose"),
        ("eye_image_right",),
    ]


def test_who_may_decide_stands_above_every_baseline_either_way_round(compared: ModuleType) -> None:
    def areas(low: float, baseline: float) -> dict[str, Any]:
        return {"m": {"value": 0.8, "low": low}, "baseline:laplacian": {"value": baseline, "low": None}}

    def won(as_is: dict[str, Any], matched: dict[str, Any]) -> list[str]:
        return compared.winners({"auc": {compared.AS_IS: as_is, compared.MATCHED: matched}})

    assert won(areas(0.7, 0.6), areas(0.65, 0.5)) == ["m"]
    assert won(areas(0.7, 0.25), areas(0.65, 0.5)) == []
    assert won(areas(0.7, 0.6), areas(0.65, 0.66)) == []
    assert won({"m": {"value": 1.0, "low": 1.0}}, {"m": {"value": 1.0, "low": 1.0}}) == []


def test_a_set_is_scored_once_and_only_its_split(
    compared: ModuleType, bright_model: Path, photo: Path, tmp_path: Path
) -> None:
    from PIL import Image

    rows = []
    for number in range(6):
        path = tmp_path / f"{number}.png"
        Image.open(photo).resize((48, 48)).point(lambda level, n=number: level // (1 + n % 2)).save(path)
        label, species = number % 2, "easy:nose" if number % 2 else None
        rows.append(Sample(path=path.name, label=label, split="dev", attack=species, domain="d"))
    manifest = Manifest.write(rows, tmp_path / "rows.csv")
    given = argparse.Namespace(split="dev", out=tmp_path / "scores", fit=None, as_is=False)
    tests = compared.scored([str(bright_model)], "set", manifest, given)
    assert set(tests) == {compared.AS_IS, compared.MATCHED}
    (name,) = tests[compared.AS_IS]
    figures = compared.set_tables("set", tests, "dev")
    # The attacks are the darker ones and the model reads brightness.
    assert figures["auc"][compared.AS_IS][name]["value"] == 0.0
    assert [each["word"] for each in figures["words"][compared.AS_IS]] == ["easy", "nose"]
    assert (
        compared.scored(
            [str(bright_model)], "set", manifest, argparse.Namespace(**vars(given) | {"split": "test"})
        )
        == {}
    )
