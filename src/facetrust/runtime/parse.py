"""The parts of the faces of a picture, as a class for every pixel of the picture itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.errors import ImageError, ModelError
from facetrust.faces.detector import SEARCH, Detector, Search, checked_search, face_to_original, find_faces
from facetrust.imaging import Pixels, quarter_turn
from facetrust.imaging.crop import crop_matrix
from facetrust.imaging.inputs import Color, is_video, loaded, name_of, read_source
from facetrust.records import Box, Face, Point
from facetrust.runtime.bundled import default_parser, open_detector_for, open_model_named
from facetrust.runtime.model import Model, by_kind

_MOST = 256  # Classes that one byte can tell apart.


class Parsed(NamedTuple):
    """What was found in one picture; all of it in pixels of the picture as read, after its EXIF tag.

    image: (H, W, 3) uint8 RGB. mask: (H, W) uint8, indices of `classes`; the first where no face's crop lies.
    classes: the model's, in its card's order. faces: the largest first, each with its `parts`; none where
    the question is about whole pictures. left_out: faces beyond the most that are looked at, not in the mask.
    """

    source: str
    image: Pixels
    mask: NDArray[np.uint8]
    classes: tuple[str, ...]
    faces: tuple[Face, ...]
    left_out: int
    whole: bool

    @property
    def complete(self) -> bool:
        """Whether there was something to look at, and all of it is in the mask."""
        return (self.whole or bool(self.faces)) and not self.left_out


class Region(NamedTuple):
    """Classes (h, w) uint8 of a picture's rectangle that begins at (left, top), and where they are known."""

    left: int
    top: int
    classes: NDArray[np.uint8]
    known: NDArray[np.bool_]


class Parser:
    """Finds the parts of faces with a model and a detector that are opened once.

    Every face that is found is looked at, also beyond the limits of the model's card: what hides faces must
    leave none out because it is small or dark.

    Args:
        model: a name, an .onnx file or an open model with classes of pixels; the bundled one without.
        detector, threads, search, color: as of `Checker`.

    Raises:
        UsageError: no model is bundled, or a setting is out of range.
        ModelError: a model's file cannot be used, or it answers without classes of pixels.
    """

    def __init__(
        self,
        model: str | Path | Model | None = None,
        *,
        detector: Detector | str | Path | None = None,
        threads: int = 1,
        search: Search = SEARCH,
        color: Color = "RGB",
    ) -> None:
        self.model = open_model_named(default_parser() if model is None else model, threads=threads)
        task, card = self.model.task, self.model.card
        if task.output != "classes":
            raise ModelError(
                f"{self.model.name}: the output of {task.name} is {task.output}; parts are found by a model "
                "with classes of pixels"
            )
        if len(card.preprocessing.margins) > 1:
            raise ModelError(f"{self.model.name}: looks at several crops of a face, whose pixels differ")
        if not 2 <= len(card.classes) <= _MOST:
            raise ModelError(
                f"{self.model.name}: its card names {len(card.classes)} classes, not 2 to {_MOST}"
            )
        self.detector = open_detector_for({task.name: self.model}, detector, threads=threads)
        self.search = checked_search(search)
        self._color: Color = color

    def parse(self, source: Any) -> Parsed:
        """Returns the class of every pixel of one picture; see `Parsed`.

        Where crops of several faces overlap, a pixel is of the nearest face: its distance to the middle of
        the box counts in sides of that box; of equals, the larger face.

        Args:
            source: what `Checker.check` takes, but no video.

        Raises:
            ImageError: the source cannot be read, or is a video.
            ModelError: the network fails.
        """
        name = name_of(source)
        source = loaded(source)
        if is_video(source):
            raise ImageError(f"{name}: is a video, or has several frames; parts are found in pictures")
        image = read_source(source, color=self._color).image
        if self.detector is None:
            box = (0.0, 0.0, float(image.shape[1]), float(image.shape[0]))
            mask, _ = self._mask(image, [box], [()])
            return Parsed(name, image, mask, self.model.card.classes, (), 0, whole=True)
        upright, turns, faces, left_out = find_faces(image, self.detector, search=self.search)
        try:
            mask, judged = self._mask(upright, [face.box for face in faces], [face.points for face in faces])
        except ImageError as error:
            raise ImageError(f"{name}: {error}") from None
        size = (image.shape[0], image.shape[1])
        found = tuple(
            face_to_original(face.model_copy(update=by_kind([each])), size, turns)
            for face, each in zip(faces, judged, strict=True)
        )
        back = quarter_turn(mask, -turns) if turns else mask
        return Parsed(name, image, back, self.model.card.classes, found, left_out, whole=False)

    def _mask(
        self, image: Pixels, boxes: list[Box], points: list[tuple[Point, ...]]
    ) -> tuple[NDArray[np.uint8], list[Any]]:
        """The class of every pixel of an upright picture, and what is to be said of each box."""
        mask = np.zeros(image.shape[:2], np.uint8)
        nearest = np.full(image.shape[:2], np.inf, np.float32)
        judged, how = [], self.model.card.preprocessing
        for box, five in zip(boxes, points, strict=True):
            (probabilities,) = self.model.answer(
                self.model.crops(image, [box], [five] if five else None)
            ).values
            if len(probabilities) != len(self.model.card.classes):
                raise ModelError(
                    f"{self.model.name}: answers with {len(probabilities)} classes, its card names "
                    f"{len(self.model.card.classes)}"
                )
            judged.append(self.model.judge(probabilities))
            matrix = crop_matrix(image.shape, box, how, points=five)
            _lay(mask, nearest, to_picture(probabilities, matrix, how.size, image.shape), box)
        return mask, judged


