from __future__ import annotations

import cv2
import numpy as np
import pytest

from facetrust.imaging import crop_face
from facetrust.records import Preprocessing

SMALL, LARGE = (22, 22), (175, 175)
BOX = (0.0, 0.0, 60.0, 60.0)


@pytest.mark.parametrize(
    ("resize", "size", "method"),
    [
        ("area", SMALL, cv2.INTER_AREA),
        ("area", LARGE, cv2.INTER_LINEAR),
        ("cubic", SMALL, cv2.INTER_AREA),
        ("cubic", LARGE, cv2.INTER_CUBIC),
        ("linear", SMALL, cv2.INTER_LINEAR),
        ("linear", LARGE, cv2.INTER_LINEAR),
        ("nearest", SMALL, cv2.INTER_NEAREST),
        ("nearest", LARGE, cv2.INTER_NEAREST),
    ],
)
def test_a_crop_is_shrunk_and_enlarged_as_the_card_says(resize, size, method):
    image = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    found = crop_face(image, BOX, Preprocessing(margins=(1.0,), size=size, resize=resize))
    others = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)
    pictures = {each: cv2.resize(image, size, interpolation=each) for each in others}
    assert np.array_equal(found, pictures[method])
    assert len({each.tobytes() for each in pictures.values()}) == 4  # the test can tell them apart
