"""What lies beyond a card's limits is not judged: in pictures and videos, as JSON, table and CSV."""

from __future__ import annotations

import csv
import io
import json

import cv2
import numpy as np
import pytest
from PIL import Image

from facetrust import cli
from facetrust.model_file import bundled
from facetrust.records import CheckReport, QualityLimits
from facetrust.runtime.checker import Checker

LARGE, SMALL = (20.0, 20.0, 100.0, 120.0), (150.0, 30.0, 40.0, 50.0)
LIVE = np.full((200, 220, 3), 5, np.uint8)  # The tiny model calls the bright an attack.
ATTACK = LIVE.copy()
ATTACK[20:140, 20:120] = 250
LIMITS = QualityLimits(least_size=64)
REASON = "face of 40 pixels (proven from 64)"


@pytest.fixture
def gated(write_model, told):
    """Makes a checker whose model is proven from 64 pixels on, and that is told its faces."""

    def make(*boxes, limits=LIMITS, **settings):
        model = {"antispoof": write_model(limits=limits)}
        return Checker("antispoof", models=model, detector=told(*boxes), **settings)

    return make


def test_a_face_beyond_the_limits_is_not_judged_and_says_why(gated):
    report = gated(SMALL).check(LIVE)
    (face,) = report.faces
    assert (report.trusted, report.reason) == (None, f"not judged: {REASON}")
    assert face.verdicts == ()
    assert [tuple(each.model_dump().values()) for each in face.not_judged] == [
        ("antispoof", "tiny@1", REASON, False)
    ]
    assert face.quality.size == 40


@pytest.mark.parametrize(("image", "trusted"), [(LIVE, None), (ATTACK, False)])
def test_beside_it_the_others_are_judged(gated, image, trusted):
    report = gated(SMALL, LARGE).check(image)
    assert report.trusted is trusted
    assert report.reason == f"not judged: {REASON}"
    assert {face.quality.size: len(face.verdicts) for face in report.faces} == {100: 1, 40: 0}
    decisions = [verdict.decision for face in report.faces for verdict in face.verdicts]
    assert decisions == ["attack" if trusted is False else "bona fide"]


@pytest.mark.parametrize(("image", "trusted"), [(LIVE, True), (ATTACK, False)])
def test_nothing_hangs_on_what_an_advisory_model_leaves(write_model, told, image, trusted):
    models = {
        "antispoof": write_model(),
        "deepfake": write_model("unproven", task="deepfake", limits=LIMITS, advisory=True),
    }
    face = SMALL if trusted else (20.0, 20.0, 50.0, 120.0)
    report = Checker(("antispoof", "deepfake"), models=models, detector=told(face)).check(image)
    assert (report.trusted, report.reason) == (trusted, None)
    (left,) = report.faces[0].not_judged
    assert (left.task, left.advisory) == ("deepfake", True)
    alone = Checker("deepfake", models=models, detector=told(SMALL)).check(LIVE)
    assert (alone.trusted, alone.reason) == (None, f"not judged: {REASON}")


def test_many_are_counted(gated):
    report = gated(SMALL, (100.0, 30.0, 40.0, 50.0), LARGE).check(LIVE)
    assert report.reason == f"not judged: {REASON} (2 faces)"


def test_a_face_within_the_limits_and_a_card_without_any(gated):
    assert gated(LARGE).check(LIVE).trusted is True
    assert gated(SMALL, limits=None).check(LIVE).trusted is True


def test_the_gate_can_be_switched_off_and_the_report_says_so(gated):
    report = gated(SMALL, quality_gate=False).check(LIVE)
    assert (report.trusted, report.quality_gate) == (True, False)
    assert report.faces[0].quality.size == 40
    assert gated(SMALL).check(LIVE).quality_gate is True


def test_each_model_has_its_own_limits(write_model, told):
    models = {
        "antispoof": write_model("a", limits=LIMITS),
        "deepfake": write_model("d", task="deepfake", limits=QualityLimits(least_size=32)),
    }
    checker = Checker(["antispoof", "deepfake"], models=models, detector=told(SMALL))
    report = checker.check(LIVE)
    (face,) = report.faces
    assert [verdict.task for verdict in face.verdicts] == ["deepfake"]
    assert [each.task for each in face.not_judged] == ["antispoof"]
    assert report.trusted is None


def test_a_batch_keeps_the_faces_apart(gated):
    pictures = [LIVE, ATTACK, LIVE]
    found = list(gated(SMALL, LARGE).check_many(pictures, batch=3))
    assert [report.trusted for report in found] == [None, False, None]
    alone = [gated(SMALL, LARGE).check(each).faces for each in pictures]
    assert [report.faces for report in found] == alone


