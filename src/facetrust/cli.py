"""The command line: parses and calls, decides nothing. Costly imports wait until a command needs them.

Exit status: 0 trusted or done; 1 at least one picture is not trusted; 2 bad input or usage, one line
on standard error; 130 interrupted. Where several hold, the highest counts.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from facetrust.errors import FacetrustError

# What Typer raises for wrong usage; it has no public name for it, and its home has moved before.
_WrongUsage = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="facetrust",
    help="Tells whether a face in a picture can be trusted, and shows why.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
data = typer.Typer(help="Datasets become manifests.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data, name="data")

Out = Annotated[Path, typer.Option("--out", help="Folder for what is written.")]
DetectorFile = Annotated[
    Path | None, typer.Option("--detector", help="YuNet's .onnx file; MTCNN without it.")
]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit status."""
    try:
        status = app(None if arguments is None else list(arguments), standalone_mode=False)
        return int(status or 0)
    except FacetrustError as error:
        return _refused(str(error))
    except _WrongUsage as error:
        return _refused(error.format_message())  # type: ignore[attr-defined]
    except OSError as error:
        return _refused(f"{error.filename or 'file'}: {error.strerror or error}")
    except (KeyboardInterrupt, typer.Abort):
        return 130


def _refused(message: str) -> int:
    typer.echo(f"facetrust: {' '.join(message.split())}", err=True)
    return 2


def _version(wanted: bool) -> None:
    if wanted:
        from facetrust import __version__

        typer.echo(f"facetrust {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Tells whether a face in a picture can be trusted, and shows why."""


@app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(help="Pictures, or folders that are searched for pictures.")],
    task: Annotated[list[str] | None, typer.Option("--task", help="What to ask: antispoof.")] = None,
    model: Annotated[list[str] | None, typer.Option("--model", help="A model's name or .onnx file.")] = None,
    detector: DetectorFile = None,
    evidence: Annotated[Path | None, typer.Option("--evidence", help="Folder for evidence maps.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line, as soon as it is ready.")] = False,
) -> int:
    """Says of every face in the pictures whether it can be trusted.

    Status 2 if any picture could not be read (the others are still checked), otherwise 1 if any face
    is not trusted, otherwise 0. A picture without a face is no failure: it says so in its reason.
    """
    from facetrust import _cli_show

    return _cli_show.check_all(
        paths, tasks=task, models=model, detector=detector, evidence=evidence, as_json=json
    )


@data.command()
def prepare(
    source: Annotated[str, typer.Argument(help="The dataset's layout: nuaa, folder, lfw.")],
    root: Annotated[Path, typer.Argument(help="The dataset's folder.")],
    out: Annotated[Path, typer.Option("--out", help="Manifest to write, .parquet or .csv.")],
    detector: DetectorFile = None,
    context: Annotated[float, typer.Option(help="Side of what is kept, in sides of the face.")] = 4.0,
) -> None:
    """Finds the faces of a dataset once; writes crops and a manifest. Run again, it goes on."""
    from facetrust import _cli_show
    from facetrust.prepare import prepare as run
    from facetrust.runtime.detector import open_detector

    with _cli_show.progress("preparing") as advance:
        made = run(source, root, out, detector=open_detector(detector), context=context, progress=advance)
    typer.echo(f"{made}")


@app.command()
def audit(
    manifest: Annotated[Path, typer.Argument(help="A .parquet or .csv manifest.")],
    json: Annotated[bool, typer.Option("--json", help="One JSON object a finding and line.")] = False,
) -> int:
    """Looks for leaks between splits and for shortcuts that give the label away. Status 1 if it finds errors."""
    from facetrust import _cli_show
    from facetrust.data.audit import audit as run
    from facetrust.data.manifest import Manifest

    return _cli_show.findings(run(Manifest.read(manifest)), as_json=json)


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's name, or a .yaml file.")],
    settings: Annotated[list[str] | None, typer.Option("--set", help="section.key=value, repeatable.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Run folder; runs/<recipe> if not given.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run folder stopped.")] = False,
) -> None:
    """Trains a teacher or a student; writes a run folder with weights and card."""
    from facetrust.recipe import load_recipe
    from facetrust.train import train as run

    loaded = load_recipe(recipe, settings or [])
    typer.echo(run(loaded, out=out or Path("runs") / loaded.name, resume=resume))


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="A run folder, an .onnx file, or a bundled model's name.")],
    manifest: Annotated[Path, typer.Option("--data", help="Manifest to score.")],
    out: Out,
    split: Annotated[str, typer.Option("--split", help="train, dev or test.")] = "test",
) -> None:
    """Scores a split of a manifest; writes a scores file."""
    from facetrust.evaluate import evaluate as run

    typer.echo(run(model, manifest, split=split, out=out))


@app.command()
def report(
    scores: Annotated[list[Path], typer.Argument(help="Scores files of the split that is reported.")],
    dev: Annotated[list[Path], typer.Option("--dev", help="Scores that thresholds are fitted on; one each.")],
    out: Out,
) -> None:
    """Writes one HTML page and one JSON file: metrics with intervals, curves, baselines."""
    from facetrust.report import report as run

    typer.echo(run(scores, dev=dev, out=out))


@app.command()
def profile(
    model: Annotated[str, typer.Argument(help="A run folder, an .onnx file, or a model's name.")],
    against: Annotated[str | None, typer.Option("--vs", help="Another one, measured turn by turn.")] = None,
    json: Annotated[bool, typer.Option("--json", help="The figures as JSON.")] = False,
) -> None:
    """Counts parameters and MACs; measures latency, throughput and memory."""
    from facetrust import _cli_show
    from facetrust.profile import profile as run

    _cli_show.profile(run(model, against), as_json=json)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    out: Annotated[Path, typer.Option("--out", help="The .onnx file to write.")],
    int8: Annotated[bool, typer.Option("--int8", help="Also try int8 and keep it if it is faster.")] = False,
) -> None:
    """Writes an ONNX file with its card, and proves that it answers as the network does."""
    from facetrust.export.onnx import export as make

    typer.echo(make(run, out, int8=int8))


@app.command()
def demo(
    out: Out = Path("demo"),
    model: Annotated[str, typer.Option("--model", help="A model's name or .onnx file.")] = "antispoof-tiny",
) -> None:
    """Judges a public-domain photo and two simulated attacks on it; writes report.html."""
    from facetrust import _cli_show
    from facetrust.demo import demo as run

    _cli_show.demo(run(out, model=model), out)


if __name__ == "__main__":
    sys.exit(main())
