from __future__ import annotations

import pytest

from facetrust.data.folds.mcio import mcio
from facetrust.errors import ProtocolError

FOLDS = {
    "oci-to-m": ("msu-mfsd", {"oulu-npu", "casia-fasd", "replay-attack"}),
    "omi-to-c": ("casia-fasd", {"oulu-npu", "msu-mfsd", "replay-attack"}),
    "ocm-to-i": ("replay-attack", {"oulu-npu", "casia-fasd", "msu-mfsd"}),
    "icm-to-o": ("oulu-npu", {"replay-attack", "casia-fasd", "msu-mfsd"}),
}


@pytest.mark.parametrize("celeba", [False, True])
def test_three_train_and_the_fourth_is_reported(everything, part, celeba):
    folds = mcio(everything, celeba=celeba)
    assert [fold.name for fold in folds] == list(FOLDS)
    for fold in folds:
        target, sources = FOLDS[fold.name]
        assert {row.domain for row in part(fold, "test")} == {target}
        for split in ("train", "dev"):
            expected = sources | ({"celeba-spoof"} if celeba else set())
            assert {row.domain for row in part(fold, split)} == expected


def test_official_train_and_test_are_reported_and_nothing_else(everything, part):
    reported = part(mcio(everything, test_frames=0)[2], "test")
    assert {row.path for row in reported} == {
        row.path for row in everything if row.domain == "replay-attack" and row.split != "dev"
    }


def test_a_dev_part_that_the_set_does_not_have_is_reported_too(everything, part):
    rows = [
        row.model_copy(update={"split": "dev"})
        if row.domain == "msu-mfsd" and row.subject == "msu-mfsd-0"
        else row
        for row in everything
    ]
    assert "msu-mfsd-0" in {row.subject for row in part(mcio(rows)[0], "test")}


def test_one_frame_a_video_trains_and_two_are_judged(everything, part):
    for fold in mcio(everything):
        for split, frames in (("train", {0}), ("dev", {0, 2}), ("test", {0, 2})):
            assert {row.frame for row in part(fold, split) if row.domain != "oulu-npu"} <= frames
        videos = {row.media for row in part(fold, "test")}
        assert len(part(fold, "test")) == 2 * len(videos)
        assert len(part(fold, "train")) == len({row.media for row in part(fold, "train")})


def test_people_of_a_source_without_a_dev_part_are_drawn(everything, part):
    for fold in mcio(everything):
        for domain in {"msu-mfsd", "casia-fasd"} & {row.domain for row in part(fold, "dev")}:
            people = [{row.subject for row in part(fold, split, domain)} for split in ("train", "dev")]
            assert people[0] | people[1] == {f"{domain}-{who}" for who in range(8)}
            assert not people[0] & people[1]


def test_simulated_attacks_train_but_are_not_reported(everything, part):
    made = [
        row.model_copy(update={"path": f"s/{row.path}", "domain": "msu-mfsd-simulated"})
        for row in everything
        if row.domain == "msu-mfsd" and row.label
    ]
    to_m, to_c, *_ = mcio([*everything, *made])
    assert {row.domain for row in part(to_m, "test")} == {"msu-mfsd"}
    assert "msu-mfsd-simulated" in {row.domain for row in part(to_c, "train")}


def test_what_it_needs_is_said(everything):
    lacking = [row for row in everything if row.domain != "casia-fasd"]
    with pytest.raises(
        ProtocolError, match="mcio needs rows of the domain casia-fasd; the manifests have: ca"
    ):
        mcio(lacking)
    lacking = [row for row in everything if row.domain != "celeba-spoof"]
    with pytest.raises(ProtocolError, match="needs rows of the domain celeba-spoof"):
        mcio(lacking, celeba=True)
    assert len(mcio(lacking)) == 4
