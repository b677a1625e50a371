from __future__ import annotations

import pytest

from facetrust.data.folds.leave_one_attack_out import leave_one_attack_out
from facetrust.errors import ProtocolError
from facetrust.records import Sample


def generated(name: str | None, split: str, count: int = 3) -> list[Sample]:
    return [
        Sample(path=f"{name}/{split}/{n}.png", label=int(name != "real"), split=split,
               attack=None if name == "real" else name)
        for n in range(count)
    ]  # fmt: skip


ROWS = [
    row
    for name, splits in (
        ("real", "train dev test"),
        ("gan", "train dev"),
        ("SD 1.5", "train dev"),
        ("gpt", "test"),
    )
    for split in splits.split()
    for row in generated(name, split)
]


def test_the_attack_is_seen_in_test_alone_and_whole(part):
    folds = {fold.name: fold for fold in leave_one_attack_out(ROWS)}
    assert list(folds) == ["to-gan", "to-gpt", "to-sd-1.5"]
    fold = folds["to-gan"]
    assert {row.attack for row in part(fold, "train")} == {None, "SD 1.5"}
    assert {row.attack for row in part(fold, "dev")} == {None, "SD 1.5"}
    assert sorted(row.path for row in part(fold, "test") if row.label) == sorted(
        row.path for row in ROWS if row.attack == "gan"
    )
    assert {row.attack for row in part(folds["to-gpt"], "train")} == {None, "gan", "SD 1.5"}


def test_photographs_keep_their_split(part):
    for fold in leave_one_attack_out(ROWS):
        for split in ("train", "dev", "test"):
            real = [row.path for row in part(fold, split) if row.label == 0]
            assert real == [f"real/{split}/{n}.png" for n in range(3)]


def test_who_trains_is_reported_by_no_attack(make_rows, part):
    rows = make_rows("wmca", splits="train dev test")
    folds = leave_one_attack_out(rows)
    assert [fold.name for fold in folds] == ["to-print", "to-replay"]
    for fold in folds:
        known = {row.subject for split in ("train", "dev") for row in part(fold, split)}
        assert part(fold, "test")
        assert known.isdisjoint(row.subject for row in part(fold, "test"))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row for row in ROWS if row.attack in (None, "gan")], "two attacks or more; found: gan"),
        ([*ROWS, Sample(path="x.png", label=1, split="test")], "x.png names no attack"),
        ([row for row in ROWS if row.split != "dev"], "in dev"),
    ],
)
def test_what_is_missing_is_named(rows, message):
    with pytest.raises(ProtocolError, match=message):
        leave_one_attack_out(rows)
