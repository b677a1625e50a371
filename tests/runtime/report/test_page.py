"""The evidence report as a reader's browser parses it: what is shown, what is said, and what never may be."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facetrust.errors import InputError, UsageError
from facetrust.faces.detector import WHOLE
from facetrust.imaging.inputs import Encoded
from facetrust.records import QualityLimits, sha256_of
from facetrust.runtime.checker import Checker
from facetrust.runtime.report import page as report_page
from facetrust.runtime.report import pictures as report_pictures
from facetrust.runtime.report.page import EvidenceReport, check_writable

BOX = (40.0, 40.0, 160.0, 160.0)
DARK, LIGHT = 1 / (1 + np.exp(2)), 1 / (1 + np.exp(-2))  # The toy model's scores of black and white.
EVIL = '<img src=x onerror="alert(1)">&\u202egpj.png'
VOID = {"meta", "input", "img", "br", "link"}


class Page(HTMLParser):
    """A page's elements in order, as (tag, attributes), and the text of each, that within it included."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str], list[str]]] = []
        self._open: list[int] = []
        self.feed(html)
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), []))
        if tag not in VOID:
            self._open.append(len(self.elements) - 1)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), []))

    def handle_endtag(self, tag):
        assert self.elements[self._open.pop()][0] == tag

    def handle_data(self, data):
        for each in self._open:
            self.elements[each][2].append(data)

    def all(self, tag: str, kind: str = "") -> list[dict[str, str]]:
        return [a for t, a, _ in self.elements if t == tag and kind in [*a.get("class", "").split(), ""]]

    def texts(self, tag: str, kind: str = "") -> list[str]:
        return [
            " ".join("".join(text).split())
            for t, a, text in self.elements
            if t == tag and kind in [*a.get("class", "").split(), ""]
        ]


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def grey(value: int, size: tuple[int, int] = (320, 400)) -> bytes:
    return png(np.full((*size, 3), value, np.uint8))


def picture_of(uri: str, kind: str) -> np.ndarray:
    head = f"data:image/{kind};base64,"
    assert uri.startswith(head)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.removeprefix(head)))))


@pytest.fixture
def checker(write_model, told):
    def make(*boxes, **settings) -> Checker:
        card = {key: settings.pop(key) for key in ("advisory", "limits") if key in settings}
        models = {"antispoof": write_model(**card)}
        return Checker("antispoof", models=models, detector=told(*boxes), **settings)

    return make


@pytest.fixture
def made(tmp_path):
    """Checks sources and returns the page of what was found, parsed."""

    def make(checker: Checker, *sources, evidence: bool = False) -> Page:
        page = EvidenceReport(checker)
        folder = tmp_path / "maps" if evidence else None
        for _ in page.recording(checker.check_many(sources, evidence=folder, show=page.show)):
            pass
        return Page(page.html())

    return make


