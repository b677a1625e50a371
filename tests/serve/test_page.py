"""The page in a real browser: what is uploaded, read, faded, played, filmed, compared, enrolled and found."""

from __future__ import annotations

import base64
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import uvicorn
from PIL import Image

from facetrust.model_file import bundled
from facetrust.records import Face, NotJudged, Verdict
from facetrust.runtime.checker import Checker
from facetrust.runtime.report.page import EvidenceReport
from facetrust.runtime.report.pictures import state_of_face
from facetrust.runtime.words import reason_says, verdict_says
from facetrust.serve import create_app
from facetrust.serve.settings import Settings

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
pytestmark = pytest.mark.skipif(len(bundled()) < 4, reason="no students are bundled")

WIDE, NARROW = {"width": 1100, "height": 900}, {"width": 360, "height": 740}
TABS = ("check", "live", "compare", "people", "about")
# Where the pictures of docs/page.md are written; nowhere without.
PICTURES = os.environ.get("FACETRUST_SCREENSHOTS")
EVIL = '<img src=x onerror="document.title=1">'


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    """A service with a gallery, on a free port of this machine."""
    app = create_app(Settings(gallery=str(tmp_path_factory.mktemp("gallery") / "people.db")))
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="websockets-sansio"))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    server.should_exit = True
    thread.join()
    listening.close()


@pytest.fixture(scope="module")
def face(photo: Path, tmp_path_factory) -> Path:
    """A small JPEG of a face."""
    path = tmp_path_factory.mktemp("face") / "face.jpg"
    # Large enough for every bundled model.
    Image.open(photo).crop((90, 0, 390, 300)).resize((450, 450)).save(path, quality=95)
    return path


