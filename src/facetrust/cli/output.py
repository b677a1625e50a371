"""What the command line prints: tables on standard output, progress on standard error."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from facetrust.records import ModelCard, shown

if TYPE_CHECKING:
    from facetrust.cli.demo import Judged
    from facetrust.data.audit.audit import AuditReport
    from facetrust.evaluation.invariance import Held
    from facetrust.explain.compare import Comparison
    from facetrust.export.run import Exported
    from facetrust.profile import ProfileReport
    from facetrust.profile.runtimes import RuntimeParity
    from facetrust.protocols import FittedLimit
    from facetrust.runtime.catalogue.entries import Entry

_MANY = 4  # Pictures from which on a bar is worth showing.


class Rate(ProgressColumn):
    """How many are done in a second."""

    def render(self, task: Task) -> Text:
        """Returns the rate of the last half minute."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f}/s")


def bar(
    what: str,
    *,
    total: int | None = None,
    hidden: bool = False,
    rate: bool = False,
    of_bytes: bool = False,
) -> Progress:
    """Returns a bar on standard error that shows nothing where that is no terminal; `bar.tasks[0]` counts."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn() if of_bytes else MofNCompleteColumn(),
        *((Rate(),) if rate else ()),
        TimeRemainingColumn(),
    )
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
def progress(what: str, *, of_bytes: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Shows a bar; gives a function of (done, of how many) that moves it."""
    with bar(what, of_bytes=of_bytes) as made:
        yield lambda done, total: made.update(made.tasks[0].id, completed=done, total=total)


def checking(sources: Sequence[Any], *, hidden: bool) -> Progress:
    """Returns the bar of a check; one picture, or a few, need none."""
    from facetrust.imaging.inputs import name_of
    from facetrust.imaging.video import VIDEOS

    quick = len(sources) < _MANY and not any(name_of(each).lower().endswith(VIDEOS) for each in sources)
    return bar("checking", total=len(sources), hidden=quick or hidden)


def frames_of(bar: Progress) -> Callable[[str, int, int], None]:
    """Returns a function of (video, frames done, of how many) that shows a second bar below until all are."""
    below = bar.add_task("", visible=False)

    def move(video: str, done: int, total: int) -> None:
        bar.update(
            below, description=shown(Path(video).name), completed=done, total=total, visible=done < total
        )

    return move


def complain(message: str) -> None:
    """Prints one line on standard error."""
    typer.echo(f"facetrust: {shown(message)}", err=True)


@contextmanager
def paused(bar: Progress) -> Iterator[None]:
    """Takes a bar away while something else is printed on the same terminal."""
    running = bar.live.is_started
    bar.stop()
    yield
    if running:
        bar.start()


