"""A checker that is opened once: every kind of source, overlays in memory, several threads."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from facetrust.errors import ImageError, UsageError
from facetrust.runtime.checker import Checker
from facetrust.runtime.pictures import Failure

BOX = (10.0, 10.0, 40.0, 40.0)
RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (80, 100, 3), np.uint8)


@pytest.fixture
def checker(write_model, told) -> Checker:
    return Checker("antispoof", models={"antispoof": write_model()}, detector=told(BOX))


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def sources(tmp_path):
    """The same picture in every form that it may be handed in."""
    data = png(PICTURE)
    (tmp_path / "a.png").write_bytes(data)
    opaque = np.dstack([PICTURE, np.full(PICTURE.shape[:2], 255, np.uint8)])
    return {
        "path": tmp_path / "a.png",
        "text": str(tmp_path / "a.png"),
        "bytes": data,
        "file object": io.BytesIO(data),
        "PIL image": Image.fromarray(PICTURE),
        "array": PICTURE,
        "RGBA": opaque,
    }


def test_every_form_of_a_picture_gives_the_same_score(checker, tmp_path):
    scores = {
        name: checker.check(source).faces[0].verdicts[0].score for name, source in sources(tmp_path).items()
    }
    assert len(scores) == 7
    assert len(set(scores.values())) == 1


def test_grey_is_three_equal_channels_and_bgr_is_an_argument(checker, write_model, told):
    grey = PICTURE[:, :, 0]
    triple = np.repeat(grey[:, :, None], 3, axis=2)
    assert checker.check(grey).faces == checker.check(triple).faces == checker.check(grey[:, :, None]).faces
    # The network weighs channels alike, so that the overlay has to tell their order.
    turned = Checker("antispoof", models=checker.models, detector=told(BOX), color="BGR")
    (ours,) = checker.check_with_overlays(PICTURE).overlays.values()
    (theirs,) = turned.check_with_overlays(np.ascontiguousarray(PICTURE[:, :, ::-1])).overlays.values()
    assert np.array_equal(ours, theirs)
    with pytest.raises(UsageError, match="RGB or BGR"):
        Checker("antispoof", models=checker.models, detector=told(BOX), color="GBR").check(PICTURE)


def test_transparency_is_laid_on_white(checker):
    clear = np.dstack([PICTURE, np.zeros(PICTURE.shape[:2], np.uint8)])
    assert checker.check(clear).faces == checker.check(np.full_like(PICTURE, 255)).faces


def test_a_video_may_come_as_bytes(checker, film, tmp_path):
    path = film(tmp_path / "a.avi", [PICTURE] * 5)
    report = checker.check(path.read_bytes())
    assert (report.kind, report.source) == ("video", "<bytes>")
    assert report.faces[0].verdicts == checker.check(path).faces[0].verdicts
    assert (
        checker.check_video(path.rename(tmp_path / "nameless")).faces[0].verdicts == report.faces[0].verdicts
    )


def test_overlays_are_what_would_be_written(checker, tmp_path):
    report, overlays = checker.check_with_overlays(PICTURE)
    maps = tmp_path / "maps"
    checker.check(PICTURE, evidence=maps)
    assert list(overlays) == [path.name for path in maps.iterdir()] == ["ndarray.evidence.png"]
    assert np.array_equal(
        overlays["ndarray.evidence.png"], np.asarray(Image.open(maps / "ndarray.evidence.png"))
    )
    assert report.faces


@pytest.mark.parametrize("turned", [False, True])
def test_maps_lie_over_the_picture_as_it_was_read(write_model, told, turned):
    """All of a white face speaks for an attack, by 2 logits; nothing around it says anything."""
    detector = told((40.0, 60.0, 120.0, 120.0))
    here = detector.detect
    detector.detect = lambda image: here(image) if (image.shape[0] > image.shape[1]) == turned else []
    checker = Checker("antispoof", models={"antispoof": write_model()}, detector=detector)
    report, overlays, (layer,) = checker.check_with_maps(np.full((320, 400, 3), 255, np.uint8))
    assert (layer.task, layer.track, layer.strength) == ("antispoof", None, 2.0)
    assert layer.pixels.shape == (320, 400, 4)
    rows, columns = np.nonzero(layer.pixels[:, :, 3])
    x, y, w, h = report.faces[0].box
    seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert seen == pytest.approx((x, y, x + w, y + h), abs=1.01)
    inside = layer.pixels[rows, columns]
    assert (inside[:, 3] == 255).all()
    assert (inside[:, 0] > inside[:, 2]).all()
    assert ((x, y) == pytest.approx((40, 60), abs=1)) != turned
    assert list(overlays) == ["ndarray.evidence.png"]


def test_maps_of_a_video_are_those_of_its_tracks(checker, film, tmp_path):
    path = film(tmp_path / "a.avi", [np.full((320, 400, 3), 255, np.uint8)] * 5)
    report, _, maps = checker.check_with_maps(path)
    assert [each.track for each in maps] == [face.track for face in report.faces] == [1]


def test_scenes_come_right_before_their_report_with_maps_where_overlays_are_drawn(checker, tmp_path):
    order: list[object] = []
    sources = [PICTURE, b"no picture", PICTURE[:70]]
    for folder in (None, tmp_path / "maps"):
        for result in checker.check_many(sources, evidence=folder, show=order.append):
            order.append(result)
    kinds = [type(each).__name__ for each in order]
    assert kinds == ["Scene", "CheckReport", "Failure", "Scene", "CheckReport"] * 2
    assert [len(each.maps) for each in order if type(each).__name__ == "Scene"] == [0, 0, 1, 1]
    assert order[0].image.shape == PICTURE.shape
    assert order[3].faces[0].verdicts == order[4].faces[0].verdicts


def test_threads_may_share_one(checker):
    pictures = [RNG.integers(0, 256, (60 + n, 70, 3), np.uint8) for n in range(24)]
    alone = [checker.check(picture).faces for picture in pictures]
    with ThreadPoolExecutor(8) as pool:
        together = [report.faces for report in pool.map(checker.check, pictures)]
    assert together == alone


def test_what_cannot_be_read_is_an_error_alone_and_a_failure_among_many(checker):
    with pytest.raises(ImageError, match="<bytes>: is not an image"):
        checker.check(b"no picture")
    results = list(checker.check_many([PICTURE, b"no picture", PICTURE]))
    assert [isinstance(result, Failure) for result in results] == [False, True, False]


def test_an_aligned_face_needs_its_points(write_model, told):
    from facetrust.records import Preprocessing

    aligned = Preprocessing(margins=(1.0,), size=(16, 16), align="points")
    detector = told(BOX)
    checker = Checker(
        "antispoof", models={"antispoof": write_model(preprocessing=aligned)}, detector=detector
    )
    assert len(checker.check(PICTURE).faces[0].verdicts) == 1
    detector.detect = lambda image: [
        face.model_copy(update={"points": ()}) for face in told(BOX).detect(image)
    ]
    with pytest.raises(ImageError, match="cannot be aligned"):
        checker.check(PICTURE)
