"""A model's card as a page for people: what it is, where it decides, and what was measured."""

from __future__ import annotations

from typing import NamedTuple

from facetrust.records import ModelCard, Result
from facetrust.runtime.report.page import limits_of, rendered
from facetrust.runtime.words import ADVISORY_SAYS
from facetrust.tasks import task_named

WIDTH, ROW = 700, 30  # Of the drawing of figures, and the height of one of them.


class Bar(NamedTuple):
    """A figure as it is drawn: its value and the ends of its interval, from 0 to WIDTH; its row's middle."""

    value: float
    ends: tuple[float, float] | None
    y: float


def card_page(card: ModelCard) -> str:
    """Returns one self-contained HTML page about a model.

    Figures between 0 and 1 are drawn with their 95 % intervals; all of them stand in a table, and one without
    an interval says so.

    Raises:
        UnknownName: the card is for a task that nobody knows.
    """
    drawn = [result for result in card.results if _in_range(result)]
    return rendered(
        "card.html.j2",
        card=card,
        task=task_named(card.task),
        drawn=[(result, _bar(result, row)) for row, result in enumerate(drawn)],
        plot={"width": WIDTH, "row": ROW, "height": ROW * len(drawn)},
        advisory_says=ADVISORY_SAYS,
        limits=limits_of(card),
        fed=card.preprocessing.model_dump(),
    )


def _in_range(result: Result) -> bool:
    values = [each for each in (result.value, result.low, result.high) if each is not None]
    return all(0 <= each <= 1 for each in values)


def _bar(result: Result, row: int) -> Bar:
    ends = None if result.low is None or result.high is None else (result.low * WIDTH, result.high * WIDTH)
    return Bar(result.value * WIDTH, ends, ROW * (row + 0.5))