def print_table(header: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    """Prints a table on standard output; long cells are folded at a terminal's edge, never cut off."""
    table = Table(box=None, pad_edge=False, show_header=any(header))
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        # As `Text`, for in a plain cell brackets are taken for markup.
        table.add_row(*(cell if isinstance(cell, Text) else Text(shown(cell)) for cell in row))
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
        rows = shown(", ".join(each.rows[:3])) + (" …" if each.count > 3 else "")
        typer.echo(f"  {each.explanation}\n" + (f"  {rows}\n" if rows else ""))
    aucs = [f"{name} {'-' if auc is None else format(auc, '.3f')}" for name, auc in found.probes.items()]
    typer.echo(f"AUC of trivial measures: {', '.join(aucs) or 'none'}")
    state = "clean" if found.clean else "not clean"
    typer.echo(f"{found.samples} samples, manifest {found.manifest}: {state}; {written}")


def print_held(held: Sequence[Held], *, as_json: bool) -> None:
    """Prints how models hold under harmless changes: one row per change, three columns per model, or six."""
    if as_json:
        typer.echo(json.dumps([each.model_dump(mode="json") for each in held], indent=2))
        return
    models = list(dict.fromkeys(each.model for each in held))
    cells: dict[str, list[str]] = {}
    for each in held:
        row = cells.setdefault(each.change, [])
        rate = f"{100 * each.false_alarms:.1f} [{100 * each.low:.1f}, {100 * each.high:.1f}]"
        row += [rate, f"{100 * each.not_judged:.1f}", f"{each.median:.3f}"]
        if of := each.attacks:
            rate = f"{100 * of.passed:.1f} [{100 * of.low:.1f}, {100 * of.high:.1f}]"
            row += [rate, f"{100 * of.not_judged:.1f}", f"{each.auc:.3f}"]
    header = ["change"]
    for model in models:
        header += [f"{shown(model)}: false alarms, %", "not judged, %", "median score"]
        if held[0].attacks:
            header += ["attacks that pass, %", "not judged, %", "AUC"]
    print_table(tuple(header), [(change, *row) for change, row in cells.items()])
    attacks = f" and {of.attacks} attacks" if (of := held[0].attacks) else ""
    typer.echo(f"{held[0].faces} genuine faces{attacks}; intervals of 95 % over subjects")


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
    if made.parity is not None:
        typer.echo(
            f"greatest difference of a score on {made.faces}: {made.parity.scores:.1e} "
            f"(allowed {made.parity.tolerance:.0e})"
        )
    if made.errors:
        typer.echo(f"fitted on {made.fitted_on} of {made.labelled} labelled dev faces, what the limits leave")
        costs = [
            (each.rule, f"{each.threshold:.3f}", _percent(each.apcer), _percent(each.bpcer))
            for each in made.errors
        ]
        print_table(("rule", "threshold", "APCER %", "BPCER %"), costs)
    if made.calibrated is not None:
        before, after = made.calibrated.before, made.calibrated.after
        typer.echo(f"calibration error there {before:.3f}, calibrated {after:.3f}")
    if made.limits:
        print_limits(made.limits)
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


def print_parity(found: Sequence[RuntimeParity], *, as_json: bool) -> None:
    """Prints how models answer in several runtimes, as JSON lines or a table."""
    if as_json:
        for each in found:
            typer.echo(each.model_dump_json())
        return
    rows = [
        (
            each.model,
            each.runtime,
            f"{each.faces}",
            f"{each.scores:.1e}" + ("" if each.passes else " too far"),
            "-" if each.evidence is None else f"{each.evidence:.1e}",
            f"{each.agreement:.2%}",
            f"{each.bytes:,}",
            f"{each.p50 * 1e3:.2f}",
            f"{each.cpu * 1e3:.2f}",
        )
        for each in found
    ]
    head = ("score off by", "evidence", "same decisions", "bytes", "p50 ms", "CPU ms")
    print_table(("model", "runtime", "crops", *head), rows)


def print_limits(limits: Sequence[FittedLimit]) -> None:
    """Prints fitted limits of quality, and the errors by how many of the faces they leave."""
    shares = [f"{each.coverage:.0%}" for each in limits[0].curve]
    rows = []
    for each in limits:
        value = "none" if each.value is None else f"{each.value:.3g}"
        errors = [f"{_percent(point.bpcer)} / {_percent(point.apcer)}" for point in each.curve]
        rows.append((each.limit, value, *errors))
    errors_of = " / ".join(limits[0].errors)
    print_table(("limit", "value", *(f"{errors_of} at {share}" for share in shares)), rows)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


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


def print_entries(found: Sequence[Entry], *, as_json: bool) -> None:
    """Prints what a catalogue has, as JSON lines or a table; nothing where it has nothing more."""
    if as_json:
        for entry in found:
            typer.echo(entry.model_dump_json())
    elif found:
        typer.echo("\nto be had by: facetrust models pull NAME")
        rows = [(each.title, each.task, f"{each.size:,}", each.licence, each.terms) for each in found]
        print_table(("model", "task", "bytes", "licence", "terms of its data"), rows)


def print_demo(rows: Sequence[Judged], page: Path) -> None:
    """Prints what the demo saw, and whether the model was right."""
    from facetrust.cli.demo import outcome

    said: dict[bool | None, str | Text] = {True: "yes", False: Text("no", style="bold red"), None: "-"}
    table = [
        (row.name, row.truth, row.answer, "" if row.score is None else f"{row.score:.3f}", said[row.right])
        for row in rows
    ]
    print_table(("picture", "what it is", "answer", "score", "right"), table)
    typer.echo(outcome(rows))
    typer.echo(f"evidence report: {page}")
