"""The commands of the service: it is started, and its API keys are made and removed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from facetrust.cli.gallery import KeyFile
from facetrust.cli.options import DetectorFile

app = typer.Typer(help="The API keys of `facetrust serve`: made, listed and removed.")

Keys = Annotated[Path, typer.Option("--keys", help="File of API keys; it holds their hashes alone.")]


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; another than this machine's needs --keys.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8000,
    keys: Annotated[
        Path | None, typer.Option("--keys", help="File of API keys, made by: facetrust keys add.")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate and its chain, PEM; the service then speaks HTTPS alone.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="Its key, PEM, without a password, for its owner alone to read.")
    ] = None,
    gallery: Annotated[
        str | None,
        typer.Option(
            "--gallery", envvar="FACETRUST_GALLERY", help="File or postgresql:// URL; none without."
        ),
    ] = None,
    key: KeyFile = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", help="TASK= model's name or .onnx file; repeatable.")
    ] = None,
    detector: DetectorFile = None,
    threads: Annotated[int, typer.Option(min=0, help="Threads inside a model; 0 is all cores.")] = 1,
    at_work: Annotated[int, typer.Option(min=1, help="Requests that are worked on at once.")] = 2,
    waiting: Annotated[int, typer.Option(min=0, help="Requests that may wait; more are refused.")] = 16,
    isolated: Annotated[
        bool,
        typer.Option(
            "--isolated", help="Judge in processes; what one had in hand when it died is asked of another."
        ),
    ] = False,
    most_bytes: Annotated[
        int, typer.Option(min=1, help="Bytes of a request, all its files together.")
    ] = 33_554_432,
    most_faces: Annotated[int, typer.Option(min=1, help="Most faces judged of a picture.")] = 200,
    longest_video: Annotated[float, typer.Option(help="Seconds of the longest video taken.")] = 60.0,
    body_seconds: Annotated[float, typer.Option(help="Seconds until a body must have arrived.")] = 20.0,
    work_seconds: Annotated[float, typer.Option(help="Seconds until an answer must be there.")] = 60.0,
    cameras: Annotated[int, typer.Option(min=0, help="Live cameras at once.")] = 4,
) -> None:
    """Answers the questions over HTTP, to programs and browsers that bring bytes; docs/serve.md.

    Without --keys it listens on this machine alone. Pictures are not kept. SIGTERM or ^C ends it when what
    was accepted is answered.
    """
    from facetrust.serve import run
    from facetrust.serve.settings import settings_of

    limits = {
        "most_bytes": most_bytes,
        "most_faces": most_faces,
        "longest_video": longest_video,
        "waiting": waiting,
        "body_seconds": body_seconds,
        "work_seconds": work_seconds,
        "cameras": cameras,
    }
    settings = settings_of(
        limits,
        host=host,
        port=port,
        keys=keys,
        tls_cert=tls_cert,
        tls_key=tls_key,
        gallery=gallery,
        gallery_key=key,
        models=_by_task(model or []),
        detector=detector,
        threads=threads,
        at_work=at_work,
        isolated=isolated,
    )
    run(settings)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What the key is called, such as the program that uses it.")],
    keys: Keys,
    scope: Annotated[
        list[str], typer.Option("--scope", help="check or gallery: what it opens; repeatable.")
    ] = ["check"],  # noqa: B006 - Typer takes no tuple here
) -> None:
    """Makes an API key and prints it, this once; the file keeps its hash. Makes the file if there is none."""
    from facetrust.errors import UnknownName
    from facetrust.serve.keys import SCOPES, add_key

    for each in scope:
        if each not in SCOPES:
            raise UnknownName("scope", each, SCOPES)
    typer.echo(add_key(keys, name, cast("Any", tuple(scope))))


@app.command("list")
def list_keys(keys: Keys) -> None:
    """Lists the names of the API keys and what they open."""
    from facetrust.cli.output import print_table
    from facetrust.serve.keys import read_keys

    print_table(("name", "scopes"), [(key.name, ", ".join(key.scopes)) for key in read_keys(keys)])


@app.command()
def remove(name: Annotated[str, typer.Argument(help="What the key is called.")], keys: Keys) -> None:
    """Removes an API key; a service that runs refuses it from its next request on."""
    from facetrust.serve.keys import remove_key

    remove_key(keys, name)
    typer.echo(f"{name}: removed")


def _by_task(models: list[str]) -> dict[str, str]:
    """Task → model of `--model TASK=FILE`."""
    from facetrust.errors import UsageError
    from facetrust.tasks import task_named

    given: dict[str, str] = {}
    for entry in models:
        task, equals, name = entry.partition("=")
        if not equals:
            raise UsageError(f"--model {entry}: give the task that it answers, as TASK={entry}")
        if task_named(task).name in given:
            raise UsageError(f"--model {entry}: there is a model for {task} already; give one")
        given[task] = name
    return given
