"""Planted colours come back as classes at the very pixels where they are, however the face lies."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

import facetrust
from facetrust import model_file
from facetrust.errors import ImageError, ModelError, UnknownName, UsageError
from facetrust.imaging import read_mask
from facetrust.imaging.crop import TEMPLATE, crop_matrix, crops_of
from facetrust.records import Face, Preprocessing
from facetrust.runtime.parse import Parsed, to_picture
from facetrust.runtime.part_pictures import blurred, mask_png, overlay_of, palette

pytestmark = pytest.mark.usefixtures("toy")
RED, GREEN, BLUE = (230, 20, 20), (20, 230, 20), (20, 20, 230)
BOX = (60.0, 50.0, 40.0, 40.0)


@pytest.fixture(scope="module")
def model(write_parser, tmp_path_factory):
    return write_parser(tmp_path_factory.mktemp("channels") / "channels.onnx")


@pytest.fixture(scope="module")
def aligned(write_parser, tmp_path_factory):
    how = Preprocessing(margins=(1.0,), size=(112, 112), align="points")
    return write_parser(tmp_path_factory.mktemp("aligned") / "aligned.onnx", preprocessing=how)


class Fixed:
    """A detector that finds one face with five points."""

    name, sure, likely = "fixed", 0.5, 0.4

    def __init__(self, points) -> None:
        self.points = tuple(map(tuple, points))

    def detect(self, image):
        x, y = np.min(self.points, 0)
        w, h = np.max(self.points, 0) - (x, y)
        return [Face(box=(x, y, w, h), points=self.points, confidence=0.9)]


class TurnedOnly:
    """A detector that finds a face in pictures wider than tall alone."""

    name, sure, likely = "turned", 0.5, 0.4

    def __init__(self, told) -> None:
        self.told = told

    def detect(self, image):
        return self.told.detect(image) if image.shape[1] > image.shape[0] else []


def planted(height: int = 160, width: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """A red picture with a green rectangle and a blue disc in it, and what it shows where."""
    truth = np.zeros((height, width), np.uint8)
    truth[45:70, 65:81] = 1
    cv2.circle(truth, (92, 84), 9, 2, -1)
    return np.array([RED, GREEN, BLUE], np.uint8)[truth], truth


def edges(truth: np.ndarray) -> np.ndarray:
    """The pixels within one of another class."""
    kernel = np.ones((3, 3), np.uint8)
    return cv2.dilate(truth, kernel) != cv2.erode(truth, kernel)


def agrees(found: np.ndarray, truth: np.ndarray) -> bool:
    return found.shape == truth.shape and not ((found != truth) & ~edges(truth)).any()


def test_classes_lie_where_they_were_planted_within_a_pixel(model, told):
    image, truth = planted()
    parsed = facetrust.parse(image, model=model, detector=told(BOX))
    assert set(np.unique(parsed.mask)) == {0, 1, 2}
    assert agrees(parsed.mask, truth)
    assert parsed.classes == ("red", "green", "blue")
    assert parsed.complete
    (face,) = parsed.faces
    assert sum(face.parts[0].shares.values()) == pytest.approx(1)


@pytest.mark.parametrize("fill", ["shift", "zero", "reflect", "edge"])
@pytest.mark.parametrize(
    "box", [(70.0, 52.5, 31.3, 38.9), (-5.5, 20.0, 120.0, 90.0), (60.0, 40.0, 150.0, 130.0)]
)
def test_odd_boxes_and_those_at_the_edge_too(write_parser, tmp_path, told, box, fill):
    how = Preprocessing(margins=(1.7,), size=(96, 80), fill=fill, square=box[0] > 65)
    path = write_parser(tmp_path / "m.onnx", preprocessing=how)
    image, truth = planted()
    parsed = facetrust.parse(image, model=path, detector=told(box))
    matrix = crop_matrix(image.shape, box, how)
    # A crop's pixel is wider than one of the picture where the crop was shrunk.
    reach = 2 * int(np.ceil(1 / min(matrix[0, 0], matrix[1, 1]))) + 1
    near = cv2.dilate(edges(truth).astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
    assert not ((parsed.mask != truth) & ~near).any()
    assert (parsed.mask[50:60, 70:76] == 1).all()


def test_a_pixel_of_the_crop_goes_back_to_the_pixel_that_it_was_cut_from():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    how = Preprocessing(margins=(1.0,), size=(16, 16))
    box = (12.0, 9.0, 16.0, 16.0)  # One to one.
    (crop,) = crops_of(image, box, how)
    certain = np.eye(256)[crop[:, :, 0]].transpose(2, 0, 1)
    region = to_picture(certain, crop_matrix(image.shape, box, how), (16, 16), image.shape)
    rows, columns = np.nonzero(region.known)
    there = image[rows + region.top, columns + region.left, 0]
    assert len(there) == 256
    assert (region.classes[region.known] == there).all()


@pytest.mark.parametrize("turn", [0.0, 35.0, 160.0])
def test_an_aligned_face_goes_back_turned_as_it_was(aligned, turn):
    image, truth = planted(220, 240)
    centre = np.array([85.0, 75.0])
    angle = np.deg2rad(turn)
    rotate = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (np.asarray(TEMPLATE) - 56) @ rotate.T * 1.1 + centre
    parsed = facetrust.parse(image, model=aligned, detector=Fixed(points))
    # What the crop does not reach stays of the first class.
    x, y = np.meshgrid(np.arange(240), np.arange(220))
    inside = (np.stack([x, y], -1) - centre) @ rotate / 1.1
    reached = (np.abs(inside) < 54).all(-1)
    assert reached[45:70, 65:81].all()
    assert not ((parsed.mask != truth) & ~edges(truth) & reached).any()
    assert not parsed.mask[(np.abs(inside) > 58).any(-1)].any()


def test_a_picture_turned_by_a_quarter_is_given_its_mask_as_it_lies(model, told):
    image, truth = planted()
    lying = np.ascontiguousarray(np.rot90(image, -1))
    parsed = facetrust.parse(lying, model=model, detector=TurnedOnly(told(BOX)))
    assert agrees(parsed.mask, np.rot90(truth, -1))
    x, y, _, _ = parsed.faces[0].box
    assert (x, y) == (160 - 50 - 40, 60)


def test_several_faces_are_in_one_mask_which_is_of_the_first_class_elsewhere(write_parser, tmp_path, told):
    image = np.zeros((100, 200, 3), np.uint8)
    image[:] = GREEN
    path = write_parser(
        tmp_path / "m.onnx", preprocessing=Preprocessing(margins=(3.0,), size=(60, 60), fill="zero")
    )
    near, far = (40.0, 40.0, 20.0, 20.0), (100.0, 30.0, 40.0, 40.0)
    parsed = facetrust.parse(image, model=path, detector=told(near, far))
    covered = np.zeros((100, 200), bool)
    covered[20:80, 20:80] = covered[0:100, 60:180] = True
    assert (parsed.mask == covered).all()
    assert len(parsed.faces) == 2


def test_of_two_answers_the_nearest_faces_counts():
    from facetrust.runtime.parse import Region, _lay

    mask, nearest = np.zeros((10, 40), np.uint8), np.full((10, 40), np.inf, np.float32)
    known = np.ones((10, 40), bool)
    for value, box in ((1, (0.0, 0.0, 10.0, 10.0)), (2, (20.0, 0.0, 20.0, 10.0))):
        _lay(mask, nearest, Region(0, 0, np.full((10, 40), value, np.uint8), known), box)
    # On the middle row, distances in sides are |x - 5| / 10 and |x - 30| / 20: equal at x = 13.3.
    assert mask[5].tolist() == [1] * 14 + [2] * 26


def test_no_face_is_no_mask_to_rely_on(model, told):
    image, _ = planted()
    parsed = facetrust.parse(image, model=model, detector=told())
    assert not parsed.complete
    assert not parsed.mask.any()
    left = facetrust.parse(
        image,
        model=model,
        detector=told(BOX, (10.0, 10.0, 30.0, 30.0)),
        search=facetrust.runtime.parse.Search(most=1),
    )
    assert (len(left.faces), left.left_out, left.complete) == (1, 1, False)


def test_what_cannot_be_parsed_with_is_refused(
    model, write_embedder, write_parser, told, tmp_path, monkeypatch
):
    image, _ = planted()
    with pytest.raises(ModelError, match="the output of toy-tint is embedding; parts are found by"):
        facetrust.parse(image, model=write_embedder(tmp_path / "tint.onnx"))
    several = write_parser(
        tmp_path / "two.onnx", preprocessing=Preprocessing(margins=(1.0, 2.0), size=(64, 64))
    )
    with pytest.raises(ModelError, match="several crops of a face"):
        facetrust.parse(image, model=several)
    short = write_parser(tmp_path / "short.onnx", classes=("red", "green"))
    with pytest.raises(ModelError, match="its card names 2"):
        facetrust.parse(image, model=short, detector=told(BOX))
    monkeypatch.setattr(model_file, "bundled", dict)
    with pytest.raises(UsageError, match="no model that finds parts of faces is bundled"):
        facetrust.parse(image)


def test_videos_are_refused(model, film, tmp_path):
    path = film(tmp_path / "a.avi", [np.zeros((64, 64, 3), np.uint8)] * 3)
    with pytest.raises(ImageError, match=r"a\.avi: is a video"):
        facetrust.parse(path, model=model)


@pytest.fixture
def parsed(model, told) -> Parsed:
    return facetrust.parse(planted()[0], model=model, detector=told(BOX))


def test_the_png_is_indexed_and_names_its_classes(parsed, tmp_path):
    data = mask_png(parsed)
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.mode, picture.size) == ("P", (200, 160))
        shown = np.asarray(picture.convert("RGB"))
    assert (shown == palette(3)[parsed.mask]).all()
    (tmp_path / "m.png").write_bytes(data)
    mask, names = read_mask(tmp_path / "m.png")
    assert (mask == parsed.mask).all()
    assert names == parsed.classes


def test_colours_differ():
    made = palette(256)
    assert made[0].tolist() == [0, 0, 0]
    apart = np.abs(made[:20, None].astype(int) - made[None, :20]).sum(-1) + 999 * np.eye(20, dtype=int)
    assert apart.min() > 30


def test_the_overlay_has_the_picture_its_parts_and_a_legend(parsed):
    drawn = overlay_of(parsed)
    assert drawn.shape[1] == 480  # So small a picture is enlarged.
    picture, legend = drawn[:384], drawn[384:]
    y, x = round(57 * 2.4), round(72 * 2.4)
    assert picture[y, x] == pytest.approx(np.rint((np.array(GREEN) + palette(3)[1]) / 2), abs=1)
    assert (picture[5, 5] == RED).all()
    colours = {tuple(each) for each in legend.reshape(-1, 3).tolist()}
    assert {tuple(palette(3)[1].tolist()), tuple(palette(3)[2].tolist())} <= colours


def test_blurring_changes_the_chosen_parts_alone(parsed):
    image = parsed.image
    for names, hidden in (({"blur": ["green"]}, parsed.mask == 1), ({"keep": ["green"]}, parsed.mask != 1)):
        made = blurred(parsed, **names)
        assert made.shape == image.shape
        assert (made[~hidden] == image[~hidden]).all()
        assert (made[parsed.mask == 2] != image[parsed.mask == 2]).any() == bool(
            hidden[parsed.mask == 2].any()
        )
    green = blurred(parsed, blur=["green"])[parsed.mask == 1]
    assert (green.mean(0) - GREEN)[1] < -20  # It runs into the red around it.


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        ({"blur": ["gren"]}, UnknownName, "no class named 'gren'; did you mean 'green'"),
        ({"blur": ["red"], "keep": ["blue"]}, UsageError, "give one of blur and keep"),
        ({}, UsageError, "give one of blur and keep"),
    ],
)
def test_wrong_choices_are_named(parsed, names, error, message):
    with pytest.raises(error, match=message):
        blurred(parsed, **names)
