from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from facetrust.records import Provenance, Scores


@pytest.fixture
def make_scores():
    """A function that makes a scores table: two frames a medium, one subject per six rows, two species."""

    def make(split="test", *, rows=120, seed=0, shift=1.0, columns=None, **made_by):
        chance = np.random.default_rng(seed)
        labels = np.arange(rows) // 2 % 2
        table = {
            "sample": [f"{split}/{row:03}.png" for row in range(rows)],
            "media": [f"{split}-{row // 2}" for row in range(rows)],
            "subject": [f"{split}-{row // 6}" for row in range(rows)],
            "domain": ["lab"] * rows,
            "attack": [
                ("print", "replay")[row // 4 % 2] if mark else None for row, mark in enumerate(labels)
            ],
            "label": labels,
            "score": 1 / (1 + np.exp(-chance.normal(shift * (2 * labels - 1)))),
        } | (columns or {})
        provenance = {
            "model": "tiny",
            "version": "1",
            "task": "antispoof",
            "manifest": "feed",
            "split": split,
        } | made_by
        return Scores(
            pl.DataFrame(table, schema_overrides={"media": pl.String, "attack": pl.String}),
            Provenance(**provenance),
        )

    return make