def test_the_evidence_picture_is_drawn_without_it(gated, tmp_path):
    report = gated(SMALL).check(LIVE, evidence=tmp_path)
    assert report.evidence_errors == ()
    assert (tmp_path / "ndarray.evidence.png").is_file()


def test_json_goes_there_and_back(gated):
    report = gated(SMALL, LARGE).check(LIVE)
    assert CheckReport.model_validate_json(report.to_json()) == report
    said = json.loads(report.to_json())
    assert (said["size"], said["width"], said["height"]) == ([200, 220], 220, 200)


class TestVideos:
    @pytest.fixture
    def clip(self, film, tmp_path):
        return film(tmp_path / "a.avi", [LIVE] * 30)

    def test_a_track_is_judged_by_its_median_quality(self, gated, clip):
        report = gated(SMALL, LARGE).check(clip)
        silent, judged = sorted(report.faces, key=lambda face: face.quality.size)
        assert (report.trusted, report.reason) == (None, f"not judged: {REASON}")
        assert (silent.quality.size, judged.quality.size) == (40, 100)
        assert silent.verdicts == ()
        assert silent.not_judged[0].reason == REASON
        assert silent.timeline.scores == {}
        assert len(judged.timeline.scores["antispoof"]) == judged.timeline.scored > 0
        assert report.verdicts[0].score == judged.verdicts[0].score

    def test_alone_it_leaves_the_video_without_a_verdict(self, gated, clip, tmp_path):
        report = gated(SMALL).check(clip, evidence=tmp_path / "maps")
        assert (report.trusted, report.verdicts) == (None, ())
        assert [path.name for path in (tmp_path / "maps").iterdir()] == ["a.track-1.evidence.png"]

    def test_with_the_gate_off_it_is_judged(self, gated, clip):
        report = gated(SMALL, quality_gate=False).check(clip)
        assert (report.trusted, report.quality_gate) == (True, False)


