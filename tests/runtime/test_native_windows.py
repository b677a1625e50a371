"""A picture judged by windows at its own resolution: the mean of their logits decides."""

from __future__ import annotations

import numpy as np
import pytest

from facetrust.records import Preprocessing
from facetrust.runtime.checker import Checker

SIDE = 16  # Of the model's windows; they lie around the middles of the picture's quarters.
SIZE = 64


@pytest.fixture
def checked(write_model, told):
    """The answer about a black picture without a face, white where its first window lies."""
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image[8:24, 8:24] = 255
    how = Preprocessing(align="native", margins=(1.0,) * 4, size=(SIDE, SIDE))
    model = write_model(task="synthetic", preprocessing=how)
    return Checker("synthetic", models={"synthetic": model}, detector=told()).check_with_overlays(image)


def test_the_windows_are_cut_and_not_shrunk_and_their_logits_averaged(checked):
    (verdict,) = checked.report.verdicts
    assert verdict.score == pytest.approx(1 / (1 + np.exp(1.0)), abs=1e-6)  # Of logits 2, -2, -2 and -2.
    assert verdict.decision == "real"
    assert checked.report.faces == ()


def test_every_window_is_painted_where_it_was_cut(checked):
    (shown,) = checked.overlays.values()
    factor = 480 / SIZE
    red = {place: shown[round(factor * place[1]), round(factor * place[0])].astype(int) for place in
           ((16, 16), (48, 16), (16, 48), (48, 48), (32, 32))}  # fmt: skip
    assert red[16, 16][0] > red[16, 16][2]
    assert all(red[place][2] > red[place][0] for place in ((48, 16), (16, 48), (48, 48)))
    assert red[32, 32].max() == 0
