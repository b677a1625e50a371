from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from facetrust.evaluation.groups import grouped, words_of
from facetrust.evaluation.report import report
from facetrust.records import Provenance, Scores

ROWS: list[tuple[str | None, float]] = [
    *((None, value) for value in (0.1, 0.2, 0.3, 0.4)),
    ("mid:eyes+nose", 0.9),
    ("hard:eyes", 0.25),
    ("nose", 0.05),
]


def scores(rows: Sequence[tuple[str | None, float]], split: str = "test") -> Scores:
    table = pl.DataFrame(
        {
            "sample": [f"{split}-{row}.png" for row in range(len(rows))],
            **dict.fromkeys(("media", "subject", "domain")),
            "attack": [attack for attack, _ in rows],
            "label": [int(attack is not None) for attack, _ in rows],
            "score": [value for _, value in rows],
        }
    )
    facts = {"model": "m", "version": "1", "task": "deepfake", "manifest": "feed"}
    return Scores(table, Provenance(split=split, **facts))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "words"),
    [("mid:eyes+nose", ("mid", "eyes", "nose")), ("print", ()), (None, ()), ("a+a", ("a",)), ("eyes:", ())],
)
def test_a_name_has_the_words_between_its_marks(name: str | None, words: tuple[str, ...]) -> None:
    assert words_of(name) == words


def test_each_word_has_the_auc_of_its_attacks_against_all_bona_fide() -> None:
    found = {each.word: each for each in grouped({"m": scores(ROWS)}, rounds=50)}
    assert list(found) == ["eyes", "hard", "mid", "nose"]
    # Pairs won by hand: 0.9 beats four of four, 0.25 two, 0.05 none.
    assert {word: each.auc for word, each in found.items()} == {
        "mid": 1.0,
        "eyes": 6 / 8,
        "nose": 4 / 8,
        "hard": 2 / 4,
    }
    assert {word: each.rows for word, each in found.items()} == {"mid": 1, "eyes": 2, "nose": 2, "hard": 1}
    assert found["eyes"].low <= found["eyes"].auc <= found["eyes"].high  # type: ignore[operator]
    assert (found["mid"].low, found["mid"].high) == (1.0, 1.0)


def test_nothing_is_said_of_names_of_one_word() -> None:
    assert grouped({"m": scores([(None, 0.1), ("print", 0.9)])}) == []


def test_a_report_shows_them(tmp_path: Path) -> None:
    scores(ROWS).write(tmp_path / "test.parquet")
    scores(ROWS, "dev").write(tmp_path / "dev.parquet")
    files = tmp_path / "test.parquet", tmp_path / "dev.parquet"
    page = report(files[:1], dev=files[1:], out=tmp_path / "out", rounds=20)
    facts = json.loads(page.with_suffix(".json").read_text())
    assert [(each["word"], each["auc"]) for each in facts["groups"]][:2] == [("eyes", 0.75), ("hard", 0.5)]
    assert "<th>eyes (2)</th>" in page.read_text()
