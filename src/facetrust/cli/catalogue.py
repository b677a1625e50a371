"""The commands about models as files: which there are, how others come, whether they are what they were."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from facetrust.cli.options import AsJson
from facetrust.cli.status import Status
from facetrust.errors import UsageError

if TYPE_CHECKING:
    from facetrust.runtime.catalogue.entries import Catalogue

app = typer.Typer(help="The models: listed, pulled, imported, verified and removed; alone, it lists them.")

Place = Annotated[
    str | None,
    typer.Option(
        "--catalogue", envvar="FACETRUST_CATALOGUE", help="Catalogue: a file, folder or http(s) URL."
    ),
]


@app.callback(invoke_without_command=True)
def models(context: typer.Context, json: AsJson = False) -> int:
    """Lists the models, as `facetrust models list` does."""
    return list_models(json=json) if context.invoked_subcommand is None else Status.DONE


@app.command("list")
def list_models(catalogue: Place = None, json: AsJson = False) -> int:
    """Lists the models: what they judge, how large they are, on what they were trained.

    First the bundled ones, then those that were pulled or imported, then what a catalogue has beside them;
    nothing is fetched but a catalogue at a URL that you name. `facetrust models` alone lists the first two.
    """
    from facetrust import model_file
    from facetrust.cli import output
    from facetrust.errors import ModelError
    from facetrust.runtime.catalogue.keep import read_card

    cards, status = [], Status.DONE
    for name in model_file.names():
        try:
            cards.append(read_card(name))
        except ModelError as error:
            output.complain(str(error))
            status = Status.BAD_INPUT
    found = _opened(catalogue)
    others = [each for each in found.entries if each.name not in model_file.names()] if found else []
    output.print_cards(cards, as_json=json)
    output.print_entries(others, as_json=json)
    return status


@app.command()
def pull(
    name: Annotated[str, typer.Argument(help="A model of the catalogue.")], catalogue: Place = None
) -> None:
    """Fetches a model and its card from a catalogue, checks both, and keeps them in your folder.

    What was cut off is continued. Its name then stands for it wherever a bundled one does.
    """
    from facetrust.cli import output
    from facetrust.runtime.catalogue.keep import pull as run

    with output.progress(f"pulling {name}", of_bytes=True) as moved:
        card = run(name, _needed(catalogue), progress=moved)
    typer.echo(f"{card.title}: {card.task}, {_place(card.name)}")


@app.command("import")
def import_model(
    file: Annotated[Path, typer.Argument(help="An .onnx file.")],
    card: Annotated[
        Path | None, typer.Option("--card", help="Its card, in JSON; that beside or inside it without.")
    ] = None,
) -> None:
    """Checks a model of your own and its card, and keeps a copy of both by the card's name."""
    from facetrust.runtime.catalogue.keep import import_model as run

    made = run(file, card)
    typer.echo(f"{made.title}: {made.task}, {_place(made.name)}")


@app.command()
def verify(
    name: Annotated[list[str] | None, typer.Argument(help="Models; all without.")] = None,
    catalogue: Place = None,
) -> int:
    """Compares the SHA-256 of models with their cards, and with a catalogue that has the same version.

    Exit status: 0 all are what their cards say; 2 one is not.
    """
    from facetrust.cli import output
    from facetrust.runtime.catalogue.keep import verify as run

    found = run(name or (), _opened(catalogue))
    rows = [(each.name, each.origin, each.by, "altered" if each.problem else "whole") for each in found]
    output.print_table(("model", "origin", "compared with", "state"), rows)
    wrong = [each.problem for each in found if each.problem]
    for problem in wrong:
        output.complain(problem)
    return Status.BAD_INPUT if wrong else Status.DONE


@app.command()
def parity(
    name: Annotated[list[str] | None, typer.Argument(help="Models; the bundled ones without.")] = None,
    runtime: Annotated[
        list[str] | None, typer.Option(help="Runtime, as openvino; those installed without; repeatable.")
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option("--data", help="Manifest whose crops are judged; noise without.")
    ] = None,
    split: Annotated[str, typer.Option(help="Its split: train, dev or test.")] = "dev",
    faces: Annotated[int, typer.Option(min=1, help="Most rows of it.")] = 200,
    rounds: Annotated[int, typer.Option(min=1, help="Timed calls of each.")] = 50,
    json: AsJson = False,
) -> int:
    """Writes models for other runtimes and compares their answers with ONNX Runtime's; keeps no file.

    Exit status: 0 all scores are within 0.0001; 2 some are not.
    """
    from facetrust.cli import output
    from facetrust.profile.runtimes import runtime_parity

    found = runtime_parity(
        name or (),
        runtimes=runtime or (),
        manifest=manifest,
        split=cast("Any", split),
        faces=faces,
        rounds=rounds,
    )
    output.print_parity(found, as_json=json)
    return Status.DONE if all(each.passes for each in found) else Status.BAD_INPUT


@app.command()
def remove(name: Annotated[str, typer.Argument(help="A model that was pulled or imported.")]) -> None:
    """Deletes a model that was pulled or imported, and what a download that was cut off left of it."""
    from facetrust.runtime.catalogue.keep import remove as run

    run(name)
    typer.echo(f"{name}: removed")


@app.command()
def card(
    name: Annotated[str, typer.Argument(help="A model's name.")],
    out: Annotated[Path, typer.Option("--out", help="The HTML file to write.")],
) -> None:
    """Writes a model's card as one page: what it is, where it decides, and its figures with intervals."""
    from facetrust.records import shown, write_text
    from facetrust.runtime.catalogue.keep import read_card
    from facetrust.runtime.report.card_page import card_page
    from facetrust.runtime.report.page import check_writable

    check_writable(out)
    write_text(out, card_page(read_card(name)))
    typer.echo(shown(str(out)))


def _opened(place: str | None) -> Catalogue | None:
    from facetrust.runtime.catalogue.entries import read_catalogue

    return None if place is None else read_catalogue(place)


def _needed(place: str | None) -> Catalogue:
    found = _opened(place)
    if found is None:
        raise UsageError("no catalogue: give --catalogue PATH or URL, or set FACETRUST_CATALOGUE")
    return found


def _place(name: str) -> str:
    from facetrust.model_file import locate
    from facetrust.records import shown

    return shown(str(locate(name)))
