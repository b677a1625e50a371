"""Judging in processes: the answers of threads, and what is asked again when a process dies."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.process import BaseProcess

import pytest

from facetrust.errors import FacetrustError, ModelError
from facetrust.model_file import bundled
from facetrust.serve import create_app, workers
from facetrust.serve.settings import Settings

pytestmark = pytest.mark.skipif(len(bundled()) < 4, reason="no students are bundled")

JPEG = {"content-type": "image/jpeg"}


@pytest.fixture(scope="module")
def isolated(serving, tmp_path_factory):
    """A client of a service of two processes, with a gallery."""
    return serving(isolated=True, at_work=2, gallery=str(tmp_path_factory.mktemp("isolated") / "people.db"))


def running() -> list[BaseProcess]:
    """The processes that judge."""
    return sorted(multiprocessing.active_children(), key=lambda each: each.pid or 0)


def until(true: Callable[[], object]) -> None:
    """Waits until something is so."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def to(process: BaseProcess, number: signal.Signals) -> None:
    """Sends a process a signal."""
    assert process.pid
    os.kill(process.pid, number)


def in_hand(client) -> None:
    """Waits until all processes of a service have been asked."""
    until(client.app.state.desk.service._free.empty)
    time.sleep(0.2)  # Until it is sent, which nothing tells.


def answered(client, picture: bytes):
    """The answer to a check; what differs from run to run is left out."""
    answer = client.post("/v1/check", content=picture, headers=JPEG)
    assert answer.status_code == 200, answer.text
    return {name: value for name, value in answer.json().items() if name != "timings"}


def test_processes_answer_as_threads_do(isolated, client, face_jpeg, portrait_png):
    assert answered(isolated, face_jpeg) == answered(client, face_jpeg)
    two = [("file", ("a.jpg", face_jpeg)), ("file", ("b.png", portrait_png))]
    compared = [each.post("/v1/verify", files=two).json() for each in (isolated, client)]
    assert compared[0] == compared[1]
    masks = [each.post("/v1/parse", content=face_jpeg, headers=JPEG).content for each in (isolated, client)]
    assert masks[0] == masks[1]
    evidence = [
        each.post("/v1/check?evidence=true", content=face_jpeg, headers=JPEG).json()
        for each in (isolated, client)
    ]
    assert evidence[0]["maps"] == evidence[1]["maps"]
    assert isolated.get("/v1/models").json() == client.get("/v1/models").json()


def test_refusals_cross_from_process_to_process(isolated, face_jpeg):
    refused = isolated.post("/v1/check", content=b"no picture")
    assert refused.status_code in (415, 422)
    refused = isolated.post("/v1/check?policy=strict&tasks=nothing", content=face_jpeg, headers=JPEG)
    assert (refused.status_code, "nothing" in refused.json()["error"]) == (422, True)
    assert isolated.delete("/v1/gallery/Nobody").status_code == 404


def test_what_a_process_had_in_hand_is_asked_of_another(isolated, face_jpeg, caplog):
    wanted = answered(isolated, face_jpeg)
    first, second = running()
    for each in (first, second):
        to(each, signal.SIGSTOP)
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(answered, isolated, face_jpeg) for _ in range(4)]
        in_hand(isolated)
        to(first, signal.SIGKILL)
        to(second, signal.SIGCONT)
        assert [each.result() for each in asked] == [wanted] * 4
    assert len(running()) == 2
    assert first not in running()
    (said,) = [each.getMessage() for each in caplog.records if "takes its place" in each.getMessage()]
    assert said == "the process at check ended (-9); another takes its place"


def test_a_process_that_died_with_nothing_in_hand_costs_nobody_an_answer(isolated, face_jpeg):
    wanted = answered(isolated, face_jpeg)
    for each in running():
        to(each, signal.SIGKILL)
        each.join()
    assert [answered(isolated, face_jpeg) for _ in range(3)] == [wanted] * 3


def test_a_request_that_costs_two_processes_is_given_up(serving, face_jpeg):
    client = serving(isolated=True, at_work=1)
    before = {each.pid for each in running()}
    (only,) = [each for each in running() if each.pid == max(before)]
    to(only, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.post, "/v1/check", content=face_jpeg, headers=JPEG)
        in_hand(client)
        to(only, signal.SIGKILL)
        until(lambda: {each.pid for each in running()} - before)
        (second,) = [each for each in running() if each.pid not in before]
        to(second, signal.SIGKILL)
        answer = asked.result()
    assert answer.status_code == 503
    assert answer.json() == {"error": "2 processes ended at this request; it was given up"}
    assert answered(client, face_jpeg)["trusted"] is True