class TestWhatIsSaid:
    def test_a_score_stands_against_its_threshold_on_a_scale(self, checker, made):
        page = made(checker(BOX), grey(255))
        assert page.texts("span", "answer") == ["Not trusted"]
        (scale,) = page.all("svg", "scale")
        assert scale["aria-label"] == (
            f"score {LIGHT:.3f} on a scale from 0, bona fide, to 1, attack; the threshold is 0.500"
        )
        (mark,), (edge,) = page.all("circle", "mark"), page.all("line", "edge")
        assert float(mark["cx"]) == pytest.approx(10 + 380 * LIGHT, abs=0.06)
        assert float(edge["x1"]) == 200
        (verdict,) = page.texts("div", "verdict")
        assert "attack. The model takes this for a print, a screen or a mask" in verdict
        assert f"Score {LIGHT:.3f} reaches the threshold 0.500 (by hand)" in verdict

    def test_what_is_trusted_and_what_is_not_is_framed_by_its_colour(self, checker, made):
        half = np.zeros((320, 400, 3), np.uint8)
        half[:, 200:] = 255
        page = made(checker((20.0, 80.0, 160.0, 160.0), (220.0, 80.0, 160.0, 150.0)), png(half))
        frames = {each["x"]: each["class"] for each in page.all("rect", "frame")}
        assert frames == {"20.0": "frame good", "220.0": "frame bad"}
        assert page.texts("text", "number") == ["1", "2"]
        assert page.texts("h3")[:2] == ["Face 1: trusted", "Face 2: not trusted"]

    def test_an_advisory_verdict_is_called_so_and_trusts_nothing(self, checker, made):
        page = made(checker(BOX, advisory=True), grey(0))
        assert page.texts("span", "answer") == ["Cannot tell"]
        assert "bona fide (advisory)" in page.texts("strong", "open")
        assert [each["class"] for each in page.all("rect", "frame")] == ["frame open"]
        assert page.all("strong", "good") == page.all("span", "good") == []
        assert "Its answer is shown and decides nothing." in page.texts("div", "verdict")[0]

    def test_a_face_beyond_the_limits_is_not_judged_and_the_reason_is_plain(self, checker, made):
        limits = QualityLimits(least_size=200, least_sharpness=0.1)
        smooth = np.add.outer(np.arange(320), np.arange(400))[:, :, None].repeat(3, axis=2) // 4
        page = made(checker(BOX, limits=limits), png(smooth.astype(np.uint8)))
        assert page.texts("span", "answer") == ["Cannot tell"]
        assert page.texts("div", "verdict") == [
            "Is a live person in front of the camera, or a print, a screen or a mask? "
            "Not judged: face of 160 pixels (proven from 200), too blurred. The face has too few pixels for "
            "this model. Take the picture from nearer, or give a larger copy. The face is too blurred for "
            "this model. Give a sharper picture. By the limits of tiny@1."
        ]
        assert page.all("svg", "scale") == []
        assert "frame good" not in [each["class"] for each in page.all("rect", "frame")]

    def test_without_a_face_nothing_is_trusted_and_the_picture_is_shown(self, checker, made):
        page = made(checker(), grey(0))
        assert page.texts("span", "answer") == ["Cannot tell"]
        assert "No face was found, so there was nothing to judge." in page.texts("section")[0]
        assert len(page.all("image")) == 1
        assert page.all("rect", "frame") == []

    def test_models_settings_and_timings_are_stated(self, checker, made, write_model):
        opened = checker(BOX, policy=None, quality_gate=False)
        page = made(opened, grey(0))
        facts = dict(zip(page.texts("dt"), page.texts("dd"), strict=True))
        assert facts["SHA-256 of the weights"] == sha256_of(write_model())
        assert facts["decides at"] == "0.5, by by hand"
        assert facts["face detector"] == "told"
        assert facts["faces beyond a model's limits"] == "judged all the same"
        assert facts["frames looked at in a video"] == "4 a second, at most 720"
        assert facts["smallest face looked for"] == "40 pixels"
        (line,) = [each for each in page.texts("p", "soft") if "Seconds spent" in each]
        assert line.startswith("Picture, 400 × 320 pixels, 1 face.")
        assert re.search(r"decode 0\.\d{3}, detect \d+\.\d{3}, antispoof \d+\.\d{3}\.$", line)
        assert "judged too" in line


