"""Large pictures in tiles: what they cover, and that a face is found once at every scale."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from facetrust.faces.detector import Search, find_faces
from facetrust.faces.tiles import OVERLAP, faces_in_tiles, merged, tile_sides, tiles_of
from facetrust.faces.tracks import intersection_over_union
from facetrust.imaging import read_image
from facetrust.records import Face

GREY = 120


def face(box, confidence=0.9):
    return Face(box=box, points=((box[0], box[1]),) * 5, confidence=confidence)


@pytest.mark.parametrize("finest", [1 / 20, 1 / 12])
@pytest.mark.parametrize(("longest", "smallest"), [(641, 12), (4000, 40), (12000, 40), (12000, 33)])
def test_no_size_of_face_falls_between_two_scales(longest, smallest, finest):
    sides = tile_sides(longest, smallest, finest=finest)
    assert sides[0] == pytest.approx(smallest / finest, abs=0.5)
    for side, larger in zip(sides, [*sides[1:], longest], strict=True):
        # What fits into the overlap reaches what the next scale finds, with room.
        assert larger * finest <= 0.8 * OVERLAP * side


@pytest.mark.parametrize(("longest", "smallest"), [(640, 40), (800, 40), (100, 12)])
def test_the_whole_picture_is_enough_where_it_shows_the_smallest_face(longest, smallest):
    assert tile_sides(longest, smallest, finest=1 / 20) == []


@pytest.mark.parametrize("size", [(800, 800), (700, 4000), (1801, 2399), (50, 90)])
def test_tiles_cover_every_face_of_a_fifth_whole(size):
    side = 800
    tiles = list(tiles_of(size, side))
    high, wide = size
    for x, y, w, h in tiles:
        assert 0 <= x <= x + w <= wide
        assert 0 <= y <= y + h <= high
    reach = round(side * OVERLAP)
    rng = np.random.default_rng(0)
    for _ in range(300):
        w, h = min(reach, wide), min(reach, high)
        x, y = rng.integers(0, wide - w + 1), rng.integers(0, high - h + 1)
        assert any(
            left <= x and x + w <= left + across and top <= y and y + h <= top + down
            for left, top, across, down in tiles
        )


class Marks:
    """A detector that takes white rectangles for faces, as it sees them: cut ones too."""

    name, sure, likely = "marks", 0.5, 0.4

    def __init__(self):
        self.largest = 0

    def detect(self, image):
        self.largest = max(self.largest, max(image.shape[:2]))
        _, _, stats, _ = cv2.connectedComponentsWithStats((image[:, :, 0] > 200).astype(np.uint8))
        found = [tuple(map(float, row[:4])) for row in stats[1:] if row[4] > 60]
        # A cut face is guessed whole, as detectors do: it reaches over the edge.
        wide, high = image.shape[1], image.shape[0]
        return [
            face(
                (
                    x - 5 * (x == 0),
                    y - 5 * (y == 0),
                    w + 5 * (x == 0) + 5 * (x + w == wide),
                    h + 5 * (y == 0) + 5 * (y + h == high),
                )
            )
            for x, y, w, h in found
        ]


def marked(size, places, side=40):
    image = np.zeros((*size, 3), np.uint8)
    for x, y in places:
        image[y : y + side, x : x + side] = 255
    return image


def test_a_face_on_a_border_of_tiles_is_found_once_and_whole():
    # Tiles of 800 pixels: x 0, 600 and 1200 of 2000, y 0 and 400 of 1200.
    tiles = list(tiles_of((1200, 2000), 800))
    assert sorted({tile[0] for tile in tiles}) == [0, 600, 1200]
    places = [
        (780, 100),
        (590, 380),
        (600, 400),
        (760, 760),
        (1390, 790),
        (1180, 1000),
        (30, 30),
        (1930, 1130),
    ]
    for place in places:
        found = find_faces(marked((1200, 2000), [place]), Marks(), search=Search(smallest=40)).faces
        assert len(found) == 1
        (x, y, w, h), edge = found[0].box, 8
        assert abs(x - place[0]) <= edge
        assert abs(y - place[1]) <= edge
        assert w == pytest.approx(40, abs=edge)
        assert h == pytest.approx(40, abs=edge)


def test_a_detector_is_never_shown_more_than_a_tile():
    detector = Marks()
    image = marked((3000, 4000), [(2000, 1500)])
    found = list(faces_in_tiles(image, detector.detect, smallest=40, finest=1 / 20))
    assert detector.largest == tile_sides(4000, 40, finest=1 / 20)[-1] < 2000
    assert {one.box for one in found} == {(2000.0, 1500.0, 40.0, 40.0)}


def slowly_merged(faces, sure):
    """Pair by pair: `faces` best first."""
    kept: list[Face] = []
    for one in faces:
        if all(intersection_over_union(one.box, other.box) <= 0.4 for other in kept):
            kept.append(one)

    def inside(one, other):
        (x, y, w, h), (a, b, c, d) = one.box, other.box
        shared = max(0, min(x + w, a + c) - max(x, a)) * max(0, min(y + h, b + d) - max(y, b))
        return other.confidence >= sure and c * d > w * h and shared > 0.8 * w * h

    return [one for one in kept if not any(inside(one, other) for other in kept if other is not one)]


@pytest.mark.parametrize("seed", range(5))
def test_merging_is_non_maximum_suppression(seed):
    rng = np.random.default_rng(seed)

    def some(count):
        return [
            face(
                (*map(float, rng.integers(0, 200, 2)), *map(float, rng.integers(10, 90, 2))),
                rng.uniform(0.9, 1),
            )
            for _ in range(count)
        ]

    whole, in_tiles = some(20), some(60)
    best = sorted(whole, key=lambda one: -one.confidence) + sorted(in_tiles, key=lambda one: -one.confidence)
    expected = slowly_merged(best, 0.97)
    found = merged(whole, in_tiles, sure=0.97)
    assert 3 < len(found) < 60
    assert sorted(one.box for one in found) == sorted(one.box for one in expected)


def test_an_unlikely_find_in_the_whole_hides_no_likely_one_of_a_tile():
    class Doubtful(Marks):
        def detect(self, image):
            whole = max(image.shape[:2]) == 640
            found = super().detect(image)
            return [one.model_copy(update={"confidence": 0.3 if whole else 0.9}) for one in found]

    (found,) = find_faces(marked((1200, 2000), [(700, 700)]), Doubtful()).faces
    assert found.confidence == 0.9


def test_a_detector_may_ask_more_of_a_find_in_a_tile():
    class Strict(Marks):
        likely_in_tiles = 0.95

    image = marked((1200, 2000), [(700, 700)])
    assert [one.confidence for one in find_faces(image, Marks()).faces] == [0.9]
    in_tile = [one for one in find_faces(image, Strict()).faces if one.box[2] == 40]
    assert in_tile == []


def test_a_part_of_a_sure_face_is_none_but_a_face_in_a_doubtful_one_stays():
    eye = face((40.0, 40.0, 20.0, 20.0), 0.95)
    assert merged([face((0.0, 0.0, 100.0, 100.0), 0.98)], [eye], sure=0.97)[0].box[2] == 100
    assert len(merged([face((0.0, 0.0, 100.0, 100.0), 0.98)], [eye], sure=0.97)) == 1
    assert len(merged([face((0.0, 0.0, 100.0, 100.0), 0.96)], [eye], sure=0.97)) == 2


def pasted(portrait, side, size, *places):
    """A grey picture with the portrait's head and shoulders so that the face is `side` pixels high."""
    head = portrait[20:220, 130:330]
    head = cv2.resize(head, None, fx=side / 112, fy=side / 112, interpolation=cv2.INTER_AREA)
    image = np.full((*size, 3), GREY, np.uint8)
    for x, y in places:
        image[y : y + head.shape[0], x : x + head.shape[1]] = head
    return image, [(x + 48 * side / 112, y + 42 * side / 112, 88 * side / 112, side) for x, y in places]


