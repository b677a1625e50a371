from __future__ import annotations

import pytest

from facetrust.data.folds.leave_domains_out import leave_domains_out
from facetrust.errors import ProtocolError, UsageError


@pytest.fixture
def rows(make_rows):
    named = [row for name in "abcdef" for row in make_rows(name)]
    alone = [row for row in make_rows("alone") if row.label == 0]
    return [*named, *alone, *make_rows("kept", splits="train dev test")]


def domains(rows):
    return {row.domain for row in rows}


def test_every_domain_is_reported_once_and_trains_elsewhere(rows, part):
    folds = leave_domains_out(rows, parts=3)
    assert [fold.name for fold in folds] == ["without-1", "without-2", "without-3"]
    reported = [domains(part(fold, "test")) for fold in folds]
    assert sorted(len(names) for names in reported) == [2, 2, 3]
    assert set.union(*reported) == {*"abcdef", "kept"}
    for fold, names in zip(folds, reported, strict=True):
        assert domains(part(fold, "train")) == {*"abcdef", "alone", "kept"} - names
        assert not domains(part(fold, "dev")) & names


def test_what_is_kept_for_the_end_stays_unseen(rows):
    kept = {row.path for row in rows if row.split == "test"}
    assert kept
    for fold in leave_domains_out(rows, parts=3):
        assert not kept & {row.path for row in fold.samples}


def test_the_seed_deals(rows, part):
    def dealt(seed):
        return [
            frozenset(domains(part(fold, "test"))) for fold in leave_domains_out(rows, parts=3, seed=seed)
        ]

    assert dealt(0) == dealt(0)
    assert len({tuple(dealt(seed)) for seed in range(5)}) > 1


def test_what_cannot_be_dealt_is_refused(rows, make_rows):
    with pytest.raises(
        ProtocolError, match="9 folds need as many domains with both labels, and one with no attacks"
    ):
        leave_domains_out(rows, parts=9)
    with pytest.raises(UsageError, match="parts=1"):
        leave_domains_out(rows, parts=1)
    nameless = [row.model_copy(update={"domain": None}) for row in make_rows("x")]
    with pytest.raises(ProtocolError, match="names no domain"):
        leave_domains_out([*rows, *nameless], parts=3)
