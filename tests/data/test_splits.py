import itertools
from collections import Counter

import numpy as np
import pytest

from facetrust.data.splits import assign, shared
from facetrust.errors import UsageError
from facetrust.records import Sample


def sample(path: str, **fields: object) -> Sample:
    return Sample(path=path, **{"label": 0, "split": "train", **fields})


def crowd(seed: int = 0) -> list[Sample]:
    """120 people of 1 to 9 rows, some live, some in print, some both."""
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(120):
        kinds = [(0,), (1,), (0, 1)][person % 3]
        for number in range(int(rng.integers(1, 10))):
            rows.append(
                sample(f"{person}_{number}.png", label=kinds[number % len(kinds)], subject=f"p{person}")
            )
    return rows


def test_no_subject_and_no_media_in_two_splits() -> None:
    rows = crowd()
    assert not shared(assign(rows, seed=3))
    # a–b share a subject, b–c a media: all three must stay together.
    chain = [
        sample("a", subject="s"),
        sample("b", subject="S", media="m"),
        sample("c", media="m"),
        *(sample(f"single{i}") for i in range(30)),
    ]
    for seed in range(20):
        splits = [row.split for row in assign(chain, seed=seed)]
        assert len(set(splits[:3])) == 1
        assert set(splits) == {"train", "dev", "test"}


def test_shares_and_labels_come_out_even() -> None:
    rows = assign(crowd(), seed=1)
    for label in (0, 1):
        counts = Counter(row.split for row in rows if row.label == label)
        total = counts.total()
        assert counts["train"] / total == pytest.approx(0.7, abs=0.03)
        assert counts["dev"] / total == pytest.approx(0.15, abs=0.03)
        assert counts["test"] / total == pytest.approx(0.15, abs=0.03)


def test_the_draw_depends_on_rows_and_seed_alone() -> None:
    rows = crowd()
    once = {row.path: row.split for row in assign(rows, seed=5)}
    again = {row.path: row.split for row in assign(rows[::-1], seed=5)}
    other = {row.path: row.split for row in assign(rows, seed=6)}
    assert once == again
    assert once != other
    assert [row.path for row in assign(rows, seed=5)] == [row.path for row in rows]


def test_shares_can_be_chosen() -> None:
    rows = [sample(f"{i}") for i in range(100)]
    counts = Counter(row.split for row in assign(rows, shares={"train": 3, "test": 1}))
    assert counts == {"train": 75, "test": 25}
    for shares in ({"train": -1, "dev": 2}, {"train": 0}, {"val": 1}):
        with pytest.raises(UsageError):
            assign(rows, shares=shares)  # type: ignore[arg-type]


def test_nothing_is_split_into_nothing() -> None:
    assert assign([]) == []


def test_shared_names_what_lies_in_two_splits() -> None:
    rows = [
        sample("1", subject="Ann", split="train"),
        sample("2", subject="ann", split="test"),
        sample("3", subject="Bob", media="v", split="dev"),
        sample("4", media="v", split="test"),
        sample("5", subject="Cid", media="w", split="dev"),
    ]
    found = shared(rows)
    assert [(entry.column, entry.value, entry.splits, entry.paths) for entry in found] == [
        ("subject", "Ann", ("train", "test"), ("1", "2")),
        ("media", "v", ("dev", "test"), ("3", "4")),
    ]


def test_shared_agrees_with_all_pairs() -> None:
    rng = np.random.default_rng(0)
    rows = [
        sample(str(i), subject=f"s{rng.integers(40)}", split=str(rng.choice(["train", "dev", "test"])))
        for i in range(60)
    ]
    slow = {
        a.subject for a, b in itertools.combinations(rows, 2) if a.subject == b.subject and a.split != b.split
    }
    assert {entry.value for entry in shared(rows)} == slow
