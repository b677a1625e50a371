"""The commands of `data`, by which datasets become manifests and manifests others, and `audit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from facetrust.cli.options import AsJson, DetectorFile

app = typer.Typer(help="Datasets become manifests.", rich_markup_mode=None)


@app.command()
def prepare(
    source: Annotated[str, typer.Argument(help="The dataset's layout, such as nuaa, oulu-npu or folder.")],
    root: Annotated[Path, typer.Argument(help="The dataset's folder.")],
    out: Annotated[Path, typer.Option("--out", help="Manifest to write, .parquet or .csv.")],
    detector: DetectorFile = None,
    context: Annotated[float, typer.Option(help="Side of what is kept, in sides of the face.")] = 4.0,
    longest_face: Annotated[int, typer.Option(help="Larger faces are shrunk to this many pixels.")] = 160,
    seed: Annotated[int, typer.Option(min=0, help="Decides the split where the dataset does not.")] = 0,
    split: Annotated[str | None, typer.Option("--split", help="Put every row there, such as test.")] = None,
    annotations: Annotated[
        bool, typer.Option("--annotations", help="Also keep the five points, and cut the masks.")
    ] = False,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that find and cut.")] = 1,
    as_is: Annotated[
        bool, typer.Option("--as-is", help="Faces are known or aligned already: nothing is found or cut.")
    ] = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE of the layout, such as frames=30.")
    ] = None,
) -> None:
    """Finds the faces of a dataset once; writes crops and a manifest. Run again, it goes on.

    Official lists of pairs, templates and galleries are written beside the manifest.
    """
    from facetrust.cli import output
    from facetrust.data.as_is import list_as_is
    from facetrust.data.prepare import prepare as run
    from facetrust.registry import settings_of

    given: dict[str, Any] = {"seed": seed, "split": split, "settings": settings_of(settings or [])}
    with output.progress("preparing") as advance:
        if as_is:
            typer.echo(f"{list_as_is(source, root, out, progress=advance, **given)}")
            return
        made = run(
            source,
            root,
            out,
            detector=detector,
            context=context,
            longest_face=longest_face,
            annotations=annotations,
            workers=workers,
            progress=advance,
            **given,
        )
    typer.echo(f"{made}")


@app.command()
def simulate(
    manifest: Annotated[Path, typer.Argument(help="A prepared manifest with live faces.")],
    out: Annotated[Path, typer.Option("--out", help="Manifest to write, .parquet or .csv.")],
    species: Annotated[
        list[str] | None,
        typer.Option(
            "--species",
            help="print, replay, self-blend, digital-spoof, face-swap, part-swap, regeneration or "
            "reconstruction; repeatable; print and replay without it.",
        ),
    ] = None,
    copies: Annotated[int, typer.Option(min=1, help="Attacks per live face.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Decides every attack.")] = 0,
    longest_face: Annotated[
        int, typer.Option(min=16, help="Larger faces are shrunk to this many pixels.")
    ] = 112,
    keep_live: Annotated[bool, typer.Option("--keep-live", help="Also write the live faces.")] = False,
    keep_medium: Annotated[
        bool, typer.Option("--keep-medium", help="Prints and screens keep their own tint and softness.")
    ] = False,
    splits: Annotated[
        list[str] | None, typer.Option("--split", help="Use rows of this split only; repeatable.")
    ] = None,
    apart_from: Annotated[
        list[Path] | None,
        typer.Option("--apart-from", help="Leave out the people of this manifest's train split; repeatable."),
    ] = None,
    people: Annotated[
        int | None, typer.Option(min=1, help="Use this many people only, drawn by the seed.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that make pictures.")] = 1,
) -> None:
    """Makes attacks or manipulations of the live faces of a manifest; writes them with a manifest."""
    from facetrust.cli import output
    from facetrust.data.selection import Selection
    from facetrust.data.simulate import SPECIES
    from facetrust.data.simulate.manifest import simulate_attacks

    with output.progress("simulating") as advance:
        made = simulate_attacks(
            manifest,
            out,
            copies=copies,
            seed=seed,
            species=species or SPECIES,
            wanted=Selection(splits or (), apart_from or (), people),
            longest_face=longest_face,
            keep_live=keep_live,
            keep_medium=keep_medium,
            workers=workers,
            progress=advance,
        )
    for _, reason in made.failed:
        output.complain(reason)
    typer.echo(f"{made}")


@app.command()
def patches(
    root: Annotated[Path, typer.Argument(help="A folder of pictures, as the layout folder knows them.")],
    out: Annotated[Path, typer.Option("--out", help="Manifest to write, .parquet or .csv.")],
    side: Annotated[int, typer.Option(min=16, help="Side of a patch in pixels.")] = 128,
    margin: Annotated[float, typer.Option(min=1, help="The model's margin.")] = 1.3,
) -> None:
    """Lists patches of pictures without a face, at their own resolution, as if they were faces."""
    from facetrust.data.patches import patches as body

    typer.echo(f"{out}: {len(body(root, out, side=side, margin=margin))} patches")


@app.command("match-format")
def match_format(
    manifest: Annotated[Path, typer.Argument(help="A .parquet or .csv manifest.")],
    out: Annotated[Path, typer.Option("--out", help="Manifest to write, .parquet or .csv.")],
    size: Annotated[
        int, typer.Option(min=16, help="Side of the square that each picture becomes, in pixels.")
    ],
    by: Annotated[
        str, typer.Option(help="crop the middle at its own resolution, or shrink the largest square.")
    ] = "crop",
    quality: Annotated[
        int, typer.Option(min=1, max=100, help="Of the JPEGs, 4:2:0; best the lowest that yours have.")
    ] = 75,
    png: Annotated[bool, typer.Option("--png", help="Write PNG instead.")] = False,
) -> None:
    """Brings all pictures to one size and one coding; writes them with a manifest. Run again, it goes on."""
    from facetrust.cli import output
    from facetrust.data.match_format import match_format as run

    how: dict[str, Any] = {"size": size, "by": by, "quality": None if png else quality}
    with output.progress("matching") as advance:
        made = run(manifest, out, progress=advance, **how)
    typer.echo(f"{made}")


@app.command()
def split(
    protocol: Annotated[
        str,
        typer.Argument(
            help="leave-one-domain-out, leave-one-attack-out, mcio, wcs, single-source, oulu-npu, shuffled, "
            "index-ordered."
        ),
    ],
    manifests: Annotated[list[Path], typer.Argument(help="Prepared manifests; their rows are put together.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for one manifest a fold.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, such as celeba=true.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides who is drawn for dev.")] = 0,
) -> None:
    """Assigns train, dev and test anew by a protocol; writes one manifest a fold."""
    from facetrust.data.fold_manifests import split_manifest
    from facetrust.registry import settings_of

    for written in split_manifest(
        protocol, manifests, out=out, seed=seed, settings=settings_of(settings or [])
    ):
        typer.echo(written)


@app.command()
def contact(
    manifest: Annotated[Path, typer.Argument(help="A prepared manifest with genuine faces.")],
    out: Annotated[Path, typer.Option("--out", help="The sheet to write, .png.")],
    species: Annotated[str, typer.Option(help="What `data simulate --species` takes.")] = "self-blend",
    rows: Annotated[int, typer.Option(min=1, help="Rows of the sheet.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Decides the faces and what is made of them.")] = 0,
    region: Annotated[
        list[str] | None,
        typer.Option(help="Class of the rows' masks that bounds manipulations, such as skin; repeatable."),
    ] = None,
    statistics: Annotated[
        int | None, typer.Option(min=1, help="Also print statistics of this many blends.")
    ] = None,
) -> None:
    """Draws what is made of genuine faces beside them; of a blend the mask and the genuine picture too."""
    from facetrust.cli.output import print_table
    from facetrust.data.simulate import contact_sheet as body
    from facetrust.data.simulate.statistics import MEANINGS

    how: dict[str, Any] = {"species": species, "seed": seed, "region": region or ()}
    found = body.statistics(manifest, count=statistics, **how) if statistics else {}
    typer.echo(body.contact_sheet(manifest, out, rows=rows, **how))
    if found:
        header = (f"{statistics} of {species}", "median", "5 %", "95 %", "")
        lines = [
            (name, *(f"{value:.2f}" for value in range_), MEANINGS[name]) for name, range_ in found.items()
        ]
        print_table(header, lines)


def audit(
    manifest: Annotated[
        Path, typer.Argument(help="A .parquet or .csv manifest; with --data, a model.", metavar="WHAT")
    ],
    strict: Annotated[bool, typer.Option("--strict", help="Status 1 if an error is found.")] = False,
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", help="Genuine faces that a model is tried on; a manifest, repeatable."),
    ] = None,
    against: Annotated[
        list[str] | None, typer.Option("--vs", help="Another model beside it; repeatable, with --data.")
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="Faces of each manifest, with --data.")] = 300,
    split: Annotated[
        Literal["dev", "test"] | None,
        typer.Option(help="Faces of this split alone, with --data; else of both."),
    ] = None,
    attacks: Annotated[
        bool, typer.Option("--attacks", help="As many attacks of --data too: which pass under each change.")
    ] = False,
    trained_on: Annotated[
        list[Path] | None,
        typer.Option(
            "--trained-on", help="Another manifest that trains; its people are looked for; repeatable."
        ),
    ] = None,
    json: AsJson = False,
) -> int:
    """Looks for leaks and shortcuts in a manifest, or for what changes a model's answer on genuine faces.

    A manifest: leaks between splits, trivial measures that tell the label; writes MANIFEST.audit.json. A
    model and --data: false alarms under light, tint, blur, size, compression, mirror and turns.
    """
    from facetrust.cli import output

    if data:
        from facetrust.evaluation.invariance import battery

        with output.progress("trying harmless changes") as advance:
            models = [str(manifest), *(against or ())]
            held = battery(models, data, most=most, split=split, attacks=attacks, progress=advance)
        output.print_held(held, as_json=json)
        return 0
    from facetrust.data.audit.audit import audit as run
    from facetrust.data.manifest import Manifest

    with output.progress("auditing") as advance:
        others = [Manifest.read(path) for path in trained_on or ()]
        found = run(Manifest.read(manifest), trained_on=others, progress=advance)
    written = found.write(manifest)
    typer.echo(found.to_json(), nl=False) if json else output.print_audit(found, written)
    return int(strict and not found.clean)
