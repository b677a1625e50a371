from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

from facetrust.evaluation.charts import Decline, Line, curves, declines, histogram
from facetrust.records import Provenance, Scores

ERRORS = ("APCER", "BPCER")


@pytest.fixture
def line():
    """A function that makes a line of random scores; the higher the power, the better they part."""

    def line(name="tiny", *, power=1.0, is_baseline=False, threshold=0.5, rows=60):
        labels = np.arange(rows) % 2
        values = 1 / (1 + np.exp(-np.random.default_rng(0).normal(power * (2 * labels - 1))))
        texts = dict.fromkeys(
            ("media", "subject", "domain", "attack"), pl.Series([None] * rows, dtype=pl.String)
        )
        table = pl.DataFrame(
            {"sample": [f"{row}" for row in range(rows)], **texts, "label": labels, "score": values}
        )
        made_by = Provenance(model=name, version="1", task="antispoof", manifest="feed", split="test")
        return Line(name, "#0072B2", is_baseline, threshold, Scores(table, made_by))

    return line


def drawn(svg, color):
    """The points of the first path of a colour that is a line, in the drawing's units."""
    for path in ElementTree.fromstring(re.sub(r"xlink:", "", svg)).iter("path"):
        if f"stroke: {color.lower()}" in path.get("style", "").lower() and "fill: none" in path.get(
            "style", ""
        ):
            return np.array(re.findall(r"[ML] (\S+) (\S+)", path.get("d")), dtype=float)
    raise AssertionError(f"no line in {color}")


def test_a_curve_rises_from_corner_to_corner_and_a_better_one_lies_above(line):
    weak, strong = line("weak", power=0.3), line("strong", power=2.0)._replace(color="#D55E00")
    svg = curves([weak, strong], det=False, errors=ERRORS)
    below, above = drawn(svg, "#0072B2"), drawn(svg, "#D55E00")
    for points in (below, above):
        assert np.ptp(points[:, 0]) == pytest.approx(np.ptp(below[:, 0]))  # Both cross the whole width.
        # SVG counts downwards: as the threshold rises, the curve goes left and down.
        assert np.all(np.diff(points[:, 0]) <= 1e-6)
        assert np.all(np.diff(points[:, 1]) >= -1e-6)
    assert above[:, 1].mean() < below[:, 1].mean()


def test_every_name_is_in_the_legend_and_baselines_are_dashed(line):
    lines = [line("tiny"), line("laplacian", is_baseline=True)]
    for det in (False, True):
        svg = curves(lines, det=det, errors=ERRORS)
        assert ">tiny<" in svg
        assert ">laplacian<" in svg
        assert "stroke-dasharray" in svg
        assert "stroke-dasharray" not in curves(lines[:1], det=det, errors=ERRORS)


def test_the_axes_carry_the_names_of_the_errors(line):
    assert all(
        f">{name}<" in curves([line()], det=False, errors=("FNMR", "FMR")) for name in ("1 − FNMR", "FMR")
    )
    assert all(
        f">{name} (%)<" in curves([line()], det=True, errors=("FNMR", "FMR")) for name in ("FNMR", "FMR")
    )


def test_a_histogram_names_both_classes_and_its_model(line):
    svg = histogram(line(threshold=0.3))
    assert all(f">{word}<" in svg for word in ("bona fide", "attack", "tiny"))


def test_a_decline_falls_as_its_figures_do_and_says_its_strengths():
    points = [(0, 0.9, 0.8, 0.95), (1, 0.7, 0.6, 0.8), (3, 0.6, 0.5, 0.7)]  # The third strength is missing.
    lines = [Decline("#0072B2", False, points), Decline("#6b7280", True, points[:1])]
    svg = declines(lines, ["none", "90", "70", "50"], unit="JPEG quality", floor=0.5)
    assert all(f">{word}<" in svg for word in ("none", "90", "70", "50", "JPEG quality", "AUC"))
    x, y = drawn(svg, "#0072B2").T
    assert np.diff(x)[1] == pytest.approx(2 * np.diff(x)[0])
    # SVG counts downwards.
    assert np.diff(y)[0] == pytest.approx(2 * np.diff(y)[1])
    assert np.all(np.diff(y) > 0)


def test_a_decline_without_intervals_is_still_a_line():
    points = [(0, 0.9, None, None), (1, 0.3, None, None)]
    svg = declines([Decline("#0072B2", False, points)], ["none", "2"], unit="px", floor=0.3)
    assert len(drawn(svg, "#0072B2")) == 2
    assert "nan" not in svg.lower()


def test_drawings_can_be_put_into_a_page(line):
    for svg in (curves([line()], det=True, errors=ERRORS), histogram(line())):
        assert svg.startswith("<svg")
        assert "http" not in svg
        assert "<metadata" not in svg
