"""The commands that judge pictures and videos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facetrust.cli.options import AsJson, DetectorFile, Out


def check(
    paths: Annotated[list[Path], typer.Argument(help="Pictures, videos, or folders of them.")],
    task: Annotated[
        list[str] | None,
        typer.Option(help="antispoof and deepfake if none is named; synthetic needs --model synthetic=FILE."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", help="[TASK=] bundled name or .onnx file; repeatable.")
    ] = None,
    detector: DetectorFile = None,
    evidence: Annotated[Path | None, typer.Option("--evidence", help="Folder for evidence maps.")] = None,
    threads: Annotated[int, typer.Option("--threads", min=0, help="Threads of a model; 0 is all cores.")] = 1,
    rule: Annotated[str, typer.Option("--rule", help="How a video's scores become one.")] = "trimmed-mean",
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line, when it is ready.")] = False,
) -> int:
    """Says of every face in pictures and videos whether it is live and genuine, and so can be trusted.

    Status 2 if any of them could not be read (the others are still checked), otherwise 1 if any is not
    trusted, otherwise 0. A picture without a face is no failure: it says so in its reason.
    """
    from facetrust.cli import output
    from facetrust.imaging.inputs import files_in
    from facetrust.runtime.bundled import default_tasks
    from facetrust.runtime.check import check_many
    from facetrust.runtime.videos import Sampling

    tasks = task or default_tasks()
    pictures = files_in(paths)
    shown = output.checking(pictures, as_json=json)
    results = check_many(
        pictures,
        tasks=tasks,
        models=output.by_task(model or [], tasks, threads=threads),
        detector=detector,
        evidence=evidence,
        threads=threads,
        sampling=Sampling(rule=rule),
        progress=output.frames_of(shown),
    )
    failed, distrusted = output.reports(results, shown, as_json=json)
    return 2 if failed else 1 if distrusted else 0


def demo(
    out: Out = Path("demo"),
    model: Annotated[str, typer.Option("--model", help="A bundled name or .onnx file.")] = "antispoof-tiny",
) -> None:
    """Asks of a public-domain photo and two simulated attacks: live or attack? Writes report.html."""
    from facetrust.cli import output
    from facetrust.cli.demo import demo as run

    output.print_demo(run(out, model=model), out / "report.html")


def models(json: AsJson = False) -> None:
    """Lists the bundled models: what they judge, how large they are, on what they were trained."""
    from facetrust.cli import output
    from facetrust.model_file import bundled
    from facetrust.runtime.model import load_model

    output.print_cards([load_model(name).card for name in bundled()], as_json=json)