@pytest.mark.parametrize("detector", ["mtcnn", "yunet"])
@pytest.mark.parametrize(
    ("side", "size", "place"),
    [(40, (600, 12000), (7001, 300)), (90, (3000, 4000), (2900, 1700)), (60, (900, 1600), (770, 410))],
)
def test_a_small_face_in_a_large_picture(request, portrait, detector, side, size, place):
    image, (box,) = pasted(portrait, side, size, place)
    found = find_faces(image, request.getfixturevalue(detector))
    assert found.turns == 0
    (one,) = found.faces
    assert intersection_over_union(one.box, box) > 0.5


@pytest.mark.parametrize("detector", ["mtcnn", "yunet"])
def test_the_smallest_face_is_a_setting(request, portrait, detector):
    image, _ = pasted(portrait, 40, (600, 2400), (1700, 300))
    opened = request.getfixturevalue(detector)
    assert len(find_faces(image, opened, search=Search(smallest=40)).faces) == 1
    likely = [
        one
        for one in find_faces(image, opened, search=Search(smallest=110)).faces
        if one.confidence >= opened.likely
    ]
    assert likely == []


@pytest.mark.parametrize("detector", ["mtcnn", "yunet"])
def test_every_face_of_a_crowd_is_found_once(request, portrait, detector):
    # As dense as 1,200 in 2400 x 1800 pixels.
    head = cv2.resize(portrait[40:190, 150:300], (60, 60), interpolation=cv2.INTER_AREA)
    crowd = np.tile(head, (5, 16, 1))
    found = find_faces(crowd, request.getfixturevalue(detector)).faces
    cells = {(int((x + w / 2) // 60), int((y + h / 2) // 60)) for x, y, w, h in (one.box for one in found)}
    assert len(found) == len(cells)
    assert len(cells) >= 0.97 * 80


@pytest.mark.parametrize("detector", ["mtcnn", "yunet"])
def test_the_face_of_a_panorama(request, detector):
    cases = Path(os.environ.get("FACETRUST_CASES") or Path(__file__).parents[3] / "shared" / "cases")
    path = cases / "panorama.jpg"
    if not path.is_file():
        pytest.skip("no panorama: set FACETRUST_CASES to the folder with panorama.jpg")
    (found,) = find_faces(read_image(path), request.getfixturevalue(detector)).faces
    assert intersection_over_union(found.box, (8347, 126, 168, 208)) > 0.6
