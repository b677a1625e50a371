from __future__ import annotations

import pytest

from facetrust.data.folds.wcs import wcs
from facetrust.errors import ProtocolError

FOLDS = {
    "cs-to-w": ("wmca", {"casia-cefa", "casia-surf"}),
    "sw-to-c": ("casia-cefa", {"casia-surf", "wmca"}),
    "cw-to-s": ("casia-surf", {"casia-cefa", "wmca"}),
}


@pytest.mark.parametrize("celeba", [False, True])
def test_two_train_and_the_third_is_reported(everything, part, celeba):
    folds = wcs(everything, celeba=celeba)
    assert [fold.name for fold in folds] == list(FOLDS)
    for fold in folds:
        target, sources = FOLDS[fold.name]
        assert {row.domain for row in part(fold, "test")} == {target}
        expected = sources | ({"celeba-spoof"} if celeba else set())
        assert {row.domain for row in part(fold, "train")} == expected


def test_only_videos_of_wmca_and_cefa_are_thinned(everything, part):
    for fold in wcs(everything, frames=3):
        for domain, count in (("wmca", 3), ("casia-cefa", 3), ("casia-surf", 4)):
            rows = [row for row in fold.samples if row.domain == domain]
            assert len(rows) == count * len({row.media for row in rows})


def test_a_part_of_the_target_may_be_reported(everything, part):
    whole, some = (wcs(everything, part=name)[2] for name in ("all", "dev"))
    own = {row.path for row in everything if row.domain == "casia-surf" and row.split == "dev"}
    assert {row.path for row in part(some, "test")} == own < {row.path for row in part(whole, "test")}
    assert part(some, "train") == part(whole, "train")


def test_what_it_needs_is_said(everything):
    with pytest.raises(ProtocolError, match="wcs needs rows of the domain wmca"):
        wcs([row for row in everything if row.domain != "wmca"])
    with pytest.raises(ProtocolError, match="fold cs-to-w: no bona fide rows in test"):
        wcs([row for row in everything if (row.domain, row.split) != ("wmca", "dev")], part="dev")
