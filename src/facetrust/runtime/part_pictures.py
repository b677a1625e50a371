"""Pictures of parts: the mask as a PNG, an overlay with a legend, and a picture with parts blurred."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from facetrust.errors import UnknownName, UsageError
from facetrust.imaging import Pixels, fit_within
from facetrust.imaging.pixels import CLASS_NAMES
from facetrust.runtime.parse import Parsed

_LONGEST, _SHORTEST = 1280, 480  # Longest sides in pixels that an overlay may have.
_STRENGTH = 0.5
_ROW, _MARGIN = 22, 8
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_GOLDEN = 0.618034  # Of a turn of hues, so that neighbours in the list differ clearly.
_BLUR = 8  # The blur's deviation is the largest face's side over this.
_CELL = 4.0  # Deviation in pixels at which a blur is made; a wider one is made on a smaller picture.


def palette(count: int) -> NDArray[np.uint8]:
    """Returns (count, 3) colours, RGB: black for the first class, the others apart from their neighbours."""
    colours = [
        colorsys.hsv_to_rgb(n * _GOLDEN % 1, (0.85, 0.55)[n % 2], (0.95, 0.75)[n // 2 % 2])
        for n in range(count)
    ]
    made: NDArray[np.uint8] = np.rint(255 * np.asarray(colours)).astype(np.uint8)
    made[0] = 0
    return made


def mask_png(parsed: Parsed) -> bytes:
    """Returns the mask as an indexed PNG of the picture's size, with the names of its classes in its text."""
    picture = Image.fromarray(parsed.mask)
    picture.putpalette(palette(len(parsed.classes)).ravel().tolist())  # Makes it one of mode P.
    text = PngImagePlugin.PngInfo()
    text.add_text(CLASS_NAMES, ",".join(parsed.classes))
    file = io.BytesIO()
    picture.save(file, "PNG", pnginfo=text)
    return file.getvalue()


def overlay_of(parsed: Parsed) -> Pixels:
    """Returns the picture, RGB, at a readable size, its parts in colour, and a legend of those below it."""
    image, _ = fit_within(parsed.image, _LONGEST)
    factor = max(1.0, _SHORTEST / max(image.shape[:2]))
    size = (round(image.shape[1] * factor), round(image.shape[0] * factor))
    image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    mask = np.asarray(cv2.resize(parsed.mask, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    colours = palette(len(parsed.classes))
    blend = (1 - _STRENGTH) * image + _STRENGTH * colours[mask]
    painted = np.where((mask > 0)[:, :, None], np.rint(blend), image).astype(np.uint8)
    shown = [index for index in np.unique(parsed.mask).tolist() if index]
    return np.concatenate([painted, _legend([parsed.classes[i] for i in shown], colours[shown], size[0])])


def _legend(names: Sequence[str], colours: NDArray[np.uint8], width: int) -> Pixels:
    """Rows of a square in a class's colour and its name, in as many columns as fit."""
    lengths = [cv2.getTextSize(name, _FONT, 0.45, 1)[0][0] for name in names]
    cell = max([120, *(length + _ROW + 2 * _MARGIN for length in lengths)])
    columns = max(1, width // cell)
    rows = -(-len(names) // columns)
    legend = np.full((rows * _ROW + 2 * _MARGIN, width, 3), 255, np.uint8)
    for number, (name, colour) in enumerate(zip(names, colours.tolist(), strict=True)):
        x, y = _MARGIN + number % columns * cell, _MARGIN + number // columns * _ROW
        cv2.rectangle(legend, (x, y + 3), (x + 14, y + 17), colour, -1)
        cv2.putText(legend, name, (x + _ROW, y + 15), _FONT, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return legend


def blurred(parsed: Parsed, *, blur: Sequence[str] = (), keep: Sequence[str] = ()) -> Pixels:
    """Returns the picture (H, W, 3), RGB, with the parts of `blur` blurred, or all but those of `keep`.

    The deviation of the blur is an eighth of the largest face's side, or of the picture's shorter side
    where the question is about whole pictures.

    Raises:
        UnknownName: the model has no such class; the message gives the nearest one.
        UsageError: neither, or both.
    """
    chosen = chosen_classes(parsed.classes, blur=blur, keep=keep)
    sides = [max(face.box[2:]) for face in parsed.faces] or [float(min(parsed.image.shape[:2]))]
    hidden = chosen[parsed.mask]
    return np.where(hidden[:, :, None], _soft(parsed.image, max(sides) / _BLUR), parsed.image)


def chosen_classes(
    classes: Sequence[str], *, blur: Sequence[str] = (), keep: Sequence[str] = ()
) -> NDArray[np.bool_]:
    """Returns of each class whether it is blurred, (C,); see `blurred`."""
    if bool(blur) == bool(keep):
        raise UsageError("blur some parts, or keep some and blur all else: give one of blur and keep")
    for name in (*blur, *keep):
        if name not in classes:
            raise UnknownName("class", name, classes)
    return np.array([name in blur if blur else name not in keep for name in classes])


def _soft(image: Pixels, deviation: float) -> Pixels:
    """The picture blurred; a wide blur is made on a smaller picture, which looks the same."""
    height, width = image.shape[:2]
    factor = min(1.0, _CELL / deviation)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), max(deviation * factor, 1e-3))
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
