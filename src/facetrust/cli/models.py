"""The commands about one model: what it costs, where it looks, and how it becomes a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from facetrust.cli.options import AsJson, DetectorFile, Out
from facetrust.errors import UsageError


def profile(
    model: Annotated[
        str, typer.Argument(help="A run folder, .onnx file, or network's NAME[:KEY=VALUE,...].")
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


def explain(
    model: Annotated[str, typer.Argument(help="A run folder, a bundled model's name, or an .onnx file.")],
    images: Annotated[list[Path], typer.Argument(help="Pictures; with --against, manifests too.")],
    out: Out = Path("evidence"),
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="Of a file evidence; of a run folder cam, gradcam, gradcam-plus-plus and spatial-attention, "
            "of a ViT also attention and rollout; repeatable."
        ),
    ] = None,
    decision: Annotated[
        str | None, typer.Option(help="Draw only what speaks for it: one of the question's two, as attack.")
    ] = None,
    against: Annotated[list[Path] | None, typer.Option(help="A student's run folder; repeatable.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Test rows taken of a manifest, evenly spread.")] = 6,
    detector: DetectorFile = None,
) -> None:
    """Draws where in pictures a model's answer comes from, or where students look beside their teacher."""
    from facetrust.cli import output

    if against:
        from facetrust.explain.compare import compare

        if decision or (method and len(method) > 1):
            raise UsageError("--against compares by one --method, and for no --decision")
        one = method[0] if method else None
        found = compare(model, images, against=against, out=out, method=one, rows=rows, detector=detector)
        output.print_comparison(found, out)
        return
    from facetrust.explain.picture import explain as run
    from facetrust.records import shown

    written = run(model, images, out, methods=method or (), decision=decision, detector=detector)
    for path in (*written.overlays, written.figure):
        typer.echo(shown(str(path)))


def export(
    run: Annotated[
        str, typer.Argument(help="A run folder; or an .onnx file or a model's name, for a new card.")
    ],
    out: Annotated[
        Path, typer.Option("--out", help="The file to write: .onnx, .xml for OpenVINO, .pte for ExecuTorch.")
    ],
    manifest: Annotated[
        list[Path] | None,
        typer.Option("--data", help="Manifest to prove it and fit its card on; repeatable."),
    ] = None,
    margin: Annotated[
        list[float] | None, typer.Option(help="Crop in sides of the face, instead of the run's; repeatable.")
    ] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option(help="Threshold: eer, apcer@1%, bpcer@5%, also /domain or /change; the first decides."),
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Ship int8 if it is faster and as good.")] = False,
    name: Annotated[str | None, typer.Option(help="Name in the card, or NAME@VERSION.")] = None,
    proof: Annotated[
        Path | None,
        typer.Option(help="A report (.json) on test; its verdicts decide if it beats the baselines."),
    ] = None,
    limits: Annotated[
        str | None, typer.Option(help="A model whose limits of quality the card takes: a name or .onnx file.")
    ] = None,
    risk: Annotated[
        float | None,
        typer.Option(
            help="Fit the limits of quality on dev: within them at most this share is wrong, as 0.1."
        ),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option("--limit", help="One limit of quality, as least_size=112; repeatable, after --limits."),
    ] = None,
) -> None:
    """Writes an ONNX file with its card, and proves that it answers as the network does."""
    from facetrust.cli import output
    from facetrust.export.run import export_run
    from facetrust.registry import settings_of

    output.print_export(
        export_run(
            run,
            out,
            manifest=manifest,
            margins=margin or (),
            rules=rule or (),
            int8=int8,
            name=name,
            proof=proof,
            limits=limits,
            risk=risk,
            limit=settings_of(limit or [], "--limit"),
        )
    )


def import_checkpoint(
    kind: Annotated[
        str,
        typer.Argument(
            help="adaface, arcface-torch, cross-efficient-vit, edgeface, efficient-vit, embedder, "
            "face-transformer, facenox-v2se, flip, mesonet, sface, silent-face-v1se, silent-face-v2."
        ),
    ],
    file: Annotated[Path, typer.Argument(help="The published weight file; nothing is fetched.")],
    out: Out,
) -> None:
    """Turns published weights into a model of ours; their terms stay theirs."""
    from facetrust.zoo import import_checkpoint as run

    typer.echo(run(kind, file, out))