class TestPictures:
    def test_the_picture_is_inside_shrunk_and_its_boxes_with_it(self, checker, made, monkeypatch):
        monkeypatch.setattr(report_pictures, "LONGEST", 300)
        page = made(checker((200.0, 40.0, 80.0, 80.0)), grey(200, (300, 600)))
        (image,) = page.all("image")
        assert picture_of(image["href"], "jpeg").shape == (150, 300, 3)
        (frame,) = page.all("rect", "frame")
        assert [float(frame[name]) for name in ("x", "y", "width", "height")] == [100, 20, 40, 40]

    def test_maps_are_there_where_evidence_was_asked_and_can_be_faded(self, checker, made):
        half = np.zeros((320, 400, 3), np.uint8)
        half[:, 120:] = 255
        page = made(checker(BOX), png(half), evidence=True)
        picture, layer = page.all("image")
        assert [each["href"] for each in page.all("use")] == [f"#{picture['id']}"]
        (fade,) = page.all("input")
        assert (fade["type"], fade["data-map"]) == ("range", layer["id"])
        assert [each["for"] for each in page.all("label")] == [fade["id"]]
        assert 0 < float(layer["opacity"]) < 1  # It is seen without the script, too.
        (hidden,) = page.all("div", "fade")
        assert "hidden" in hidden
        pixels = picture_of(layer["href"], "png")
        assert pixels.shape == (256, 320, 4)
        assert pixels[20, 20, 3] == 0  # Outside of the crop.
        dark, bright = pixels[100, 40], pixels[100, 150]
        assert dark[2] > dark[0]  # Blue speaks against an attack.
        assert bright[0] > bright[2]
        assert dark[3] == bright[3] == 255  # Both are 2 logits, the most there is.
        (told,) = [each for each in page.texts("figcaption") if "full colour" in each]
        assert told.endswith("red speaks for an attack, blue against; full colour is 2.0 logits.")
        (verdict,) = page.texts("div", "verdict")
        assert re.search(r"What speaks for attack lies on \w+ \d+ %", verdict)

    def test_there_is_no_map_where_none_was_asked(self, checker, made):
        assert "lies on" not in made(checker(BOX), grey(0)).texts("div", "verdict")[0]
        page = made(checker(BOX), grey(255))
        assert len(page.all("image")) == 1
        assert page.all("input") == page.all("use") == []

    def test_pictures_beyond_the_room_are_left_out_and_that_is_said(self, checker, made, monkeypatch):
        noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
        sources = [png(noise + number) for number in range(3)]
        opened = checker(BOX)
        (one,) = made(opened, sources[0]).all("image")
        monkeypatch.setattr(report_page, "ROOM", int(2.5 * len(one["href"])))
        page = made(opened, *sources)
        assert len(page.all("image")) == 2
        said = [each for each in page.texts("p", "soft") if "no room" in each]
        assert said == ["The picture is left out (the picture): this file has no room for more."]
        assert len(page.texts("span", "answer")) == 3

    def test_a_large_picture_with_maps_takes_little(self, checker, tmp_path):
        noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
        large = np.asarray(Image.fromarray(noise).resize((3000, 2000)))
        opened = checker(BOX, search=WHOLE)
        page = EvidenceReport(opened)
        list(page.recording(opened.check_many([large], evidence=tmp_path / "maps", show=page.show)))
        assert len(page.html()) < 600_000


class TestSafety:
    def test_a_name_with_markup_is_text_wherever_it_stands(self, checker, made):
        sources = [Encoded(EVIL, grey(0)), Encoded(EVIL, b"no picture")]
        page = made(checker(BOX), *sources, evidence=True)
        assert page.all("img") == []
        assert [each for _, attributes, _ in page.elements for each in attributes if each[:2] == "on"] == []
        written = EVIL.replace("\u202e", r"\u202e")
        assert page.texts("h2")[:2] == [written, written]
        labels = [each["aria-label"] for each in page.all("svg", "picture")]
        assert [each.startswith(written) for each in labels] == [True, True]

    def test_nothing_is_fetched_and_only_its_own_script_may_run(self, checker, made):
        page = made(checker(BOX), grey(0), evidence=True)
        addresses = [a[name] for _, a, _ in page.elements for name in ("src", "href", "action") if name in a]
        assert {each.partition(":")[0] for each in addresses if not each.startswith("#")} == {"data"}
        assert not re.search(r"https?://|url\(|@import", "".join(page.texts("style") + page.texts("script")))
        policies = [a["content"] for a in page.all("meta") if a.get("http-equiv")]
        (script,) = ["".join(text) for tag, _, text in page.elements if tag == "script"]
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        (style,) = ["".join(text) for tag, _, text in page.elements if tag == "style"]
        styled = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert policies == [
            f"default-src 'none'; style-src 'sha256-{styled}'; img-src data:; script-src 'sha256-{digest}'"
        ]
        assert [each for _, each, _ in page.elements if "style" in each] == []
        assert "@media print" in style
        assert "prefers-color-scheme: dark" in style

    def test_names_of_elements_are_unique(self, checker, made):
        page = made(checker(BOX), grey(0), grey(255), evidence=True)
        names = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
        assert len(names) >= 6
        assert len(set(names)) == len(names)


