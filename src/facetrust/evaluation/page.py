"""The report's page: one HTML file that needs no other, its tables laid out by the protocol's columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from facetrust.evaluation.charts import Line, curves, histogram
from facetrust.evaluation.entries import Entry
from facetrust.protocols import CHOSEN, PUBLISHED_COLUMNS, Column, Figure, Level, by_media
from facetrust.records import Scores
from facetrust.tasks import task_named

_DASH = "–"


def page(entries: Sequence[Entry], facts: Mapping[str, Any], declines: Sequence[str]) -> str:
    """Returns the page as HTML.

    Curves, histograms, species, thresholds and the words of decisions are there where the protocol's
    levels and the task have them.

    Args:
        entries: the models, all judged by the same protocol.
        facts: what stands in the JSON file.
        declines: drawings of AUC under disturbances, as SVG.
    """
    from jinja2 import Environment, StrictUndefined

    judgement = entries[0].judgement
    columns = {column.metric: column for column in (*PUBLISHED_COLUMNS, *judgement.columns)}
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= _filters(columns)
    template = environment.from_string(
        files("facetrust.evaluation").joinpath("report.html.j2").read_text("utf-8")
    )
    published = {metric for row in facts["published"] for metric in row["figures"]}
    return template.render(
        facts=facts,
        entries=entries,
        declines=declines,
        columns=judgement.columns,
        titles={metric: column.title for metric, column in columns.items()},
        published_columns=PUBLISHED_COLUMNS,
        literature_columns=[column for column in PUBLISHED_COLUMNS if column.metric in published],
        chosen=CHOSEN,
        headings={
            "row": "By image",
            "medium": "By medium (a medium's rows made one score)",
            "pair": "By pair",
            "probe": "By probe",
        },
        units={"row": "image", "medium": "medium", "pair": "pair", "probe": "probe"},
        sections=[_section(entries, index) for index in range(len(judgement.levels))],
        words=task_named(entries[0].test.made_by.task).decisions,
    )


def _section(entries: Sequence[Entry], index: int) -> dict[str, Any]:
    levels = [entry.judgement.levels[index] for entry in entries]
    lines = [
        Line(
            entry.name,
            entry.color,
            entry.is_baseline,
            level.threshold.value,
            by_media(entry.test, level.video_rule.name) if level.video_rule else entry.test,
        )
        for entry, level in zip(entries, levels, strict=True)
        if level.threshold is not None and isinstance(entry.test, Scores)
    ]
    judgement = entries[0].judgement
    models = [level for entry, level in zip(entries, levels, strict=True) if not entry.is_baseline]
    return {
        "level": levels[0],
        "rows": list(zip(entries, levels, strict=True)),
        "best": _best(models, judgement.columns),
        "roc": curves(lines, det=False, errors=judgement.errors) if lines else "",
        "det": curves(lines, det=True, errors=judgement.errors) if lines else "",
        "histograms": [histogram(line) for line in lines],
    }


def _best(levels: Sequence[Level], columns: Sequence[Column]) -> dict[str, float]:
    """Returns the best value of each metric over the models; nothing where there is one model."""
    best = {}
    for column in columns if len(levels) > 1 else ():
        figures = [level.figure(column.metric).value for level in levels]
        values = [value for value in figures if value is not None]
        if values and column.higher_is_better is not None:
            best[column.metric] = max(values) if column.higher_is_better else min(values)
    return best


def _filters(columns: Mapping[str, Column]) -> dict[str, Callable[..., str]]:
    """Returns the template's filters: figures and values as text, in percent where their columns say so."""

    def number(value: float | None, metric: str, digits: int = 1) -> str:
        if value is None:
            return _DASH
        percent = metric not in columns or columns[metric].percent
        return f"{100 * value:.{digits}f}" if percent else f"{value:.4f}"

    def shown(figure: Figure) -> str:
        return number(figure.value, figure.metric)

    def interval(figure: Figure) -> str:
        if figure.low is None or figure.high is None:
            return ""
        return f"{number(figure.low, figure.metric)}{_DASH}{number(figure.high, figure.metric)}"

    def percent(value: float) -> str:
        return f"{100 * value:.1f}\N{NO-BREAK SPACE}%"

    return {"number": number, "shown": shown, "interval": interval, "percent": percent}
