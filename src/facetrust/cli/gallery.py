"""The commands about whose face it is: two faces are compared, people enrolled, found again and forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facetrust.cli.options import AsJson, DetectorFile

Place = Annotated[
    str,
    typer.Option(
        "--gallery", envvar="FACETRUST_GALLERY", help="The gallery's file, or a database's postgresql:// URL."
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key", help="File of 64 hexadecimal digits that encrypt the gallery; or FACETRUST_GALLERY_KEY."
    ),
]
ModelFile = Annotated[
    str | None, typer.Option("--model", help="An .onnx file with embeddings; the bundled model without.")
]
Far = Annotated[
    float | None, typer.Option("--far", help="False accept rate to decide at, one that the card names.")
]
Cosine = Annotated[
    float | None, typer.Option("--threshold", help="Cosine from -1 to 1 to decide at, not the card's.")
]
Liveness = Annotated[
    bool, typer.Option("--liveness", help="Also ask whether each face is live; no other is compared.")
]
Threads = Annotated[int, typer.Option("--threads", min=0, help="Threads of a model; 0 is all cores.")]
NoGate = Annotated[
    bool, typer.Option("--no-quality-gate", help="Compare faces beyond the limits of a model's card too.")
]


def verify(
    first: Annotated[str, typer.Argument(help="A picture or video of one person.")],
    second: Annotated[str, typer.Argument(help="Another one.")],
    model: ModelFile = None,
    far: Far = None,
    threshold: Cosine = None,
    liveness: Liveness = False,
    detector: DetectorFile = None,
    threads: Threads = 1,
    no_quality_gate: NoGate = False,
    json: AsJson = False,
) -> int:
    """Says whether two pictures show the same person. Nothing is kept.

    Exit status: 0 the same; 1 different; 3 not judged (no face, several faces, poor quality, an attack);
    2 bad input.
    """
    from facetrust.cli import matches
    from facetrust.runtime.verify import verify as run

    found = run(
        first,
        second,
        model=model,
        far=far,
        threshold=threshold,
        liveness=liveness,
        detector=detector,
        threads=threads,
        quality_gate=not no_quality_gate,
    )
    return matches.print_comparison(found, as_json=json)


def enroll(
    name: Annotated[str, typer.Argument(help="Whose face it is.")],
    pictures: Annotated[list[str], typer.Argument(help="Pictures of that person, folders or globs of them.")],
    gallery: Place,
    key: KeyFile = None,
    model: ModelFile = None,
    liveness: Liveness = False,
    detector: DetectorFile = None,
    threads: Threads = 1,
    no_quality_gate: NoGate = False,
) -> None:
    """Keeps a template of a person's face per picture: all of them, or none. Pictures are not kept.

    Templates are personal data. The line that is printed says that they are on the disk.
    """
    from facetrust.cli import matches
    from facetrust.imaging.inputs import files_in
    from facetrust.runtime.gallery.gallery import enroll as run

    made = run(
        name,
        files_in(pictures),
        gallery=gallery,
        key=key,
        model=model,
        liveness=liveness,
        detector=detector,
        threads=threads,
        quality_gate=not no_quality_gate,
    )
    matches.print_enrolment(made)


def identify(
    picture: Annotated[str, typer.Argument(help="A picture or video.")],
    gallery: Place,
    key: KeyFile = None,
    model: ModelFile = None,
    far: Far = None,
    threshold: Cosine = None,
    liveness: Liveness = False,
    detector: DetectorFile = None,
    threads: Threads = 1,
    no_quality_gate: NoGate = False,
    json: AsJson = False,
) -> int:
    """Says of every face in a picture who of a gallery it is, or that it is unknown.

    Exit status: 0 all are known; 1 at least one is unknown; 3 something was not judged (no face, poor
    quality, an attack); 2 bad input. Of several, 2 counts before 1 before 3.
    """
    from facetrust.cli import matches
    from facetrust.runtime.gallery.gallery import identify as run

    found = run(
        picture,
        gallery=gallery,
        key=key,
        model=model,
        far=far,
        threshold=threshold,
        liveness=liveness,
        detector=detector,
        threads=threads,
        quality_gate=not no_quality_gate,
    )
    return matches.print_identification(found, as_json=json)


def forget(
    name: Annotated[str, typer.Argument(help="Who is to be forgotten.")],
    gallery: Place,
    key: KeyFile = None,
) -> None:
    """Deletes all templates of a person from a gallery. A file holds no byte of them any more then."""
    from facetrust.records import shown
    from facetrust.runtime.gallery.gallery import forget as run

    count = run(name, gallery=gallery, key=key)
    typer.echo(f"{shown(name)}: {count} {'template' if count == 1 else 'templates'} deleted")


def gallery(
    gallery: Place,
    key: KeyFile = None,
    json: AsJson = False,
) -> None:
    """Lists who is in a gallery, with how many templates, by which model, and how large it is."""
    from facetrust.cli import matches
    from facetrust.runtime.gallery.gallery import Gallery

    with Gallery(gallery, key=key) as opened:
        matches.print_summary(opened.summary(), as_json=json)
