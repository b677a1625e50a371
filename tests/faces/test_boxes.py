import numpy as np
import pytest

from facetrust.faces._boxes import moved, squares, suppress


def slow_suppress(boxes, confidences, overlap, of):
    """The definition: take the best, drop whatever it overlaps, repeat."""
    left = sorted(range(len(boxes)), key=lambda i: -confidences[i])
    kept = []
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [i for i in left if share(boxes[best], boxes[i], of) <= overlap]
    return kept


def share(a, b, of):
    across = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    down = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    both = across * down
    return both / (sum(areas) - both if of == "union" else min(areas))


@pytest.mark.parametrize("of", ["union", "smaller"])
@pytest.mark.parametrize("seed", range(5))
def test_suppress_agrees_with_its_definition(seed, of):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 60, (40, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(10, 40, (40, 2))], axis=1).astype(np.float32)
    confidences = rng.permutation(40).astype(np.float32) / 40
    expected = slow_suppress(boxes.tolist(), confidences.tolist(), 0.4, of)
    assert suppress(boxes, confidences, overlap=0.4, of=of).tolist() == expected
    assert 1 < len(expected) < 40


def test_a_small_box_inside_a_large_one_goes_only_by_the_smaller_area():
    boxes = np.float32([[0, 0, 100, 100], [40, 40, 50, 50]])
    confidences = np.float32([0.9, 0.8])
    assert suppress(boxes, confidences, overlap=0.5).tolist() == [0, 1]
    assert suppress(boxes, confidences, overlap=0.5, of="smaller").tolist() == [0]


def test_no_boxes_are_no_boxes():
    none = np.empty((0, 4), np.float32)
    assert suppress(none, np.empty(0, np.float32), overlap=0.5).shape == (0,)
    assert squares(none).shape == (0, 4)


def test_squares_keep_the_centre_and_take_the_longer_side():
    assert squares(np.float32([[10, 20, 30, 60]])).tolist() == [[0, 20, 40, 60]]


def test_moved_edges():
    box = np.float32([[0, 0, 9, 19]])
    assert moved(box, np.float32([[0.1, 0.1, -0.1, 0]])).tolist() == [[1, 2, 8, 19]]
