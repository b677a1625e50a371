"""The command that judges more pictures than one process can."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from facetrust.cli.options import (
    DetectorFile,
    Models,
    MostFaces,
    NoQualityGate,
    PolicyName,
    SmallestFace,
    Tasks,
    Thresholds,
    VideoRule,
)
from facetrust.cli.status import Status, status_of

if TYPE_CHECKING:
    from facetrust.runtime.scan.run import Scanned


def scan(
    source: Annotated[
        str,
        typer.Argument(
            help="A folder, a glob, a list (.txt, .csv), Parquet files, tar shards, or a bucket's address."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the scan; given again, it goes on.")],
    task: Tasks = None,
    model: Models = None,
    threshold: Thresholds = None,
    policy: PolicyName = None,
    detector: DetectorFile = None,
    no_quality_gate: NoQualityGate = False,
    smallest_face: SmallestFace = 40,
    most_faces: MostFaces = 2000,
    rule: VideoRule = "worst-stretch",
    workers: Annotated[
        int, typer.Option("--workers", min=0, help="Processes, one thread each; 0 is one per core.")
    ] = 0,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Write parts as JSON lines beside Parquet.")] = False,
    ray: Annotated[
        str | None,
        typer.Option("--ray", help="local, or the address of a Ray cluster that sees the same paths."),
    ] = None,
) -> int:
    """Judges all pictures and videos of a large source, and writes a row per face.

    Rows are written in parts, each whole or not at all; the same command goes on where one was ended. Of
    pictures with the same bytes one is judged. What cannot be read, or ends its process twice, has a row that
    says so. Only a source that is an address is fetched from.

    Exit status: 0 all was judged and trusted; 1 at least one is not trusted; 3 nothing wrong was found, but
    something could not be read or judged; 2 the scan cannot be done, and what is finished is kept. Of
    several, 2 counts before 1 before 3.
    """
    from facetrust.cli import arguments, output
    from facetrust.faces.detector import Search
    from facetrust.runtime.bundled import default_tasks
    from facetrust.runtime.scan.run import scan as run
    from facetrust.runtime.videos import Sampling

    tasks = task or default_tasks()
    with output.bar("scanning", rate=True) as bar:
        done = run(
            source,
            out,
            tasks=tasks,
            models=arguments.model_files_by_task(model or [], tasks),
            thresholds=arguments.thresholds_by_task(threshold or [], tasks),
            policy=cast("Any", policy),
            detector=detector,
            sampling=Sampling(rule=rule),
            search=Search(smallest_face, most_faces),
            quality_gate=not no_quality_gate,
            workers=workers,
            jsonl=jsonl,
            ray=ray,
            moved=lambda looked_at, total: bar.update(bar.tasks[0].id, completed=looked_at, total=total),
        )
    _tell(done)
    return _status(done)


def _tell(done: Scanned) -> None:
    """Prints what was counted, and on standard error what was not judged."""
    from facetrust.cli.output import complain, print_table
    from facetrust.imaging.inputs import skipped_message
    from facetrust.records import shown

    total = done.total
    for kind, count in total.failures.items():
        source, reason = total.failed[kind][0]
        also = f" (and {count - 1} more of this kind)" if count > 1 else ""
        complain(f"{kind}: {reason if source in reason else f'{source}: {reason}'}{also}")
    if done.skipped:
        complain(skipped_message(done.skipped))
    rows = [
        ("pictures and videos", f"{total.inputs:,}"),
        ("duplicates, not judged again", f"{total.duplicates:,}"),
        ("not judged", f"{sum(total.failures.values()):,}"),
        ("faces", f"{total.faces:,}"),
        ("trusted", f"{total.trusted:,}"),
        ("not trusted", f"{total.not_trusted:,}"),
        ("cannot tell", f"{total.cannot_tell:,}"),
    ]
    print_table(("", ""), rows)
    typer.echo(shown(str(done.summary)))


def _status(done: Scanned) -> Status:
    """Returns how a scan ends, over all its starts."""
    total = done.total
    causes = {
        Status.NOT_TRUSTED: total.not_trusted,
        Status.NOT_JUDGED: total.cannot_tell + sum(total.failures.values()) + len(done.skipped),
    }
    return status_of(status for status, count in causes.items() if count)
