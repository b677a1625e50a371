"""Maps drawn side by side: several networks' of the same faces, or several methods' of the same pictures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.errors import MissingExtra
from facetrust.imaging import Pixels, fit_within
from facetrust.records import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CELL = 2.0  # Inches a panel's side.
_DPI = 120
_TILE, _LINE = 320, 24  # Pixels: a picture's longest side, and a line of text.


class Panel(NamedTuple):
    """What one network sees of a face: its crop (h, w, 3), the map (h, w) in [0, 1], and its score."""

    crop: Pixels
    heat: NDArray[np.float32]
    score: float


class Row(NamedTuple):
    """One face: what it is called, and a panel per network."""

    title: str
    panels: Sequence[Panel]


def draw_side_by_side(path: Path, columns: Sequence[str], rows: Sequence[Row], *, caption: str) -> None:
    """Writes a PNG: a row per face; the first network's crop, then every network's map over its own crop.

    Args:
        columns: the networks' names.
        caption: stands below; says what the maps are.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    canvas = _canvas(columns, rows, caption)
    content = io.BytesIO()
    canvas.savefig(content, format="png", dpi=_DPI, metadata={"Software": None})
    write_whole(path, content.getbuffer())


def _canvas(columns: Sequence[str], rows: Sequence[Row], caption: str) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("matplotlib", "report") from None
    across = len(columns) + 1
    size = (_CELL * across + 0.8, (_CELL + 0.2) * len(rows) + 0.9)
    canvas = Figure(figsize=size, layout="constrained")
    cells = canvas.subplots(len(rows), across, squeeze=False)
    for axes, row in zip(cells, rows, strict=True):
        _fill(axes, row)
    for axes, name in zip(cells[0], ["input", *columns], strict=True):
        axes.set_title(name, fontsize=9, wrap=True)
    bar = canvas.colorbar(cells[0][-1].images[-1], ax=cells, fraction=0.03, pad=0.01)
    bar.ax.tick_params(labelsize=7)
    canvas.supxlabel(caption, fontsize=8, wrap=True)
    return canvas


def _fill(axes: Any, row: Row) -> None:
    for each in axes:
        each.set(xticks=[], yticks=[])
        each.spines[:].set_visible(False)
    axes[0].imshow(row.panels[0].crop)
    axes[0].set_ylabel(row.title, fontsize=7)
    for each, panel in zip(axes[1:], row.panels, strict=True):
        each.imshow(np.asarray(panel.crop).mean(2), cmap="gray", vmin=0, vmax=255)
        each.imshow(panel.heat, cmap="inferno", vmin=0, vmax=1, alpha=0.6)
        each.set_xlabel(f"score {panel.score:.2f}", fontsize=7, labelpad=2)


def draw_pictures(path: Path, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[Pixels]]]) -> None:
    """Writes a PNG: a row per picture, named above it, and a column per kind of drawing.

    Args:
        columns: their names.
        rows: each a name and a drawing (H, W, 3) per column; shrunk to 320 pixels, never enlarged.
    """
    lines = [np.hstack([_text(name) for name in columns])]
    for name, pictures in rows:
        tiles = [fit_within(picture, _TILE)[0] for picture in pictures]
        tall = max(tile.shape[0] for tile in tiles)
        room = [((0, tall - tile.shape[0]), (0, _TILE - tile.shape[1]), (0, 0)) for tile in tiles]
        lines.append(np.hstack([_text(name), *[_text("")] * (len(tiles) - 1)]))
        lines.append(
            np.hstack([np.pad(tile, pad, constant_values=255) for tile, pad in zip(tiles, room, strict=True)])
        )
    _, data = cv2.imencode(".png", np.vstack(lines)[:, :, ::-1])
    write_whole(path, data.tobytes())


def _text(text: str) -> Pixels:
    strip = np.full((_LINE, _TILE, 3), 255, np.uint8)
    cv2.putText(strip, text, (4, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (40, 40, 40), 1, cv2.LINE_AA)
    return strip
