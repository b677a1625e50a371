"""Overlays: the picture, its faces with their verdicts, and where in each crop the score comes from."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.errors import UsageError
from facetrust.imaging import Pixels, fit_within
from facetrust.imaging.crop import alignment, window_of
from facetrust.imaging.inputs import EVIDENCE
from facetrust.records import Box, Face, Point, Preprocessing, Verdict, write_whole
from facetrust.tasks import task_named

_LONGEST, _SHORTEST = 1280, 480  # Longest sides in pixels that an overlay may have.
_LONGEST_STEM = 200  # Bytes; a name may have 255, of which a suffix and a temporary file's take some.
_FAINT = 1.0  # Logits: the least evidence that is drawn at full strength.
_STRENGTH = 0.6
_ATTACK, _LIVE, _SEEN = (214, 40, 40), (31, 119, 220), (255, 150, 0)
_BAD, _GOOD, _PLAIN = (214, 40, 40), (30, 140, 60), (90, 90, 90)
_LOOKS = "orange: where the network looks; it speaks neither for an attack nor against"
_FONT = cv2.FONT_HERSHEY_SIMPLEX


class EvidenceMap(NamedTuple):
    """A model's evidence map (gh, gw) over the crop that was cut for `box`; positive pulls toward attack.

    crop: which of the card's native windows it is.
    """

    task: str
    box: Box
    preprocessing: Preprocessing
    values: NDArray[np.float32]
    points: Sequence[Point] = ()
    crop: int = 0


class Scene(NamedTuple):
    """What can be shown of a picture, or of the most telling moment of a video's track.

    image: (H, W, 3) uint8 RGB, upright. faces: with verdicts, their boxes in pixels of the image.
    maps: none where no evidence was asked for. track: the track's number; None of a picture. turns: quarters
    counter-clockwise that the picture was turned by to stand upright.
    """

    image: Pixels
    faces: Sequence[Face]
    maps: Sequence[EvidenceMap]
    track: int | None = None
    turns: int = 0


class Layer(NamedTuple):
    """One task's evidence alone, to be laid over a scene's picture.

    pixels: (h, w, 4) uint8 RGBA, in the picture's ratio: red speaks for the task's positive answer, blue
    against; the more, the less transparent. strength: of what is opaque, in logits.
    """

    task: str
    track: int | None
    pixels: Pixels
    strength: float


def free_name(source: str, taken: Collection[str], *, ending: str = EVIDENCE) -> str:
    """Returns `<stem>.evidence.png` for a source, numbered if taken; a long one is cut in the middle."""
    stem = Path(source).stem.strip("<>") or "image"
    if len(data := os.fsencode(stem)) > _LONGEST_STEM:
        parts = (data[: _LONGEST_STEM - 40], data[-40:])
        stem = "…".join(part.decode(errors="ignore") for part in parts)
    name, number = f"{stem}{ending}", 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}{ending}"
    return name


def write_overlay(path: Path, pixels: Pixels) -> None:
    """Writes an overlay as PNG, whole or not at all.

    Raises:
        UsageError: the folder cannot be written to.
    """
    if path.parent.exists() and not path.parent.is_dir():
        raise UsageError(f"{path.parent}: is not a folder; give one for evidence")
    _, data = cv2.imencode(".png", pixels[:, :, ::-1])
    try:
        write_whole(path, data.tobytes())
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written ({error.strerror or error}); give another folder"
        ) from None


def overlay(
    image: Pixels,
    faces: Sequence[Face],
    heats: Sequence[EvidenceMap],
    *,
    signed: bool = True,
    unit: str = "logits",
    verdicts: Sequence[Verdict] = (),
) -> Pixels:
    """Returns the overlay, RGB: a panel per task that has heats, side by side, one panel if none has.

    A panel is the picture resized to a readable size, with the faces framed in the colour of the task's own
    verdict, and below it a legend.

    Args:
        image: (H, W, 3) uint8 RGB, upright.
        faces: with verdicts; boxes in pixels of the image.
        heats: drawn over the windows that their crops were cut from.
        signed: whether the heats speak for an attack or against; attention, in [0, 1], does neither.
        unit: what the heats are measured in, for the legend.
        verdicts: of the whole picture, written in its corner.
    """
    tasks = list(dict.fromkeys(heat.task for heat in heats))
    of_tasks = [[heat for heat in heats if heat.task == task] for task in tasks] or [[]]
    panels = [_panel(image, faces, each, signed=signed, unit=unit, verdicts=verdicts) for each in of_tasks]
    return np.concatenate(panels, axis=1)


def _panel(
    image: Pixels,
    faces: Sequence[Face],
    heats: Sequence[EvidenceMap],
    *,
    signed: bool,
    unit: str,
    verdicts: Sequence[Verdict],
) -> Pixels:
    """The picture with one task's heats and every verdict, and its legend."""
    canvas, factor = _readable(image)
    heat, scale = _heat_of(image.shape[:2], heats, canvas.shape[:2])
    if heats:
        canvas = _tinted(canvas, heat, signed=signed)
    for face in faces:
        _frame(canvas, face, factor, task=heats[0].task if heats else None)
    _write(canvas, (0, 0), [(_line(verdict), _colour(verdict)) for verdict in verdicts])
    return np.concatenate(
        [canvas, _legend(canvas.shape[1], heats, full=f"{scale:.1f} {unit}", signed=signed)]
    )


