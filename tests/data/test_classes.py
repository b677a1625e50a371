"""Classes are converted by name, never by number."""

from __future__ import annotations

import numpy as np
import pytest

from facetrust.data.classes import IGNORED, converted, merge_of, merged_answer, merged_names
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


FINE = ("background", "skin", "neck", "l_eye", "nose", "r_eye", "hat")
MERGE = {"face": ("skin", "neck"), "eyes": ("l_eye", "r_eye"), "background": ("hat",), "ignored": ("beard",)}


def test_a_merge_is_read_from_its_texts():
    assert merge_of(["face=skin, neck", "eyes=l_eye", "eyes=r_eye"]) == {
        "face": ("skin", "neck"),
        "eyes": ("l_eye", "r_eye"),
    }
    assert merge_of([]) == {}


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["face"], "say NAME=CLASS,CLASS"),
        (["=skin"], "say NAME"),
        (["face=skin,"], "say NAME"),
        (["face=skin", "eyes=skin"], "'skin' is merged twice"),
        (["face=skin,skin"], "'skin' is merged twice"),
    ],
)
def test_a_text_that_is_no_merge_is_named(texts, said):
    with pytest.raises(UsageError, match=said):
        merge_of(texts)


def test_merged_classes_stand_once_where_they_first_come():
    assert merged_names(FINE, MERGE) == ("background", "face", "eyes", "nose")
    assert merged_names(FINE, {}) == FINE
    with pytest.raises(UsageError, match="'hat' is one of the network's answers"):
        merged_names(FINE, {"ignored": ("hat",)})


def test_the_likeliest_merged_class_is_that_of_the_likeliest_class():
    answer = np.random.default_rng(2).random((len(FINE), 12, 9))
    names = merged_names(FINE, MERGE)
    guess = converted(answer.argmax(0).astype(np.uint8), FINE, names, MERGE)
    merged = merged_answer(answer, FINE, MERGE)
    assert merged.shape == (4, 12, 9)
    assert np.array_equal(merged.argmax(0), guess)
    assert set(np.unique(guess)) == {0, 1, 2, 3}


def test_masks_are_merged_whether_they_have_the_fine_classes_or_the_merged_ones():
    wanted = merged_names(FINE, MERGE)
    assert converted(np.arange(7, dtype=np.uint8)[None], FINE, wanted, MERGE).tolist() == [
        [0, 1, 1, 2, 3, 2, 0]
    ]
    coarse = ("background", "nose", "eyes", "face", "beard")
    there = converted(np.arange(5, dtype=np.uint8)[None], coarse, wanted, MERGE)
    assert there.tolist() == [[0, 3, 2, 1, IGNORED]]
    with pytest.raises(UsageError, match="class 'tie' is none of background, face, eyes, nose"):
        converted(np.array([[1]], np.uint8), ("background", "tie"), wanted, MERGE)