class TestCommandLine:
    @pytest.fixture
    def asked(self, photo, bright_model, tmp_path):
        """The portrait, put to a model that is proven from far larger faces."""
        card = json.loads(bright_model.with_suffix(".json").read_text())
        (tmp_path / "m.onnx").write_bytes(bright_model.read_bytes())
        (tmp_path / "m.json").write_text(json.dumps({**card, "limits": {"least_size": 300}}))
        return ["check", str(photo), "--task", "antispoof", "--model", str(tmp_path / "m.onnx")]

    def test_the_table_says_why_in_one_row(self, asked, capsys):
        assert cli.main(asked) == 3
        printed = capsys.readouterr().out
        assert "not judged: face of 87 pixels (proven from 300)" in printed
        assert "cannot tell" not in printed
        assert "bright@1" in printed

    def test_csv_has_a_row_with_the_reason(self, asked, capsys):
        assert cli.main([*asked, "--csv"]) == 3
        (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
        assert (row["task"], row["decision"], row["trusted"]) == ("antispoof", "", "")
        assert row["reason"] == "face of 87 pixels (proven from 300)"

    def test_it_can_be_switched_off(self, asked, capsys):
        assert cli.main([*asked, "--no-quality-gate", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["quality_gate"] is False


def jpeg(pixels, quality):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def levels(pixels, count):
    """The picture with so many levels per channel."""
    step = 255 / (count - 1)
    return (np.round(pixels / step) * step).astype(np.uint8)


def drawing():
    """A face as a child paints it: even areas and black outlines."""
    image = np.full((400, 400, 3), (200, 225, 245), np.uint8)
    cv2.ellipse(image, (200, 200), (105, 140), 0, 0, 360, (245, 205, 170), -1)
    cv2.ellipse(image, (200, 200), (105, 140), 0, 0, 360, (40, 20, 10), 4)
    for x in (160, 240):
        cv2.circle(image, (x, 170), 16, (255, 255, 255), -1)
        cv2.circle(image, (x, 170), 8, (60, 90, 160), -1)
    cv2.line(image, (200, 190), (195, 225), (40, 20, 10), 3)
    cv2.ellipse(image, (200, 260), (45, 20), 0, 0, 180, (190, 30, 40), 6)
    return image


def window(photo):
    """A photo in the window of a viewer: title bar, even ground, buttons."""
    image = np.full((photo.shape[0] + 120, photo.shape[1] + 80, 3), 238, np.uint8)
    image[:30] = (50, 80, 140)
    cv2.putText(image, "photo.jpg", (10, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1)
    for left in range(40, 300, 60):
        image[-35:-15, left : left + 30] = 120
    image[50 : 50 + photo.shape[0], 40:-40] = photo
    return image


@pytest.fixture(scope="module")
def checker():
    """The bundled model, and the detector that comes with it."""
    return Checker("antispoof")


@pytest.mark.skipif(not bundled(), reason="no student is bundled")
class TestBundled:
    """What the bundled model was never shown, and ordinary pictures beside it."""

    drawn_box = (95.0, 60.0, 210.0, 280.0)

    @pytest.fixture
    def refused(self, checker, told):
        def ask(image, box=None):
            asked = checker if box is None else Checker("antispoof", detector=told(box))
            report = asked.check(image)
            assert report.trusted is None
            assert report.faces
            assert all(face.not_judged and not face.verdicts for face in report.faces)
            return report.reason

        return ask

    def test_grey_however_it_is_tinted_and_stored(self, refused, portrait):
        grey = np.repeat(cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
        warm = np.clip(grey * (1.05, 1, 0.9), 0, 255).astype(np.uint8)
        infrared = np.clip(grey * (0.9, 0.7, 1), 0, 255).astype(np.uint8)
        sepia = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])
        brown = np.clip(portrait @ sepia.T, 0, 255).astype(np.uint8)
        for image in (grey, jpeg(grey, 70), warm, jpeg(warm, 75), infrared, brown):
            assert refused(image) == "not judged: no colour"

    def test_drawings(self, refused):
        image = drawing()
        for each in (image, jpeg(image, 75), jpeg(image, 40), levels(image, 16), image[::2, ::2]):
            factor = each.shape[0] / 400
            assert "drawn" in refused(each, tuple(factor * side for side in self.drawn_box))

    @pytest.mark.parametrize("count", [2, 4, 8, 16])
    def test_few_levels(self, refused, portrait, count):
        assert "drawn" in refused(levels(portrait, count), (178.0, 62.0, 88.0, 112.0))

    def test_dots(self, refused, portrait):
        bits = np.asarray(Image.fromarray(portrait).convert("1").convert("RGB"))
        cells = ((np.indices((512, 512)).sum(0) % 4) * 64)[:, :, None]
        halftone = np.where(portrait > cells, 255, 0).astype(np.uint8)
        for image in (bits, jpeg(bits, 75), halftone, jpeg(halftone, 75)):
            assert "drawn" in refused(image, (178.0, 62.0, 88.0, 112.0))

    @pytest.mark.parametrize("side", [15, 22, 30])
    def test_tiny_faces_also_when_they_are_enlarged(self, refused, portrait, side):
        small = cv2.resize(portrait, None, fx=side / 88, fy=side / 88, interpolation=cv2.INTER_AREA)
        box = tuple(value * side / 88 for value in (178.0, 62.0, 88.0, 112.0))
        roomy = np.full((256, 256, 3), 127, np.uint8)  # So that it is not enlarged before detection.
        roomy[: small.shape[0], : small.shape[1]] = small
        assert f"face of {side} pixels (proven from 56)" in refused(roomy, box)
        blocks = cv2.resize(small, (512, 512), interpolation=cv2.INTER_NEAREST)
        reason = refused(blocks, (178.0, 62.0, 88.0, 112.0))
        # The box may cut through a pixel on either side.
        assert any(f"face of {size} pixels (proven from 56)" in reason for size in (side, side + 1))

    def test_dark_bright_and_blurred(self, refused, portrait):
        box = (178.0, 62.0, 88.0, 112.0)
        assert "too dark" in refused((portrait * 0.1).astype(np.uint8), box)
        assert "too bright" in refused(np.clip(portrait * 1.8, 0, 255).astype(np.uint8), box)
        assert "too blurred" in refused(cv2.GaussianBlur(portrait, (0, 0), 4), box)

    @pytest.mark.parametrize("quality", [None, 60])
    def test_a_photo_in_a_window(self, refused, portrait, quality):
        image = window(portrait)
        shown = image if quality is None else jpeg(image, quality)
        assert refused(shown) == "not judged: a picture inside a window or frame"

    def test_ordinary_pictures_are_judged(self, checker, portrait):
        grey = cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY)[:, :, None].astype(float)
        pictures = {
            "plain": portrait,
            "quality 15": jpeg(portrait, 15),
            "less saturated": np.clip(grey + 0.5 * (portrait - grey), 0, 255).astype(np.uint8),
            "warm light": (portrait * (1, 0.8, 0.5)).astype(np.uint8),
            "blue light": (portrait * (0.3, 0.5, 1)).astype(np.uint8),
            "dim": (portrait * 0.3).astype(np.uint8),
            "bars of a film": cv2.copyMakeBorder(portrait, 70, 70, 0, 0, cv2.BORDER_CONSTANT),
            "palette of 256": np.asarray(Image.fromarray(portrait).quantize(256).convert("RGB")),
            "three quarters": cv2.resize(portrait, (384, 384), interpolation=cv2.INTER_AREA),
        }
        refused = {name for name, image in pictures.items() if not checker.check(image).faces[0].verdicts}
        assert refused == set()
