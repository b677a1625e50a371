import gc
import io
import json
import subprocess
import sys
import weakref
from functools import partial

import numpy as np
import pytest
from PIL import Image

from facetrust import model_file
from facetrust.errors import ImageError, ModelError, UnknownName, UsageError
from facetrust.imaging import quarter_turn
from facetrust.records import CheckReport, Preprocessing
from facetrust.runtime import bundled as module
from facetrust.runtime import check as checking
from facetrust.runtime.model import load_model
from facetrust.runtime.pictures import Failure

# One question, unless a test asks others.
check, check_many = (partial(each, tasks=["antispoof"]) for each in (checking.check, checking.check_many))
BOX = (20.0, 16.0, 160.0, 160.0)
BRIGHT, DARK = np.full((200, 220, 3), 250, np.uint8), np.full((200, 220, 3), 5, np.uint8)


@pytest.fixture
def models(write_model):
    return {"antispoof": load_model(write_model())}


@pytest.fixture
def ask(models, told):
    """Check with the tiny model, which calls the bright an attack, and one told face."""
    return lambda source, **more: check(source, **{"models": models, "detector": told(BOX), **more})


def encoded(array, kind="PNG", **settings) -> bytes:
    stream = io.BytesIO()
    picture = array if isinstance(array, Image.Image) else Image.fromarray(array)
    picture.save(stream, kind, **settings)
    return stream.getvalue()


def test_an_attack_is_not_trusted(ask):
    report = ask(BRIGHT)
    (face,) = report.faces
    (verdict,) = face.verdicts
    assert report.trusted is False
    assert report.reason is None
    assert (verdict.task, verdict.decision, verdict.model) == ("antispoof", "attack", "tiny@1")
    assert verdict.score == pytest.approx(1 / (1 + np.exp(2 - 4 * 250 / 255)), abs=1e-5)
    assert set(report.timings) == {"decode", "detect", "antispoof"}
    assert min(report.timings.values()) >= 0


def test_a_live_face_is_trusted(ask):
    report = ask(DARK)
    assert report.trusted is True
    assert report.faces[0].verdicts[0].decision == "bona fide"


def test_no_face_is_an_answer(models, told):
    report = check(DARK, models=models, detector=told())
    assert report.trusted is None
    assert report.reason == "no face found"
    assert report.faces == ()
    assert report.size == (200, 220)


def test_every_face_must_be_trusted(models, told):
    half = np.concatenate([BRIGHT, DARK], axis=1)
    report = check(half, models=models, detector=told(BOX, (240.0, 16.0, 150.0, 150.0)))
    assert [face.verdicts[0].decision for face in report.faces] == ["attack", "bona fide"]
    assert report.trusted is False


def test_path_bytes_and_array_agree(ask, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(BRIGHT))
    from_path, from_text, from_bytes, from_array = map(ask, (path, str(path), path.read_bytes(), BRIGHT))
    assert from_path.source == from_text.source == str(path)
    assert (from_bytes.source, from_array.source) == ("<bytes>", "<ndarray>")
    assert from_path.faces == from_text.faces == from_bytes.faces == from_array.faces


def test_a_model_by_path_and_its_report_as_json(write_model, told):
    report = check(BRIGHT, models={"antispoof": write_model()}, detector=told(BOX))
    assert CheckReport.model_validate_json(report.to_json()) == report
    assert "\n" not in report.to_json()
    assert json.loads(report.to_json())["schema"] == "facetrust.check/1"


