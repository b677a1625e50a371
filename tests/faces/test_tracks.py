import math

import numpy as np
import pytest

from facetrust.faces.tracks import Detection, intersection_over_union, join, likeness
from facetrust.records import Face

SHARES = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))


def face(x, y, w=40.0, h=None, *, tilt=0.0, points=SHARES) -> Face:
    """A face whose points are turned about the box's centre by `tilt` radians."""
    h = w if h is None else h
    turn = np.asarray([[math.cos(tilt), -math.sin(tilt)], [math.sin(tilt), math.cos(tilt)]])
    placed = ((np.asarray(points).reshape(-1, 2) - 0.5) * (w, h)) @ turn.T + (x + w / 2, y + h / 2)
    return Face(box=(x, y, w, h), points=tuple(map(tuple, placed.tolist())), confidence=0.9)


def follow(frames, *, step=0.25, **settings) -> list[list[int]]:
    """The track numbers of each frame's faces, frames being `step` seconds apart."""
    last: dict[int, Detection] = {}
    found = []
    for number, faces in enumerate(frames):
        now = [Detection(number * step, each) for each in faces]
        numbers = join(last, now, **settings)
        last |= dict(zip(numbers, now, strict=True))
        found.append(numbers)
    return found


def test_one_moving_face_is_one_track():
    assert follow([[face(5 * n, 10 + 2 * n)] for n in range(20)]) == [[1]] * 20


@pytest.mark.parametrize("other_first", [False, True])
def test_faces_that_cross_keep_their_numbers(other_first):
    """One walks right in front, larger and lower; one walks left. At the middle their boxes overlap."""
    frames = [[face(10 * n, 30, 60), face(200 - 10 * n, 10, 36)] for n in range(21)]
    assert max(intersection_over_union(one.box, other.box) for one, other in frames) > 0.1
    frames[1:] = [pair[::-1] if other_first and n % 2 else pair for n, pair in enumerate(frames[1:])]
    for pair, numbers in zip(frames, follow(frames), strict=True):
        assert {each.box[2]: number for each, number in zip(pair, numbers, strict=True)} == {60: 1, 36: 2}


def test_a_face_that_vanishes_and_soon_returns_goes_on():
    seen, gone = [face(50, 50)], []
    assert follow([seen, gone, gone, gone, seen]) == [[1], [], [], [], [1]]  # One second, the gap itself.


def test_a_face_that_returns_too_late_is_another():
    seen, gone = [face(50, 50)], []
    assert follow([seen, gone, gone, gone, gone, seen]) == [[1], [], [], [], [], [2]]
    assert follow([seen, gone, gone, gone, gone, seen], gap=2.0)[-1] == [1]
    assert follow([seen, gone, seen], gap=0.4) == [[1], [], [2]]


def test_numbers_are_never_given_twice():
    frames = [[face(0, 0)], *([[]] * 9), [face(0, 0), face(300, 0)], *([[]] * 9), [face(300, 0)]]
    assert [numbers for numbers in follow(frames) if numbers] == [[1], [2, 3], [4]]


def test_a_jump_is_joined_by_the_points():
    here, there = face(10, 10), face(70, 30, 44)
    assert intersection_over_union(here.box, there.box) == 0
    assert follow([[here], [there]]) == [[1], [1]]
    assert likeness(here, there) == pytest.approx(1)


@pytest.mark.parametrize(
    "there",
    [
        face(95, 10),  # More than two sides away.
        face(60, 10, 61),  # Grown by more than half.
        face(60, 10, 26),
        face(60, 10, tilt=math.radians(20)),
        face(60, 10, points=[(0.5, 0.5)] * 5),
        face(60, 10, points=()),
    ],
    ids=["far", "grown", "shrunk", "tilted", "one point", "no points"],
)
def test_a_jump_to_another_face_is_not_joined(there):
    assert follow([[face(10, 10)], [there]]) == [[1], [2]]


def test_overlap_wins_over_points():
    """The second face has the first one's very shape, but the first one's place was taken by a turned one."""
    turned, same = face(12, 10, tilt=math.radians(40)), face(60, 10)
    assert follow([[face(10, 10)], [same, turned]]) == [[1], [2, 1]]


def test_no_track_is_continued_twice():
    assert follow([[face(10, 10)], [face(16, 10), face(11, 10)]]) == [[1], [2, 1]]


def test_a_large_pair_set_is_greedy_best_first():
    """Against a slow reference that takes the largest likeness left until there is none."""
    rng = np.random.default_rng(3)
    before = [face(*rng.uniform(0, 120, 2), rng.uniform(30, 50)) for _ in range(8)]
    now = [face(*rng.uniform(0, 120, 2), rng.uniform(30, 50)) for _ in range(9)]
    table = np.asarray([[likeness(one, other) for other in now] for one in before])
    expected = {}
    while table.max() > 0:
        row, column = np.unravel_index(table.argmax(), table.shape)
        expected[int(column)] = int(row) + 1
        table[row, :] = table[:, column] = 0
    last = {n: Detection(0.0, each) for n, each in enumerate(before, 1)}
    numbers = join(last, [Detection(0.2, each) for each in now])
    assert {column: number for column, number in enumerate(numbers) if number <= 8} == expected
    assert len(set(numbers)) == 9
    assert 2 <= len(expected) <= 8


@pytest.mark.parametrize("seed", range(3))
def test_intersection_over_union_counts_pixels(seed):
    x, y, w, h, a, b, c, d = np.random.default_rng(seed).integers(1, 20, 8).tolist()
    one, other = np.zeros((2, 50, 50), bool)
    one[y : y + h, x : x + w] = other[b : b + d, a : a + c] = True
    expected = (one & other).sum() / (one | other).sum()
    assert intersection_over_union((x, y, w, h), (a, b, c, d)) == pytest.approx(expected)


def test_boxes_without_area_share_nothing():
    assert intersection_over_union((5, 5, 0, 0), (5, 5, 0, 0)) == 0
    assert follow([[face(5, 5, 0.0)], [face(5, 5, 0.0)]]) == [[1], [2]]
