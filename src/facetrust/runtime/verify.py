"""One call: are two faces the same person's? With a model that is opened for it; see `Verifier`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from facetrust.faces.detector import SEARCH, Detector, Search
from facetrust.imaging.inputs import Color
from facetrust.records import Comparison
from facetrust.runtime.bundled import ModelChoice
from facetrust.runtime.model import Model
from facetrust.runtime.verifier import Verifier


def verify(
    first: Any,
    second: Any,
    *,
    model: str | Path | Model | None = None,
    far: float | None = None,
    threshold: float | None = None,
    liveness: bool | ModelChoice = False,
    detector: Detector | str | Path | None = None,
    threads: int = 1,
    search: Search = SEARCH,
    color: Color = "RGB",
    quality_gate: bool = True,
) -> Comparison:
    """Returns whether two faces are the same person's: `Verifier(...).verify(first, second)`.

    The decision is None, with a reason, where a side shows no face, several, a poor one or an attack.

    Raises:
        ImageError: a source cannot be read.
        UsageError: no model is bundled, or a setting is out of range.
        ModelError: a model's file cannot be used.
    """
    verifier = Verifier(
        model,
        far=far,
        threshold=threshold,
        liveness=liveness,
        detector=detector,
        threads=threads,
        search=search,
        color=color,
        quality_gate=quality_gate,
    )
    return verifier.verify(first, second)