def layers(scene: Scene, *, longest: int = _SHORTEST) -> tuple[Layer, ...]:
    """Returns a layer per task that has maps; no side is longer than `longest` pixels."""
    factor = min(1.0, longest / max(scene.image.shape[:2]))
    height, width = (max(1, round(side * factor)) for side in scene.image.shape[:2])
    made = []
    for task in dict.fromkeys(each.task for each in scene.maps):
        heats = [each for each in scene.maps if each.task == task]
        heat, strength = _heat_of(scene.image.shape[:2], heats, (height, width))
        colour = np.where(heat[:, :, None] > 0, np.asarray(_ATTACK), np.asarray(_LIVE))
        opacity = np.rint(255 * np.clip(np.abs(heat), 0, 1))[:, :, None]
        pixels = np.concatenate([colour, opacity], axis=2).astype(np.uint8)
        made.append(Layer(task, scene.track, pixels, strength))
    return tuple(made)


def _heat_of(
    shape: tuple[int, int], heats: Sequence[EvidenceMap], size: tuple[int, int]
) -> tuple[NDArray[np.float32], float]:
    """One task's heats over a picture of `shape`, shrunk to `size` and in [-1, 1]; what 1 is, in logits."""
    top = max((float(np.abs(heat.values).max(initial=0)) for heat in heats), default=0.0)
    scale = max(_FAINT, top)
    heat = np.zeros(shape, np.float32)
    for each in heats:
        _lay(heat, each)
    return np.asarray(cv2.resize(heat, size[::-1]) / scale, np.float32), scale


def _lay(heat: NDArray[np.float32], each: EvidenceMap) -> None:
    """Adds a map to the heat (H, W) where its crop lies inside the picture; the stronger value stays."""
    rows, columns = each.values.shape
    height, width = each.preprocessing.size
    if each.preprocessing.align == "points":
        # From pixels of the picture to pixels of the aligned face, and on to cells.
        matrix = np.diag([columns / width, rows / height]) @ alignment(each.points, (height, width))
        matrix[:, 2] += 0.5 * np.array([columns / width, rows / height]) - 0.5
        left, top, right, bottom = 0, 0, heat.shape[1], heat.shape[0]
        border = cv2.BORDER_CONSTANT
    else:
        x, y, w, h = window_of(heat.shape, each.box, each.preprocessing, crop=each.crop)
        start, wide, tall = (round(x), round(y)), max(1, round(w)), max(1, round(h))
        left, top = max(start[0], 0), max(start[1], 0)
        right, bottom = min(start[0] + wide, heat.shape[1]), min(start[1] + tall, heat.shape[0])
        across, down = columns / wide, rows / tall
        matrix = np.array([[across, 0, 0.5 * across - start[0] * across - 0.5], [0, down, 0]])
        matrix[1, 2] = 0.5 * down - start[1] * down - 0.5
        border = cv2.BORDER_REPLICATE
    if left >= right or top >= bottom:
        return
    # Only the visible part is made, so that a window far larger than the picture costs nothing.
    matrix[:, 2] += matrix[:, :2] @ (left, top)
    part = cv2.warpAffine(
        each.values.astype(np.float32),
        matrix,
        (right - left, bottom - top),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=border,
    )
    there = heat[top:bottom, left:right]
    np.copyto(there, part, where=np.abs(part) > np.abs(there))


