"""How good a ratio is: the grading bands of the T-FLIP report."""

from __future__ import annotations

from typing import Literal

Quantity = Literal["parameters", "macs", "latency", "throughput", "memory"]

# "Very successful" is the report's word for the last edge; it has none for the others, so these are ours.
_BANDS = ("not reached", "partly successful", "successful", "very successful")
_SMALLER, _QUICKER = (0.5, 0.7, 0.9), (2.0, 2.25, 2.5)
_EDGE = 1e-9  # A reduction of exactly 70 % must not be lost to rounding.


def band(quantity: Quantity, ratio: float) -> str | None:
    """Returns the band that a ratio reaches, or None for quantities without bands.

    Parameters and MACs at least 50, 70, 90 % down, or throughput at least 2, 2.25, 2.5 times up, are
    "partly successful", "successful" and "very successful"; less is "not reached".
    """
    if quantity in ("parameters", "macs"):
        return _BANDS[sum(1 - ratio >= edge - _EDGE for edge in _SMALLER)]
    if quantity == "throughput":
        return _BANDS[sum(ratio >= edge - _EDGE for edge in _QUICKER)]
    return None
