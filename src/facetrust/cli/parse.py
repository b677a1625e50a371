"""The command that finds the parts of faces."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facetrust.cli.options import DetectorFile, Out
from facetrust.cli.status import Status, status_of

if TYPE_CHECKING:
    from facetrust.runtime.parse import Parsed


def parse(
    paths: Annotated[
        list[str], typer.Argument(help="Pictures, folders or globs of them; - is one on standard input.")
    ],
    out: Out = Path("parts"),
    model: Annotated[
        str | None,
        typer.Option("--model", help="An .onnx file with classes of pixels; the bundled one without."),
    ] = None,
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Also write the picture with its parts in colour and a legend.")
    ] = False,
    blur: Annotated[
        list[str] | None,
        typer.Option("--blur", help="Also write the picture with this part blurred; repeatable."),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option("--keep", help="Also write the picture with all blurred but this part; repeatable."),
    ] = None,
    detector: DetectorFile = None,
    threads: Annotated[int, typer.Option("--threads", min=0, help="Threads of a model; 0 is all cores.")] = 1,
) -> int:
    """Finds the parts of every face in pictures: writes a class for every pixel, as an indexed PNG.

    The mask has the picture's size, after its EXIF tag; its indices are in the order of the classes of the
    model's card, the first one elsewhere. Of a picture without a face nothing is written.

    Exit status: 0 done; 3 of a picture, no face was found, or not all were looked at; 2 something could not
    be read. Of several, 2 counts before 3.
    """
    from facetrust.cli.output import bar, complain
    from facetrust.cli.verdicts import print_left_out
    from facetrust.errors import ImageError
    from facetrust.imaging.inputs import inputs_in
    from facetrust.runtime.parse import Parser
    from facetrust.runtime.part_pictures import chosen_classes

    parser = Parser(model, detector=detector, threads=threads)
    if blur or keep:
        chosen_classes(parser.model.card.classes, blur=blur or (), keep=keep or ())
    found = inputs_in(paths, stdin=sys.stdin.buffer)
    statuses, taken = print_left_out(found, names=True, quiet=False), set[str]()
    with bar("finding parts", total=len(found.sources), hidden=len(found.sources) < 2) as moving:
        for source in found.sources:
            try:
                parsed = parser.parse(source)
            except ImageError as error:
                complain(str(error))
                statuses.add(Status.BAD_INPUT)
            else:
                written = _write(parsed, out, taken, overlay=overlay, blur=blur or (), keep=keep or ())
                _tell(parsed, written)
                statuses.add(Status.DONE if parsed.complete else Status.NOT_JUDGED)
            moving.advance(moving.tasks[0].id)
    return status_of(statuses)


def _write(
    parsed: Parsed, out: Path, taken: set[str], *, overlay: bool, blur: Sequence[str], keep: Sequence[str]
) -> list[Path]:
    """Writes what is asked for of a picture in which something was found."""
    from facetrust.imaging.inputs import PARTS
    from facetrust.records import write_whole
    from facetrust.runtime.evidence import free_name, write_overlay
    from facetrust.runtime.part_pictures import blurred, mask_png, overlay_of

    if not (parsed.whole or parsed.faces):
        return []
    name = free_name(parsed.source, taken, ending=PARTS)
    taken.add(name)
    stem = out / name.removesuffix(PARTS)
    written = [stem.with_name(stem.name + PARTS)]
    write_whole(written[0], mask_png(parsed))
    if overlay:
        written.append(stem.with_name(f"{stem.name}.overlay{PARTS}"))
        write_overlay(written[-1], overlay_of(parsed))
    if blur or keep:
        written.append(stem.with_name(f"{stem.name}.blurred.png"))
        write_overlay(written[-1], blurred(parsed, blur=blur, keep=keep))
    return written


def _tell(parsed: Parsed, written: Sequence[Path]) -> None:
    """Prints a line about a picture."""
    from facetrust.records import shown

    count = len(parsed.faces)
    what = "the whole picture" if parsed.whole else f"{count} face{'s'[: count != 1]}" if count else "no face"
    if parsed.left_out:
        what += f", {parsed.left_out} more left out"
    files = f"; {', '.join(map(str, written))}" if written else ""
    typer.echo(shown(f"{parsed.source}: {what}{files}"))
