"""What the commands about whose face it is print: tables, or one JSON line."""

from __future__ import annotations

import typer
from rich.text import Text

from facetrust.cli.output import print_table
from facetrust.cli.status import Status, status_of
from facetrust.records import (
    Comparison,
    Decision,
    Enrolment,
    GallerySummary,
    Identification,
    Match,
    Side,
    shown,
)

_STATUSES = {
    "same": Status.DONE,
    "known": Status.DONE,
    "different": Status.NOT_TRUSTED,
    "unknown": Status.NOT_TRUSTED,
    None: Status.NOT_JUDGED,
}
_COLOURS = {"same": "green", "known": "green", "different": "bold red", "unknown": "bold red", None: "yellow"}


def print_comparison(found: Comparison, *, as_json: bool) -> Status:
    """Prints whether two faces are the same person's; returns how that ends."""
    if as_json:
        typer.echo(found.to_json())
        return _STATUSES[found.decision]
    header = ("first", "second", "answer", "score", "threshold", "model")
    said = found.decision or "; ".join(_refusal(side) for side in (found.first, found.second) if side.reason)
    answer = Text(shown(said or f"not judged: {found.reason}"), style=_COLOURS[found.decision])
    row = (found.first.source, found.second.source, answer, _score(found.score), _limit(found), found.model)
    print_table(header, [row])
    return _STATUSES[found.decision]


def print_identification(found: Identification, *, as_json: bool) -> Status:
    """Prints who every face is; returns how that ends."""
    statuses = [_STATUSES[match.decision] for match in found.matches]
    status = status_of([*statuses, *([Status.NOT_JUDGED] if found.reason else [])])
    if as_json:
        typer.echo(found.to_json())
        return status
    header = ("picture", "face", "who", "score", "threshold", "model")
    rows = [
        (found.source, str(number), _who(match), _score(match.score), _limit(found), found.model)
        for number, match in enumerate(found.matches, 1)
    ]
    if found.reason:
        rows.append((found.source, "", Text(f"cannot tell: {found.reason}", style="yellow"), "", "", ""))
    print_table(header, rows)
    return status


def print_enrolment(made: Enrolment) -> None:
    """Prints what was kept."""
    typer.echo(f"{shown(made.name)}: {made.added} added, {made.templates} in all")


def print_summary(found: GallerySummary, *, as_json: bool) -> None:
    """Prints who is in a gallery."""
    if as_json:
        typer.echo(found.model_dump_json())
        return
    print_table(("name", "templates"), [(name, str(count)) for name, count in found.people.items()])
    sealed = "encrypted" if found.encrypted else "not encrypted"
    typer.echo(
        f"{shown(found.place)}: {found.templates:,} templates of {len(found.people):,} people, "
        f"{found.dimensions} numbers each, by {found.model}; {found.bytes:,} bytes, {sealed}"
    )


def _refusal(side: Side) -> str:
    detail = f" ({side.detail})" if side.detail else ""
    return f"not judged: {side.source}: {side.reason}{detail}"


def _who(match: Match) -> Text:
    if match.decision is None:
        detail = f" ({match.detail})" if match.detail else ""
        return Text(shown(f"not judged: {match.reason}{detail}"), style=_COLOURS[None])
    return Text(shown(match.name or "unknown"), style=_COLOURS[match.decision])


def _score(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _limit(found: Decision) -> str:
    return f"{found.threshold:.3f} ({found.threshold_rule})"
