"""Bad input to galleries and comparisons: one line on standard error, status 2, and nothing is changed."""

# ruff: noqa: E501 - a table reads best with a case a line.

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facetrust import cli, model_file
from facetrust.runtime.gallery import sqlite

pytestmark = [
    pytest.mark.usefixtures("toy"),
    pytest.mark.skipif(sys.platform == "win32", reason="files are opened as POSIX does"),
]

KEY = "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def good(tmp_path_factory, photo: Path, write_embedder, bright_model: Path) -> Path:
    """Pictures, models and galleries as they should be, beside what is not."""
    pytest.importorskip("cryptography", reason="cryptography is not installed (the extra gallery)")
    root = tmp_path_factory.mktemp("good")
    face = np.asarray(Image.open(photo))[:300, 90:390]
    for folder in ("ada", "some", "empty"):
        (root / folder).mkdir()
    for name, pixels in {
        "face.png": face,
        "dark.png": (face * 0.3).astype(np.uint8),
        "two.png": np.concatenate([face, face], axis=1),
        "wall.png": np.full((200, 200, 3), 128, np.uint8),
        "ada/1.png": face,
        "some/1.png": face,
        "some/2.png": np.full((200, 200, 3), 128, np.uint8),
    }.items():
        Image.fromarray(pixels).save(root / name)
    write_embedder(root / "tint.onnx")
    write_embedder(root / "other.onnx", middle=0.4, name="other")
    write_embedder(root / "log.onnx", brightness=True)
    write_embedder(root / "undecided.onnx", thresholds=())
    for suffix in (".onnx", ".json"):
        shutil.copy(bright_model.with_suffix(suffix), root / f"bright{suffix}")
    (root / "key").write_text(KEY)
    (root / "other.key").write_text(KEY[::-1])
    (root / "short.key").write_text("abc")
    (root / "text.db").write_text("no gallery at all" * 100)
    (root / "zero.db").write_bytes(b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for arguments in (
            ["enroll", "Ada", "face.png", *MODEL, "--gallery", "people.db"],
            ["enroll", "Ada", "face.png", *MODEL, "--gallery", "sealed.db", "--key", "key"],
        ):
            assert cli.main(arguments) == 0
    with closing(sqlite3.connect(root / "songs.db")) as db:
        db.execute("CREATE TABLE songs (name TEXT)")
    return root


@pytest.fixture
def world(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the good folder, in which a case may spoil something; it is the working directory."""
    shutil.copytree(good, tmp_path / "world")
    monkeypatch.chdir(tmp_path / "world")
    monkeypatch.setattr(sqlite, "PATIENCE", 0.05)
    return tmp_path / "world"


def cut(name: str, size: int) -> Callable[[Path], None]:
    return lambda world: (world / name).write_bytes((world / name).read_bytes()[:size])


def sql(command: str, name: str = "people.db") -> Callable[[Path], None]:
    def change(world: Path) -> None:
        with closing(sqlite3.connect(world / name, isolation_level=None)) as db:
            db.execute(command)

    return change


HELD: list[sqlite3.Connection] = []


def held(world: Path) -> None:
    """Another program is in the middle of writing."""
    HELD.append(sqlite3.connect(world / "people.db", isolation_level=None))
    HELD[-1].execute("BEGIN EXCLUSIVE")


@pytest.fixture(autouse=True)
def _let_go():
    yield
    while HELD:
        HELD.pop().close()


MODEL = ["--model", "tint.onnx"]
IN = [*MODEL, "--gallery", "people.db"]
NEW = [*MODEL, "--gallery", "new.db"]
ENROLL = ["enroll", "Bo"]
SEALED = ["--gallery", "sealed.db"]
LATER = "PRAGMA user_version = 9"

# name: (arguments, what is said, spoilers …)
CASES: dict[str, tuple] = {
    # Pictures.
    "picture to verify missing": (["verify", "face.png", "none.png", *MODEL], "none.png: no such file"),
    "picture to verify is text": (["verify", "text.db", "face.png", *MODEL], "text.db: is not an image"),
    "no face to enrol": ([*ENROLL, "wall.png", *NEW], "wall.png: no face; a picture of Bo must show one good face"),
    "two faces to enrol": ([*ENROLL, "face.png", "two.png", *NEW], "two.png: several faces (2 faces); a picture of Bo"),
    "folder of a person without a face": ([*ENROLL, "some", *NEW], "some/2.png: no face; a picture of Bo must"),
    "folder without pictures to enrol": ([*ENROLL, "empty", *NEW], "empty: no picture in it"),
    "picture to enrol missing": ([*ENROLL, "face.png", "none.png", *IN], "none.png: no such file"),
    "picture to identify missing": (["identify", "none.png", *IN], "none.png: no such file"),
    "no picture to enrol": ([*ENROLL, *NEW], "Missing argument"),
    # Names.
    "name with a control character": (["enroll", "Bo\x1b[2J", "face.png", *NEW], r"'Bo\x1b[2J': a name has no control characters"),
    "name with a NUL": (["enroll", "B\0o", "face.png", *NEW], "a name has no control characters"),
    "name that is a path": (["enroll", "ada/1.png", "face.png", *NEW], "a name has no slashes; give the name first"),
    "name that leads out": (["enroll", "..\\Bo", "face.png", *NEW], "a name has no slashes"),
    "name empty": (["enroll", " ", "face.png", *NEW], "a name has 1 to 200 characters"),
    "name too long": (["enroll", "B" * 5000, "face.png", *NEW], "this one has 5000"),
    "name that is no text": (["enroll", "B\udcff", "face.png", *NEW], "a name has no control characters"),
    "name to forget unknown": (["forget", "Bo", "--gallery", "people.db"], "people.db: nobody named 'Bo' is in it"),
    # Models.
    "no model is bundled": (["verify", "face.png", "face.png"], "no model that compares faces is bundled; give one"),
    "model missing": (["verify", "face.png", "face.png", "--model", "none.onnx"], "none.onnx: no such model file"),
    "model without embeddings": (["verify", "face.png", "face.png", "--model", "bright.onnx"], "bright@1: answers antispoof with a score of a face"),
    "model without thresholds": (["verify", "face.png", "face.png", "--model", "undecided.onnx"], "its card has no threshold; give one, a cosine"),
    "embedding is not a number": (["verify", "dark.png", "dark.png", "--model", "log.onnx"], "answered with a value that is not finite"),
    "embedding to enrol is not a number": ([*ENROLL, "dark.png", "--model", "log.onnx", "--gallery", "new.db"], "answered with a value that is not finite"),
    "gallery of another model": (["identify", "face.png", "--model", "other.onnx", "--gallery", "people.db"], "people.db: was made by tint@1, not by other@1; embeddings of two models cannot be compared"),
    "enrolment into another model's gallery": ([*ENROLL, "face.png", "--model", "other.onnx", "--gallery", "people.db"], "was made by tint@1, not by other@1"),
    "gallery of a model of another width": (["identify", "face.png", *IN], "was made by tint@1, not by", sql("""UPDATE about SET value = '{"model":"tint@1","fingerprint":"0","dimensions":512}' WHERE name = 'maker'""")),
    "template of another width": (["identify", "face.png", *IN], "people.db: is damaged; a template has not 3 numbers", sql("UPDATE templates SET vector = zeroblob(2048)")),
    # Thresholds.
    "rate that the card does not name": (["verify", "face.png", "face.png", *MODEL, "--far", "1e-6"], "no threshold at a false accept rate of 1e-06; it has 0.01, 0.001"),
    "threshold that is no cosine": (["identify", "face.png", *IN, "--threshold", "40"], "threshold 40.0: a cosine lies between -1 and 1"),
    "rate and threshold": (["verify", "face.png", "face.png", *MODEL, "--far", "0.01", "--threshold", "0.4"], "give one of them"),
    "rate of no number": (["verify", "face.png", "face.png", *MODEL, "--far", "low"], "--far"),
    # Galleries.
    "gallery not named": (["identify", "face.png", *MODEL], "--gallery"),
    "gallery missing": (["identify", "face.png", *NEW], "new.db: no such gallery; facetrust enroll makes one"),
    "gallery to list missing": (["gallery", "--gallery", "new.db"], "new.db: no such gallery"),
    "gallery is text": ([*ENROLL, "face.png", *MODEL, "--gallery", "text.db"], "text.db: is not a gallery; it is no SQLite file"),
    "gallery is empty": ([*ENROLL, "face.png", *MODEL, "--gallery", "zero.db"], "zero.db: is not a gallery, but another program's"),
    "gallery is a folder": ([*ENROLL, "face.png", *MODEL, "--gallery", "ada"], "ada: is not a file, so no gallery"),
    "gallery is another program's": (["gallery", "--gallery", "songs.db"], "songs.db: is not a gallery, but another program's SQLite file"),
    "gallery in a file": ([*ENROLL, "face.png", *MODEL, "--gallery", "text.db/new.db"], "text.db/new.db: cannot be made"),
    "gallery of an impossible name": ([*ENROLL, "face.png", *MODEL, "--gallery", "n" * 300], "cannot be made (File name too long)"),
    "gallery with a NUL in its name": ([*ENROLL, "face.png", *MODEL, "--gallery", "a\0b"], "cannot be made"),
    "gallery cut off": (["identify", "face.png", *IN], "people.db: is damaged or cut off", cut("people.db", 40_000)),
    "gallery cut off in its head": (["gallery", "--gallery", "people.db"], "people.db: is", cut("people.db", 60)),
    "gallery of a later format": (["gallery", "--gallery", "people.db"], "people.db: has format 9; this facetrust reads 1", sql(LATER)),
    "gallery without its tables": (["gallery", "--gallery", "people.db"], "people.db: cannot be read or written (no such table: about)", sql("DROP TABLE about")),
    "gallery without its maker": (["gallery", "--gallery", "people.db"], "people.db: is damaged; it does not say which model made it", sql("DELETE FROM about")),
    "gallery with a maker of nonsense": (["gallery", "--gallery", "people.db"], "people.db: is damaged; it does not say", sql("UPDATE about SET value = '{'")),
    "gallery locked": (["forget", "Ada", "--gallery", "people.db"], "people.db: is in use by another program; try again", held),
    "database out of reach": (["gallery", "--gallery", "postgresql://ada:secret@127.0.0.1:9/none"], "postgresql://ada@127.0.0.1:9/none: "),
    "database of an impossible address": (["gallery", "--gallery", "postgresql://ada:secret@127.0.0.1:99999999/none"], "postgresql://ada@127.0.0.1:99999999/none: "),
    # Keys.
    "key missing": (["gallery", *SEALED, "--key", "none.key"], "none.key: the gallery's key cannot be read (No such file"),
    "key is a folder": (["gallery", *SEALED, "--key", "ada"], "ada: the gallery's key cannot be read (Is a directory)"),
    "key too short": (["gallery", *SEALED, "--key", "short.key"], "short.key: has not 64 hexadecimal digits"),
    "key of another gallery": (["identify", "face.png", *MODEL, *SEALED, "--key", "other.key"], "sealed.db: is encrypted by another key"),
    "key not given": (["identify", "face.png", *MODEL, *SEALED], "sealed.db: is encrypted; give its key"),
    "key for what is not encrypted": ([*ENROLL, "face.png", *IN, "--key", "key"], "people.db: is not encrypted; give no key"),
    "template altered": (["identify", "face.png", *MODEL, *SEALED, "--key", "key"], "sealed.db: is damaged or was altered; a template", sql("UPDATE templates SET vector = zeroblob(40)", "sealed.db")),
    "database with a key": (["gallery", "--gallery", "postgresql://ada:secret@127.0.0.1:9/none", "--key", "key"], "postgresql://ada@127.0.0.1:9/none: a PostgreSQL gallery takes no key"),
}  # fmt: skip


def test_there_are_enough_cases():
    assert len(CASES) >= 30


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_line_status_2_and_changes_nothing(case, world, refused, monkeypatch):
    arguments, said, *spoilers = CASES[case]
    if case == "no model is bundled":
        monkeypatch.setattr(model_file, "bundled", list)
    if "database" in case:
        pytest.importorskip("psycopg", reason="psycopg is not installed (the extra postgres)")
    for spoil in spoilers:
        spoil(world)
    assert "secret" not in refused(arguments, said, world)
