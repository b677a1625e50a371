"""How fine a map must be to say where."""

from __future__ import annotations

from facetrust.errors import UsageError

LEAST = 7  # Cells per side.


def fine_enough(shape: tuple[int, ...]) -> bool:
    """Returns whether a map (..., h, w) has 7 x 7 cells at least."""
    return min(shape[-2:]) >= LEAST


def need_cells(shape: tuple[int, ...], what: str, instead: str) -> None:
    """Refuses a map (..., h, w) of fewer than 7 x 7 cells.

    Raises:
        UsageError: it is coarser; the message begins with `what` and ends with what to do `instead`.
    """
    if not fine_enough(shape):
        raise UsageError(
            f"{what} has {shape[-2]}x{shape[-1]} cells; to say where, a map needs {LEAST}x{LEAST}: {instead}"
        )
