"""MTCNN on ONNX Runtime: three nets, each of which throws away most of what the last one kept."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from facetrust.faces._boxes import Rows, moved, squares, suppress
from facetrust.faces._mtcnn_graphs import open_net
from facetrust.imaging import Pixels, fit_within
from facetrust.records import Face

_CELL, _STRIDE = 12, 2  # The P-Net is a 12 pixel window that moves by 2.
_STEP = 0.709
_PATCH = (24, 48)  # Sides of what R-Net and O-Net look at.
_CROWD = 0.3  # Of P-Net's best boxes; where R-Net keeps more, there are more faces than boxes were handed on.
_AT_ONCE = 200  # Boxes.
_CROWDED = 20  # Times as many boxes are then looked at.
_CLEARLY = 2.7  # One unit of the logit; of upright faces one in two hundred loses by more.
_TURNED = np.float32(0.92)


class Mtcnn:
    """The detector that needs no file of its own.

    Args:
        threads: threads of ONNX Runtime; 0 takes every core.
        longest: pictures are shrunk to this longest side in pixels before faces are cut from them.
        smallest: side of the smallest face looked for, over the picture's longest side.
        thresholds: what P-Net, R-Net and O-Net must answer for a face to be kept.
        candidates: most boxes that P-Net may hand on; twenty times as many in a crowd.

    Raises:
        ModelError: the weights are missing or are not the known ones.
    """

    name = "mtcnn"
    sure = 0.97
    likely = 0.9
    likely_in_tiles = 0.98
    finest = 1 / 20

    def __init__(
        self,
        *,
        threads: int = 1,
        longest: int = 640,
        smallest: float = finest,
        thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7),
        candidates: int = 200,
    ) -> None:
        self._longest = longest
        self._smallest = smallest
        self._thresholds = thresholds
        self._candidates = candidates
        self._nets = tuple(open_net(net, threads=threads) for net in ("pnet", "rnet", "onet"))

    def detect(self, image: Pixels) -> list[Face]:
        """Returns the faces in a picture (H, W, 3) uint8 RGB, the most confident first.

        Boxes reach from the forehead to the chin and may reach outside the picture. The confidence
        is O-Net's; a first face that O-Net clearly prefers turned by a quarter or two loses 8 %.
        """
        small, factor = fit_within(image, self._longest)
        boxes, sure = self._propose(small)
        best = suppress(boxes, sure, overlap=0.7, most=self._candidates)
        kept, probable = self._probable(small, squares(boxes[best]))
        if len(best) == self._candidates and len(kept) > _CROWD * len(best):
            rest = suppress(boxes, sure, overlap=0.7, most=_CROWDED * self._candidates)[len(best) :]
            more = self._probable(small, squares(boxes[rest]))
            kept, probable = np.concatenate([kept, more[0]]), np.concatenate([probable, more[1]])
        boxes = squares(kept[suppress(kept, probable, overlap=0.7)])
        boxes, points, confidences = self._finish(small, boxes)
        if len(boxes) and not self._is_upright(small, boxes[:1]):
            confidences[0] *= _TURNED
        return [
            Face(box=_as_box(box / factor), points=_as_points(point / factor), confidence=float(confidence))
            for box, point, confidence in zip(boxes, points, confidences, strict=True)
        ]

    def _propose(self, image: Pixels) -> tuple[Rows, Rows]:
        """P-Net over a pyramid: boxes (N, 4) and confidences (N,)."""
        found, sure = [np.empty((0, 4), np.float32)], [np.empty(0, np.float32)]
        level = image
        for height, width in _pyramid(image.shape[:2], self._smallest):
            level = np.asarray(cv2.resize(level, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
            offsets, face = self._nets[0].run(["offsets", "face"], {"image": _normal(level[None])})
            rows, columns = np.nonzero(face[0, 1] > self._thresholds[0])
            if not rows.size:
                continue
            corner = np.stack([columns, rows], axis=1).astype(np.float32) * _STRIDE
            windows = np.concatenate([corner, corner + (_CELL - 1)], axis=1)
            boxes = windows + offsets[0, :, rows, columns] * (_CELL - 1)
            scale = np.tile(np.asarray([image.shape[1] / width, image.shape[0] / height], np.float32), 2)
            confidences = face[0, 1, rows, columns]
            kept = suppress(boxes, confidences, overlap=0.5)
            found.append(boxes[kept] * scale)
            sure.append(confidences[kept])
        return np.concatenate(found), np.concatenate(sure)

    def _probable(self, image: Pixels, boxes: Rows) -> tuple[Rows, Rows]:
        """R-Net on square boxes (N, 4): the boxes that it keeps, moved, and its confidences."""
        kept, probable = [np.empty((0, 4), np.float32)], [np.empty(0, np.float32)]
        for part in _parts(boxes):
            patches = _patches(image, part, _PATCH[0])
            offsets, face = self._nets[1].run(["offsets", "face"], {"image": patches})
            good = face[:, 1] > self._thresholds[1]
            kept.append(moved(part, offsets)[good])
            probable.append(face[good, 1])
        return np.concatenate(kept), np.concatenate(probable)

    def _finish(self, image: Pixels, boxes: Rows) -> tuple[Rows, Rows, Rows]:
        """O-Net: boxes (N, 4), points (N, 5, 2) and confidences (N,)."""
        if not len(boxes):
            return boxes, np.empty((0, 5, 2), np.float32), np.empty(0, np.float32)
        names = ["offsets", "points", "face"]
        answers = [
            self._nets[2].run(names, {"image": _patches(image, part, _PATCH[1])}) for part in _parts(boxes)
        ]
        outputs = [np.concatenate(each) for each in zip(*answers, strict=True)]
        good = outputs[2][:, 1] > self._thresholds[2]
        offsets, shares, confidences = outputs[0][good], outputs[1][good], outputs[2][good, 1]
        boxes = boxes[good]
        sides = (boxes[:, 2:] - boxes[:, :2])[:, None]
        points = boxes[:, None, :2] + shares.reshape(-1, 2, 5).transpose(0, 2, 1) * sides
        boxes = moved(boxes, offsets)
        kept = suppress(boxes, confidences, overlap=0.5, of="smaller")
        return boxes[kept], points[kept], confidences[kept]

    def _is_upright(self, image: Pixels, box: Rows) -> bool:
        """Whether O-Net does not clearly prefer one of the quarter turns of the face (1, 4).

        O-Net is sure of one turned face in twenty, but hardly ever surer than of the same face upright.
        """
        patch = _patches(image, squares(box), _PATCH[1])
        turned = np.concatenate([np.rot90(patch, turns, axes=(2, 3)) for turns in range(4)])
        doubts = self._nets[2].run(["face"], {"image": turned})[0][:, 0]
        return bool(doubts[1:].min() > doubts[0] / _CLEARLY)


def _pyramid(size: tuple[int, ...], smallest: float) -> list[tuple[int, int]]:
    """Sizes (height, width) of the picture, so that faces from `smallest` up once fill P-Net's window."""
    side = max(_CELL, smallest * max(size))
    sizes = []
    while side <= min(size):
        sizes.append((round(size[0] * _CELL / side), round(size[1] * _CELL / side)))
        side /= _STEP
    return sizes