def parse(
    source: Any,
    *,
    model: str | Path | Model | None = None,
    detector: Detector | str | Path | None = None,
    threads: int = 1,
    search: Search = SEARCH,
    color: Color = "RGB",
) -> Parsed:
    """Returns the class of every pixel of one picture: `Parser(...).parse(source)`.

    Raises:
        ImageError: the source cannot be read, or is a video.
        UsageError: no model is bundled, or a setting is out of range.
        ModelError: a model's file cannot be used, or it answers without classes of pixels.
    """
    return Parser(model, detector=detector, threads=threads, search=search, color=color).parse(source)


def to_picture(
    probabilities: NDArray[np.float64],
    matrix: NDArray[np.float64],
    size: tuple[int, int],
    shape: tuple[int, ...],
) -> Region:
    """Returns the likeliest class, the first of equals, of each pixel of a picture that a crop covers.

    Probabilities are interpolated linearly between the crop's pixels, so that edges stay smooth enlarged.

    Args:
        probabilities: (C, h, w) of a crop; h and w may differ from the crop's size.
        matrix: (2, 3), takes pixels (x, y) of the picture to those of the crop, as `crop_matrix` gives it.
        size: (height, width) of the crop.
        shape: (height, width, ...) of the picture.
    """
    tall, wide = probabilities.shape[1:]
    scale = np.array([wide / size[1], tall / size[0]])
    linear = matrix[:, :2] * scale[:, None]
    shift = (matrix[:, 2] + 0.5) * scale - 0.5
    corners = np.array([(x, y) for x in (-0.5, wide - 0.5) for y in (-0.5, tall - 0.5)])
    reached = (corners - shift) @ np.linalg.inv(linear).T
    limits = np.array([shape[1], shape[0]])
    left, top = (int(each) for each in np.clip(np.floor(reached.min(0)), 0, limits))
    right, bottom = (int(each) for each in np.clip(np.ceil(reached.max(0)) + 1, 0, limits))
    if right <= left or bottom <= top:
        return Region(left, top, np.zeros((0, 0), np.uint8), np.zeros((0, 0), bool))
    shift = shift + linear @ (left, top)
    inverse = np.column_stack([linear, shift])
    across, down = np.arange(right - left), np.arange(bottom - top)[:, None]
    x, y = (row[0] * across + row[1] * down + row[2] for row in inverse)
    known = (x >= -0.5) & (x <= wide - 0.5) & (y >= -0.5) & (y <= tall - 0.5)
    classes = np.zeros(known.shape, np.uint8)
    best = np.full(known.shape, -np.inf, np.float32)
    for index, each in enumerate(probabilities.astype(np.float32)):
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size_here = (right - left, bottom - top)
        value = cv2.warpAffine(each, inverse, size_here, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        better = value > best
        classes[better], best[better] = index, value[better]
    return Region(left, top, classes, known)


def _lay(mask: NDArray[np.uint8], nearest: NDArray[np.float32], region: Region, box: Box) -> None:
    """Writes a region into the mask where its face is the nearest so far."""
    x, y, w, h = box
    tall, wide = region.classes.shape
    rows, columns = slice(region.top, region.top + tall), slice(region.left, region.left + wide)
    across = np.arange(region.left, region.left + wide) - (x + w / 2)
    down = np.arange(region.top, region.top + tall)[:, None] - (y + h / 2)
    distance = (np.hypot(across, down) / max(w, h)).astype(np.float32)
    closer = region.known & (distance < nearest[rows, columns])
    mask[rows, columns][closer] = region.classes[closer]
    nearest[rows, columns][closer] = distance[closer]
