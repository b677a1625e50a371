"""The command line: parses and calls, decides nothing. Costly imports wait until a command needs them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from facetrust.cli import check, data, models, train
from facetrust.errors import FacetrustError, MissingExtra

# What Typer raises for wrong usage; it has no public name for it, and its home has moved before.
_WrongUsage: Any = typer.BadParameter.__mro__[2]
_EXTRA_OF = {"matplotlib": "report", "jinja2": "report", "skimage": "demo"}  # All else is for training.

app = typer.Typer(
    name="facetrust",
    help="Tells whether a face in a picture can be trusted, and shows why.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    check.check, check.demo, check.models, data.audit, train.train, train.evaluate, train.report,
    models.profile, models.explain, models.export, models.import_checkpoint,
):  # fmt: skip
    app.command(command.__name__.replace("_", "-"))(command)
app.add_typer(data.app, name="data")


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