def _readable(image: Pixels) -> tuple[Pixels, float]:
    """A copy of the picture that is neither huge nor tiny, and the factor."""
    small, factor = fit_within(image, _LONGEST)
    if max(small.shape[:2]) < _SHORTEST:
        factor = _SHORTEST / max(small.shape[:2])
        small = np.asarray(
            cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC), np.uint8
        )
    return small.copy(), factor


def _tinted(canvas: Pixels, heat: NDArray[Any], *, signed: bool) -> Pixels:
    """The canvas tinted by heat in [-1, 1]: red for attack, blue for live; orange for what has no sign."""
    amount = (np.clip(np.abs(heat), 0, 1) * _STRENGTH)[:, :, None]
    colour = np.where(heat[:, :, None] > 0, np.asarray(_ATTACK if signed else _SEEN), np.asarray(_LIVE))
    return np.asarray(canvas * (1 - amount) + colour * amount, dtype=np.uint8)


def _frame(canvas: Pixels, face: Face, factor: float, *, task: str | None) -> None:
    """Draws the box and, above it, one line per verdict in its own colour; the box has that of `task`."""
    x, y, w, h = (round(value * factor) for value in face.box)
    own = [verdict for verdict in face.verdicts if task in (None, verdict.task)]
    colours = [_colour(verdict) for verdict in own]
    edge = _BAD if _BAD in colours else colours[0] if colours else _PLAIN
    cv2.rectangle(canvas, (x, y), (x + w, y + h), edge, 2)
    lines = [(_line(verdict), _colour(verdict)) for verdict in face.verdicts] or [
        ("not judged" if face.not_judged else "face", _PLAIN)
    ]
    _write(canvas, (x, y), lines)


def _write(canvas: Pixels, place: tuple[int, int], lines: Sequence[tuple[str, tuple[int, int, int]]]) -> None:
    """Writes lines on their colours, the last one above the place (x, y), or as near as the edges allow."""
    x, y = place
    for row, (line, colour) in enumerate(reversed(lines)):
        (wide, tall), _ = cv2.getTextSize(line, _FONT, 0.6, 2)
        left = min(max(x, 0), max(0, canvas.shape[1] - wide - 8))
        low = max(y, len(lines) * (tall + 10)) - row * (tall + 10)
        cv2.rectangle(canvas, (left, low - tall - 10), (left + wide + 8, low), colour, -1)
        cv2.putText(canvas, line, (left + 4, low - 6), _FONT, 0.6, (255, 255, 255), 2, cv2.LINE_AA)


def _line(verdict: Verdict) -> str:
    return f"{verdict.decision} {verdict.score:.2f}" + (" (advisory)" if verdict.advisory else "")


def _colour(verdict: Verdict) -> tuple[int, int, int]:
    return _BAD if verdict.decision == task_named(verdict.task).positive else _GOOD


def _legend(width: int, heats: Sequence[EvidenceMap], *, full: str, signed: bool) -> Pixels:
    """A strip that says what the colours mean; `full` is the evidence drawn at full strength."""
    strip = np.full((44, width, 3), 255, np.uint8)
    if not heats:
        text = "no evidence map"
    else:
        bar = max(1, min(160, width // 4))
        ramp = np.tile(np.linspace(-1 if signed else 0, 1, bar, dtype=np.float32), (16, 1))
        strip[14:30, 8 : 8 + bar] = _tinted(strip[14:30, 8 : 8 + bar], ramp, signed=signed)
        meaning = task_named(heats[0].task).positive_means
        said = f"red speaks for {meaning}, blue against; full at {full}"
        text = said if signed else _LOOKS
    start = 16 + bar if heats else 8
    size = min(0.5, 0.5 * (width - start - 4) / cv2.getTextSize(text, _FONT, 0.5, 1)[0][0])
    if size > 0.1:
        cv2.putText(strip, text, (start, 28), _FONT, size, (40, 40, 40), 1, cv2.LINE_AA)
    return strip