class TestTwoQuestions:
    """A bright face on dark ground; the second model sees twice as wide a crop, a quarter of it bright."""

    box = (120.0, 120.0, 60.0, 60.0)
    image = np.full((300, 300, 3), 5, np.uint8)
    image[120:180, 120:180] = 250

    @pytest.fixture
    def two(self, write_model):
        wide = Preprocessing(margins=(2.0,), size=(16, 16))
        path = write_model("two", task="deepfake", preprocessing=wide)
        return {"deepfake": path, "antispoof": write_model("one")}

    @pytest.fixture
    def ask_both(self, two, told):
        settings = {"tasks": ["antispoof", "deepfake"], "models": two}
        return lambda **more: check(self.image, **{**settings, "detector": told(self.box), **more})

    def test_each_is_answered_from_the_crop_of_its_card(self, ask_both):
        (face,) = ask_both().faces
        levels = (250, (250 + 3 * 5) / 4)
        expected = [1 / (1 + np.exp(2 - 4 * level / 255)) for level in levels]
        assert [verdict.score for verdict in face.verdicts] == pytest.approx(expected, abs=1e-5)
        said = [(verdict.task, verdict.decision) for verdict in face.verdicts]
        assert said == [("antispoof", "attack"), ("deepfake", "genuine")]

    def test_both_are_asked_unless_one_is_named(self, two, told):
        settings = {"models": two, "detector": told(self.box)}
        reports = [checking.check(self.image, **settings), *checking.check_many([self.image], **settings)]
        for report in reports:
            assert [verdict.task for verdict in report.faces[0].verdicts] == ["antispoof", "deepfake"]

    def test_the_detector_looks_once(self, ask_both, told):
        detector = told(self.box)
        report = ask_both(detector=detector)
        assert detector.seen == [self.image.shape]
        assert set(report.timings) == {"decode", "detect", "antispoof", "deepfake"}

    @pytest.mark.parametrize(("image", "trusted"), [(BRIGHT, False), (image, False), (DARK, True)])
    def test_one_bad_answer_is_enough(self, two, told, image, trusted):
        report = check(image, tasks=["deepfake", "antispoof"], models=two, detector=told(self.box))
        assert report.trusted is trusted

    def test_the_maps_lie_side_by_side_in_one_file(self, ask_both, tmp_path):
        ask_both(evidence=tmp_path / "maps")
        (path,) = (tmp_path / "maps").iterdir()
        assert path.name == "ndarray.evidence.png"
        panels = np.split(np.asarray(Image.open(path)).astype(int), 2, axis=1)
        assert panels[0].shape == (480 + 44, 480, 3)
        beside = [panel[310, 240] for panel in panels]  # Below the face: only the wider crop reaches it.
        assert np.ptp(beside[0]) == 0
        assert np.ptp(beside[1]) > 10

    def test_a_model_that_is_not_asked_is_not_opened(self, two, told):
        two["deepfake"].unlink()
        report = check(self.image, models=two, detector=told(self.box))
        assert [verdict.task for verdict in report.faces[0].verdicts] == ["antispoof"]


def test_a_task_about_the_picture_needs_no_detector(toy, write_model):
    model = load_model(write_model(task="toy-brightness", name="maker"))
    report = check(BRIGHT, tasks=["toy-brightness"], models={"toy-brightness": model})
    assert [verdict.decision for verdict in report.verdicts] == ["bright"]
    assert (report.faces, report.trusted, report.reason) == ((), False, None)
    assert set(report.timings) == {"decode", "toy-brightness"}


@pytest.mark.parametrize(("image", "trusted"), [(BRIGHT, False), (DARK, None)])
def test_picture_and_faces_together_without_a_face(toy, write_model, told, image, trusted):
    models = {"toy-brightness": write_model("maker", task="toy-brightness"), "antispoof": write_model()}
    report = check(image, tasks=["antispoof", "toy-brightness"], models=models, detector=told())
    assert report.trusted is trusted
    assert report.reason == "no face found"


