from __future__ import annotations

import pytest

from facetrust.data.folds.single_source import single_source
from facetrust.errors import ProtocolError

LETTERS = {"c": "casia-fasd", "i": "replay-attack", "m": "msu-mfsd", "o": "oulu-npu"}


@pytest.mark.parametrize("celeba", [False, True])
def test_every_set_trains_for_every_other(everything, part, celeba):
    folds = single_source(everything, celeba=celeba)
    names = ["ci", "cm", "co", "ic", "im", "io", "mc", "mi", "mo", "oc", "oi", "om"]
    assert [fold.name for fold in folds] == [f"{a}-to-{b}" for a, b in names]
    for fold in folds:
        source, target = fold.name.split("-to-")
        further = {"celeba-spoof"} if celeba else set()
        assert {row.domain for row in part(fold, "train")} == {LETTERS[source]} | further
        assert {row.domain for row in part(fold, "dev")} == {LETTERS[source]} | further
        assert {row.domain for row in part(fold, "test")} == {LETTERS[target]}


def test_the_same_target_is_the_same_test_whoever_trains(everything, part):
    folds = {fold.name: fold for fold in single_source(everything)}
    assert part(folds["c-to-i"], "test") == part(folds["o-to-i"], "test")


def test_what_it_needs_is_said(everything):
    with pytest.raises(ProtocolError, match="single-source needs rows of the domain oulu-npu"):
        single_source([row for row in everything if row.domain != "oulu-npu"])
