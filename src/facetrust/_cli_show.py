"""What the command line prints: tables on standard output, progress on standard error."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from facetrust.errors import InputError
from facetrust.records import CheckReport, Verdict

if TYPE_CHECKING:
    from facetrust.data.audit import Finding
    from facetrust.demo import Judged

PICTURES = frozenset(".bmp .gif .jpeg .jpg .pgm .png .ppm .tif .tiff .webp".split())
_PAGE = 100  # Rows of a table that is printed at once, so that nothing waits for the last picture.
_COLOURS = {True: "green", False: "bold red", None: "yellow"}
_ANSWERS = {True: "trusted", False: "not trusted", None: "cannot tell"}


def pictures_in(paths: Sequence[Path]) -> list[Path]:
    """Returns the files as they are and the folders' pictures, searched deeply, in a stable order.

    Raises:
        InputError: a folder holds no picture.
    """
    found: list[Path] = []
    for path in paths:
        inside = [path]
        if path.is_dir():
            walk = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
            inside = sorted(file for file in walk if file.suffix.lower() in PICTURES)
        if not inside:
            raise InputError(f"{path}: no picture in this folder; looked for {', '.join(sorted(PICTURES))}")
        found += inside
    return found


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Callable[[int, int | None], None]]:
    """Shows a bar on standard error, if that is a terminal; gives a function of (done, total)."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done, of=None: bar.update(task, completed=done, total=of or total)


def reports(items: Iterator[CheckReport], *, as_json: bool) -> bool:
    """Prints reports as they come, as JSON lines or tables; returns whether all are trusted or cannot be told."""
    trusted, rows = True, _Rows()
    for report in items:
        trusted = trusted and report.trusted is not False
        if as_json:
            typer.echo(report.to_json())
        else:
            rows.add(report)
    rows.flush()
    return trusted


class _Rows:
    """A table that is printed page by page."""

    def __init__(self) -> None:
        self.waiting: list[tuple[str | Text, ...]] = []

    def add(self, report: CheckReport) -> None:
        self.waiting += _rows_of(report)
        if len(self.waiting) >= _PAGE:
            self.flush()

    def flush(self) -> None:
        if self.waiting:
            print_table(("picture", "face", "answer", "score", "threshold", "model"), self.waiting)
            self.waiting.clear()


def _rows_of(report: CheckReport) -> Iterator[tuple[str | Text, ...]]:
    if not report.faces and not report.verdicts:
        yield report.source, "", answer(report), "", "", ""
    for verdict in report.verdicts:
        yield report.source, "", *_cells(verdict)
    for number, face in enumerate(report.faces, 1):
        for verdict in face.verdicts:
            yield report.source, str(number), *_cells(verdict)
        if not face.verdicts:
            yield report.source, str(number), answer(report), "", "", ""


def _cells(verdict: Verdict) -> tuple[str | Text, ...]:
    said = Text(verdict.decision, style=_COLOURS[verdict.score < verdict.threshold])
    return said, f"{verdict.score:.3f}", f"{verdict.threshold:.3f}", verdict.model


def answer(report: CheckReport) -> Text:
    """Returns what a report says in a word or two, and why if it cannot tell."""
    reason = f": {report.reason}" if report.reason else ""
    return Text(_ANSWERS[report.trusted] + reason, style=_COLOURS[report.trusted])


def print_table(header: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    """Prints a table on standard output; long cells are folded, nothing is cut off."""
    table = Table(box=None, pad_edge=False)
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(soft_wrap=False).print(table)


def findings(found: Sequence[Finding], *, as_json: bool) -> None:
    """Prints what an audit found."""
    import json

    if as_json:
        for finding in found:
            typer.echo(json.dumps(finding._asdict()))
    elif not found:
        typer.echo("nothing found")
    for finding in found if not as_json else ():
        print_table(
            ("severity", "code", "what"),
            [(finding.severity, finding.code, f"{finding.title}. {finding.explanation}")],
        )


def judged(rows: Sequence[Judged], page: Path) -> None:
    """Prints what the demo saw, and whether the model was right."""
    print_table(
        ("picture", "what it is", "answer", "score", "right"),
        [
            (row.name, row.truth, answer(row.report), f"{row.score:.3f}" if row.score is not None else "",
             "yes" if row.right else Text("no", style="bold red"))
            for row in rows
        ],
    )  # fmt: skip
    wrong = sum(not row.right for row in rows)
    typer.echo(f"{wrong} of {len(rows)} wrong" if wrong else f"all {len(rows)} right")
    typer.echo(f"evidence maps: {page}")
