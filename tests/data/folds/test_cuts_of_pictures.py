"""LFW cut by index and at random: who is where, and what the audit says of it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from facetrust.data.audit.audit import audit
from facetrust.data.fold_manifests import split_manifest
from facetrust.data.folds.index_ordered import index_ordered
from facetrust.data.folds.shuffled import shuffled
from facetrust.data.lists import read_list
from facetrust.data.manifest import Manifest
from facetrust.data.splits import people_of
from facetrust.errors import ProtocolError, UsageError
from facetrust.records import Sample

ROWS = [
    Sample(path=f"p{who:02d}/{n}.png", label=0, split="train", subject=f"P{who:02d}", domain="lfw")
    for who in range(20)
    for n in range(1 if who % 2 else 4)
]


def where(rows: list[Sample]) -> dict[str, list[str]]:
    return {split: [row.path for row in rows if row.split == split] for split in ("train", "dev", "test")}


def test_by_index():
    (fold,) = index_ordered(ROWS[::-1], train_share=0.8, dev_share=0.25)
    parts, paths = where(fold.samples), sorted(row.path for row in ROWS)
    assert (fold.name, parts) == (
        "index-ordered",
        {"train": paths[:30], "dev": paths[30:40], "test": paths[40:]},
    )
    assert index_ordered(ROWS, seed=4, train_share=0.8, dev_share=0.25) == [fold]


def test_who_is_looked_for_is_written_beside(tmp_path: Path):
    Manifest.write(ROWS, tmp_path / "all.csv")
    (file,) = split_manifest("shuffled", [tmp_path / "all.csv"], out=tmp_path / "cut")
    rows = Manifest.read(file).samples()
    listed = read_list(tmp_path / "cut" / "shuffled.parquet.gallery.csv", "gallery")
    assert dict(listed.iter_rows()) == {
        row.path: "probe" if row.split == "test" else "gallery" for row in rows
    }


def test_at_random():
    (fold,) = shuffled(ROWS, train_share=0.8, dev_share=0.25)
    parts = where(fold.samples)
    assert [len(part) for part in parts.values()] == [30, 10, 10]
    assert fold.name == "shuffled"
    assert parts != where(shuffled(ROWS, train_share=0.8, dev_share=0.25, seed=1)[0].samples)


def test_what_is_impossible_is_named():
    with pytest.raises(UsageError, match="train_share 1: must lie between 0 and 1"):
        index_ordered(ROWS, train_share=1)
    with pytest.raises(ProtocolError, match="shuffled: 2 rows are too few"):
        shuffled(ROWS[:2])


@pytest.fixture
def audited(tmp_path: Path):
    """The audit's findings of a fold, by code; every picture is noise of its own."""
    rng = np.random.default_rng(0)
    for row in ROWS:
        (tmp_path / row.path).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / row.path), rng.integers(0, 255, (24, 24, 3), np.uint8))

    def findings(rows: list[Sample], **settings):
        report = audit(Manifest.of(rows, tmp_path), **settings)
        return {finding.code: finding for finding in report.findings}

    return findings


def test_the_audit_names_the_impossible_split(audited):
    (fold,) = index_ordered(ROWS, train_share=0.8, dev_share=0.25)
    found = audited(fold.samples)
    assert found["closed-set"].title == "No person of test is in train: nobody can be named"
    assert found["closed-set"].severity == "note"
    assert found["closed-set"].rows[0] == "P16: 4 test rows"
    assert "shared-subject" not in found or "train" not in found["shared-subject"].rows[0].split(" and ")


def test_the_audit_names_the_leak_and_the_ceiling(audited):
    (fold,) = shuffled(ROWS, train_share=0.8, dev_share=0.25)
    test = [row for row in fold.samples if row.split == "test"]
    trained = people_of(row for row in fold.samples if row.split == "train")
    known = sum(row.subject.casefold() in trained for row in test)
    assert 0 < known < len(test)
    found = audited(fold.samples)
    assert f"at most {100 * known / len(test):.1f} % can be named rightly" in found["closed-set"].title
    assert found["closed-set"].severity == "warning"
    assert found["shared-subject"].severity == "error"


def test_a_split_of_people_is_only_noted_and_one_of_attacks_not_at_all(audited):
    people = [row.model_copy(update={"split": "test" if row.path > "p15" else "train"}) for row in ROWS]
    assert audited(people)["closed-set"].severity == "note"
    assert "shared-subject" not in audited(people)
    attacks = [row.model_copy(update={"label": number % 2}) for number, row in enumerate(people)]
    assert "closed-set" not in audited(attacks)


def test_people_whom_another_manifest_trains_are_named(audited, tmp_path):
    others = [
        Sample(path=f"x{n}", label=0, split=split, subject=name)
        for n, (name, split) in enumerate(
            [("p00", "train"), ("p00", "train"), ("P19", "train"), ("P02", "test")]
        )
    ]
    tested = [row.model_copy(update={"split": "test"}) for row in ROWS]
    found = audited(tested, trained_on=[Manifest.of(others, tmp_path, source="other.csv")])[
        "trained-elsewhere"
    ]
    assert found.severity == "error"
    assert found.title == "2 people of dev or test are also in the train split of other.csv"
    assert found.rows == ("p00: 4 rows, 2 there", "p19: 1 rows, 1 there")


@pytest.mark.real
def test_lfw_and_cfp_share_176_people(real_data: Path):
    from facetrust.data.audit._identities import closed_set, met_again
    from facetrust.data.sources.cfp import cfp
    from facetrust.data.sources.lfw import lfw

    tested = [row.model_copy(update={"split": "test"}) for row in lfw(real_data / "lfw")]
    trained = [row.model_copy(update={"split": "train"}) for row in cfp(real_data / "cfp")]
    assert len(met_again(tested, trained)) == 176
    assert len(met_again(trained, tested)) == 0
    ordered, mixed = (closed_set(fold(tested)[0].samples) for fold in (index_ordered, shuffled))
    assert (ordered.known, ordered.ceiling) == (0, 0)
    assert (mixed.known, round(mixed.ceiling, 3)) == (806, 0.664)
