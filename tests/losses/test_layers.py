from __future__ import annotations

import pytest

from facetrust.errors import UsageError
from facetrust.losses._layers import matched_layers, same_tokens


def test_equal_depths_match_one_to_one() -> None:
    assert matched_layers(12, 12) == [(i, i) for i in range(12)]


def test_a_deeper_teacher_is_asked_at_even_steps_its_last_layer_included() -> None:
    assert matched_layers(4, 12) == [(0, 2), (1, 5), (2, 8), (3, 11)]
    assert matched_layers(3, 4) == [(0, 0), (1, 1), (2, 3)]


def test_a_deeper_student_starts_at_the_teachers_first_layer() -> None:
    assert matched_layers(4, 2) == [(0, 0), (1, 0), (2, 0), (3, 1)]


@pytest.mark.parametrize(("student", "teacher"), [(s, t) for s in (1, 2, 5, 12) for t in (1, 3, 7, 24)])
def test_layers_never_go_back_and_the_last_meets_the_last(student: int, teacher: int) -> None:
    pairs = matched_layers(student, teacher)
    theirs = [j for _, j in pairs]
    assert theirs == sorted(theirs)
    assert pairs[-1] == (student - 1, teacher - 1)


def test_chosen_layers_keep_their_order_and_may_count_from_the_end() -> None:
    assert matched_layers(4, 12, (-1, 0)) == [(3, 11), (0, 2)]
    assert matched_layers(4, 12, [1]) == [(1, 5)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((4, 4, (4,)), "layers: 4 does not exist; the student has 4, 0 to 3"),
        ((4, 4, (-5,)), "layers: -5 does not exist"),
        ((4, 4, ()), "layers: none is chosen"),
        ((0, 4), "the student shows no layers"),
        ((4, 0), "the teacher shows no layers"),
    ],
)
def test_what_cannot_be_matched_is_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        matched_layers(*arguments)


def test_other_token_counts_are_refused() -> None:
    same_tokens(197, 197)
    with pytest.raises(UsageError, match="student has 197 tokens, the teacher 50"):
        same_tokens(197, 50)
