"""What strangers send: each is refused with its status and one line, and nothing of it is kept."""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facetrust.model_file import bundled
from facetrust.serve.keys import add_key, read_keys, remove_key

pytestmark = pytest.mark.skipif(len(bundled()) < 4, reason="no students are bundled")

LIMITS: dict[str, Any] = {
    "most_bytes": 600_000,
    "most_pixels": 4_000_000,
    "longest_video": 2.0,
    "most_faces": 5,
    "most_pictures": 3,
    "waiting": 4,
    "work_seconds": 20.0,
}
JPEG, PNG, MP4, ANY = (
    {"content-type": kind} for kind in ("image/jpeg", "image/png", "video/mp4", "application/octet-stream")
)
FORM = {"content-type": "multipart/form-data; boundary=cut"}


def picture(width: int, height: int, kind: str = "PNG", **how: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "grey").save(file, kind, **how)
    return file.getvalue()


def noise(side: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def moving(count: int, side: int, kind: str, **how: Any) -> bytes:
    file = io.BytesIO()
    frames = [Image.new("RGB", (side, side), (n % 255, 0, 0)) for n in range(count)]
    frames[0].save(file, kind, save_all=True, append_images=frames[1:], **how)
    return file.getvalue()


def png_of(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of these chunks, whatever they say."""
    parts = [struct.pack(">I", len(data)) + name + data for name, data in chunks]
    sums = [struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(part + check for part, check in zip(parts, sums, strict=True))


def header(width: int, height: int) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)


def part(name: str, data: bytes, more: str = "") -> bytes:
    return f'--cut\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + data + b"\r\n"


def file_part(data: bytes, name: str = "a.png") -> bytes:
    return part("file", data, f'; filename="{name}"')


GOOD = picture(64, 64)
BOMB = png_of(header(30_000, 30_000), (b"IDAT", zlib.compress(bytes(10_000_000))), (b"IEND", b""))
TEXT_BOMB = png_of(header(64, 64), (b"zTXt", b"a\0\0" + zlib.compress(bytes(100_000_000))), (b"IEND", b""))
END = b"--cut--\r\n"

# What is asked, and with which status it is refused.
BODIES: dict[str, tuple[int, str, dict[str, Any]]] = {
    # Too much.
    "too many bytes": (413, "/v1/check", {"content": bytes(600_001), "headers": PNG}),
    "too many bytes in a form": (413, "/v1/check", {"files": {"file": bytes(600_000)}}),
    "too many pixels": (413, "/v1/check", {"content": picture(2001, 2000), "headers": PNG}),
    "a bomb of pixels": (413, "/v1/check", {"content": BOMB, "headers": PNG}),
    "a bomb in a form": (413, "/v1/parse", {"files": {"file": BOMB}}),
    "a bomb as one of two": (413, "/v1/verify", {"files": [("file", GOOD), ("file", BOMB)]}),
    "a bomb to enrol": (413, "/v1/gallery/Ada", {"content": BOMB, "headers": PNG}),
    "a bomb in a text": (415, "/v1/check", {"content": TEXT_BOMB, "headers": PNG}),
    "a header of billions of pixels": (
        413, "/v1/check", {"content": png_of(header(2**31 - 1, 2**31 - 1), (b"IEND", b"")), "headers": PNG},
    ),
    "a GIF longer than videos may be": (
        413, "/v1/check", {"content": moving(30, 16, "GIF", duration=100), "headers": ANY},
    ),
    "a TIFF of many pages": (413, "/v1/check", {"content": moving(9, 16, "TIFF"), "headers": ANY}),
    "an animation of huge frames": (
        413, "/v1/check", {"content": moving(2, 2100, "GIF", duration=100), "headers": ANY},
    ),
    # No picture.
    "no kind": (415, "/v1/check", {"content": GOOD}),
    "a path as text": (
        415, "/v1/check", {"content": b"/etc/passwd", "headers": {"content-type": "text/plain"}},
    ),
    "a path in a form": (415, "/v1/check", {"data": {"path": "/etc/passwd"}}),
    "a URL as JSON": (415, "/v1/check", {"json": {"url": "http://127.0.0.1/metadata"}}),
    "a list of URLs": (
        415, "/v1/check", {"content": b"file:///etc/passwd", "headers": {"content-type": "text/uri-list"}},
    ),
    "a path as a picture": (415, "/v1/check", {"content": b"/etc/passwd", "headers": PNG}),
    "a compressed body": (
        415, "/v1/check", {"content": gzip.compress(GOOD), "headers": {**PNG, "content-encoding": "gzip"}},
    ),
    "a web page": (415, "/v1/check", {"content": b"<html><script>1</script></html>", "headers": PNG}),
    "SVG": (415, "/v1/check", {"content": b"<svg xmlns='http://www.w3.org/2000/svg'/>", "headers": PNG}),
    "PDF": (415, "/v1/check", {"content": b"%PDF-1.7\n%\xe2\xe3", "headers": PNG}),
    "PostScript": (
        415, "/v1/check", {"content": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "headers": PNG},
    ),
    "a program": (415, "/v1/check", {"content": b"\x7fELF" + bytes(200), "headers": ANY}),
    "an archive": (415, "/v1/check", {"content": b"PK\x03\x04" + bytes(200), "headers": ANY}),
    "a playlist": (415, "/v1/check", {"content": b"#EXTM3U\nfile:///etc/passwd\n", "headers": MP4}),
    "a list of files for FFmpeg": (
        415, "/v1/check", {"content": b"ffconcat version 1.0\nfile /etc/passwd\n", "headers": MP4},
    ),
    "random bytes": (415, "/v1/check", {"content": bytes(range(256)) * 9, "headers": PNG}),
    "a video to compare": (
        415, "/v1/verify", {"files": [("file", GOOD), ("file", b"\0\0\0\x18ftypisom" + bytes(400))]},
    ),
    "an animation to parse": (415, "/v1/parse", {"content": moving(3, 32, "GIF"), "headers": ANY}),
    "a video to identify": (
        415, "/v1/identify", {"content": b"\x1a\x45\xdf\xa3" + bytes(400), "headers": ANY},
    ),
    # Damaged.
    "nothing": (400, "/v1/check", {"content": b"", "headers": PNG}),
    "a PNG that ends early": (422, "/v1/check", {"content": noise(64)[:9000], "headers": PNG}),
    "a JPEG that ends early": (
        422, "/v1/check", {"content": picture(900, 900, "JPEG")[:3000], "headers": JPEG},
    ),
    "the first bytes of a GIF": (415, "/v1/check", {"content": b"GIF89a", "headers": ANY}),
    "the first bytes of a video": (
        422, "/v1/check", {"content": b"\0\0\0\x18ftypisom" + bytes(90), "headers": MP4},
    ),
    "an AVI of nothing": (
        422, "/v1/check", {"content": b"RIFF\xff\xff\xff\xffAVI " + bytes(600), "headers": MP4},
    ),
    "four pixels": (422, "/v1/check", {"content": picture(4, 4), "headers": PNG}),
    "a strip one pixel high": (422, "/v1/parse", {"content": picture(9000, 1), "headers": PNG}),
    # Forms.
    "a form without a boundary": (
        400, "/v1/check", {"content": GOOD, "headers": {"content-type": "multipart/form-data"}},
    ),
    "a form that is cut off": (400, "/v1/check", {"content": file_part(GOOD)[:90], "headers": FORM}),
    "a form of another boundary": (400, "/v1/check", {"content": b"--saw\r\n\r\n" + GOOD, "headers": FORM}),
    "a form without a file": (
        400, "/v1/check", {"content": part("tasks", b"antispoof") + END, "headers": FORM},
    ),
    "two files where one is asked": (400, "/v1/check", {"files": [("file", GOOD), ("file", GOOD)]}),
    "one file where two are asked": (400, "/v1/verify", {"files": [("file", GOOD)]}),
    "a hundred files": (400, "/v1/check", {"files": [("file", GOOD)] * 100}),
    "more pictures than are enrolled at once": (400, "/v1/gallery/Ada", {"files": [("file", GOOD)] * 4}),
    "a hundred fields": (400, "/v1/check", {"content": part("tasks", b"a") * 100 + END, "headers": FORM}),
    "a field of a megabyte": (
        400, "/v1/check", {"content": part("policy", bytes(9000)) + END, "headers": FORM},
    ),
    "a field that nobody knows": (
        422, "/v1/check", {"content": file_part(GOOD) + part("path", b"/etc") + END, "headers": FORM},
    ),
    "a part without a name": (
        400,
        "/v1/check",
        {"content": b"--cut\r\nContent-Disposition: form-data\r\n\r\n1\r\n" + END, "headers": FORM},
    ),
    "a kind of letters that does not exist": (
        400,
        "/v1/check",
        {"content": b"\xff\xfe", "headers": {"content-type": f"{FORM['content-type']}; charset=none"}},
    ),
    # Settings.
    "a question that nobody knows": (422, "/v1/check?tasks=antispof", {"content": GOOD, "headers": PNG}),
    "a question that is a path": (422, "/v1/check?tasks=../../etc", {"content": GOOD, "headers": PNG}),
    "a policy that nobody knows": (422, "/v1/check?policy=none", {"content": GOOD, "headers": PNG}),
    "a setting that nobody knows": (422, "/v1/check?model=/etc/a.onnx", {"content": GOOD, "headers": PNG}),
    "neither yes nor no": (422, "/v1/check?evidence=perhaps", {"content": GOOD, "headers": PNG}),
    "a rate that is no number": (422, "/v1/verify?far=nan", {"files": [("file", GOOD)] * 2}),
    "a rate that the card does not name": (422, "/v1/verify?far=0.5", {"files": [("file", GOOD)] * 2}),
    "a form that nobody writes": (422, "/v1/parse?format=exe", {"content": GOOD, "headers": PNG}),
    # People.
    "a name that is a path": (404, "/v1/gallery/..%2F..%2Fetc", {"content": GOOD, "headers": PNG}),
    "a name with a backslash": (422, "/v1/gallery/a%5Cb", {"content": GOOD, "headers": PNG}),
    "a name with a zero": (422, "/v1/gallery/a%00b", {"content": GOOD, "headers": PNG}),
    "a name of two lines": (422, "/v1/gallery/a%0Ab", {"content": GOOD, "headers": PNG}),
    "a name of 300 letters": (422, "/v1/gallery/" + 300 * "a", {"content": GOOD, "headers": PNG}),
    "a name of blanks": (422, "/v1/gallery/%20%20", {"content": GOOD, "headers": PNG}),
    "a name that is no text": (422, "/v1/gallery/%ff%fe", {"content": GOOD, "headers": PNG}),
    "a picture without a face": (422, "/v1/gallery/Ada", {"content": picture(200, 200), "headers": PNG}),
    "a mask where no face is": (422, "/v1/parse?format=png", {"content": picture(200, 200), "headers": PNG}),
    # Routes.
    "no such route": (404, "/v1/nothing", {"content": GOOD, "headers": PNG}),
    "a file of the machine": (404, "/..%2f..%2f..%2fetc/passwd", {"content": GOOD, "headers": PNG}),
    "a page of another origin": (
        403, "/v1/check", {"content": GOOD, "headers": {**PNG, "origin": "https://example.org"}},
    ),
    "a page of no origin": (403, "/v1/check", {"content": GOOD, "headers": {**PNG, "origin": "null"}}),
}  # fmt: skip

HEAD = (
    b"POST /v1/check HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nAuthorization: Bearer KEY\r\n"
)
# Raw bytes, seconds of silence between them, and the status; 0 where the connection is closed unanswered.
LINES: dict[str, tuple[int, tuple[bytes | float, ...]]] = {
    "chunks past the limit": (
        413, (HEAD, b"Transfer-Encoding: chunked\r\n\r\n", *[b"10000\r\n" + bytes(65536) + b"\r\n"] * 12),
    ),
    "a length past the limit, and nothing sent": (413, (HEAD, b"Content-Length: 99999999999999\r\n\r\n")),
    "a body that stops": (408, (HEAD, b"Content-Length: 5000\r\n\r\n", bytes(100), 1.2)),
    "a body that trickles": (408, (HEAD, b"Content-Length: 5000\r\n\r\n", *[b"a", 0.1] * 12)),
    "chunks that trickle": (408, (HEAD, b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\na\r\n", 0.1] * 12)),
    "a head that stops": (0, (b"POST /v1/check HTTP/1.1\r\nHost: local", 1.2)),
    "a head that trickles": (0, (b"GET /healthz HTTP/1.1\r\n", *[b"A: b\r\n", 0.1] * 12)),
    "a connection that says nothing": (0, (1.2,)),
    "a head without an end": (400, (b"GET /" + b"a" * 70_000,)),
    "a length below zero": (400, (HEAD, b"Content-Length: -1\r\n\r\n")),
    "a length that is a word": (400, (HEAD, b"Content-Length: many\r\n\r\n")),
    "two lengths": (400, (HEAD, b"Content-Length: 5\r\nContent-Length: 50\r\n\r\n12345")),
    "no HTTP": (400, (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),)),
    "a coding that nobody knows": (400, (HEAD, b"Transfer-Encoding: gzip\r\n\r\n")),
}  # fmt: skip


@pytest.fixture(scope="module")
def rooms(tmp_path_factory) -> Iterator[tuple[Path, Path]]:
    """The keys' file, and the folder in which temporary files are made meanwhile."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "tmp").mkdir()
    before = tempfile.tempdir
    tempfile.tempdir = str(folder / "tmp")
    yield folder / "keys.json", folder / "tmp"
    tempfile.tempdir = before


@pytest.fixture(scope="module")
def given(rooms) -> dict[str, str]:
    """Keys by what they open."""
    file, _ = rooms
    return {
        "both": add_key(file, "both", ("check", "gallery")),
        "check": add_key(file, "check only", ("check",)),
        "gallery": add_key(file, "gallery only", ("gallery",)),
        "gone": add_key(file, "gone", ("check",)),
    }


@pytest.fixture(scope="module")
def running(on_a_port, rooms, given, tmp_path_factory):
    gallery = tmp_path_factory.mktemp("people") / "people.db"
    return on_a_port(LIMITS, keys=rooms[0], gallery=str(gallery))


@pytest.fixture(scope="module")
def hasty(on_a_port, rooms):
    """One that waits for a head and for a body for a second."""
    return on_a_port({**LIMITS, "body_seconds": 1.0, "head_seconds": 1.0}, keys=rooms[0])


@pytest.fixture(autouse=True)
def _nothing_is_kept(running, rooms) -> Iterator[None]:
    """After every request: no place is held, no file is left, and the service answers as before."""
    yield
    _until(lambda: running.desk.pool.held == 0)  # A place is given back after the answer has gone.
    assert os.listdir(rooms[1]) == []
    assert running.ask("GET", "/healthz").json() == {"status": "ok"}


def one_line(answer: Any) -> str:
    """Returns why a request was refused, after a look at how it is said."""
    assert set(answer) == {"error"}
    line: str = answer["error"]
    assert 5 < len(line) < 300
    assert "\n" not in line
    assert "/tmp" not in line
    assert "Traceback" not in line
    return line


@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_is_refused_with_one_line(running, given, name):
    status, path, how = BODIES[name]
    how = {**how, "headers": {**how.get("headers", {}), "authorization": f"Bearer {given['both']}"}}
    answer = running.ask("POST", path, **how)
    assert answer.status_code == status, answer.text
    one_line(answer.json())


@pytest.mark.parametrize("name", LINES)
def test_a_hostile_connection_is_answered_or_closed(running, hasty, given, name):
    status, parts = LINES[name]
    said = (hasty if status in (0, 408) else running).said(
        *(each.replace(b"KEY", given["both"].encode()) if isinstance(each, bytes) else each for each in parts)
    )
    assert (int(said.split(b" ")[1]) if said else 0) == status, said
    if status in (408, 413):
        one_line(json.loads(said.split(b"\r\n\r\n")[1]))


def test_a_body_that_is_cut_off_leaves_nothing(running, given):
    head = HEAD.replace(b"KEY", given["both"].encode())
    assert running.said(head, b"Content-Length: 5000\r\n\r\n", bytes(100), 0.1, close=True) == b""
    _until(lambda: running.desk.pool.held == 0)


@pytest.mark.parametrize(
    ("key", "path", "status"),
    [
        (None, "/v1/check", 401),
        ("Bearer", "/v1/check", 401),
        ("Bearer wrong", "/v1/check", 401),
        ("Bearer facetrust_" + "A" * 43, "/v1/check", 401),
        ("Bearer " + "a" * 9000, "/v1/check", 401),
        ("Basic {both}", "/v1/check", 401),
        ("{both}", "/v1/check", 401),
        ("Bearer {both}x", "/v1/check", 401),
        ("Bearer {both:.50}", "/v1/check", 401),
        ("Bearer {hash}", "/v1/check", 401),
        ("Bearer {gone}", "/v1/check", 401),
        ("Bearer {gallery}", "/v1/check", 403),
        ("Bearer {gallery}", "/v1/parse", 403),
        ("Bearer {gallery}", "/v1/verify", 403),
        ("Bearer {check}", "/v1/identify", 403),
        ("Bearer {check}", "/v1/gallery/Ada", 403),
        (None, "/v1/check?key={both}", 401),
    ],
)
def test_a_wrong_key_opens_nothing(running, given, rooms, key, path, status):
    if "gone" in {each.name for each in read_keys(rooms[0])}:
        remove_key(rooms[0], "gone")
    names = {**given, "hash": read_keys(rooms[0])[0].sha256}
    headers = {**PNG, **({} if key is None else {"authorization": key.format(**names)})}
    answer = running.ask("POST", path.format(**names), content=bytes(100_000), headers=headers)
    assert answer.status_code == status
    assert one_line(answer.json())
    assert ("www-authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/gallery"), ("DELETE", "/v1/gallery/Ada")])
