"""The page about the service: its requests end as it says, its limits and routes are the program's."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
from PIL import Image

from facetrust import cli
from facetrust.model_file import bundled
from facetrust.serve import answers, desk, server, service
from facetrust.serve.settings import Limits, Settings

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = (DOCS / "serve.md").read_text()

pytestmark = pytest.mark.skipif(len(bundled()) < 4, reason="no students are bundled")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def lines(start: str) -> list[str]:
    return [line for line in "".join(blocks("sh")).splitlines() if line.startswith(start)]


@pytest.fixture(scope="module")
def place(tmp_path_factory, photo: Path, film) -> Path:
    """A folder with what the page names."""
    root = tmp_path_factory.mktemp("docs")
    face = np.asarray(Image.open(photo))[:300, 90:390]
    Image.fromarray(face).save(root / "photo.jpg", quality=95)
    Image.fromarray(face[:, ::-1].copy()).save(root / "other.jpg", quality=95)
    film(root / "clip.mp4", [np.asarray(Image.fromarray(face).resize((160, 160)))] * 3)
    (root / "notes.txt").write_text("no picture")
    return root


@pytest.fixture(scope="module")
def port(place) -> Iterator[str]:
    """The port of a service as the page starts it."""
    running = server.server_of(Settings(port=0, gallery=str(place / "people.db")))
    thread = threading.Thread(target=running.run)
    thread.start()
    while not running.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield str(running.servers[0].sockets[0].getsockname()[1])
    running.should_exit = True
    thread.join()


def test_the_requests_end_with_the_status_that_the_page_states(place, port):
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    assert len(lines("curl ")) >= 12
    for line in lines("curl "):
        words = shlex.split(line.replace("127.0.0.1:8000", f"127.0.0.1:{port}"), comments=True)
        asked = [*words, "-o", "answer", "-w", "%{http_code}"]
        done = subprocess.run(asked, cwd=place, capture_output=True, text=True, check=True)
        (stated,) = re.findall(r"# (\d+)", line)
        assert done.stdout == stated, (line, (place / "answer").read_bytes()[:200])


def test_the_python_runs(place, port, monkeypatch, capsys):
    monkeypatch.chdir(place)
    (code,) = blocks("python")
    exec(code.replace(":8000", f":{port}"), {})
    said = capsys.readouterr().out.splitlines()
    assert said[0] == '{"ready": true}'
    assert [line.split()[0] for line in said[1:]] == ["1", "2", "3"]


def test_the_commands_of_keys_do_what_the_page_says(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    for line in lines("facetrust keys "):
        assert cli.main(shlex.split(line, comments=True)[1:]) == 0, capfd.readouterr()
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600


def section(name: str) -> list[list[str]]:
    """Returns the rows of the first table below a heading."""
    text = PAGE.split(f"\n## {name}\n")[1].split("\n## ")[0]
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]


def test_the_routes_are_the_programs(port):
    documented = set(re.findall(r"`(GET|POST|DELETE|WS) (/[^`]*)`", PAGE))
    paths = httpx2.get(f"http://127.0.0.1:{port}/openapi.json").json()["paths"]
    real = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert documented == {*real, ("WS", "/v1/camera")}


def test_the_statuses_are_the_programs():
    stated = {int(each) for row in section("Refusals") for each in row[0].split(", ")}
    assert stated == {*desk.STATUSES, 405}


def test_the_limits_are_the_programs():
    limits, settings = Limits(), Settings()
    rows = {row[0]: row[1:] for row in section("Limits")}
    assert rows["bytes of a request"][0] == f"{limits.most_bytes:,}"
    assert rows["pixels of a picture"][0] == f"{limits.most_pixels:,}"
    assert rows["seconds of a video"][0] == f"{limits.longest_video:g}"
    assert rows["faces judged of a picture"][0].split(";")[0] == f"{limits.most_faces}"
    assert rows["pictures of one enrolment"][0] == f"{limits.most_pictures}"
    assert rows["requests worked on at once"][0] == f"{settings.at_work}"
    assert rows["requests that wait"][0] == f"{limits.waiting}"
    assert rows["seconds for a body"][0] == f"{limits.body_seconds:g}"
    assert rows["seconds for an answer, waiting included"][0] == f"{limits.work_seconds:g}"
    assert rows["connections"][0] == f"{limits.connections}"
    assert rows["wrong keys from one address in a minute"][0] == f"{limits.wrong_keys}"
    cameras = (
        f"{limits.cameras}, of frames of {limits.frame_bytes:,} bytes and {service.FRAME_PIXELS:,} pixels"
    )
    assert rows["cameras"][0] == cameras
    assert f"within {limits.head_seconds:g} seconds" in " ".join(PAGE.split())
    offered = {option for row in rows.values() for option in re.findall(r"--[a-z-]+", row[1])}
    assert offered <= set(re.findall(r"--[a-z-]+", (DOCS / "commands.md").read_text()))


def test_what_may_be_asked_is_named():
    for query in (answers.CheckQuery, answers.VerifyQuery, answers.ParseQuery, answers.CameraQuery):
        for name in query.model_fields:
            assert f"`{name}" in PAGE, name
    for name in answers.Frame.model_fields:
        assert f'"{name}"' in PAGE
