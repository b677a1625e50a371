from __future__ import annotations

from pathlib import Path

import pytest

from facetrust.data.manifest import Manifest
from facetrust.data.selection import Selection, select
from facetrust.errors import ManifestError, UnknownName, UsageError
from facetrust.records import Sample


def row(person: str | None, split: str, number: int = 0) -> Sample:
    return Sample(path=f"{person}-{split}-{number}.png", label=0, split=split, subject=person)


@pytest.fixture
def rows() -> list[Sample]:
    """Two pictures of each of five people, and two of nobody in particular."""
    splits = {"anna": "train", "ben": "train", "cleo": "dev", "dora": "test", "emil": "test", None: "test"}
    return [row(person, split, number) for person, split in splits.items() for number in range(2)]


def written(path: Path, rows: list[Sample]) -> Path:
    Manifest.write(rows, path)
    return path


def test_all_rows_are_wanted_unless_told_otherwise(rows: list[Sample]) -> None:
    assert select(rows, Selection()) == (rows, 0, 0)


def test_splits_are_chosen(rows: list[Sample]) -> None:
    found = select(rows, Selection(splits=("dev", "train")))
    assert [sample.subject for sample in found.samples] == ["anna", "anna", "ben", "ben", "cleo", "cleo"]
    assert found.rows_left_out == 0


def test_only_the_people_of_another_train_split_are_left_out(rows: list[Sample], tmp_path: Path) -> None:
    first = written(tmp_path / "a.csv", [row("dora", "train"), row("emil", "dev"), row(None, "train")])
    second = written(tmp_path / "b.parquet", [row("anna", "train"), row("zoe", "train")])
    found = select(rows, Selection(apart_from=(first, second)))
    assert [sample.subject for sample in found.samples[::2]] == ["ben", "cleo", "emil", None]
    assert (found.rows_left_out, found.people_left_out) == (4, 2)


def test_people_of_splits_that_were_not_asked_for_are_not_counted(rows: list[Sample], tmp_path: Path) -> None:
    other = written(tmp_path / "a.csv", [row("anna", "train"), row("dora", "train")])
    found = select(rows, Selection(splits=["test"], apart_from=[other]))
    assert [sample.subject for sample in found.samples] == ["emil", "emil", None, None]
    assert (found.rows_left_out, found.people_left_out) == (2, 1)


def test_a_few_people_come_with_all_their_rows(rows: list[Sample]) -> None:
    drawn = set()
    for seed in range(20):
        found = select(rows, Selection(people=3), seed=seed).samples
        people = {sample.subject or sample.path for sample in found}
        assert len(people) == 3
        assert found == [sample for sample in rows if (sample.subject or sample.path) in people]
        drawn.add(frozenset(people))
    assert len(drawn) > 5  # of 35 triples


def test_who_is_drawn_depends_on_the_seed_alone(rows: list[Sample]) -> None:
    few, more = (
        {sample.path for sample in select(rows, Selection(people=count), seed=3).samples} for count in (2, 4)
    )
    assert few < more
    backwards = select(rows[::-1], Selection(people=2), seed=3).samples
    assert {sample.path for sample in backwards} == few
    without_others = [sample for sample in rows if sample.path in more]
    assert {sample.path for sample in select(without_others, Selection(people=2), seed=3).samples} == few
    assert select(rows, Selection(people=99)).samples == rows


def test_bad_calls(rows: list[Sample], tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'test'"):
        select(rows, Selection(splits=["tset"]))
    with pytest.raises(UsageError, match="people=0"):
        select(rows, Selection(people=0))
    with pytest.raises(ManifestError, match=r"none\.csv: no such manifest"):
        select(rows, Selection(apart_from=[tmp_path / "none.csv"]))
