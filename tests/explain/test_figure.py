from __future__ import annotations

import sys

import numpy as np
import pytest

from facetrust.errors import MissingExtra
from facetrust.explain.figure import Panel, Row, _canvas, draw_side_by_side
from facetrust.imaging import read_image

RNG = np.random.default_rng(0)


def row(title: str, networks: int) -> Row:
    crop = RNG.integers(0, 256, (16, 24, 3), dtype=np.uint8)
    heat = RNG.random((16, 24)).astype(np.float32)
    return Row(title, [Panel(crop, heat, 0.25 * number) for number in range(networks)])


def test_a_row_per_face_and_a_column_per_network_after_the_input():
    rows = [row("a", 3), row("b", 3)]
    canvas = _canvas(["teacher", "one", "two"], rows, "what it is")
    panels = canvas.axes[:8]
    assert [each.get_title() for each in panels] == ["input", "teacher", "one", "two", "", "", "", ""]
    assert [panels[0].get_ylabel(), panels[4].get_ylabel()] == ["a", "b"]
    assert [each.get_xlabel() for each in panels[5:]] == ["score 0.00", "score 0.25", "score 0.50"]
    assert np.array_equal(panels[4].images[0].get_array(), rows[1].panels[0].crop)
    for place, panel in enumerate(rows[1].panels):
        shown = panels[5 + place].images[1]
        assert np.array_equal(shown.get_array(), panel.heat)
        assert shown.get_clim() == (0, 1)
    assert canvas.get_supxlabel() == "what it is"


def test_the_same_drawing_is_the_same_file(tmp_path):
    rows = [row("a", 1)]
    for name in ("one.png", "two.png"):
        draw_side_by_side(tmp_path / name, ["teacher"], rows, caption="c")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert read_image(tmp_path / "one.png").shape[1] > 400


def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match=r"facetrust\[report\]"):
        draw_side_by_side(tmp_path / "one.png", ["teacher"], [row("a", 1)], caption="c")
    assert not list(tmp_path.iterdir())
