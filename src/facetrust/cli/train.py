"""The commands that train, score and report."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from facetrust.cli.options import Out


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's name, or a .yaml file.")],
    settings: Annotated[list[str] | None, typer.Option("--set", help="section.key=value.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Run folder; runs/RECIPE if none.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run folder stopped.")] = False,
) -> None:
    """Trains a teacher or a student; writes a run folder with weights and card."""
    from facetrust.training.recipe import load_recipe

    loaded = load_recipe(recipe, settings or [])
    from facetrust.training.train import train as run

    # isort: split
    from lightning.pytorch.utilities import rank_zero_only

    rank_zero_only(typer.echo)(run(loaded, out=out or Path("runs") / loaded.name, resume=resume))


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
    invariance: Annotated[
        bool, typer.Option("--invariance", help="Also score harmless changes; in OUT/invariance.")
    ] = False,
    controls: Annotated[
        bool,
        typer.Option("--controls", help="Also score without tint, light, sharpness; in OUT/controls."),
    ] = False,
    pairs: Annotated[
        Path | None, typer.Option(help="Pairs to compare; MANIFEST.pairs.csv if it is there, else all.")
    ] = None,
    templates: Annotated[Path | None, typer.Option(help="Templates of several pictures.")] = None,
    gallery: Annotated[Path | None, typer.Option(help="Who is enrolled, and who is looked for.")] = None,
    flip: Annotated[
        bool, typer.Option("--flip", help="Add the embeddings of each face and its mirror image.")
    ] = False,
    trained_on: Annotated[
        list[Path] | None,
        typer.Option("--trained-on", help="Manifest of the model's training people; repeatable."),
    ] = None,
    merge: Annotated[
        list[str] | None,
        typer.Option(help="NAME=CLASS,CLASS that are measured as one, such as face=skin,neck; repeatable."),
    ] = None,
) -> None:
    """Scores a split of a manifest; writes scores files, those of trivial baselines too."""
    from facetrust.data.classes import merge_of
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
        invariance=invariance,
        controls=controls,
        pairs=pairs,
        templates=templates,
        gallery=gallery,
        flip=flip,
        trained_on=trained_on or (),
        merge=merge_of(merge or []),
        progress=sys.stderr.isatty(),
    )
    typer.echo(written)


def report(
    scores: Annotated[list[Path], typer.Argument(help="Scores files; a folder is its test files.")],
    out: Out,
    dev: Annotated[
        list[Path] | None,
        typer.Option("--dev", help="The same models on dev, if a threshold is fitted; folders too."),
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="Who fits the threshold, who is reported; the task's own if none.")
    ] = "",
    rule: Annotated[
        str,
        typer.Option(
            help="How the threshold is chosen: eer, apcer@1%, bpcer@1%, far@1%; the protocol's own."
        ),
    ] = "",
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
    invariance: Annotated[
        list[Path] | None,
        typer.Option(help="Test scores of harmless changes and of controls; a folder is its test files."),
    ] = None,
) -> None:
    """Writes one HTML page and one JSON file: metrics with intervals, curves, baselines."""
    from facetrust.evaluation.report import report as run

    typer.echo(
        run(
            _scores(scores, "test"),
            dev=_scores(dev or [], "dev"),
            out=out,
            protocol=protocol,
            rule=rule,
            video_rule=video_rule,
            seed=seed,
            title=title,
            epochs=_scores(epochs or [], "test"),
            robustness=_scores(robustness or [], "test"),
            invariance=_scores(invariance or [], "test"),
        )
    )


def _scores(paths: Sequence[Path], split: str) -> list[Path]:
    """Returns the files as they are, and for a folder the scores files of a split in it."""
    pairs = [(path, sorted(path.glob(f"*-{split}.parquet"))) for path in paths]
    return [file for path, inside in pairs for file in (inside or [path])]