def test_the_gallery_is_closed_to_a_key_of_another_scope(running, given, method, path):
    answer = running.ask(method, path, headers={"authorization": f"Bearer {given['check']}"})
    assert answer.status_code == 403
    assert running.ask(method, path).status_code == 401


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_a_route_takes_no_other_method(running, given, method):
    answer = running.ask(method, "/v1/check", headers={"authorization": f"Bearer {given['both']}"})
    assert answer.status_code == 405
    assert one_line(answer.json())


@pytest.mark.parametrize(
    "name", ["../../etc/cron.d/x", "..\\x.png", "/etc/passwd", "a\\0b.png", "http://x/y.png", "a" * 2000]
)
def test_the_name_of_a_file_is_not_looked_at(running, given, name):
    body = file_part(GOOD, name) + END
    headers = {**FORM, "authorization": f"Bearer {given['both']}"}
    answer = running.ask("POST", "/v1/check", content=body, headers=headers)
    assert answer.status_code == 200
    assert answer.json()["source"] == "upload"


def test_of_a_crowd_the_limit_is_judged_and_nothing_is_trusted(running, given, photo):
    face = Image.open(photo).crop((150, 30, 300, 200)).resize((75, 85))
    crowd = Image.new("RGB", (75 * 4, 85 * 3))
    for n in range(12):
        crowd.paste(face, (n % 4 * 75, n // 4 * 85))
    file = io.BytesIO()
    crowd.save(file, "JPEG", quality=95)
    headers = {**JPEG, "authorization": f"Bearer {given['both']}"}
    report = running.ask("POST", "/v1/check", content=file.getvalue(), headers=headers).json()
    assert len(report["faces"]) == LIMITS["most_faces"]
    assert report["left_out"] >= 5
    assert report["trusted"] is None


def _until(true: Callable[[], bool]) -> None:
    import time

    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
