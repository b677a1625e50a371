from __future__ import annotations

import pytest

from facetrust.data.folds.oulu_npu import oulu_npu
from facetrust.errors import ProtocolError, UsageError

# Bona fide and attack videos in train, dev and test, from the table of the paper.
COUNTS = {
    1: [(240, 960), (180, 720), (120, 480)],
    2: [(360, 720), (270, 540), (360, 720)],
    3: [(300, 1200), (225, 900), (60, 240)],
    4: [(200, 400), (150, 300), (20, 40)],
}


@pytest.fixture(scope="module")
def whole(make_oulu):
    return make_oulu(range(1, 56))


@pytest.mark.parametrize(("protocol", "expected"), COUNTS.items())
def test_every_split_has_the_published_number_of_videos(whole, part, protocol, expected):
    folds = oulu_npu(whole, protocol=protocol)
    assert len(folds) == (1 if protocol < 3 else 6)
    for fold in folds:
        labels = [[row.label for row in part(fold, split)] for split in ("train", "dev", "test")]
        assert [(each.count(0), each.count(1)) for each in labels] == expected


def test_what_is_unseen_is_seen_in_test_only(make_oulu, part):
    folds = {fold.name: fold for fold in oulu_npu(make_oulu())}
    assert len(folds) == 14

    def seen(fold, split, place):
        names = [row.media.split("/")[1].split("_") for row in part(folds[fold], split)]
        return {int(name[place]) for name in names}

    assert (seen("p1", "train", 1), seen("p1", "dev", 1), seen("p1", "test", 1)) == ({1, 2}, {1, 2}, {3})
    assert (seen("p2", "train", 3), seen("p2", "dev", 3), seen("p2", "test", 3)) == (
        {1, 2, 4},
        {1, 2, 4},
        {1, 3, 5},
    )
    assert (seen("p3-phone4", "dev", 0), seen("p3-phone4", "test", 0)) == ({1, 2, 3, 5, 6}, {4})
    assert [seen("p4-phone2", "train", place) for place in (0, 1, 3)] == [{1, 3, 4, 5, 6}, {1, 2}, {1, 2, 4}]
    assert [seen("p4-phone2", "test", place) for place in (0, 1, 3)] == [{2}, {3}, {1, 3, 5}]


def test_all_frames_of_a_video_go_one_way_and_other_sets_are_left_out(make_oulu, make_rows):
    (fold,) = oulu_npu([*make_oulu(frames=3), *make_rows("wmca")], protocol=1)
    assert {row.domain for row in fold.samples} == {"oulu-npu"}
    assert len(fold.samples) == 3 * len({row.media for row in fold.samples})


def test_what_it_needs_is_said(make_oulu, make_rows):
    with pytest.raises(ProtocolError, match="no rows of the domain oulu-npu"):
        oulu_npu(make_rows("wmca"))
    for name in (None, "oulu-npu/1_1_56_1", "oulu-npu/7_1_01_1", "oulu-npu/1_1_01", "1_1_01_1_2"):
        wrong = make_oulu()[0].model_copy(update={"media": name})
        with pytest.raises(ProtocolError, match=r"1_1_01_1-0\.png: media .* not of the form"):
            oulu_npu([wrong])
    with pytest.raises(UsageError, match="protocol 5"):
        oulu_npu(make_oulu(), protocol=5)
    with pytest.raises(ProtocolError, match="fold p1: no bona fide rows in test"):
        oulu_npu(make_oulu((1, 21)))
