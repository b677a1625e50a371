from __future__ import annotations

import pytest

from facetrust.data.folds._frames import thinned
from facetrust.errors import UsageError
from facetrust.records import Sample


def video(count, media="m", **fields):
    facts = {"label": 0, "split": "train", "domain": "d", "media": media} | fields
    return [Sample(path=f"{media}-{n:03}-{fields}.png", frame=n, **facts) for n in range(count)]


@pytest.mark.parametrize(
    ("rows", "frames", "kept"),
    [
        (9, 1, [0]),
        (9, 2, [0, 4]),
        (2, 2, [0, 1]),
        (25, 10, [0, 2, 5, 7, 10, 12, 15, 17, 20, 22]),
        (3, 10, [0, 1, 2]),
        (4, 0, [0, 1, 2, 3]),
    ],
)
def test_frames_are_equally_far_apart(rows, frames, kept):
    assert [row.frame for row in thinned(reversed(video(rows)), frames)][:: 1 if frames else -1] == kept


def test_videos_are_told_apart_by_name_domain_label_and_attack():
    rows = [
        *video(4), *video(4, "n"), *video(4, domain="e"),
        *video(4, label=1, attack="print"), *video(4, label=1, attack="replay"),
    ]  # fmt: skip
    assert len(thinned(rows, 1)) == 5


def test_pictures_of_no_video_all_stay():
    assert len(thinned(video(4, None), 1)) == 4


def test_rows_without_a_number_come_last():
    rows = [video(1)[0].model_copy(update={"frame": None, "path": "a"}), *video(3)]
    assert [row.frame for row in thinned(rows, 1)] == [0]


def test_fewer_than_none_is_refused():
    with pytest.raises(UsageError, match="frames -1"):
        thinned([], -1)
