"""The process: what it may listen on, its log, how it ends, and those that judge for it."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from websockets.sync.client import connect

from facetrust import cli
from facetrust.errors import UsageError
from facetrust.model_file import bundled
from facetrust.serve import create_app
from facetrust.serve.settings import Settings, is_loopback

pytestmark = pytest.mark.skipif(len(bundled()) < 4, reason="no students are bundled")

JPEG = {"content-type": "image/jpeg"}


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "::", "example.org", ""])
def test_without_keys_no_other_machine_is_listened_to(host, capfd):
    with pytest.raises(UsageError, match="without API keys"):
        create_app(Settings(host=host))
    assert cli.main(["serve", "--host", host]) == 2
    assert re.fullmatch(r"facetrust: --host .*: without API keys .*\n", capfd.readouterr().err)


def test_a_port_that_is_taken_is_one_line_and_status_2(capfd):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert cli.main(["serve", "--port", str(taken.getsockname()[1])]) == 2
    assert "cannot be listened on (Address already in use)" in capfd.readouterr().err


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_this_machine_is_known_by_its_names(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--keys", "missing.json"], "missing.json: the API keys cannot be read"),
        (["--model", "antispoof-small"], "give the task"),
        (["--model", "antispof=a.onnx"], "did you mean 'antispoof'"),
        (["--model", "antispoof=missing.onnx"], "missing.onnx"),
        (["--model", "antispoof=a.onnx", "--model", "antispoof=b.onnx"], "a model for antispoof already"),
        (["--detector", "missing.onnx"], "missing.onnx"),
        (["--longest-video", "0"], "longest-video"),
        (["--work-seconds", "nan"], "work-seconds"),
    ],
)
def test_wrong_options_are_one_line_and_status_2(wrong, said, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["serve", "--port", "0", *wrong]) == 2
    printed = capfd.readouterr()
    assert said in printed.err
    assert len(printed.err.splitlines()) == 1


def test_without_keys_no_other_name_is_answered(serving, face_jpeg):
    """So that a page elsewhere cannot lead its name here."""
    client = serving()
    for host in ("example.org", "192.168.1.1:8000", "localhost.example.org", ""):
        answer = client.post("/v1/check", content=face_jpeg, headers={**JPEG, "host": host})
        assert answer.status_code == 403
        assert "localhost" in answer.json()["error"]


def test_the_log_holds_routes_and_times_and_no_name(serving, face_jpeg, caplog, tmp_path, monkeypatch):
    client = serving(gallery=str(tmp_path / "people.db"))
    with caplog.at_level(logging.DEBUG):
        form = [("file", ("portrait-of-grace.jpg", face_jpeg))]
        assert client.post("/v1/gallery/Grace", files=form).status_code == 201
        assert client.post("/v1/check?tasks=Hopper", files=form).status_code == 422
        assert client.get("/secret-of-grace").status_code == 404
        assert client.delete("/v1/gallery/Grace").status_code == 200
        service = client.app.state.desk.service
        monkeypatch.setattr(service, "people", lambda: {}["Grace"])
        failed = client.get("/v1/gallery")
    assert (failed.status_code, failed.json()) == (
        500,
        {"error": "this request failed; see the server's log"},
    )
    ours = [each.getMessage() for each in caplog.records if each.name.startswith(("facetrust", "uvicorn"))]
    assert re.fullmatch(r"POST /v1/gallery/\{person\} 201 \d+ ms", ours[0])
    assert any(re.match(r"KeyError at test_server\.py:\d+ < ", line) for line in ours)
    assert not re.search("grace|hopper", "\n".join(ours), re.IGNORECASE)


def test_the_log_of_a_camera_holds_no_address_and_no_query(on_a_port, caplog):
    running = on_a_port()
    with caplog.at_level(logging.DEBUG):
        with connect(f"ws://127.0.0.1:{running.port}/v1/camera?of=Grace") as camera:
            camera.send("{}")
            assert camera.recv() == '{"ready": true}'
            port = camera.socket.getsockname()[1]
        while not (ours := [each for each in caplog.records if "/v1/camera 0 frames" in each.getMessage()]):
            time.sleep(0.01)
    assert ours[0].name == "facetrust.serve"
    lines = [each.getMessage() for each in caplog.records if each.name.startswith(("facetrust", "uvicorn"))]
    assert not re.search(f"Grace|{port}", "\n".join(lines))


def test_a_full_service_answers_at_once_and_recovers(on_a_port, face_jpeg, monkeypatch):
    running = on_a_port({"waiting": 1}, at_work=1)
    service = running.desk.service
    go_on, real = threading.Event(), service.check

    def slow(*given, **more):
        assert go_on.wait(20)
        return real(*given, **more)

    monkeypatch.setattr(service, "check", slow)

    def ask(_: int) -> tuple[int, float]:
        start = time.monotonic()
        answer = httpx2.post(f"http://127.0.0.1:{running.port}/v1/check", content=face_jpeg, headers=JPEG)
        return answer.status_code, time.monotonic() - start

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, n) for n in range(2)]
        while running.desk.pool.held < 2:
            time.sleep(0.005)
        refused = list(pool.map(ask, range(6)))
        assert running.ask("GET", "/readyz").json() == {"status": "full"}
        assert running.ask("GET", "/healthz").status_code == 200
        go_on.set()
        assert [each.result()[0] for each in asked] == [200, 200]
    assert {status for status, _ in refused} == {503}
    assert max(seconds for _, seconds in refused) < 5
    assert ask(0)[0] == 200


def test_what_was_accepted_is_answered_before_it_ends(on_a_port, face_jpeg, monkeypatch):
    running = on_a_port()
    service = running.desk.service
    begun, real = threading.Event(), service.check

    def slow(*given, **more):
        begun.set()
        time.sleep(0.5)
        return real(*given, **more)

    monkeypatch.setattr(service, "check", slow)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(running.ask, "POST", "/v1/check", content=face_jpeg, headers=JPEG)
        assert begun.wait(10)
        running.server.should_exit = True
        assert answer.result().json()["trusted"] is True
    with pytest.raises(ConnectionRefusedError):
        running.said(b"GET /healthz HTTP/1.1\r\n\r\n")


@pytest.fixture
def command(tmp_path):
    """Starts `facetrust serve` in a process of its own; gives it and its port."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> tuple[subprocess.Popen[str], int]:
        log = tmp_path / "log"
        words = [sys.executable, "-m", "facetrust", "serve", "--port", "0", *options]
        with log.open("w") as file:
            process = subprocess.Popen(words, stderr=file, text=True)
        started.append(process)
        deadline = time.monotonic() + 90
        while not (found := re.search(r"serves on http://127\.0\.0\.1:(\d+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        while not _ready(int(found[1])):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return process, int(found[1])

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_of_two_processes_one_may_die_and_every_request_is_answered(command, face_jpeg):
    process, port = command("--isolated", "--at-work", "2")
    home = f"http://127.0.0.1:{port}"

    def ask(_: int) -> bool:
        answer = httpx2.post(f"{home}/v1/check", content=face_jpeg, headers=JPEG, timeout=60)
        return answer.status_code == 200 and answer.json()["trusted"] is True

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask, n) for n in range(12)]
        for _ in range(2):
            while not any(each.done() for each in asked):
                time.sleep(0.01)
            os.kill(_children(process.pid)[-1], signal.SIGKILL)
        assert [each.result() for each in asked] == [True] * 12
    counted = httpx2.get(f"{home}/metrics").text
    assert 'facetrust_requests_total{method="POST",route="/v1/check",status="200"} 12.0' in counted
    children = _children(process.pid)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) in (0, -signal.SIGTERM)
    assert not any(Path(f"/proc/{each}").exists() for each in children)


def _ready(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/readyz").json() == {"status": "ok"}
    except httpx2.TransportError:  # The port is taken, and nobody listens yet.
        return False


def _children(parent: int) -> list[int]:
    """The processes that judge, without the one that counts what is shared; a thread may have started one."""
    found = []
    for task in Path(f"/proc/{parent}/task").iterdir():
        found += (task / "children").read_text().split()
    return [int(c) for c in found if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes()]
