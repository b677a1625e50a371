"""On which parts of a face the evidence for its verdicts lies."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from facetrust.imaging import Pixels
from facetrust.imaging.crop import crop_matrix
from facetrust.records import Face, Verdict
from facetrust.runtime.evidence import EvidenceMap
from facetrust.runtime.model import Model
from facetrust.tasks import task_named

ELSEWHERE = "elsewhere"  # Outside the crop in which the parts are known.
_LEAST = 0.01  # Share of the evidence from which on a part is named.
_MOST = 64  # Faces, the largest, whose parts are looked for.


def with_parts(
    image: Pixels, faces: Sequence[Face], heats: Sequence[EvidenceMap], parser: Model
) -> tuple[Face, ...]:
    """Returns the faces; each verdict that has a map says on which parts the evidence for it lies.

    What speaks for the decision is counted: positive values of the map where the decision is the task's
    positive one, negative values otherwise.

    Args:
        image: (H, W, 3) uint8 RGB, upright.
        faces: the largest first, with verdicts and, where the parser wants aligned faces, five points. Of
            more than 64 the others are left as they are.
        heats: the models' maps; of a face's first margin.
        parser: an open model with classes of pixels.

    Raises:
        ImageError: a face cannot be aligned.
        ModelError: the network fails.
    """
    own = {heat.box for heat in heats}
    # One face at a time: the classes of every pixel of a crowd would take gigabytes.
    return tuple(
        _named(image, face, heats, parser) if face.box in own and number < _MOST else face
        for number, face in enumerate(faces)
    )


def _named(image: Pixels, face: Face, heats: Sequence[EvidenceMap], parser: Model) -> Face:
    """The face whose verdicts name the parts."""
    crop = parser.crops(image, [face.box], [face.points])
    (classes,) = parser.answer(crop).values.argmax(1)
    own = {heat.task: heat for heat in heats if heat.box == face.box}
    verdicts = []
    for verdict in face.verdicts:
        if verdict.task in own:
            parts = _shares(image, face, own[verdict.task], parser, classes, verdict)
            verdict = verdict.model_copy(update={"evidence_on": parts})
        verdicts.append(verdict)
    return face.model_copy(update={"verdicts": tuple(verdicts)})


def _shares(
    image: Pixels,
    face: Face,
    heat: EvidenceMap,
    parser: Model,
    classes: NDArray[np.intp],
    verdict: Verdict,
) -> dict[str, float]:
    """The share of the evidence for the decision on each part, the greatest first.

    `classes` (h, w) are those of the parser's crop.
    """
    sign = 1 if verdict.decision == task_named(verdict.task).positive else -1
    values = np.maximum(sign * heat.values, 0)
    height, width = heat.preprocessing.size
    fine = cv2.resize(values, (width, height), interpolation=cv2.INTER_NEAREST)
    total = float(fine.sum())
    if not total:
        return {}
    # Every pixel of the model's crop is looked up where it lies in the parser's.
    here = _square(crop_matrix(image.shape, face.box, heat.preprocessing, points=face.points or None))
    there = _square(crop_matrix(image.shape, face.box, parser.card.preprocessing, points=face.points or None))
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    moved = (there @ np.linalg.inv(here)) @ np.stack([across.ravel(), down.ravel(), np.ones(width * height)])
    size = parser.card.preprocessing.size
    x, y = (
        np.rint((moved[axis] + 0.5) * cells / side - 0.5).astype(int)
        for axis, cells, side in ((0, classes.shape[1], size[1]), (1, classes.shape[0], size[0]))
    )
    inside = (x >= 0) & (x < classes.shape[1]) & (y >= 0) & (y < classes.shape[0])
    names = [*parser.card.classes, ELSEWHERE]
    found = np.full(width * height, len(names) - 1)
    found[inside] = classes[y[inside], x[inside]]
    shares = np.bincount(found, weights=fine.ravel(), minlength=len(names)) / total
    return {names[at]: round(float(shares[at]), 4) for at in np.argsort(-shares) if shares[at] >= _LEAST}


def _square(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.vstack([matrix, (0, 0, 1)])
