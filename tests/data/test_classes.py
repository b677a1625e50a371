"""Classes are converted by name, never by number."""

from __future__ import annotations

import numpy as np
import pytest

from facetrust.data.classes import converted
from facetrust.data.sources.celebamask_hq import CLASSES
from facetrust.errors import UsageError

# The orders that two well-known projects use for the same nineteen classes.
FARL = [
    "background", "neck", "skin", "cloth", "l_ear", "r_ear", "l_brow", "r_brow", "l_eye", "r_eye", "nose",
    "mouth", "l_lip", "u_lip", "hair", "eye_g", "hat", "ear_r", "neck_l",
]  # fmt: skip
BISENET = [
    "background", "skin", "l_brow", "r_brow", "l_eye", "r_eye", "eye_g", "l_ear", "r_ear", "ear_r", "nose",
    "mouth", "u_lip", "l_lip", "neck", "neck_l", "cloth", "hair", "hat",
]  # fmt: skip
MASK = np.random.default_rng(0).integers(0, 19, (24, 16)).astype(np.uint8)


@pytest.mark.parametrize("order", [FARL, BISENET, CLASSES[::-1]])
def test_there_and_back_again(order):
    assert sorted(order) == sorted(CLASSES)
    there = converted(MASK, CLASSES, order)
    assert [order[index] for index in there.ravel()] == [CLASSES[index] for index in MASK.ravel()]
    assert np.array_equal(converted(there, order, CLASSES), MASK)
    assert not np.array_equal(there, MASK)


def test_the_same_order_changes_nothing():
    assert converted(MASK, CLASSES, list(CLASSES)) is MASK


def test_a_set_with_fewer_classes_fits_one_with_more():
    lapa = ("background", "skin", "l_brow")
    assert converted(np.array([[0, 2, 1]], np.uint8), lapa, CLASSES).tolist() == [[0, 6, 1]]


def test_a_class_that_is_not_wanted_matters_where_it_is_used():
    few = ("background", "skin")
    assert converted(np.array([[0, 1]], np.uint8), CLASSES, few).tolist() == [[0, 1]]
    with pytest.raises(UsageError, match="class 'hair' is none of background, skin"):
        converted(np.array([[0, 13]], np.uint8), CLASSES, few)
    with pytest.raises(UsageError, match="index 40, which has no name"):
        converted(np.array([[40]], np.uint8), CLASSES, few)
