"""The likeliest class of every pixel, and the share that each class has."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from facetrust.errors import ModelError
from facetrust.records import ModelCard, Parts


def judge(probabilities: ArrayLike, card: ModelCard) -> Parts:
    """Returns the classes (h, w) uint8 of a crop's pixels, the first of equals, and their shares by name.

    Args:
        probabilities: (C, h, w), the classes in the card's order.
        card: the card of the model that gave them.

    Raises:
        ModelError: the card does not name as many classes.
    """
    values = np.asarray(probabilities)
    if len(values) != len(card.classes):
        named = len(card.classes)
        raise ModelError(f"{card.title}: answers with {len(values)} classes, its card names {named}")
    classes = values.argmax(0).astype(np.uint8)
    counts = np.bincount(classes.ravel(), minlength=len(values))
    shares = {name: float(count / classes.size) for name, count in zip(card.classes, counts, strict=True)}
    return Parts(task=card.task, model=card.title, shares=shares, classes=classes)
