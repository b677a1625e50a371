import numpy as np
import pytest

from facetrust.faces.detector import (
    find_faces,
    open_detector,
    point_to_original,
    upright_to_original,
)
from facetrust.imaging import quarter_turn
from facetrust.records import Face

GREY = np.full((100, 140, 3), 128, np.uint8)
UPRIGHT = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))


def face(box=(30.0, 30.0, 40.0, 40.0), confidence=0.9, points=UPRIGHT):
    x, y, w, h = box
    return Face(box=box, points=tuple((x + a * w, y + b * h) for a, b in points), confidence=confidence)


class Scripted:
    """A detector that answers each call in turn and notes the size of what it was shown."""

    name, sure, likely = "scripted", 0.9, 0.7

    def __init__(self, *answers):
        self.answers = list(answers)
        self.sizes = []

    def detect(self, image):
        self.sizes.append(image.shape[:2])
        return self.answers.pop(0) if self.answers else []


def shown(factor, *faces):
    """The faces in the pixels of a picture that was enlarged before detection."""
    return [
        one.model_copy(
            update={
                "box": tuple(side * factor for side in one.box),
                "points": tuple((x * factor, y * factor) for x, y in one.points),
            }
        )
        for one in faces
    ]


def test_a_sure_face_ends_the_search():
    detector = Scripted(shown(160 / 140, face()))
    found = find_faces(GREY, detector)
    assert len(detector.sizes) == 1
    assert found.turns == 0
    assert found.image is GREY
    np.testing.assert_allclose(found.faces[0].box, (30, 30, 40, 40), atol=1e-4)


def test_no_face_is_an_answer_after_every_attempt():
    detector = Scripted()
    found = find_faces(GREY, detector)
    assert found.faces == ()
    assert found.turns == 0
    assert len(detector.sizes) == 8


def test_without_search_there_is_one_attempt():
    detector = Scripted()
    assert find_faces(GREY, detector, search=False).faces == ()
    assert len(detector.sizes) == 1


def test_a_padded_find_is_in_pixels_of_the_picture():
    # Half of 140 on every side: 280 x 240, no enlarging needed.
    detector = Scripted([], [face((60.0, 60.0, 160.0, 120.0), 0.95)])
    found = find_faces(GREY, detector)
    assert detector.sizes[1] == (240, 280)
    assert found.faces[0].box == (-10, -10, 160, 120)
    assert found.faces[0].points[0] == pytest.approx((60 + 48 - 70, 60 + 48 - 70))


def test_a_find_in_the_padding_is_none():
    detector = Scripted([], [face((0.0, 0.0, 60.0, 60.0), 0.95)])
    assert find_faces(GREY, detector).faces == ()


def test_a_weak_find_does_not_pre_empt_a_better_one():
    weak = shown(160 / 140, face((5.0, 5.0, 20.0, 20.0), 0.71))
    detector = Scripted(weak, [face((70.0, 70.0, 140.0, 100.0), 0.95)])
    assert find_faces(GREY, detector).faces[0].confidence == 0.95


def test_a_sure_but_tiny_face_does_not_end_the_search():
    large = np.full((600, 600, 3), 128, np.uint8)
    detector = Scripted([face((5.0, 5.0, 30.0, 30.0), 0.91)], [face((310.0, 310.0, 500.0, 500.0), 0.99)])
    assert find_faces(large, detector).faces[0].box[2] == 500


def test_the_best_turn_wins():
    turned = shown(160 / 140, face(confidence=0.8))
    detector = Scripted(turned, [], [], shown(160 / 140, face(confidence=0.99)))
    found = find_faces(GREY, detector)
    assert found.turns == 3
    assert found.image.shape == (140, 100, 3)


def test_points_that_lie_on_their_side_are_not_upright():
    sideways = tuple((y, 1 - x) for x, y in UPRIGHT)
    detector = Scripted(
        shown(160 / 140, face(confidence=0.95, points=sideways)), [], shown(160 / 140, face())
    )
    assert find_faces(GREY, detector).turns == 1


def test_equal_finds_leave_the_picture_upright():
    weak = shown(160 / 140, face(confidence=0.8))
    detector = Scripted(weak, [], weak, weak, weak)
    assert find_faces(GREY, detector).turns == 0


def test_large_faces_first_unlikely_ones_and_passers_by_left_out():
    faces = (
        face((0.0, 0.0, 30.0, 30.0), 0.95),
        face((40.0, 0.0, 50.0, 60.0), 0.93),
        face((100.0, 0.0, 40.0, 40.0), 0.5),
        face((100.0, 50.0, 10.0, 10.0), 0.92),
    )
    found = find_faces(GREY, Scripted(shown(160 / 140, *faces)))
    assert [round(one.box[2]) for one in found.faces] == [50, 30]


def test_a_large_picture_is_shrunk_once_and_boxes_grow_back():
    large = np.full((1280, 2560, 3), 128, np.uint8)
    detector = Scripted([face((100.0, 100.0, 80.0, 80.0), 0.95)])
    found = find_faces(large, detector)
    assert detector.sizes == [(320, 640)]
    assert found.image is large
    assert found.faces[0].box == (400, 400, 320, 320)


@pytest.mark.parametrize("turns", range(4))
def test_boxes_turn_back_to_where_their_pixels_were(turns):
    image = np.zeros((50, 80, 3), np.uint8)
    upright = quarter_turn(image, turns)
    upright[7:12, 20:23] = 255
    x, y, w, h = upright_to_original((20, 7, 3, 5), (50, 80), turns)
    rows, columns = np.nonzero(quarter_turn(upright, -turns)[:, :, 0])
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (x, y, x + w, y + h)
    assert point_to_original((20, 7), (50, 80), turns) in {(x, y), (x + w, y), (x, y + h), (x + w, y + h)}


@pytest.mark.parametrize("turns", range(4))
def test_mtcnn_finds_a_turned_face(mtcnn, portrait, near_face, turns):
    found = find_faces(quarter_turn(portrait, turns), mtcnn)
    assert (found.turns + turns) % 4 == 0
    assert near_face(found.faces[0].box)


@pytest.mark.parametrize("shrink", [1, 3])
def test_mtcnn_finds_a_face_cut_at_its_edge(mtcnn, portrait, shrink):
    crop = portrait[62:174:shrink, 178:266:shrink]
    (found,) = find_faces(crop, mtcnn).faces
    height, width = crop.shape[:2]
    assert found.box[2] == pytest.approx(width, rel=0.2)
    assert found.box[3] == pytest.approx(height, rel=0.2)


def test_noise_holds_no_face(mtcnn):
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    assert find_faces(noise, mtcnn).faces == ()


def test_the_detector_without_a_file_is_mtcnn():
    assert open_detector().name == "mtcnn"


@pytest.mark.real
def test_recall_on_tight_crops(real_data, mtcnn):
    from facetrust.imaging import read_image

    crops = sorted((real_data / "lfw").glob("*/*.jpg"))[::300]
    found = [find_faces(read_image(path), mtcnn) for path in crops]
    assert len(found) > 30
    assert np.mean([one.turns == 0 and len(one.faces) == 1 for one in found]) >= 0.97


@pytest.mark.real
@pytest.mark.parametrize("turns", range(4))
def test_recall_on_photos(real_data, mtcnn, turns):
    from facetrust.imaging import read_image

    photos = sorted((real_data / "nuaa" / "live").glob("*/*.jpg"))[::25]
    found = [find_faces(quarter_turn(read_image(path), turns), mtcnn) for path in photos]
    assert np.mean([bool(one.faces) and (one.turns + turns) % 4 == 0 for one in found]) >= 0.9