def test_what_changes_the_gallery_is_asked_once(serving, face_jpeg, tmp_path):
    client = serving(isolated=True, at_work=1, gallery=str(tmp_path / "people.db"))
    newest = max(running(), key=lambda each: each.pid or 0)
    to(newest, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.post, "/v1/gallery/Grace", content=face_jpeg, headers=JPEG)
        in_hand(client)
        to(newest, signal.SIGKILL)
        answer = asked.result()
    assert (answer.status_code, "ask again" in answer.json()["error"]) == (503, True)
    assert client.get("/v1/gallery").json()["people"] == {}
    assert client.post("/v1/gallery/Grace", content=face_jpeg, headers=JPEG).status_code == 201
    assert client.get("/v1/gallery").json()["people"] == {"Grace": 1}


def test_all_processes_see_the_same_gallery(isolated, face_jpeg):
    def named() -> set[str | None]:
        """Whom four requests at once, so that both processes are asked, take the face for."""
        with ThreadPoolExecutor(4) as pool:
            asked = [
                pool.submit(isolated.post, "/v1/identify", content=face_jpeg, headers=JPEG) for _ in range(4)
            ]
            return {match["name"] for each in asked for match in each.result().json()["matches"]}

    for name in ("Grace", "Ada"):
        assert isolated.post(f"/v1/gallery/{name}", content=face_jpeg, headers=JPEG).status_code == 201
        assert named() == {name}
        assert isolated.delete(f"/v1/gallery/{name}").status_code == 200
        assert named() == {None}


def test_a_process_that_does_not_end_is_ended(serving, face_jpeg, monkeypatch):
    monkeypatch.setattr(workers, "_LATE", 0.5)
    client = serving({"work_seconds": 2.0}, isolated=True, at_work=1)
    assert answered(client, face_jpeg)["trusted"] is True
    stuck = max(running(), key=lambda each: each.pid or 0)
    to(stuck, signal.SIGSTOP)
    begun = time.monotonic()
    answer = client.post("/v1/check", content=face_jpeg, headers=JPEG)
    assert (answer.status_code, "given up" in answer.json()["error"]) == (503, True)
    until(lambda: not client.app.state.desk.pool.held)
    assert 2 <= time.monotonic() - begun < 30
    assert not stuck.is_alive()
    until(lambda: client.post("/v1/check", content=face_jpeg, headers=JPEG).status_code == 200)


def test_a_camera_goes_on_where_its_process_was(serving, face_jpeg):
    client = serving(isolated=True, at_work=1)

    def seen(socket) -> dict[str, object]:
        socket.send_bytes(face_jpeg)
        report = json.loads(socket.receive_text())["report"]
        return {"track": report["faces"][0]["track"], "scored": report["faces"][0]["timeline"]["scored"]}

    with client.websocket_connect("ws://localhost/v1/camera") as socket:
        socket.send_text('{"tasks": ["antispoof"]}')
        assert socket.receive_text() == '{"ready": true}'
        assert seen(socket) == {"track": 1, "scored": 1}
        to(max(running(), key=lambda each: each.pid or 0), signal.SIGKILL)
        # The new process has to open its models first; the window of three seconds moves on meanwhile.
        after = seen(socket)
        assert after["track"] == 1
        assert after["scored"] in (1, 2)


def test_what_fails_in_a_process_is_one_line_and_named_in_its_log(serving, capfd):
    """It is sent what no client can send, says where it failed, and goes on."""
    client = serving(isolated=True, at_work=1)  # Begun here, so that it inherits what is read below.
    before = running()
    with pytest.raises(workers.WorkFailed):
        client.app.state.desk.service.verify(None, None)
    assert running() == before
    assert re.search(r"ERROR \w+Error at \w+\.py:\d+ < ", capfd.readouterr().err)


def test_models_that_cannot_be_opened_are_said_before_it_listens(tmp_path):
    with pytest.raises(FacetrustError, match=r"missing\.onnx"):
        create_app(Settings(isolated=True, models={"antispoof": str(tmp_path / "missing.onnx")}))


def test_a_process_that_dies_while_it_opens_is_one_line_and_leaves_none(monkeypatch):
    before = set(running())

    def died(worker: workers._Worker) -> None:
        raise workers._Died

    monkeypatch.setattr(workers._Worker, "opened", died)
    with pytest.raises(ModelError, match="ended while it opened"):
        workers.Workers(Settings(at_work=1))
    assert set(running()) == before


def test_all_processes_end_with_the_service(face_jpeg):
    before = set(running())
    made = workers.Workers(Settings(at_work=2))
    assert len(set(running()) - before) == 2
    made.close()
    assert set(running()) == before
    with pytest.raises(AttributeError):
        made.nothing()
