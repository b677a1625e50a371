import numpy as np
import pytest

from facetrust.errors import UsageError
from facetrust.faces.detector import (
    WHOLE,
    Search,
    brightening,
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


def test_without_attempts_the_picture_is_looked_at_once():
    detector = Scripted()
    assert find_faces(GREY, detector, attempts=False).faces == ()
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


def test_what_other_attempts_found_stays_unless_it_is_the_same_face():
    large = np.full((600, 600, 3), 128, np.uint8)
    small = face((5.0, 5.0, 30.0, 30.0), 0.91)
    doubtful = face((30.0, 30.0, 480.0, 480.0), 0.75)
    detector = Scripted([small, doubtful], [face((310.0, 310.0, 500.0, 500.0), 0.99)])
    found = find_faces(large, detector)
    assert [round(one.box[2]) for one in found.faces] == [500, 30]


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


def test_large_faces_first_unlikely_ones_left_out():
    faces = (
        face((0.0, 0.0, 30.0, 30.0), 0.95),
        face((40.0, 0.0, 50.0, 60.0), 0.93),
        face((100.0, 0.0, 40.0, 40.0), 0.5),
        face((100.0, 50.0, 10.0, 10.0), 0.92),
    )
    found = find_faces(GREY, Scripted(shown(160 / 140, *faces)))
    assert [round(one.box[2]) for one in found.faces] == [50, 30, 10]
    assert found.left_out == 0


def test_of_more_faces_than_the_most_the_largest_are_kept_and_the_others_counted():
    faces = [face((40.0 * place, 5.0, 20.0 + place, 20.0)) for place in range(3)]
    found = find_faces(GREY, Scripted(shown(160 / 140, *faces)), search=Search(most=2))
    assert [round(one.box[2]) for one in found.faces] == [22, 21]
    assert found.left_out == 1


@pytest.mark.parametrize("search", [Search(smallest=11), Search(smallest=0), Search(most=0)])
def test_a_search_out_of_range_is_refused(search):
    with pytest.raises(UsageError, match="at least"):
        find_faces(GREY, Scripted(), search=search)


def test_a_large_picture_is_shrunk_once_and_boxes_grow_back():
    large = np.full((1280, 2560, 3), 128, np.uint8)
    detector = Scripted([face((100.0, 100.0, 80.0, 80.0), 0.95)])
    found = find_faces(large, detector, search=WHOLE)
    assert detector.sizes == [(320, 640)]
    assert found.image is large
    assert found.faces[0].box == (400, 400, 320, 320)


@pytest.mark.parametrize("size", [(480, 640), (640, 640), (64, 100)])
def test_no_picture_up_to_the_search_size_is_cut_into_tiles(size):
    detector = Scripted([face((5.0, 5.0, 80.0, 80.0), 0.95)])
    find_faces(np.full((*size, 3), 128, np.uint8), detector)
    assert len(detector.sizes) == 1


def test_a_face_of_a_tile_is_in_pixels_of_the_picture():
    # The whole, then tiles of 800 pixels at x 0 and 200, of which the second shows the face.
    large = np.full((600, 1000, 3), 128, np.uint8)
    detector = Scripted([], [], [face((700.0, 500.0, 42.0, 42.0), 0.95)])
    (found,) = find_faces(large, detector).faces
    assert detector.sizes[:3] == [(384, 640), (600, 800), (600, 800)]
    assert found.box == pytest.approx((900, 500, 42, 42))


def test_a_turned_picture_is_cut_into_tiles_as_it_stands_upright():
    tall = np.full((1000, 600, 3), 128, np.uint8)
    turned = {
        "whole": (384, 640),
        "tile": (600, 800),
    }
    found_in = {turned["whole"]: face((10.0, 10.0, 300.0, 300.0), 0.99)}

    class Turned(Scripted):
        def detect(self, image):
            self.sizes.append(image.shape[:2])
            if image.shape[:2] in found_in:
                return [found_in[image.shape[:2]]]
            small = face((700.0, 500.0, 42.0, 42.0), 0.95)
            return [small] if image.shape[:2] == turned["tile"] and self.sizes.count((600, 800)) == 1 else []

    found = find_faces(tall, Turned())
    assert found.turns == 1
    assert [round(max(one.box[2:])) for one in found.faces] == [469, 42]
    assert found.faces[1].box[0] == pytest.approx(700)


def dim(level: int) -> np.ndarray:
    """A picture of one dark grey, with a corner twice as bright."""
    image = np.full((200, 300, 3), level, np.uint8)
    image[:50, :60] = 2 * level
    return image


class SeesBright(Scripted):
    """Finds one face where anything is white, and notes the mean of all that it was shown."""

    def detect(self, image):
        self.sizes.append(float(image.mean()))
        return [face((40.0, 40.0, 100.0, 100.0), 0.95)] if image.max() == 255 else []


def test_a_dark_picture_without_a_face_is_searched_again_brightened():
    detector = SeesBright()
    image = dim(10)
    found = find_faces(image, detector)
    assert found.faces[0].box == (40, 40, 100, 100)
    assert found.image is image  # What is judged are the pixels as they came.
    assert len(detector.sizes) == 9  # Eight attempts in the dark, and one.
    # The corner, a twentieth, becomes white; the rest half of it.
    assert detector.sizes[-1] == pytest.approx(0.05 * 255 + 0.95 * 128, abs=0.1)


@pytest.mark.parametrize(("level", "searches"), [(60, 1), (70, 0)])
def test_only_a_dark_picture_is_searched_again(level, searches):
    assert (brightening(np.full((50, 50, 3), level, np.uint8)) is not None) == bool(searches)


def test_a_dark_picture_with_a_face_is_not_searched_again():
    detector = Scripted([face((40.0, 40.0, 100.0, 100.0), 0.95)])
    find_faces(dim(10), detector)
    assert len(detector.sizes) == 1


def test_brightening_rises_from_black_to_white_and_lifts_the_mean():
    rng = np.random.default_rng(0)
    image = np.repeat(rng.integers(0, 26, (100, 100, 1), dtype=np.uint8), 3, axis=2)
    table = brightening(image)
    assert (table[0], table[25], table[255]) == (0, 255, 255)
    assert (np.diff(table.astype(int)) >= 0).all()
    # Half of white is above 0.4 already: a gain and no power, value for value.
    assert table[:26].tolist() == np.rint(np.arange(26) / 25 * 255).astype(int).tolist()


def test_a_lamp_in_the_dark_is_white_and_the_rest_is_lifted_by_a_power():
    image = np.full((100, 100, 3), 10, np.uint8)
    image[:10, :50] = 100
    power = np.log(0.4) / np.log(0.95 * 0.1 + 0.05)
    table = brightening(image)
    assert table[100] == 255
    assert table[10] == round(255 * 0.1**power)


def test_a_black_picture_holds_no_face(mtcnn):
    assert find_faces(np.zeros((200, 300, 3), np.uint8), mtcnn).faces == ()


@pytest.mark.parametrize("detector", ["mtcnn", "yunet"])
def test_a_face_in_the_dark(request, detector, portrait, near_face):
    dark = np.asarray(np.rint(portrait * 0.05), np.uint8)
    found = find_faces(dark, request.getfixturevalue(detector))
    assert near_face(found.faces[0].box)
    assert found.image is dark


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
