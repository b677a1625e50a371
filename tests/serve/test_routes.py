"""Every route answers what the command line prints for the same picture."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facetrust import cli
from facetrust.model_file import bundled

pytestmark = pytest.mark.skipif(len(bundled()) < 4, reason="no students are bundled")

PNG = {"content-type": "image/png"}


def said(report: dict[str, Any], **names: str) -> dict[str, Any]:
    """Returns a report without what differs from call to call, its source named anew."""
    return {key: value for key, value in report.items() if key not in ("timings", "source")}


def printed(capfd, *words: object) -> Any:
    """Returns what the command line prints as JSON."""
    capfd.readouterr()
    assert cli.main([*map(str, words), "--json"]) in (0, 1, 3)
    return json.loads(capfd.readouterr().out)


def as_form(*files: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    return [("file", (f"{number}.png", data)) for number, data in enumerate(files)]


def test_a_picture_is_checked_as_on_the_command_line(client, portrait_png, photo, capfd):
    answer = client.post("/v1/check", content=portrait_png, headers=PNG)
    assert answer.status_code == 200
    assert answer.json()["source"] == "upload"
    assert said(answer.json()) == said(printed(capfd, "check", photo))
    assert answer.json()["trusted"] is True
    form = client.post("/v1/check", files=as_form(portrait_png))
    assert said(form.json()) == said(answer.json())


@pytest.mark.parametrize("place", ["query", "form"])
def test_tasks_and_policy_may_stand_in_the_query_or_the_form(client, portrait_png, photo, capfd, place):
    asked = {"tasks": ["antispoof"], "policy": "lenient"}
    given = {"params": asked} if place == "query" else {"data": asked}
    answer = client.post("/v1/check", files=as_form(portrait_png), **given).json()
    wanted = printed(capfd, "check", photo, "--task", "antispoof", "--policy", "lenient")
    assert said(answer) == said(wanted)
    (verdict,) = answer["faces"][0]["verdicts"]
    assert (verdict["task"], verdict["threshold_rule"][:5]) == ("antispoof", "bpcer")


def test_evidence_comes_with_the_report(client, portrait_png, photo, tmp_path, capfd):
    answer = client.post("/v1/check?evidence=true", content=portrait_png, headers=PNG).json()
    wanted = printed(capfd, "check", photo, "--evidence", tmp_path)
    ((name, data),) = answer.pop("evidence").items()
    maps = answer.pop("maps")
    assert said(answer) == said(wanted)
    assert name == "upload.evidence.png"
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    (written,) = tmp_path.iterdir()
    assert np.array_equal(shown, np.asarray(Image.open(written)))
    assert [(each["task"], each["track"]) for each in maps] == [("antispoof", None)]
    for each in maps:
        tint = Image.open(io.BytesIO(base64.b64decode(each["layer"])))
        assert (tint.mode, tint.size) == ("RGBA", (480, 480))
        opacity = np.asarray(tint)[:, :, 3]
        assert opacity[:18].max() == 0  # The crop begins below.
        assert opacity[18:].max() > 240  # What is strongest, in the crop.


def test_a_video_is_checked_as_on_the_command_line(client, film, photo, tmp_path, capfd):
    frames = [np.asarray(Image.open(photo).resize((256, 256)))] * 6
    path = film(tmp_path / "clip.mp4", frames)
    answer = client.post("/v1/check", content=path.read_bytes(), headers={"content-type": "video/mp4"})
    assert answer.json()["kind"] == "video"
    assert said(answer.json()) == said(printed(capfd, "check", path))


def test_two_pictures_are_compared_as_on_the_command_line(client, portrait_png, photo, capfd):
    answer = client.post("/v1/verify", files=as_form(portrait_png, portrait_png)).json()
    wanted = printed(capfd, "verify", photo, photo)
    for report in (answer, wanted):
        for side in ("first", "second"):
            report[side].pop("source")
    assert answer == wanted
    assert (answer["decision"], answer["score"]) == ("same", pytest.approx(1, abs=1e-6))
    asked = {"far": 0.01, "liveness": True}
    strict = client.post("/v1/verify", files=as_form(portrait_png, portrait_png), params=asked).json()
    assert (strict["far"], "antispoof" in strict["liveness"]) == (0.01, True)


def test_parts_are_those_of_the_command_line(client, portrait_png, photo, tmp_path, capfd):
    assert cli.main(["parse", str(photo), "--out", str(tmp_path)]) == 0
    written = Image.open(tmp_path / "astronaut.parts.png")
    png = client.post("/v1/parse?format=png", content=portrait_png, headers=PNG)
    assert png.headers["content-type"] == "image/png"
    shown = Image.open(io.BytesIO(png.content))
    assert shown.mode == written.mode == "P"
    assert np.array_equal(np.asarray(shown), np.asarray(written))
    answer = client.post("/v1/parse", content=portrait_png, headers=PNG).json()
    assert base64.b64decode(answer["mask"]) == png.content
    assert answer["complete"] is True
    assert (answer["width"], answer["height"]) == (512, 512)
    assert ",".join(answer["classes"]) == written.text["facetrust.classes"]


def test_people_are_enrolled_found_listed_and_forgotten(client, portrait_png, face_jpeg, photo, capfd):
    empty = client.get("/v1/gallery").json()
    assert empty == {"people": {}, "templates": 0, "model": None}
    assert client.post("/v1/identify", content=portrait_png, headers=PNG).status_code == 404
    made = client.post("/v1/gallery/Ada Ü.", files=as_form(portrait_png, face_jpeg))
    assert made.status_code == 201, made.text
    assert made.json() == {"name": "Ada Ü.", "added": 2, "templates": 2}
    found = client.post("/v1/identify", content=portrait_png, headers=PNG).json()
    (match,) = found["matches"]
    assert (match["decision"], match["name"], found["people"]) == ("known", "Ada Ü.", 1)
    listed = client.get("/v1/gallery").json()
    assert (listed["people"], listed["templates"]) == ({"Ada Ü.": 2}, 2)
    assert client.delete("/v1/gallery/Ada Ü.").json() == {"name": "Ada Ü.", "templates": 2}
    assert client.delete("/v1/gallery/Ada Ü.").status_code == 404
    assert client.get("/v1/gallery").json()["people"] == {}


def test_the_cards_are_those_of_the_command_line(client, capfd):
    answer = client.get("/v1/models").json()["models"]
    capfd.readouterr()
    assert cli.main(["models", "--json"]) == 0
    assert answer == [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def test_it_says_that_it_runs_and_takes_work(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ok"}


def test_it_counts_requests_by_route_and_never_by_name(client, face_jpeg):
    client.post("/v1/gallery/Grace", content=face_jpeg, headers={"content-type": "image/jpeg"})
    client.delete("/v1/gallery/Grace")
    text = client.get("/metrics").text
    assert 'facetrust_requests_total{method="DELETE",route="/v1/gallery/{person}",status="200"}' in text
    assert "facetrust_request_seconds_bucket" in text
    assert "Grace" not in text


def test_every_answer_has_safe_headers(client):
    for path in ("/healthz", "/v1/models", "/nothing"):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert not any(word in headers["content-security-policy"] for word in ("http", "unsafe", "*"))
        assert headers["x-content-type-options"] == "nosniff"
    assert client.get("/v1/models").headers["cache-control"] == "no-store"


def test_a_page_is_served_where_there_is_one(serving, tmp_path: Path, monkeypatch):
    (tmp_path / "index.html").write_text("<title>a page</title>")
    monkeypatch.setattr("facetrust.serve.app.PAGE", tmp_path)
    assert "a page" in serving().get("/").text
