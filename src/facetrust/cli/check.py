"""The commands that judge pictures and videos."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from facetrust.cli.options import (
    DetectorFile,
    Models,
    MostFaces,
    NoQualityGate,
    Out,
    PolicyName,
    SmallestFace,
    Tasks,
    Thresholds,
    VideoRule,
)
from facetrust.cli.status import status_of


def check(
    paths: Annotated[
        list[str],
        typer.Argument(help="Pictures, videos, folders or globs of them; - is one on standard input."),
    ],
    task: Tasks = None,
    model: Models = None,
    threshold: Thresholds = None,
    policy: PolicyName = None,
    detector: DetectorFile = None,
    evidence: Annotated[Path | None, typer.Option("--evidence", help="Folder for evidence maps.")] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="File for all of it as one HTML page, with the pictures.")
    ] = None,
    threads: Annotated[int, typer.Option("--threads", min=0, help="Threads of a model; 0 is all cores.")] = 1,
    no_quality_gate: NoQualityGate = False,
    smallest_face: SmallestFace = 40,
    most_faces: MostFaces = 2000,
    rule: VideoRule = "worst-stretch",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per input and line.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print one row per verdict, as CSV.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing; the exit status tells.")] = False,
    list_skipped: Annotated[
        bool, typer.Option("--list-skipped", help="Name the files of folders that are skipped.")
    ] = False,
) -> int:
    """Says of every face in pictures and videos whether it is live and genuine, and so can be trusted.

    Nothing is fetched, and cameras are not read. What cannot be read is named on standard error, and the
    others are still checked.

    Exit status: 0 all was judged and trusted; 1 at least one is not trusted; 3 nothing wrong was found, but
    something could not be judged (no face, too poor, skipped files, advisory models only); 2 something
    could not be read. Evidence that cannot be written is named on standard error, and changes no status. Of
    several, 2 counts before 1 before 3.
    """
    from facetrust.cli import arguments, output, verdicts
    from facetrust.faces.detector import Search
    from facetrust.imaging.inputs import inputs_in
    from facetrust.runtime.bundled import default_tasks
    from facetrust.runtime.checker import Checker
    from facetrust.runtime.report.page import EvidenceReport, check_writable
    from facetrust.runtime.videos import Sampling

    if report is not None:
        check_writable(report)
    tasks = task or default_tasks()
    found = inputs_in(paths, stdin=sys.stdin.buffer)
    bar = output.checking(found.sources, hidden=quiet or ((json or csv) and sys.stdout.isatty()))
    writer = verdicts.writer_of(bar, as_json=json, as_csv=csv, quiet=quiet)
    checker = Checker(
        tasks,
        models=arguments.models_by_task(model or [], tasks, threads=threads),
        thresholds=arguments.thresholds_by_task(threshold or [], tasks),
        policy=cast("Any", policy),
        detector=detector,
        threads=threads,
        sampling=Sampling(rule=rule),
        quality_gate=not no_quality_gate,
        search=Search(smallest_face, most_faces),
    )
    page = None if report is None else EvidenceReport(checker, policy=policy)
    results = checker.check_many(
        found.sources,
        evidence=evidence,
        show=page.show if page else None,
        progress=output.frames_of(bar),
    )
    statuses = verdicts.print_reports(page.recording(results) if page else results, writer, bar, quiet=quiet)
    statuses |= verdicts.print_left_out(found, names=list_skipped, quiet=quiet)
    if page is not None and report is not None:
        page.leave_out(found.errors, found.skipped)
        page.write(report)
    return status_of(statuses)


def demo(
    out: Out = Path("demo"),
    model: Annotated[str, typer.Option("--model", help="A model's name or .onnx file.")] = "antispoof-tiny",
) -> None:
    """Asks of a public-domain photo and two simulated attacks: live or attack? Writes report.html."""
    from facetrust.cli import output
    from facetrust.cli.demo import demo as run

    output.print_demo(run(out, model=model), out / "report.html")