def _parts(boxes: Rows) -> Iterator[Rows]:
    """The boxes, as many at a time as the nets hold in little memory."""
    for first in range(0, len(boxes), _AT_ONCE):
        yield boxes[first : first + _AT_ONCE]


def _patches(image: Pixels, boxes: Rows, side: int) -> Rows:
    """The boxes cut out and resized, normalised (N, 3, side, side); outside the picture is black."""
    corners = np.round(boxes).astype(int)
    corners[:, 2:] = np.maximum(corners[:, 2:], corners[:, :2] + 1)
    height, width = image.shape[:2]
    outside = np.concatenate([-corners[:, :2], corners[:, 2:] - (width, height)])
    pad = max(0, int(outside.max()))
    padded = cv2.copyMakeBorder(image, pad, pad, pad, pad, cv2.BORDER_CONSTANT) if pad else image
    cut = np.empty((len(corners), side, side, 3), np.uint8)
    for index, (left, top, right, bottom) in enumerate(corners + pad):
        patch = padded[top:bottom, left:right]
        method = cv2.INTER_AREA if patch.shape[0] > side else cv2.INTER_LINEAR
        cv2.resize(patch, (side, side), dst=cut[index], interpolation=method)
    return _normal(cut)


def _normal(images: Pixels) -> Rows:
    scaled = (images.astype(np.float32) - 127.5) * (1 / 128)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def _as_box(row: Rows) -> tuple[float, float, float, float]:
    left, top, right, bottom = row.tolist()
    return left, top, right - left, bottom - top


def _as_points(rows: Rows) -> tuple[tuple[float, float], ...]:
    return tuple((x, y) for x, y in rows.tolist())
