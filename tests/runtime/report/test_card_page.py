"""A model's card as a page: everything of the card is there, drawn to scale, and nothing of it is markup."""

from __future__ import annotations

import re
from html import unescape

import pytest

from facetrust.model_file import bundled
from facetrust.records import ModelCard, Preprocessing, Result
from facetrust.runtime.catalogue.keep import read_card
from facetrust.runtime.report.card_page import ROW, WIDTH, card_page


@pytest.mark.parametrize("name", bundled())
def test_a_bundled_card_is_whole_on_its_page(name):
    card = read_card(name)
    page = unescape(card_page(card))
    for text in (card.title, card.architecture, card.terms, card.training_data, card.sha256, card.manifest):
        assert text in page
    for result in card.results:
        assert f"<td>{result.value:.4g}</td>" in page
        assert result.command in page
        if result.low is not None:
            assert f"{result.low:.4g} to {result.high:.4g}" in page
    for threshold in card.thresholds:
        assert threshold.rule in page
    assert ("advisory" in page) == card.advisory
    assert not re.search(r"(src|href)=", page)


def card_with(*results: Result, **changes) -> ModelCard:
    fields = {"name": "m", "task": "antispoof", "architecture": "a", "score_means": "s"}
    return ModelCard(**{**fields, "preprocessing": Preprocessing(), "results": results, **changes})


def result(value: float, low: float | None = None, high: float | None = None, **changes) -> Result:
    fields = {"metric": "auc", "data": "d", "split": "test", "command": "c"}
    return Result(**{**fields, "value": value, "low": low, "high": high, **changes})


def test_a_figure_is_drawn_to_scale():
    page = card_page(card_with(result(0.5, 0.25, 0.75), result(0.9), result(17.0, metric="milliseconds")))
    assert f'x="{0.25 * WIDTH}" y="{ROW / 2 - 6}" width="{0.5 * WIDTH}"' in page
    places = re.findall(r'class="edge" x1="([\d.]+)" x2="([\d.]+)" y1="([\d.]+)"', page)
    assert places == [(f"{at * WIDTH}", f"{at * WIDTH}", f"{y - 6}") for at, y in ((0.5, 15.0), (0.9, 45.0))]
    assert page.count('class="reach"') == 1
    assert page.count("<td>none</td>") == 2


def test_what_was_not_measured_is_said():
    page = card_page(card_with())
    for said in ("Nothing is stated", "It has no threshold.", "Its scores are not calibrated."):
        assert said in page
    assert "<svg" not in page


def test_nothing_of_a_card_is_markup():
    page = card_page(card_with(result(0.5, metric="<script>a</script>"), terms="<img src=x onerror=a>"))
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    assert "default-src 'none'; style-src 'sha256-" in unescape(page)
