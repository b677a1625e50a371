"""Every protocol's folds: nobody on two sides, both labels in every split, the same under a seed."""

from __future__ import annotations

import random

import pytest

from facetrust import registry
from facetrust.data.folds import Fold
from facetrust.errors import ProtocolError, UsageError
from facetrust.records import Sample

NAMES = registry.names("data.folds")
FOLDS = {
    "index-ordered": 1,
    "shuffled": 1,
    "leave-domains-out": 5,
    "leave-one-attack-out": 2,
    "leave-one-domain-out": 8,
    "mcio": 4,
    "oulu-npu": 14,
    "single-source": 12,
    "wcs": 3,
}
# Cuts of pictures, whoever they show: mistakes that are kept so that the audit can name them.
OF_PICTURES = {"index-ordered", "shuffled"}
OF_PEOPLE = [name for name in NAMES if name not in OF_PICTURES]
# The parts that each set's makers give it.
SETS = {
    "msu-mfsd": "train test",
    "casia-fasd": "train test",
    "replay-attack": "train dev test",
    "celeba-spoof": "train test",
    "wmca": "train dev test",
    "casia-cefa": "train dev test",
    "casia-surf": "train dev test",
}


def _row(domain: str, split: str, who: int, name: str, attack: str | None, frame: int) -> Sample:
    path = f"{domain}/{name}-{frame}.png"
    return Sample(
        path=path, label=int(attack is not None), split=split, subject=f"{domain}-{who}", domain=domain,
        attack=attack, media=f"{domain}/{name}", frame=frame,
    )  # fmt: skip


def rows() -> list[Sample]:
    """Nine people a set, each with a live video and two attacks; OULU-NPU with all its conditions."""
    found = [
        _row(domain, splits.split()[who % len(splits.split())], who, f"{who}-{attack}", attack, frame)
        for domain, splits in SETS.items()
        for who in range(9)
        for attack in (None, "print", "replay")
        for frame in (0, 7)
    ]
    attacks = dict(enumerate((None, "print", "print", "replay", "replay"), start=1))
    return found + [
        _row("oulu-npu", split, user, f"{phone}_{session}_{user:02}_{file}", attack, frame)
        for user, split in ((1, "train"), (2, "train"), (21, "dev"), (36, "test"), (55, "test"))
        for phone in range(1, 7)
        for session in (1, 2, 3)
        for file, attack in attacks.items()
        for frame in (0, 7)
    ]


ROWS = rows()


def test_all_were_seen():
    assert set(FOLDS) == set(NAMES), "a new protocol needs its number of folds here"
    assert len(NAMES) >= 5


class TestEveryProtocol:
    @pytest.mark.parametrize("name", NAMES)
    def test_gives_its_number_of_folds_with_names_for_files(self, name):
        folds = registry.build("data.folds", name, ROWS)
        assert all(type(fold) is Fold for fold in folds)
        names = [fold.name for fold in folds]
        assert len(set(names)) == len(names) == FOLDS[name]
        assert all(part.replace("-", "").replace(".", "").isalnum() for part in names)

    @pytest.mark.parametrize("name", OF_PEOPLE)
    def test_puts_nobody_on_two_sides(self, name):
        for fold in registry.build("data.folds", name, ROWS):
            for column in ("subject", "media"):
                places: dict[str, set[str]] = {}
                for row in fold.samples:
                    places.setdefault(getattr(row, column), set()).add(row.split)
                assert len(places) >= 5
                assert all(len(splits) == 1 for splits in places.values()), fold.name

    @pytest.mark.parametrize("name", OF_PEOPLE)
    def test_has_both_labels_in_every_split(self, name):
        for fold in registry.build("data.folds", name, ROWS):
            found = {(row.split, row.label) for row in fold.samples}
            assert found == {(split, label) for split in ("train", "dev", "test") for label in (0, 1)}

    @pytest.mark.parametrize("name", NAMES)
    def test_changes_nothing_but_the_split(self, name):
        known = {row.path: row for row in ROWS}
        for fold in registry.build("data.folds", name, ROWS):
            assert len({row.path for row in fold.samples}) == len(fold.samples)
            for row in fold.samples:
                assert row == known[row.path].model_copy(update={"split": row.split})

    @pytest.mark.parametrize("name", NAMES)
    def test_is_the_same_under_a_seed_and_in_any_order(self, name):
        shuffled = random.Random(1).sample(ROWS, len(ROWS))
        first = registry.build("data.folds", name, ROWS, seed=3)
        assert registry.build("data.folds", name, shuffled, seed=3) == first

    @pytest.mark.parametrize("name", OF_PEOPLE)
    def test_one_label_alone_is_a_named_error(self, name):
        with pytest.raises(ProtocolError, match="no attacks") as caught:
            registry.build("data.folds", name, [row for row in ROWS if not row.label])
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("name", NAMES)
    def test_nothing_is_a_named_error(self, name):
        with pytest.raises(ProtocolError, match=name):
            registry.build("data.folds", name, [])

    @pytest.mark.parametrize("name", NAMES)
    def test_a_setting_that_it_does_not_have_is_refused(self, name):
        with pytest.raises(UsageError, match=name):
            registry.build("data.folds", name, ROWS, folds=3)
