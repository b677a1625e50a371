import numpy as np
import pytest

from facetrust.data.audit._leaks import (
    category_separation,
    counted,
    folds_of,
    number_separation,
    probe_separation,
    surely_above_chance,
)
from facetrust.records import Sample

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, 600)
FOLDS = RNG.integers(0, 5, 600)


def test_a_category_that_tells_and_one_that_does_not() -> None:
    telling = np.where(LABELS == 1, "png", "jpg")
    half = np.where(RNG.random(600) < 0.5, telling, "bmp")
    assert category_separation(LABELS, telling.tolist(), FOLDS) == 1.0
    assert category_separation(LABELS, half.tolist(), FOLDS) == pytest.approx(0.875, abs=0.03)
    assert category_separation(LABELS, ["x"] * 600, FOLDS) == pytest.approx(0.5, abs=0.1)
    random = RNG.choice(["a", "b", "c"], 600).tolist()
    assert category_separation(LABELS, random, FOLDS) == pytest.approx(0.5, abs=0.1)


def test_a_category_of_its_own_says_nothing() -> None:
    assert category_separation(LABELS, [str(i) for i in range(600)], FOLDS) == 0.5


def test_one_label_has_no_figure() -> None:
    zeros = np.zeros(10, int)
    assert np.isnan(category_separation(zeros, ["a"] * 10, FOLDS[:10]))
    assert np.isnan(probe_separation(zeros, RNG.normal(size=(10, 2)), FOLDS[:10], np.ones(10, bool)))
    assert np.isnan(number_separation(zeros, np.arange(10.0)))
    assert not surely_above_chance(float("nan"), LABELS)
    assert not surely_above_chance(1.0, zeros)


def test_chance_is_not_reported() -> None:
    assert surely_above_chance(0.6, LABELS)
    assert not surely_above_chance(0.55, LABELS)
    assert not surely_above_chance(0.9, np.array([0, 1, 0, 1]))


def test_numbers_in_either_direction() -> None:
    assert number_separation(LABELS, LABELS * 2.0) == number_separation(LABELS, LABELS * -2.0) == 1.0


def test_probes_are_judged_on_rows_they_were_not_fitted_on() -> None:
    noise = RNG.normal(size=(600, 200))
    trained = np.arange(600) < 300
    assert probe_separation(LABELS, noise, FOLDS, trained) == pytest.approx(0.5, abs=0.12)
    signal = np.column_stack([LABELS + RNG.normal(size=600), noise[:, :3]])
    for part in (trained, np.ones(600, bool), np.zeros(600, bool)):
        assert probe_separation(LABELS, signal, FOLDS, part) == pytest.approx(0.76, abs=0.05)


def test_a_person_has_one_fold() -> None:
    rows = [Sample(path=f"{i}", label=0, split="train", subject=f"p{i % 7}", media=f"{i}") for i in range(70)]
    folds = folds_of(rows)
    assert all(
        len({int(fold) for row, fold in zip(rows, folds, strict=True) if row.subject == f"p{n}"}) == 1
        for n in range(7)
    )
    assert (folds == folds_of(rows)).all()
    assert set(folds_of([Sample(path=f"{i}", label=0, split="train") for i in range(100)]).tolist()) == set(
        range(5)
    )


def test_counts_by_value() -> None:
    assert counted(np.array([0, 1, 1, 1]), ["a", "b", "b", "a"]) == [
        "b: 0 bona fide, 2 attack",
        "a: 1 bona fide, 1 attack",
    ]