@pytest.fixture(scope="module")
def browser(face: Path, tmp_path_factory) -> Iterator[Any]:
    """A browser whose camera sees the face."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    filmed = tmp_path_factory.mktemp("camera") / "face.y4m"
    filmed.write_bytes(as_y4m(np.asarray(Image.open(face))))
    flags = [
        "--no-sandbox",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={filmed}",
    ]
    with playwright.sync_playwright() as started:
        try:
            opened = started.chromium.launch(executable_path=found, args=flags)
        except playwright.Error:
            pytest.skip("no browser is installed: apt-get install chromium, or playwright install chromium")
        yield opened
        opened.close()


def as_y4m(pixels: np.ndarray) -> bytes:
    """Returns a second of a still picture (H, W, 3) as an uncompressed film, which a fake camera takes."""
    height, width = pixels.shape[:2]
    frame = b"FRAME\n" + cv2.cvtColor(pixels, cv2.COLOR_RGB2YUV_I420).tobytes()
    return f"YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420jpeg\n".encode() + 10 * frame


@pytest.fixture
def visit(browser, address) -> Iterator[Callable[..., Any]]:
    """Opens the page; the browser's console may complain of nothing until the test ends.

    But for answers of the `expected` statuses, of which it notes each.
    """
    complaints: list[str] = []
    contexts = []

    def opened(tab: str = "check", *, viewport=WIDE, scheme="light", **settings: Any) -> Any:
        context = browser.new_context(
            viewport=viewport, color_scheme=scheme, permissions=["camera"], **settings
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda each: complaints.append(each.text) if each.type != "log" else None)
        page.on("pageerror", lambda each: complaints.append(str(each)))
        page.on("request", lambda each: outside(each.url))
        page.goto(f"{address}#{tab}")
        page.wait_for_selector("html[data-ready]")
        return page

    def outside(url: str) -> None:
        if not url.startswith((address, address.replace("http", "ws"), "data:", "blob:")):
            complaints.append(f"asked of another host: {url}")

    opened.expected = ()
    yield opened
    for context in contexts:
        context.close()
    noted = tuple(
        f"Failed to load resource: the server responded with a status of {n}" for n in opened.expected
    )
    assert [each for each in complaints if not each.startswith(noted)] == []


def put(page: Any, place: str, *files: Path) -> None:
    page.set_input_files(f"{place} input[type=file]", files)


def slide(page: Any, label: str, value: int) -> None:
    """Moves a slider with the keyboard."""
    slider = page.get_by_label(label)
    slider.press("Home")
    for _ in range(value):
        slider.press("ArrowRight")


def test_a_picture_is_judged_and_its_map_is_faded(visit, face):
    page = visit()
    put(page, "#check", face)
    assert page.inner_text("#check-result .answer") == "Trusted"
    assert page.evaluate("document.activeElement.textContent") == "The answer"
    assert page.inner_text("#status") == "Trusted. 1 face."
    live, manipulated = page.query_selector_all(".verdict")
    assert "bona fide. The model takes this for a live person" in live.inner_text()
    assert "genuine (advisory)" in manipulated.inner_text()
    assert "Its answer is shown and decides nothing." in manipulated.inner_text()
    said = live.query_selector(".scale").get_attribute("aria-label")
    score, threshold = map(float, re.findall(r"\d\.\d{3}", said))
    mark, edge = (live.query_selector(f".{name}") for name in ("mark", "edge"))
    assert float(mark.get_attribute("cx")) == pytest.approx(10 + 380 * score, abs=0.3)
    assert float(edge.get_attribute("x1")) == pytest.approx(10 + 380 * threshold, abs=0.3)
    assert score < threshold
    layer = page.query_selector("img.layer")
    assert layer.evaluate("each => getComputedStyle(each).opacity") == "0.6"
    slide(page, "Map: antispoof", 5)
    page.wait_for_function("each => getComputedStyle(each).opacity === '0.05'", arg=layer)
    frame = page.query_selector("rect.frame")
    assert frame.get_attribute("class") == "frame good"


def test_a_box_lies_where_the_face_is_on_the_shown_picture(visit, face):
    page = visit(viewport=NARROW)
    put(page, "#check", face)
    page.wait_for_selector("rect.frame")
    box = page.query_selector("rect.frame").bounding_box()
    shown = page.query_selector(".stage > img").bounding_box()
    left, top = (box["x"] - shown["x"]) / shown["width"], (box["y"] - shown["y"]) / shown["height"]
    # In the portrait the face is about x 178, y 62, w 88, h 112; the crop begins at 90, 0 and is 300 large.
    assert (left, top) == (pytest.approx(88 / 300, abs=0.06), pytest.approx(62 / 300, abs=0.06))
    assert box["width"] / shown["width"] == pytest.approx(88 / 300, abs=0.06)


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_picture_is_dropped_or_pasted(visit, face, kind):
    page = visit()
    data = base64.b64encode(face.read_bytes()).decode()
    page.evaluate(
        """([kind, data]) => {
          const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
          const held = new DataTransfer();
          held.items.add(new File([bytes], "held.jpg", { type: "image/jpeg" }));
          const event = kind === "drop"
            ? new DragEvent("drop", { dataTransfer: held, bubbles: true, cancelable: true })
            : new ClipboardEvent("paste", { clipboardData: held, bubbles: true, cancelable: true });
          const place = kind === "drop" ? document.querySelector("#check .zone") : document.body;
          place.dispatchEvent(event);
        }""",
        [kind, data],
    )
    page.wait_for_selector("#check-result .answer")
    assert page.inner_text("#check .chosen") == "held.jpg"
    assert page.inner_text("#check-result .answer") == "Trusted"


def test_a_face_that_is_not_judged_is_never_called_trusted(visit, face, tmp_path):
    dark = tmp_path / f"{EVIL.replace('/', '')}.png"
    Image.fromarray(np.asarray(Image.open(face)) // 20).save(dark)
    page = visit()
    put(page, "#check", dark)
    assert page.inner_text("#check-result .answer") in ("Cannot tell", "Not trusted")
    assert page.query_selector_all("#check-result .good") == []
    assert EVIL in page.inner_text("#check .chosen")
    assert page.title() == "facetrust"
    wall = tmp_path / "wall.png"
    Image.fromarray(np.full((200, 200, 3), 128, np.uint8)).save(wall)
    put(page, "#check", wall)
    page.wait_for_selector("text=No face was found, so there was nothing to judge.")
    assert page.inner_text("#check-result .answer") == "Cannot tell"


def test_what_cannot_be_read_is_said_in_one_line(visit, tmp_path):
    (tmp_path / "text.jpg").write_text("no picture")
    visit.expected = (415,)
    page = visit()
    put(page, "#check", tmp_path / "text.jpg")
    page.wait_for_selector("#alert:not([hidden])")
    assert page.inner_text("#alert") == (
        "Not judged: upload: is neither a picture nor a video of a known format."
    )
    assert page.query_selector_all("#check-result .answer") == []


def test_parts_are_laid_over_the_picture_with_a_legend(visit, face):
    page = visit()
    page.check("#with-parts")
    page.uncheck("#with-maps")
    put(page, "#check", face)
    page.wait_for_selector(".legend li")
    names = {each.inner_text() for each in page.query_selector_all(".legend li")}
    assert {"skin", "nose", "hair", "left eye", "upper lip"} <= names
    assert "background" not in names
    clear, painted = page.evaluate(
        """() => {
          const canvas = document.querySelector("canvas.layer");
          const at = (x, y) => canvas.getContext("2d").getImageData(x, y, 1, 1).data[3];
          return [at(2, 290), at(132, 118)];
        }"""
    )
    assert (clear, painted) == (0, 255)
    slide(page, "Face parts", 0)
    page.wait_for_function("() => getComputedStyle(document.querySelector('canvas.layer')).opacity === '0'")


def test_a_videos_timeline_moves_it(visit, face, film, tmp_path):
    pixels = np.asarray(Image.open(face))
    path = film(tmp_path / "clip.webm", [pixels] * 30, "VP80")
    page = visit()
    put(page, "#check", path)
    page.wait_for_selector(".chart")
    assert page.inner_text("#check-result .answer") == "Trusted"
    video = page.query_selector("#check-result video")
    page.wait_for_function("each => each.readyState >= 2", arg=video)
    now = "each => each.currentTime"
    chart = page.query_selector(".chart")
    box = chart.bounding_box()
    chart.click(position={"x": (44 + 720 * 0.5) / 788 * box["width"], "y": 10})
    page.wait_for_function("each => Math.abs(each.currentTime - 0.6) < 0.05 && !each.seeking", arg=video)
    chart.press("ArrowRight")
    assert video.evaluate(now) == pytest.approx(0.85, abs=0.05)
    assert chart.get_attribute("role") == "slider"
    assert re.fullmatch(r"0\.8\d seconds, track 1 scores 0\.\d\d", chart.get_attribute("aria-valuetext"))
    page.click("text=Show its most telling moment")
    page.wait_for_selector("#check-result .stage > svg:not([hidden]) .frame")
    page.wait_for_selector("#check-result .stage > img.layer:not([hidden])")
    telling = video.evaluate(now)
    chart.press("End")
    page.wait_for_function("each => each.currentTime > 1 && !each.seeking", arg=video)
    if telling < 0.9:  # Far from that moment the box is gone, for the face may have moved.
        page.wait_for_selector("#check-result .stage > svg", state="hidden")
    chart.press("Home")
    video.evaluate("each => { each.muted = true; return each.play(); }")
    page.wait_for_function("each => each.ended", arg=video)
    page.wait_for_function("each => Number(each.getAttribute('aria-valuenow')) > 1", arg=chart)


def test_the_camera_is_judged_live_and_stops(visit):
    page = visit("live")
    page.click("#live-start")
    page.wait_for_selector("#live-result .answer.good")
    assert "bona fide" in page.inner_text("#live-result")
    page.wait_for_selector("#live-stage rect.frame.good")
    page.wait_for_function("() => parseFloat(document.getElementById('live-rate').textContent) > 0")
    page.click("#live-stop")
    assert page.evaluate("document.getElementById('live-video').srcObject") is None
    assert page.inner_text("#status") == "The camera is off."
    assert page.query_selector("#live-result").inner_text() == ""


def test_another_tab_turns_the_camera_off(visit):
    page = visit("live")
    page.click("#live-start")
    page.wait_for_selector("#live-stop:not([hidden])")
    page.press("#tab-live", "ArrowRight")
    assert page.evaluate("document.getElementById('live-video').srcObject") is None
    assert page.get_attribute("#tab-compare", "aria-selected") == "true"
    assert page.evaluate("document.activeElement.id") == "tab-compare"


def test_a_picture_is_taken_with_the_camera(visit):
    page = visit()
    page.click("#check .picker button")
    page.wait_for_function("() => document.querySelector('#shutter video').videoWidth > 0")
    page.click("#shutter-take")
    page.wait_for_selector("#check-result .answer")
    assert page.inner_text("#check .chosen") == "camera.jpg"
    assert len(page.query_selector_all("#check-result .face")) == 1


def test_two_pictures_are_compared(visit, face):
    page = visit("compare")
    assert page.is_disabled("#compare-go")
    put(page, "#first", face)
    put(page, "#second", face)
    page.click("#compare-go")
    page.wait_for_selector("#compare-result .answer")
    assert page.inner_text("#compare-result .answer") == "Same person"
    assert "Likeness 1.000" in page.inner_text("#compare-result")
    assert "Whether the faces are live was not asked" in page.inner_text("#compare-result")


def test_a_person_is_enrolled_found_again_and_forgotten(visit, face):
    page = visit("people")
    page.wait_for_selector("#people-list >> text=Nobody yet.")
    page.fill("#enrol-name", EVIL)
    put(page, "#enrol-pictures", face)
    page.click("#enrol button.main")
    page.wait_for_selector("#people-list strong")
    assert page.inner_text("#people-list span") == f"{EVIL}, 1 template"
    put(page, "#identify-picture", face)
    page.wait_for_selector("#people-result .answer")
    assert page.inner_text("#people-result .answer") == EVIL
    forget = page.get_by_role("button", name=f"Forget {EVIL}")
    forget.click()
    page.click("#sure button[value=no]")
    assert len(page.query_selector_all("#people-list strong")) == 1
    forget.click()
    page.click("#sure button[value=yes]")
    page.wait_for_selector("#people-list >> text=Nobody yet.")
    assert page.title() == "facetrust"


def test_the_models_are_listed_with_their_hashes(visit):
    page = visit("about")
    page.wait_for_selector("#models .box")
    assert len(page.query_selector_all("#models .box")) == len(bundled())
    assert all(re.fullmatch("[0-9a-f]{64}", each.inner_text()) for each in page.query_selector_all("code"))


def test_a_key_is_asked_for_and_kept_for_the_tab(visit):
    visit.expected = (401,)
    page = visit()
    page.route(
        "**/v1/models",
        lambda route: (
            route.continue_()
            if route.request.headers.get("authorization") == "Bearer abc"
            else route.fulfill(status=401, json={"error": "no key"})
        ),
    )
    page.click("#tab-about")
    page.wait_for_selector("#key:not([hidden])")
    page.fill("#key-text", "abc")
    page.click("#key button")
    page.wait_for_selector("#models .box")
    assert page.is_hidden("#key")


def test_the_page_says_of_faces_and_reasons_what_the_program_says(visit):
    page = visit()
    fields = {"task": "antispoof", "threshold": 0.5, "model": "tiny@1"}
    kinds = [
        Verdict(score=score, decision=word, advisory=advisory, **fields)
        for (score, word), advisory in product([(0.1, "bona fide"), (0.9, "attack")], [False, True])
    ]
    open_ = NotJudged(task="deepfake", model="tiny@1", reason="too dark")
    faces = [
        Face(box=(0, 0, 1, 1), points=(), confidence=1, verdicts=verdicts, not_judged=refused)
        for verdicts, refused in product([(), *product(kinds), *product(kinds, kinds)], [(), (open_,)])
    ]
    told = [face.model_dump(mode="json") for face in faces]
    states = page.evaluate("async (all) => all.map((await import('/words.js')).faceState)", told)
    assert states == [state_of_face(face) for face in faces]
    assert set(states) == {"good", "bad", "open"}
    reasons = [
        "no face found",
        "not judged: too blurred, face of 18 pixels (proven from 56); no colour (2 faces)",
        "too many faces: 7 not judged",
        "the moon is full",
        None,
    ]
    said = page.evaluate("async (all) => all.map((await import('/words.js')).reasonSays)", reasons)
    assert said == [list(reason_says(reason)) for reason in reasons]
    sentences = page.evaluate(
        "async (all) => all.map((await import('/words.js')).verdictSays)",
        [kind.model_dump(mode="json") for kind in kinds],
    )
    assert sentences == [verdict_says(kind) for kind in kinds]


def test_a_scan_for_accessibility_finds_nothing_serious(visit, face):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    page = visit()
    put(page, "#check", face)
    page.wait_for_selector("#check-result .answer")
    found = {}
    for tab, scheme in product(TABS, ("light", "dark")):
        page.click(f"#tab-{tab}")
        page.emulate_media(color_scheme=scheme)
        results = axe.run(page).response
        assert len(results["passes"]) >= 10
        found |= {
            f"{tab}, {scheme}: {each['id']}": [node["target"] for node in each["nodes"]]
            for each in results["violations"]
            if each["impact"] in ("serious", "critical")
        }
    assert found == {}


def test_an_evidence_report_fades_its_maps_and_is_read_without_a_script(browser, face, tmp_path):
    """The page that `check --report` writes, whose policy lets its own script alone run."""
    checker = Checker()
    report = EvidenceReport(checker)
    list(report.recording(checker.check_many([face], evidence=tmp_path / "maps", show=report.show)))
    report.write(tmp_path / "out.html")
    shown = {}
    for script in (True, False):
        context = browser.new_context(java_script_enabled=script)
        page, complaints = context.new_page(), []
        page.on("console", lambda each, told=complaints: told.append(each.text))
        page.on(
            "request", lambda each, told=complaints: told.append(each.url) if "http" in each.url else None
        )
        page.goto((tmp_path / "out.html").as_uri())
        assert "The model takes this for a live person" in page.inner_text("main")
        assert page.query_selector_all("image")[1].is_visible()
        shown[script] = page.query_selector(".fade").is_visible()
        if script:
            fade = page.query_selector(".fade input")
            for key in ["Home", *["ArrowRight"] * 7]:
                fade.press(key)
            assert page.query_selector_all("image")[1].get_attribute("opacity") == "0.07"
            axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
            assert axe.Axe().run(page).response["violations"] == []
        assert complaints == []
        context.close()
    assert shown == {True: True, False: False}


@pytest.mark.parametrize(("name", "viewport"), [("desktop", WIDE), ("phone", NARROW)])
def test_no_tab_is_wider_than_the_screen_and_pictures_are_taken(visit, photo, tmp_path, name, viewport):
    page = visit(viewport=viewport)
    put(page, "#check", photo)
    page.wait_for_selector("#check-result .answer")
    page.wait_for_function("() => document.querySelector('img.layer').complete")
    drawn = tmp_path / "shot.png"
    page.screenshot(path=drawn, full_page=True)
    picture = Image.open(drawn)
    assert picture.width == viewport["width"]
    assert len(picture.convert("RGB").getcolors(1 << 24) or ()) > 1000
    if PICTURES:
        small = picture.convert("RGB").quantize(256, Image.Quantize.FASTOCTREE)
        small.save(Path(PICTURES) / f"page-{name}.png", optimize=True)
    for tab in TABS:
        page.click(f"#tab-{tab}")
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], tab
