"""A scan's rows: one per face, and one per picture without a face, duplicate or failure; and its parts."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from facetrust.errors import UsageError
from facetrust.records import CheckReport, write_whole
from facetrust.records.tables import imported_polars, read_quietly

Form = Literal["parquet", "jsonl"]
Row = dict[str, Any]

# Column → its kind. Boxes are in pixels of the picture as read.
COLUMNS = {
    "input": int, "source": str, "sha256": str, "kind": str, "same_as": int, "failure": str, "trusted": bool,
    "reason": str, "width": int, "height": int, "left_out": int, "face": int, "x": float, "y": float,
    "w": float, "h": float, "confidence": float, "track": int,
}  # fmt: skip
OF_TASK = {"score": float, "decision": str, "not_judged": str}  # Each is a column `<task>_<name>`.
SAME, FAILURE = "same", "failure"


def columns_for(tasks: Sequence[str]) -> dict[str, type]:
    """Returns the columns of a scan that asks these tasks, and their kinds, in order."""
    return COLUMNS | {f"{task}_{name}": kind for task in tasks for name, kind in OF_TASK.items()}


def rows_of(number: int, sha256: str | None, report: CheckReport) -> list[Row]:
    """Returns the rows of a report: one per face, or one of a picture without any.

    A verdict about the whole picture stands in each of its rows.
    """
    shared: Row = {
        "input": number, "source": report.source, "sha256": sha256, "kind": report.kind,
        "trusted": report.trusted, "reason": report.reason, "width": report.width, "height": report.height,
        "left_out": report.left_out,
    }  # fmt: skip
    for verdict in report.verdicts:
        shared |= {f"{verdict.task}_score": verdict.score, f"{verdict.task}_decision": verdict.decision}
    rows = []
    for place, face in enumerate(report.faces, 1):
        row: Row = {"face": place, "confidence": face.confidence, "track": face.track}
        row |= dict(zip("xywh", face.box, strict=True))
        for verdict in face.verdicts:
            row |= {f"{verdict.task}_score": verdict.score, f"{verdict.task}_decision": verdict.decision}
        row |= {f"{each.task}_not_judged": each.reason for each in face.not_judged}
        rows.append(shared | row)
    return rows or [shared]


def failed(number: int, source: str, kind: str, reason: str, sha256: str | None = None) -> Row:
    """Returns the row of an input that was not judged."""
    return {
        "input": number,
        "source": source,
        "sha256": sha256,
        "kind": FAILURE,
        "failure": kind,
        "reason": reason,
    }


def duplicate(number: int, source: str, sha256: str, same_as: int) -> Row:
    """Returns the row of an input whose bytes are those of another one, which is judged."""
    return {"input": number, "source": source, "sha256": sha256, "kind": SAME, "same_as": same_as}


def write_rows(path: Path, rows: Sequence[Row], tasks: Sequence[str]) -> None:
    """Writes rows into a Parquet file, or as JSON lines, by the path's suffix; whole or not at all.

    Raises:
        OSError: it cannot be written.
        MissingExtra: polars is not installed, which Parquet needs.
    """
    columns = columns_for(tasks)
    if path.suffix == ".jsonl":
        lines = [json.dumps({name: row.get(name) for name in columns}) + "\n" for row in rows]
        write_whole(path, "".join(lines).encode())
        return
    polars = imported_polars()
    kinds = {int: polars.Int64, float: polars.Float64, str: polars.String, bool: polars.Boolean}
    table = polars.DataFrame(
        {
            name: polars.Series([row.get(name) for row in rows], dtype=kinds[kind])
            for name, kind in columns.items()
        }
    )
    content = io.BytesIO()
    table.write_parquet(content)
    write_whole(path, content.getbuffer())


def judged_by(path: Path) -> Iterator[tuple[str, int]]:
    """Yields the hashes in a part, and which input was judged for each.

    Raises:
        UsageError: the part is damaged.
    """
    columns = ["sha256", "same_as", "input"]
    try:
        if path.suffix == ".jsonl":
            lines = map(json.loads, path.read_bytes().splitlines())
            found = [tuple(line[name] for name in columns) for line in lines]
        else:
            polars = imported_polars()
            found = read_quietly(lambda: polars.read_parquet(path, columns=columns).select(columns).rows())
    except (ValueError, LookupError, TypeError):
        raise UsageError(f"{path}: is damaged; remove it, and it is made again") from None
    yield from _judged(found)


def _judged(rows: Iterable[tuple[str | None, int | None, int]]) -> Iterator[tuple[str, int]]:
    for sha256, same_as, number in rows:
        if sha256 is not None:
            yield sha256, number if same_as is None else same_as
