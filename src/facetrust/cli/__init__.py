"""The command line: parses and calls, decides nothing. Costly imports wait until a command needs them.

Exit status: 0 trusted or done; 1 at least one picture is not trusted; 2 bad input or usage, one line
on standard error; 130 interrupted. Where several hold, the highest counts.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from facetrust.cli.data import DetectorFile, data
from facetrust.errors import FacetrustError, MissingExtra

# What Typer raises for wrong usage; it has no public name for it, and its home has moved before.
_WrongUsage: Any = typer.BadParameter.__mro__[2]
# All else is for training.
_EXTRA_OF = {"polars": "data", "matplotlib": "report", "jinja2": "report", "skimage": "demo"}

app = typer.Typer(
    name="facetrust",
    help="Tells whether a face in a picture can be trusted, and shows why.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(data, name="data")

Out = Annotated[Path, typer.Option("--out", help="Folder for what is written.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = app(given or ["--help"], prog_name="facetrust", standalone_mode=False)
        return int(status or 0)
    except FacetrustError as error:
        message = str(error)
    except _WrongUsage as error:
        message = error.format_message()
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("facetrust"):
            raise
        package = (error.name or "a package").partition(".")[0]
        message = str(MissingExtra(package, _EXTRA_OF.get(package, "train")))
    except OSError as error:
        message = f"{error.filename or 'a file'}: {error.strerror or error}"
    except (KeyboardInterrupt, typer.Abort):
        return 130
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


@app.command()
def audit(
    manifest: Annotated[Path, typer.Argument(help="A .parquet or .csv manifest.")],
    strict: Annotated[bool, typer.Option("--strict", help="Status 1 if an error is found.")] = False,
    json: AsJson = False,
) -> int:
    """Looks for leaks between splits and for shortcuts to the label; writes MANIFEST.audit.json."""
    from facetrust.cli import output
    from facetrust.data.audit.audit import audit as run
    from facetrust.data.manifest import Manifest

    with output.progress("auditing") as advance:
        found = run(Manifest.read(manifest), progress=advance)
    written = found.write(manifest)
    typer.echo(found.to_json(), nl=False) if json else output.print_audit(found, written)
    return int(strict and not found.clean)


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's name, or a .yaml file.")],
    settings: Annotated[list[str] | None, typer.Option("--set", help="section.key=value.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Run folder; runs/<recipe> if none.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run folder stopped.")] = False,
) -> None:
    """Trains a teacher or a student; writes a run folder with weights and card."""
    from facetrust.training.recipe import load_recipe

    loaded = load_recipe(recipe, settings or [])
    from facetrust.training.train import train as run

    typer.echo(run(loaded, out=out or Path("runs") / loaded.name, resume=resume))


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="A run folder, an .onnx file, or a bundled model's name.")],
    manifest: Annotated[Path, typer.Option("--data", help="Manifest to score.")],
    out: Out,
    split: Annotated[str, typer.Option("--split", help="train, dev or test.")] = "test",
    fit: Annotated[Path | None, typer.Option(help="Manifest that baselines are fitted on.")] = None,
    baselines: Annotated[bool, typer.Option(help="Also score by trivial measures.")] = True,
    batch: Annotated[int, typer.Option(min=1, help="Faces at once, for a run folder.")] = 64,
    workers: Annotated[int, typer.Option(min=0, help="Processes that read pictures.")] = 0,
    every_epoch: Annotated[
        bool, typer.Option("--every-epoch", help="Also score each epoch that a run kept; in OUT/epochs.")
    ] = False,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Also score disturbed pictures; in OUT/robustness.")
    ] = False,
) -> None:
    """Scores a split of a manifest; writes scores files, those of trivial baselines too."""
    from facetrust.evaluation.evaluate import evaluate as run

    written = run(
        model,
        manifest,
        split=cast("Any", split),
        out=out,
        fit=fit,
        baselines=baselines,
        batch=batch,
        workers=workers,
        every_epoch=every_epoch,
        robustness=robustness,
        progress=sys.stderr.isatty(),
    )
    typer.echo(written)


@app.command()
def report(
    scores: Annotated[list[Path], typer.Argument(help="Scores files; a folder is its test files.")],
    dev: Annotated[
        list[Path], typer.Option("--dev", help="The same models on dev; a folder is its dev files.")
    ],
    out: Out,
    protocol: Annotated[str, typer.Option(help="Who fits the threshold, who is reported.")] = "dev-threshold",
    rule: Annotated[str, typer.Option(help="How the threshold is chosen: eer, apcer@1%, bpcer@1%.")] = "eer",
    video_rule: Annotated[
        str, typer.Option(help="A video's score: trimmed-mean, mean, efficient-vit; dev: the best there.")
    ] = "dev",
    seed: Annotated[int, typer.Option(min=0, help="Decides the bootstrap's draws.")] = 0,
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "",
    epochs: Annotated[
        list[Path] | None, typer.Option(help="Test scores of other checkpoints; as-published figures only.")
    ] = None,
    robustness: Annotated[
        list[Path] | None, typer.Option(help="Test scores of disturbed pictures; a folder is its test files.")
    ] = None,
) -> None:
    """Writes one HTML page and one JSON file: metrics with intervals, curves, baselines."""
    from facetrust.evaluation.report import report as run

    typer.echo(
        run(
            _scores(scores, "test"),
            dev=_scores(dev, "dev"),
            out=out,
            protocol=protocol,
            rule=rule,
            video_rule=video_rule,
            seed=seed,
            title=title,
            epochs=_scores(epochs or [], "test"),
            robustness=_scores(robustness or [], "test"),
        )
    )


def _scores(paths: Sequence[Path], split: str) -> list[Path]:
    """Returns the files as they are, and for a folder the scores files of a split in it."""
    pairs = [(path, sorted(path.glob(f"*-{split}.parquet"))) for path in paths]
    return [file for path, inside in pairs for file in (inside or [path])]


@app.command()
def profile(
    model: Annotated[
        str, typer.Argument(help="A run folder, .onnx file, bundled name, or network's NAME[:KEY=VALUE,...].")
    ],
    against: Annotated[str | None, typer.Option("--vs", help="Another one, measured turn by turn.")] = None,
    engine: Annotated[list[str] | None, typer.Option(help="torch or onnxruntime; both if none.")] = None,
    batch: Annotated[list[int] | None, typer.Option(help="Images at once; 1, 8 and 32 if none.")] = None,
    rounds: Annotated[int, typer.Option(min=3, help="Timed calls of each.")] = 50,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each.")] = 1,
    memory: Annotated[bool, typer.Option(help="Measure memory too, in processes of their own.")] = True,
    json: AsJson = False,
) -> None:
    """Counts parameters and MACs; measures latency, throughput and memory."""
    from facetrust.cli import output
    from facetrust.profile import profile as run

    engines = cast("Any", tuple(engine or ("torch", "onnxruntime")))
    how = {"batches": batch or (1, 8, 32), "rounds": rounds, "threads": threads, "memory": memory}
    found = run(model, vs=against, engines=engines, **cast("Any", how))
    typer.echo(found.to_json(), nl=False) if json else output.print_profile(found)


@app.command()
def explain(
    model: Annotated[str, typer.Argument(help="A run folder, a bundled model's name, or an .onnx file.")],
    images: Annotated[list[Path], typer.Argument(help="Pictures; with --against, manifests too.")],
    out: Out = Path("evidence"),
    method: Annotated[
        str | None,
        typer.Option(help="cam; of a run folder gradcam too, of a ViT attention and rollout."),
    ] = None,
    against: Annotated[list[Path] | None, typer.Option(help="A student's run folder; repeatable.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Test rows taken of a manifest, evenly spread.")] = 6,
    detector: DetectorFile = None,
) -> None:
    """Draws where in pictures a model's answer comes from, or where students look beside their teacher."""
    if against:
        from facetrust.cli import output
        from facetrust.explain.compare import compare

        found = compare(
            model, images, against=against, out=out, method=method or "rollout", rows=rows, detector=detector
        )
        output.print_comparison(found, out)
        return
    from facetrust.explain.picture import explain_image

    for image in images:
        typer.echo(explain_image(model, image, out, method=method or "cam", detector=detector))


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    out: Annotated[Path, typer.Option("--out", help="The file to write: .onnx, or .xml for OpenVINO.")],
    manifest: Annotated[
        list[Path] | None, typer.Option("--data", help="Manifest to prove it on; may be repeated.")
    ] = None,
    margin: Annotated[
        list[float] | None, typer.Option(help="Crop in sides of the face, instead of the run's; repeatable.")
    ] = None,
    rule: Annotated[
        list[str] | None, typer.Option(help="Threshold: eer, apcer@1%, bpcer@5%; the first decides.")
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Ship int8 if it is faster and as good.")] = False,
    name: Annotated[str | None, typer.Option(help="Name in the card.")] = None,
) -> None:
    """Writes an ONNX file with its card, and proves that it answers as the network does."""
    from facetrust.cli import output
    from facetrust.export.run import export_run

    output.print_export(
        export_run(run, out, manifest=manifest, margins=margin or (), rules=rule or (), int8=int8, name=name)
    )


