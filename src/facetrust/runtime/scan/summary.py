"""The summary of a scan: counts, histograms of scores, what is most suspicious, and failures by kind."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from facetrust.records import write_text
from facetrust.runtime.scan.tally import BINS, Tally

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em;color:#111827}
table{border-collapse:collapse;margin:.5em 0 1.5em}
td,th{padding:.15em .8em .15em 0;text-align:left;vertical-align:top;overflow-wrap:anywhere}
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
th{border-bottom:1px solid #d1d5db;font-weight:600}
svg{display:block;margin:.5em 0 1.5em}
"""
_WIDTH, _HEIGHT, _FLOOR = 560, 140, 18  # Pixels of a histogram, and of the numbers below it.


def write_summary(folder: Path, total: Tally, settings: Mapping[str, object], *, skipped: int) -> Path:
    """Writes `summary.json` and a page of the same that needs nothing else; returns the page.

    Raises:
        OSError: one cannot be written.
    """
    counts = {**total.to_dict(), "skipped": skipped}
    write_text(folder / "summary.json", json.dumps({"settings": settings, **counts}, indent=2) + "\n")
    page = folder / "summary.html"
    write_text(page, page_of(total, settings, skipped=skipped))
    return page


def page_of(total: Tally, settings: Mapping[str, object], *, skipped: int) -> str:
    """Returns the page as HTML; all that comes from files is escaped."""
    parts = [
        '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>facetrust scan</title>',
        '<meta name="viewport" content="width=device-width">',
        f"<style>{_STYLE}</style>",
        f"<h1>Scan of {_text(settings['source'])}</h1>",
        _table((), _counts(total, skipped)),
    ]
    for task, counts in total.scores.items():
        answers = ", ".join(f"{_text(name)} {count:,}" for name, count in total.answers[task].items())
        parts += [
            f"<h2>{_text(task)}</h2><p>{answers}. Scores from 0 to 1:</p>",
            _histogram(counts),
            "<h3>Most suspicious</h3>",
            _table(
                ("score", "picture", "face"),
                [
                    (f"{score:.4f}", source, "" if face is None else face)
                    for score, source, face in total.suspicious[task]
                ],
            ),
        ]
    for kind, count in total.failures.items():
        parts += [f"<h2>Not judged, {_text(kind)}: {count:,}</h2>", _table((), total.failed[kind])]
    parts += ["<h2>Settings</h2>", _table((), settings.items()), "</html>\n"]
    return "\n".join(parts)


def _counts(total: Tally, skipped: int) -> list[tuple[str, int]]:
    return [
        ("inputs", total.inputs),
        ("pictures judged", total.pictures),
        ("videos judged", total.videos),
        ("duplicates, not judged again", total.duplicates),
        ("not judged", sum(total.failures.values())),
        ("files of folders skipped", skipped),
        ("faces", total.faces),
        ("without a face", total.without_face),
        ("trusted", total.trusted),
        ("not trusted", total.not_trusted),
        ("cannot tell", total.cannot_tell),
    ]


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{_text(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table>{f'<tr>{head}</tr>' if head else ''}{body}</table>"


def _cell(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f'<td class="n">{value:,}</td>'
    return f"<td>{_text(value)}</td>"


def _histogram(counts: Sequence[int]) -> str:
    """Returns bars as SVG, each with its count as a title."""
    step, most = _WIDTH / BINS, max(*counts, 1)
    bars: list[Any] = []
    for place, count in enumerate(counts):
        height = (_HEIGHT - _FLOOR) * count / most
        title = f"{place / BINS:.2f} to {(place + 1) / BINS:.2f}: {count:,}"
        bars.append(
            f'<rect x="{place * step:.1f}" y="{_HEIGHT - _FLOOR - height:.1f}" width="{step - 1:.1f}" '
            f'height="{height:.1f}" fill="#0072B2"><title>{title}</title></rect>'
        )
    ends = f'<text y="{_HEIGHT - 3}">0</text><text x="{_WIDTH - 8}" y="{_HEIGHT - 3}">1</text>'
    return f'<svg width="{_WIDTH}" height="{_HEIGHT}" font-size="12">{"".join(bars)}{ends}</svg>'


def _text(value: object) -> str:
    return escape(str(value))
