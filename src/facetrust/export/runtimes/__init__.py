"""Other runtimes that an exported file can be made for: one file each, found by its name.

A file `<name>.py` has `SUFFIX`, how its files end; `PACKAGE`, which its extra of the same name brings;
`convert(source, out)`, which makes such a file of one of our .onnx files, with its card beside it; and
`open_file(path, threads)`, which gives a `Session`. It imports its package when it is used, and what it
writes computes in float32, as the .onnx file does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from numpy.typing import NDArray

from facetrust import registry
from facetrust.errors import ExportError
from facetrust.model_file import read
from facetrust.records import sha256_of, write_text

ROOM = "export.runtimes"


class Session(Protocol):
    """An open file that is run as ONNX Runtime's own session is."""

    def run(self, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]], /) -> list[NDArray[Any]]:
        """Returns the named outputs (B, ...) for `image` (B, 3, h, w) float32."""


def suffixes() -> dict[str, ModuleType]:
    """Returns how a file ends → the runtime whose files end so."""
    found = [registry.module(ROOM, name) for name in registry.names(ROOM)]
    return {each.SUFFIX: each for each in found}


def check_ending(out: Path, suffix: str) -> None:
    """Checks how a file ends that is to be written.

    Raises:
        ExportError: not in the suffix.
    """
    if out.suffix != suffix:
        raise ExportError(f"{out}: this runtime's files end in {suffix}")


def write_card(source: Path, out: Path, weights: Path) -> Path:
    """Writes the card of an .onnx file as `<stem>.json` beside what was made of it; returns `out`."""
    _, card = read(source)
    card = card.model_copy(update={"weights": weights.name, "sha256": sha256_of(weights)})
    write_text(out.with_suffix(".json"), card.to_json())
    return out
