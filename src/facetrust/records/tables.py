"""Tables in files of unknown origin: polars panics on some, and says so on standard error."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from facetrust.errors import MissingExtra

if TYPE_CHECKING:
    import polars as pl


def read_parquet(path: Path) -> tuple[pl.DataFrame, dict[str, str]]:
    """Returns the table in a Parquet file, and what is noted in its metadata.

    Raises:
        ValueError: as `read_quietly`.
        MissingExtra: polars is not installed.
    """
    polars = imported_polars()
    path = (
        path.absolute()
    )  # Polars may hold on to the folder that was the working one when it was first used.
    table: pl.DataFrame = read_quietly(lambda: polars.read_parquet(path))
    return table, dict(read_quietly(lambda: polars.read_parquet_metadata(path)))


def read_quietly(read: Callable[[], Any]) -> Any:
    """Returns what `read` does; it may print nothing meanwhile.

    Raises:
        ValueError: it failed in whatever way; the message is the kind of its error.
    """
    try:
        with _without_standard_error():
            return read()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # A panic is no `Exception`.
        raise ValueError(type(error).__name__) from None


def imported_polars() -> ModuleType:
    """Returns polars.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import polars
    except ModuleNotFoundError:
        raise MissingExtra("polars", "data") from None
    return polars


@contextmanager
def _without_standard_error() -> Iterator[None]:
    """Drops what libraries write on file descriptor 2 meanwhile; where there is none, nothing is dropped."""
    try:
        kept = os.dup(2)
    except OSError:
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
