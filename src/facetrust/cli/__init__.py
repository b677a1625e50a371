"""The command line: parses and calls, decides nothing. Costly imports wait until a command needs them.

Exit statuses are those of `facetrust.cli.status`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer

from facetrust.cli import catalogue, check, data, gallery, models, parse, scan, serve, train
from facetrust.cli.status import EXIT_STATUS, Status
from facetrust.errors import FacetrustError, MissingExtra

# What Typer raises for wrong usage; it has no public name for it, and its home has moved before.
_WrongUsage: Any = typer.BadParameter.__mro__[2]
# All else is for training.
_EXTRA_OF = {"polars": "data", "matplotlib": "report", "skimage": "demo"}
_NEAR = 0.75  # How alike two options must be for one to be a slip of the other: `treshold`, not `threads`.

app = typer.Typer(
    name="facetrust",
    help="Tells whether a face in a picture can be trusted, and shows why.",
    epilog=EXIT_STATUS,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    check.check, scan.scan, parse.parse, gallery.verify, gallery.enroll, gallery.identify, gallery.forget,
    gallery.gallery, serve.serve, check.demo, data.audit, train.train, train.evaluate,
    train.report, models.profile, models.explain, models.export, models.import_checkpoint,
):  # fmt: skip
    app.command(command.__name__.replace("_", "-"))(command)
app.add_typer(data.app, name="data")
app.add_typer(serve.app, name="keys")
app.add_typer(catalogue.app, name="models")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    _ready_streams()
    try:
        status = app(given or ["--help"], prog_name="facetrust", standalone_mode=False)
        sys.stdout.flush()
        return int(status or 0)
    except FacetrustError as error:
        message = str(error)
    except _WrongUsage as error:
        message = _usage_message(error)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("facetrust"):
            raise
        package = (error.name or "a package").partition(".")[0]
        message = str(MissingExtra(package, _EXTRA_OF.get(package, "train")))
    except BrokenPipeError:
        return _leave_quietly(Status.PIPE_CLOSED)
    except SystemExit as error:  # So Typer leaves where a pipe is closed inside a command.
        if isinstance(error.__context__, BrokenPipeError):
            return _leave_quietly(Status.PIPE_CLOSED)
        raise
    except OSError as error:
        message = f"{error.filename or 'the output'}: {error.strerror or error}"
        _leave_quietly(Status.BAD_INPUT)
    except (KeyboardInterrupt, typer.Abort):
        return Status.INTERRUPTED
    from facetrust.cli.output import complain

    complain(message)
    return Status.BAD_INPUT


def _usage_message(error: Any) -> str:
    """What was wrong with a command; of an unknown option also the one that it is a slip of."""
    message = " ".join(error.format_message().split())
    if not hasattr(error, "option_name") or not hasattr(error, "possibilities") or error.ctx is None:
        return message
    message = " ".join(error.message.split()).rstrip(".")
    options = [name for each in error.ctx.command.params for name in (*each.opts, *each.secondary_opts)]
    known = {name.lstrip("-"): name for name in options if name.startswith("--")} | {"help": "--help"}
    near = get_close_matches(error.option_name.lstrip("-"), known, n=1, cutoff=_NEAR)
    if near:
        return f"{message}; did you mean {known[near[0]]}?"
    return f"{message}; for all there are, see: {error.ctx.command_path} --help"


def _ready_streams() -> None:
    """Stands in for streams that are closed; what an encoding lacks is escaped, and is no error."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - as long as the program runs
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _leave_quietly(status: Status) -> Status:
    """Returns the status; what standard output cannot take any more is dropped in silence."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


def _print_version(wanted: bool = True) -> None:
    if wanted:
        from facetrust import __version__

        typer.echo(f"facetrust {__version__}")
        raise typer.Exit


@app.command()
def version() -> None:
    """Shows the version."""
    _print_version()


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and leave."),
    ] = False,
) -> None:
    """Tells whether a face in a picture can be trusted, and shows why."""
