"""What the command line prints: tables on standard output, progress on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from facetrust.errors import UsageError
from facetrust.records import CheckReport, ModelCard, Verdict

if TYPE_CHECKING:
    from facetrust.cli.demo import Judged
    from facetrust.data.audit.audit import AuditReport
    from facetrust.explain.compare import Comparison
    from facetrust.export.run import Exported
    from facetrust.profile import ProfileReport
    from facetrust.runtime.checker import Failure
    from facetrust.runtime.model import Model

_HEADER = ("picture", "face", "task", "answer", "score", "threshold", "model")
_PAGE = 100  # Rows of a table that is printed at once, so that nothing waits for the last picture.
_MANY = 4  # Pictures from which on a bar is worth showing.
_COLOURS = {True: "green", False: "bold red", None: "yellow"}
_ANSWERS = {True: "trusted", False: "not trusted", None: "cannot tell"}


def bar(what: str, *, total: int | None = None, hidden: bool = False) -> Progress:
    """Returns a bar on standard error that shows nothing where that is no terminal; `bar.tasks[0]` counts."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # What is printed meanwhile belongs on standard output, wherever that leads.
    made = Progress(
        *columns,
        console=console,
        transient=True,
        disable=hidden or not console.is_terminal,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    made.add_task(what, total=total)
    return made


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Shows a bar; gives a function of (done, of how many) that moves it."""
    with bar(what) as shown:
        yield lambda done, total: shown.update(shown.tasks[0].id, completed=done, total=total)


def checking(paths: Sequence[Path], *, as_json: bool) -> Progress:
    """Returns the bar of a check; one picture, or a few, need none."""
    from facetrust.imaging.video import VIDEOS

    quick = len(paths) < _MANY and not any(path.suffix.lower() in VIDEOS for path in paths)
    return bar("checking", total=len(paths), hidden=quick or (as_json and sys.stdout.isatty()))


def frames_of(shown: Progress) -> Callable[[str, int, int], None]:
    """Returns a function of (video, frames done, of how many) that shows a second bar below until all are."""
    below = shown.add_task("", visible=False)

    def move(video: str, done: int, total: int) -> None:
        shown.update(below, description=Path(video).name, completed=done, total=total, visible=done < total)

    return move


def reports(results: Iterable[CheckReport | Failure], shown: Progress, *, as_json: bool) -> tuple[int, int]:
    """Prints reports as they come, JSON lines or tables; returns how many failed, how many are distrusted."""
    failed = distrusted = 0
    rows: list[tuple[str | Text, ...]] = []
    with shown:
        for result in results:
            shown.advance(shown.tasks[0].id)
            if not isinstance(result, CheckReport):
                failed += 1
                with _paused(shown):
                    complain(str(result.error))
                continue
            distrusted += result.trusted is False
            if as_json:
                typer.echo(result.to_json())
                continue
            rows += _rows_of(result)
            if len(rows) >= _PAGE:
                with _paused(shown):
                    print_table(_HEADER, rows)
                rows = []
    if rows:
        print_table(_HEADER, rows)
    return failed, distrusted


def complain(message: str) -> None:
    """Prints one line on standard error."""
    typer.echo(f"facetrust: {' '.join(message.split())}", err=True)


@contextmanager
def _paused(shown: Progress) -> Iterator[None]:
    """Takes the bar away while something else is printed on the same terminal."""
    shown.stop()
    yield
    shown.start()


def by_task(models: Sequence[str], tasks: Sequence[str], *, threads: int = 1) -> dict[str, str | Model]:
    """Returns task → model for `--model TASK=FILE`; `--model FILE` is for the one task asked, or its card's.

    Raises:
        UsageError: a model is for a task that is not asked.
        ModelError: a file whose card has to be read cannot be used.
    """
    from facetrust.runtime.model import load_model
    from facetrust.tasks import task_names

    given: dict[str, str | Model] = {}
    for entry in models:
        task, equals, name = entry.partition("=")
        model: str | Model = name
        if not equals or task not in task_names():
            model = entry if len(tasks) == 1 else load_model(entry, threads=threads)
            task = tasks[0] if isinstance(model, str) else model.card.task
        if task not in tasks:
            raise UsageError(f"--model {entry}: is for {task}, which is not asked; add --task {task}")
        given[task] = model
    return given


def _rows_of(report: CheckReport) -> Iterator[tuple[str | Text, ...]]:
    if not report.faces and not report.verdicts:
        yield report.source, "", "", answer(report), "", "", ""
    for verdict in report.verdicts:
        yield report.source, "", *_cells(verdict)
    for number, face in enumerate(report.faces, 1):
        for verdict in face.verdicts:
            yield report.source, str(number), *_cells(verdict)
        if not face.verdicts:
            yield report.source, str(number), "", answer(report), "", "", ""


def _cells(verdict: Verdict) -> tuple[str | Text, ...]:
    decision = verdict.decision + (" (advisory)" if verdict.advisory else "")
    said = Text(decision, style="" if verdict.advisory else _COLOURS[verdict.score < verdict.threshold])
    return verdict.task, said, f"{verdict.score:.3f}", f"{verdict.threshold:.3f}", verdict.model


def answer(report: CheckReport) -> Text:
    """Returns what a report says in a word or two, and why if it cannot tell."""
    reason = f": {report.reason}" if report.reason else ""
    return Text(_ANSWERS[report.trusted] + reason, style=_COLOURS[report.trusted])


def print_table(header: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    """Prints a table on standard output; long cells are folded at a terminal's edge, never cut off."""
    table = Table(box=None, pad_edge=False, show_header=any(header))
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console()
    if not console.is_terminal:  # A file or a pipe has no edge at which a path would have to be folded.
        console.width = 10_000
    console.print(table)


def print_audit(found: AuditReport, written: Path) -> None:
    """Prints what an audit found, and how well trivial measures tell the labels apart."""
    colours = {"error": "bold red", "warning": "yellow", "note": ""}
    for each in found.findings:
        severity = Text(each.severity, style=colours[each.severity])
        print_table(("", "", ""), [(severity, each.code, each.title)])
        shown = ", ".join(each.rows[:3]) + (" …" if each.count > 3 else "")
        typer.echo(f"  {each.explanation}\n" + (f"  {shown}\n" if shown else ""))
    aucs = [f"{name} {'-' if auc is None else format(auc, '.3f')}" for name, auc in found.probes.items()]
    typer.echo(f"AUC of trivial measures: {', '.join(aucs) or 'none'}")
    state = "clean" if found.clean else "not clean"
    typer.echo(f"{found.samples} samples, manifest {found.manifest}: {state}; {written}")


def print_profile(found: ProfileReport) -> None:
    """Prints what models cost, and the ratios of the first to the second."""
    header = ("model", "engine", "parameters", "MACs", "p50 ms", "p95 ms", "images/s", "MB")
    rows = [
        (
            each.model + (f", text {each.text}" if each.text else ""),
            each.engine,
            f"{each.parameters:,}",
            f"{each.macs:,}",
            f"{each.latency_p50 * 1e3:.2f}",
            f"{each.latency_p95 * 1e3:.2f}",
            " ".join(f"{batch}:{rate:.0f}" for batch, rate in each.throughput.items()),
            "" if each.peak_memory is None else f"{each.peak_memory / 1e6:.0f}",
        )
        for each in found.profiles
    ]
    print_table(header, rows)
    typer.echo(
        "images/s by batch size. MACs of one image, as fvcore counts (a multiplication and its addition are "
        "one): convolutions, linear layers, matrix products; attention's two are added"
    )
    if found.ratios:
        ratios = [
            (
                each.engine,
                each.quantity + (f", batch {each.batch}" if each.batch else ""),
                f"text {each.text}" if each.text else "",
                f"{each.ratio:.3f}",
                each.band or "",
            )
            for each in found.ratios
        ]
        print_table(("engine", "first over second", "", "ratio", "band"), ratios)


def print_comparison(found: Comparison, out: Path) -> None:
    """Prints how alike students and teacher look, by the teacher's layers, and where the drawing lies."""
    layers = found.even.teacher_layers
    rows = []
    for each in (*found.agreements, found.even):
        values = dict(zip(each.teacher_layers, each.values, strict=True))
        cells = [f"{values[layer]:.3f}" if layer in values else "" for layer in layers]
        rows.append((each.student, *cells, f"{each.mean:.3f}"))
    print_table(("agreement by layer", *map(str, layers), "mean"), rows)
    typer.echo(
        f"with {found.teacher} on {len(found.pictures)} faces: 1 - Jensen-Shannon divergence (bits) of the "
        "attention maps' rows, 1 is identical; even attention looks everywhere alike"
    )
    typer.echo(out / "comparison.png")


def print_export(made: Exported) -> None:
    """Prints what was exported and how it was proven."""
    typer.echo(f"{made.path}: {made.bytes:,} bytes")
    typer.echo(
        f"greatest difference of a score on {made.faces}: {made.parity.scores:.1e} "
        f"(allowed {made.parity.tolerance:.0e})"
    )
    if made.choice is not None:
        rows = [
            (
                each.name,
                f"{each.bytes:,}",
                f"{each.latency * 1e3:.2f}",
                f"{each.ratio:.2f}",
                f"{each.auc:.4f}",
            )
            for each in made.choice.variants
        ]
        print_table(("form", "bytes", "ms", "over float", "AUC"), rows)
        typer.echo(f"kept {made.choice.kept}: {made.choice.reason}")


def print_cards(found: Sequence[ModelCard], *, as_json: bool) -> None:
    """Prints model cards, as JSON lines or a table."""
    if as_json:
        for card in found:
            typer.echo(card.model_dump_json(by_alias=True))
        return
    rows = [
        (f"{c.name}@{c.version}", c.task, f"{c.parameters or 0:,}", c.training_data, c.terms) for c in found
    ]
    print_table(("model", "task", "parameters", "trained on", "terms"), rows)
    if not found:
        typer.echo("no model is bundled")


def print_demo(rows: Sequence[Judged], page: Path) -> None:
    """Prints what the demo saw, and whether the model was right."""
    table = [
        (
            row.name,
            row.truth,
            row.answer,
            "" if row.score is None else f"{row.score:.3f}",
            "yes" if row.right else Text("no", style="bold red"),
        )
        for row in rows
    ]
    print_table(("picture", "what it is", "answer", "score", "right"), table)
    wrong = [row.name for row in rows if not row.right]
    typer.echo(f"the model got {', '.join(wrong)} wrong" if wrong else f"all {len(rows)} right")
    typer.echo(f"evidence maps: {page}")