@app.command()
def models(json: AsJson = False) -> None:
    """Lists the bundled models: what they judge, how large they are, on what they were trained."""
    from facetrust.cli import output
    from facetrust.model_file import bundled
    from facetrust.runtime.model import load_model

    output.print_cards([load_model(name).card for name in bundled()], as_json=json)


@app.command("import-checkpoint")
def import_checkpoint(
    kind: Annotated[
        str,
        typer.Argument(
            help="cross-efficient-vit, efficient-vit, facenox-v2se, flip, silent-face-v1se, silent-face-v2."
        ),
    ],
    file: Annotated[Path, typer.Argument(help="The published weight file; nothing is fetched.")],
    out: Out,
) -> None:
    """Turns published weights into a model of ours; their terms stay theirs."""
    from facetrust.zoo import import_checkpoint as run

    typer.echo(run(kind, file, out))


@app.command()
def demo(
    out: Out = Path("demo"),
    model: Annotated[str, typer.Option("--model", help="A bundled name or .onnx file.")] = "antispoof-tiny",
) -> None:
    """Asks of a public-domain photo and two simulated attacks: live or attack? Writes report.html."""
    from facetrust.cli import output
    from facetrust.cli.demo import demo as run

    output.print_demo(run(out, model=model), out / "report.html")


if __name__ == "__main__":
    sys.exit(main())
