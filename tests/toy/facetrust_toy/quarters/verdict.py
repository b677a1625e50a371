"""The class of every pixel, and the share of each."""

import numpy as np

from facetrust.records import Parts


def judge(probabilities, card) -> Parts:
    """Returns the likeliest class (h, w) of each pixel for probabilities (C, h, w)."""
    classes = np.asarray(probabilities).argmax(0).astype(np.uint8)
    shares = {name: float((classes == index).mean()) for index, name in enumerate(card.classes)}
    return Parts(task=card.task, model=card.title, shares=shares, classes=classes)
