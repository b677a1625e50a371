"""A camera over a WebSocket: reports as of a video, frames dropped while busy, and who is let in."""

from __future__ import annotations

import json
import re
import threading

import pytest
from starlette.websockets import WebSocketDisconnect

from facetrust.model_file import bundled
from facetrust.serve.keys import add_key, remove_key

pytestmark = pytest.mark.skipif(len(bundled()) < 4, reason="no students are bundled")

CAMERA = "ws://localhost/v1/camera"


@pytest.fixture(scope="module")
def client(serving):
    return serving({"cameras": 1})


def begun(socket, **first: object) -> dict[str, object]:
    socket.send_text(json.dumps(first))
    return json.loads(socket.receive_text())


def dropped(client) -> float:
    """How many frames of all cameras were dropped so far."""
    found = re.search(
        r'facetrust_camera_frames_total\{outcome="dropped"\} (\S+)', client.get("/metrics").text
    )
    return float(found[1]) if found else 0.0


def test_frames_are_answered_with_reports(client, face_jpeg):
    with client.websocket_connect(CAMERA) as socket:
        assert begun(socket, tasks=["antispoof"]) == {"ready": True}
        for _ in range(2):
            socket.send_bytes(face_jpeg)
            said = json.loads(socket.receive_text())
        assert (said["frame"], said["dropped"], said["error"]) == (2, 0, None)
        assert said["rate"] > 0
        report = said["report"]
        (face,) = report["faces"]
        assert (report["kind"], face["track"], face["timeline"]["scored"]) == ("video", 1, 2)
        assert [verdict["task"] for verdict in face["verdicts"]] == ["antispoof"]
        assert report["trusted"] is True
        socket.send_bytes(b"no picture")
        assert "neither a picture" in json.loads(socket.receive_text())["error"]
        socket.send_bytes(face_jpeg)
        assert json.loads(socket.receive_text())["report"]["faces"][0]["track"] == 1


def test_frames_are_dropped_while_one_is_judged(client, face_jpeg, monkeypatch):
    service = client.app.state.desk.service
    go_on, real = threading.Event(), service.see

    def slow(*given, **asked):
        assert go_on.wait(10)
        return real(*given, **asked)

    with client.websocket_connect(CAMERA) as socket:
        begun(socket)
        monkeypatch.setattr(service, "see", slow)
        for _ in range(6):
            socket.send_bytes(face_jpeg)
        while dropped(client) < 5:
            pass
        go_on.set()
        first = json.loads(socket.receive_text())
        assert (first["frame"], first["dropped"]) == (1, 5)
        socket.send_bytes(face_jpeg)
        assert json.loads(socket.receive_text())["frame"] == 7


def test_a_busy_service_drops_frames_rather_than_queue_them(client, face_jpeg):
    pool = client.app.state.desk.pool
    with client.websocket_connect(CAMERA) as socket:
        begun(socket)
        with pool.place(), pool.place():  # Both threads have something to do.
            before = dropped(client)
            socket.send_bytes(face_jpeg)
            while dropped(client) == before:
                pass
        socket.send_bytes(face_jpeg)
        said = json.loads(socket.receive_text())
        assert (said["frame"], said["dropped"]) == (2, 1)


def test_there_are_as_many_cameras_as_the_limit_says(client):
    with client.websocket_connect(CAMERA) as one:
        begun(one)
        with client.websocket_connect(CAMERA) as other:
            assert "limit" in begun(other)["error"]
            with pytest.raises(WebSocketDisconnect) as closed:
                other.receive_text()
            assert closed.value.code == 1013
    with client.websocket_connect(CAMERA) as again:
        assert begun(again) == {"ready": True}


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ("nonsense", "Invalid JSON"),
        ('{"task": 1}', "task: Extra inputs"),
        ('{"tasks": ["antispof"]}', "did you mean 'antispoof'"),
        ('{"policy": "none"}', "policy: Input should be"),
        (b"bytes", "JSON text"),
    ],
)
def test_a_first_message_that_is_wrong_ends_it(client, first, said):
    with client.websocket_connect(CAMERA) as socket:
        socket.send_bytes(first) if isinstance(first, bytes) else socket.send_text(first)
        assert said in json.loads(socket.receive_text())["error"]
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
        assert closed.value.code == 1008


def test_text_instead_of_a_frame_ends_it(client):
    with client.websocket_connect(CAMERA) as socket:
        begun(socket)
        socket.send_text("a frame")
        assert "binary" in json.loads(socket.receive_text())["error"]


@pytest.mark.parametrize("headers", [{"origin": "https://example.org"}, {"host": "example.org"}])
def test_a_page_of_another_origin_is_not_let_in(client, headers):
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(CAMERA, headers=headers):
        pass


def test_a_key_is_asked_for_where_there_are_keys(serving, tmp_path, face_jpeg):
    made = {scope: add_key(tmp_path / "keys.json", scope, (scope,)) for scope in ("check", "gallery")}
    client = serving(keys=tmp_path / "keys.json")
    for key, said in ((None, "an API key is needed"), ("wrong", "not known"), (made["gallery"], "scope")):
        with client.websocket_connect(CAMERA) as socket:
            assert said in begun(socket, key=key)["error"]
    with client.websocket_connect(CAMERA) as socket:
        assert begun(socket, key=made["check"]) == {"ready": True}
        socket.send_bytes(face_jpeg)
        assert json.loads(socket.receive_text())["report"]["trusted"] is True
        remove_key(tmp_path / "keys.json", "check")
        socket.send_bytes(face_jpeg)
        assert "not known" in json.loads(socket.receive_text())["error"]
