from __future__ import annotations

import numpy as np
import pytest

from facetrust.protocols import by_media, clusters_of


def test_a_medium_scores_the_mean_of_its_rows(make_scores):
    scores = make_scores(rows=12)
    media = by_media(scores)
    assert len(media) == 6
    assert media.scores == pytest.approx(scores.scores.reshape(6, 2).mean(1))
    assert list(media.labels) == [0, 1, 0, 1, 0, 1]
    assert list(media.column("sample")) == list(scores.column("sample")[::2])
    assert media.made_by == scores.made_by


def test_an_attack_made_from_a_photo_stays_apart_from_it(make_scores):
    columns = {
        "media": ["one"] * 8,
        "label": np.repeat([0, 1], 4),
        "attack": [None] * 4 + ["print", "print", "replay", "replay"],
    }
    media = by_media(make_scores(rows=8, columns=columns))
    assert list(media.column("attack")) == [None, "print", "replay"]


def test_rows_without_a_medium_stay_alone(make_scores):
    scores = make_scores(rows=8, columns={"media": [None] * 8})
    assert by_media(scores).scores.tolist() == scores.scores.tolist()


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({}, ("subject", 2)),
        ({"subject": [None] * 12}, ("media", 6)),
        ({"subject": [None] * 12, "media": [None] * 12}, ("sample", 12)),
        (
            {"subject": ["a"] * 4 + [None] * 8, "media": ["a"] * 8 + [None] * 4},
            ("subject, media or sample", 6),
        ),
    ],
)
def test_rows_are_clustered_by_what_is_known(make_scores, columns, expected):
    names, kind = clusters_of(make_scores(rows=12, columns=columns))
    assert (kind, len(set(names))) == expected