class TestMany:
    def test_a_corrupt_one_among_many_is_named_and_the_others_stand(self, checker, made):
        page = made(checker(BOX), grey(0), b"no picture", grey(255))
        assert page.texts("span", "answer") == ["Trusted", "Could not be read", "Not trusted"]
        assert page.texts("strong")[:3] == ["1", "1", "1"]
        assert "<bytes>: is not an image of a known format" in page.texts("section")[1]
        assert [each["href"] for each in page.all("a")] == ["#input-1", "#input-2", "#input-3"]
        assert [each["id"] for each in page.all("section") if "id" in each] == [
            "input-1",
            "input-2",
            "input-3",
        ]

    def test_each_has_its_own_picture_in_batches_too(self, checker, made):
        page = made(checker(BOX), *(grey(value) for value in (0, 100, 255)), b"none", grey(50))
        shades = [picture_of(each["href"], "jpeg").mean().round() for each in page.all("image")]
        assert shades == [0, 100, 255, 50]

    def test_what_was_not_looked_at_is_listed(self, checker):
        page = EvidenceReport(checker(BOX))
        page.leave_out([InputError("none.png: no such file")], [Path("b/<b>.txt")])
        parsed = Page(page.html())
        assert parsed.texts("li") == [
            "none.png: no such file",
            "b/<b>.txt: skipped, neither a picture nor a video",
        ]
        assert parsed.all("b") == []

    def test_the_time_is_the_one_given(self, checker):
        when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        shown = when.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        assert f"Made {shown}" in EvidenceReport(checker()).html(made=when)


class TestVideos:
    @pytest.fixture
    def video(self, film, tmp_path):
        """A second of black, then two of white."""
        black, white = (np.full((320, 400, 3), value, np.uint8) for value in (0, 255))
        return film(tmp_path / "cut.avi", [black] * 25 + [white] * 50)

    @pytest.fixture
    def two(self, checker, told):
        """A checker that finds a face on the left of black frames and on the right of white ones."""
        opened = checker((20.0, 80.0, 160.0, 160.0))
        left, right = opened.detector, told((260.0, 100.0, 100.0, 100.0))  # Too small to be the same.
        here = left.detect
        left.detect = lambda image: (right.detect if image.mean() > 200 else here)(image)
        return opened

    def test_tracks_have_their_frames_lines_and_verdicts(self, two, made, video):
        page = made(two, video)
        assert page.texts("span", "answer") == ["Not trusted"]
        assert page.texts("h3")[:4] == [
            "The video as a whole",
            "Over time",
            "Track 1: trusted",
            "Track 2: not trusted",
        ]
        shades = [picture_of(each["href"], "jpeg").mean() for each in page.all("image")]
        assert shades == pytest.approx([0, 255], abs=3)
        lines = [each["points"].split() for each in page.all("polyline")]
        heights = [{float(point.split(",")[1]) for point in line} for line in lines]
        assert [len(each) for each in lines] == [4, 8]
        assert list(heights[0]) == pytest.approx([120 * (1 - DARK)], abs=0.5)
        assert list(heights[1]) == pytest.approx([120 * (1 - LIGHT)], abs=0.5)
        (threshold,) = page.all("line", "threshold")
        assert float(threshold["y1"]) == 60
        assert "3.00 seconds, 12 of 75 frames looked at; rule worst-stretch" in " ".join(page.texts("p"))

    def test_maps_of_a_video_are_those_of_each_tracks_moment(self, two, made, video):
        page = made(two, video, evidence=True)
        layers = [picture_of(each["href"], "png") for each in page.all("image") if "opacity" in each]
        colours = [layer[120, x, :3].tolist() for layer, x in zip(layers, (80, 250), strict=True)]
        assert [colour[0] > colour[2] for colour in colours] == [False, True]

    def test_a_video_without_a_face_is_not_trusted(self, checker, made, video):
        page = made(checker(), video)
        assert page.texts("span", "answer") == ["Cannot tell"]
        assert page.all("svg") == []


class TestFiles:
    def test_it_is_written_whole_into_folders_that_it_makes(self, checker, tmp_path):
        page = EvidenceReport(checker(BOX))
        page.write(tmp_path / "a" / "b.html")
        assert (tmp_path / "a" / "b.html").read_text().endswith("</html>")
        assert [each.name for each in (tmp_path / "a").iterdir()] == ["b.html"]

    def test_what_cannot_be_written_is_one_line_and_leaves_nothing(self, checker, tmp_path):
        (tmp_path / "file").write_text("kept")
        with pytest.raises(UsageError, match="cannot be written"):
            EvidenceReport(checker(BOX)).write(tmp_path / "file" / "b.html")
        for place in (tmp_path, tmp_path / "file" / "c" / "b.html"):
            with pytest.raises(UsageError, match="give another file for the report"):
                check_writable(place)
        check_writable(tmp_path / "new" / "b.html")
        assert not (tmp_path / "new").exists()
        assert (tmp_path / "file").read_text() == "kept"
