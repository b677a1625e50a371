from __future__ import annotations

import pytest

from facetrust.protocols import clusters_of


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