@pytest.mark.parametrize("turns", range(4))
def test_boxes_are_in_pixels_of_the_picture_as_handed_in(models, mtcnn, portrait, near_face, turns):
    turned = quarter_turn(portrait, turns)
    (face,) = check(turned, models=models, detector=mtcnn).faces
    inside = Image.new("1", turned.shape[1::-1])
    x, y, w, h = (round(side) for side in face.box)
    inside.paste(1, (x, y, x + w, y + h))
    rows, columns = np.nonzero(np.rot90(np.asarray(inside), -turns))
    assert near_face((columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1))
    assert all(x <= a <= x + w and y <= b <= y + h for a, b in face.points)


def test_the_exif_tag_is_heeded(models, mtcnn, portrait, near_face):
    exif = Image.Exif()
    exif[0x0112] = 6  # Shown after a turn by 90 degrees clockwise.
    sideways = encoded(quarter_turn(portrait[:400], 1), "JPEG", exif=exif, quality=95)
    report = check(sideways, models=models, detector=mtcnn)
    assert report.size == (400, 512)
    assert near_face(report.faces[0].box)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK", "I;16", "1", "YCbCr"])
def test_every_kind_of_picture_gives_the_same_face(models, mtcnn, portrait, near_face, mode):
    picture = Image.fromarray(portrait)
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    elif mode == "LA":
        picture = picture.convert("L").convert("LA")
    else:
        picture = picture.convert(mode)
    # Before version 13 Pillow could not read its own YCbCr TIFFs, but for compressed ones.
    settings = {"CMYK": {"kind": "TIFF"}, "YCbCr": {"kind": "TIFF", "compression": "jpeg"}}
    report = check(encoded(picture, **settings.get(mode, {})), models=models, detector=mtcnn)
    assert near_face(report.faces[0].box)


BAD = {
    "empty": b"",
    "text": b"this is no picture",
    "truncated": encoded(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8), "JPEG")[:700],
    "one pixel": encoded(np.zeros((1, 1, 3), np.uint8)),
    "float array": np.zeros((20, 20, 3)),
    "flat array": np.zeros((0, 20, 3), np.uint8),
    "two channels": np.zeros((20, 20, 2), np.uint8),
    "list": [[1, 2], [3, 4]],
    "missing": "/no/such/file.jpg",
    "folder": "/",
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_picture_is_one_line_and_stops_nothing(ask, models, told, name):
    with pytest.raises(ImageError) as caught:
        ask(BAD[name])
    assert "\n" not in str(caught.value)
    results = list(check_many([BRIGHT, BAD[name], DARK], models=models, detector=told(BOX)))
    assert isinstance(results[1], Failure)
    assert str(results[1].error) == str(caught.value)
    assert str(results[1].error).startswith(results[1].source)
    assert [results[0].trusted, results[2].trusted] == [False, True]


@pytest.mark.parametrize(("batch", "readers"), [(1, 0), (1, 2), (3, 1), (100, 3)])
def test_results_come_in_order_and_agree_with_check(ask, models, told, batch, readers):
    sources = [np.full((40 + n, 60, 3), 20 * n, np.uint8) for n in range(11)]
    sources[4] = b""
    found = list(
        check_many(
            sources, models=models, detector=told((5.0, 5.0, 30.0, 30.0)), batch=batch, readers=readers
        )
    )
    assert len(found) == 11
    assert isinstance(found[4], Failure)
    for number, result in enumerate(found):
        if number != 4:
            alone = ask(sources[number], detector=told((5.0, 5.0, 30.0, 30.0)))
            assert result.size == (40 + number, 60)
            assert result.faces == alone.faces


def test_sources_are_taken_and_let_go_as_they_are_needed(models, told):
    """However many there are, only a few have been asked for ahead of the results, and few are alive."""
    alive, taken, most = [], 0, 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            image = np.full((40, 40, 3), taken % 250, np.uint8)
            alive.append(weakref.ref(image))
            yield image

    results = check_many(endless(), models=models, detector=told((5.0, 5.0, 30.0, 30.0)), batch=4, readers=2)
    for number in range(1, 201):
        next(results)
        assert taken <= number + 12
        if number % 40 == 0:
            gc.collect()
            most = max(most, sum(ref() is not None for ref in alive))
    results.close()
    assert most <= 12


