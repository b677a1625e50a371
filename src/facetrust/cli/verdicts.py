"""What `check` prints as it comes: a table, JSON lines or CSV, and failures on standard error."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any, Protocol

import typer
from rich.progress import Progress
from rich.text import Text

from facetrust.cli.output import complain, paused, print_table
from facetrust.cli.status import Status
from facetrust.errors import UsageError
from facetrust.imaging.inputs import Inputs, skipped_message
from facetrust.records import CheckReport, Face, NotJudged, Verdict, shown
from facetrust.runtime.model import USER
from facetrust.runtime.pictures import Failure
from facetrust.runtime.quality_gate import reason_of

_TABLE = ("picture", "face", "task", "answer", "score", "threshold", "model")
CSV = (
    "source", "kind", "trusted", "reason", "face", "x", "y", "w", "h", "task", "decision", "score",
    "threshold", "threshold_rule", "advisory", "model",
)  # fmt: skip
_PAGE = 100  # Rows of a table that is printed at once, so that nothing waits for the last picture.
_ANSWERS = {True: "trusted", False: "not trusted", None: "cannot tell"}
_COLOURS = {True: "green", False: "bold red", None: "yellow"}
_STATUSES = {True: Status.DONE, False: Status.NOT_TRUSTED, None: Status.NOT_JUDGED}


class Writer(Protocol):
    """Prints reports."""

    def add(self, report: CheckReport) -> None:
        """Takes a report, and may keep it back until there is enough to print."""

    def close(self) -> None:
        """Prints what was kept back."""


class Silence:
    """Prints nothing."""

    def add(self, report: CheckReport) -> None:
        """Prints nothing."""

    def close(self) -> None:
        """Prints nothing."""


class JsonLines(Silence):
    """Prints one JSON object per line."""

    def add(self, report: CheckReport) -> None:
        """Prints the report."""
        typer.echo(report.to_json())


class Csv(Silence):
    """Prints one row per verdict, below a header; a row without one for what was not judged."""

    def __init__(self) -> None:
        self._rows = csv.writer(sys.stdout, lineterminator="\n")
        self._rows.writerow(CSV)

    def add(self, report: CheckReport) -> None:
        """Prints the report's rows."""
        for number, face, verdict in _judged(report):
            cells: dict[str, Any] = {} if verdict is None else verdict.model_dump()
            cells |= {} if face is None else dict(zip("xywh", face.box, strict=True))
            cells |= {"source": shown(report.source), "kind": report.kind, "trusted": report.trusted}
            cells = {"reason": report.reason, "face": number} | cells
            self._rows.writerow([_in_csv(cells.get(column)) for column in CSV])
        sys.stdout.flush()


class Table(Silence):
    """Prints a table of one row per verdict, a page at a time."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._rows: list[tuple[str | Text, ...]] = []

    def add(self, report: CheckReport) -> None:
        """Takes the report's rows, and prints a page when it is full."""
        of_faces = [reason_of(report.faces, advisory=each) for each in (False, True)]
        unexplained = report.reason not in (None, *of_faces)
        for number, _, verdict in _judged(report):
            unexplained &= verdict is not None
            cells = ("", answer(report), "", "", "") if verdict is None else _cells(verdict)
            self._rows.append((report.source, str(number), *cells))
        if unexplained:
            self._rows.append((report.source, "", "", answer(report), "", "", ""))
        if len(self._rows) >= _PAGE:
            with paused(self._bar):
                self.close()

    def close(self) -> None:
        """Prints the rows that are left."""
        rows, self._rows = self._rows, []
        if rows:
            print_table(_TABLE, rows)


def writer_of(bar: Progress, *, as_json: bool, as_csv: bool, quiet: bool) -> Writer:
    """Returns what prints reports in the form that was asked for.

    Raises:
        UsageError: two forms were asked for.
    """
    if as_json + as_csv + quiet > 1:
        raise UsageError("--json, --csv and --quiet: give one of them")
    return JsonLines() if as_json else Csv() if as_csv else Silence() if quiet else Table(bar)


def print_reports(
    results: Iterable[CheckReport | Failure], writer: Writer, bar: Progress, *, quiet: bool
) -> set[Status]:
    """Prints reports and failures as they come; returns how they end.

    What is finished is printed also where an error or an interrupt ends the run.
    """
    statuses: set[Status] = set()
    unwritten: list[str] = []
    with closing(writer), bar:
        for result in results:
            bar.advance(bar.tasks[0].id)
            if isinstance(result, Failure):
                statuses.add(Status.BAD_INPUT)
                _tell(str(result.error), bar, quiet=quiet)
                continue
            statuses.add(_STATUSES[result.trusted])
            writer.add(result)
            unwritten += result.evidence_errors
    if unwritten:  # A verdict is what was asked; its status says nothing of pictures.
        more = f" (and {len(unwritten) - 1} more evidence pictures)" if len(unwritten) > 1 else ""
        _tell(unwritten[0] + more, bar, quiet=quiet)
    return statuses


def print_left_out(found: Inputs, *, names: bool, quiet: bool) -> set[Status]:
    """Tells of paths without anything to check and of skipped files; returns how that ends."""
    lines = [str(error) for error in found.errors]
    if found.skipped:
        lines += [f"{path}: skipped" for path in found.skipped if names]
        lines.append(skipped_message(found.skipped) + ("" if names else " (--list-skipped names them)"))
    for line in lines if not quiet else ():
        complain(line)
    causes = {Status.BAD_INPUT: found.errors, Status.NOT_JUDGED: found.skipped}
    return {status for status, what in causes.items() if what}


def answer(report: CheckReport) -> Text:
    """Returns what a report says in a word or two, and why if it cannot tell."""
    reason = f": {report.reason}" if report.reason else ""
    return Text(_ANSWERS[report.trusted] + reason, style=_COLOURS[report.trusted])


def _judged(report: CheckReport) -> Iterator[tuple[int | str, Face | None, Verdict | NotJudged | None]]:
    """Every verdict with the number of its face, none for the picture's own; and what has no verdict."""
    for verdict in report.verdicts:
        yield "", None, verdict
    for number, face in enumerate(report.faces, 1):
        said: tuple[Verdict | NotJudged, ...] = (*face.verdicts, *face.not_judged)
        for each in said or (None,):
            yield number, face, each
    if not report.faces and not report.verdicts:
        yield "", None, None


def _in_csv(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _cells(verdict: Verdict | NotJudged) -> tuple[str | Text, ...]:
    if isinstance(verdict, NotJudged):
        return (
            verdict.task,
            Text(
                f"not judged: {verdict.reason}" + (" (advisory)" if verdict.advisory else ""),
                style="" if verdict.advisory else _COLOURS[None],
            ),
            "",
            "",
            verdict.model,
        )
    decision = verdict.decision + (" (advisory)" if verdict.advisory else "")
    if verdict.evidence_on:
        part, share = next(iter(verdict.evidence_on.items()))
        decision += f" · {share:.0%} of its evidence on {part}"
    style = "" if verdict.advisory else _COLOURS[verdict.score < verdict.threshold]
    threshold = f"{verdict.threshold:.3f}" + (" (yours)" if verdict.threshold_rule == USER else "")
    return verdict.task, Text(decision, style=style), f"{verdict.score:.3f}", threshold, verdict.model


def _tell(message: str, bar: Progress, *, quiet: bool) -> None:
    if not quiet:
        with paused(bar):
            complain(message)