def test_evidence_is_written_for_every_picture(ask, models, told, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.png").write_bytes(encoded(BRIGHT))
    sources = [tmp_path / "a" / "x.png", tmp_path / "b" / "x.png", tmp_path / "none.png"]
    results = list(check_many(sources, models=models, detector=told(BOX), evidence=tmp_path / "out"))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "x-2.evidence.png",
        "x.evidence.png",
    ]
    assert results[0].timings["evidence"] > 0
    (face,) = results[0].faces
    named = [each.model_copy(update={"evidence_on": None}) for each in face.verdicts]
    assert all(each.evidence_on for each in face.verdicts)
    assert (face.model_copy(update={"verdicts": tuple(named)}),) == ask(BRIGHT).faces


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"tasks": ["antispoofing"]}, UnknownName, "did you mean 'antispoof'"),
        ({"tasks": []}, UsageError, "no task was asked for"),
        ({"tasks": ["toy-brightness"]}, UsageError, "no model for toy-brightness is bundled; give one"),
        ({"models": {"antispoof": "/no/model.onnx"}}, ModelError, "no such model file"),
        ({"detector": "/no/yunet.onnx"}, ModelError, "no such detector file"),
    ],
)
def test_wrong_settings_are_told_before_anything_is_read(toy, models, told, settings, error, message):
    with pytest.raises(error, match=message):
        check_many(["/no/such/picture.jpg"], **{"models": models, "detector": told(), **settings})


def test_a_model_of_another_task_is_refused(write_model, told):
    with pytest.raises(ModelError, match="is a model for deepfake, not for antispoof"):
        check(BRIGHT, models={"antispoof": write_model(task="deepfake")}, detector=told())


@pytest.mark.parametrize("source", ["a.jpg", b"bytes"])
def test_check_many_wants_several(source, models, told):
    with pytest.raises(UsageError, match="takes several sources"):
        check_many(source, models=models, detector=told())


def test_what_is_bundled_is_opened_once(write_model, monkeypatch, mtcnn):
    paths = {
        name: write_model(name, task=task)
        for task, name in [("antispoof", "antispoof-tiny"), ("deepfake", "deepfake-small")]
    }
    opened = []
    monkeypatch.setattr(model_file, "bundled", lambda: list(paths))
    monkeypatch.setattr(
        module, "load_model", lambda name, *, threads: opened.append(name) or load_model(paths[name])
    )
    monkeypatch.setattr(module, "open_detector", lambda *, threads: opened.append("mtcnn") or mtcnn)
    module._bundled_model.cache_clear()
    module._bundled_detector.cache_clear()
    try:
        check(DARK)
        check(DARK)
        asked_once = list(opened)
        checking.check(DARK)
        checking.check(DARK)
    finally:
        module._bundled_model.cache_clear()
        module._bundled_detector.cache_clear()
    assert asked_once == ["antispoof-tiny", "mtcnn"]
    assert opened == [*asked_once, "deepfake-small"]


def test_no_torch_and_nothing_else_of_training(write_model, tmp_path):
    """A whole check in a fresh interpreter, then the modules it loaded."""
    (picture := tmp_path / "a.png").write_bytes(encoded(BRIGHT))
    model = {"antispoof": str(write_model())}
    settings = {"tasks": ["antispoof"], "models": model, "evidence": str(tmp_path)}
    code = (
        "import json, sys\n"
        "import facetrust.runtime.check as c, facetrust.faces.yunet\n"
        f"c.check({str(picture)!r}, **{settings!r})\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert {"facetrust", "onnxruntime", "cv2"} <= loaded
    assert not loaded & {
        "torch",
        "torchvision",
        "timm",
        "lightning",
        "sklearn",
        "matplotlib",
        "tensorflow",
        "mtcnn",
    }
    assert done.stderr == ""
