"""A gallery in one SQLite file: exact search in memory, and deletion that leaves no bytes behind."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from facetrust.errors import GalleryError, first_line
from facetrust.runtime.gallery.cipher import AesGcm, Cipher, Plain
from facetrust.runtime.gallery.matrix import Matrix
from facetrust.runtime.gallery.store import Maker, Nearest, Vectors, check_width

APPLICATION = 0x46544741  # "FTGA", by which the file is known as a gallery.
FORMAT = 1
PATIENCE = 5.0  # Seconds that another program's lock is waited for.
_PAGE = 16_384  # Bytes: of 512 float32, seven templates fit on it; on one of 4,096, one.
_ROWS = 4_096  # Read at once.
_PROOF = b"facetrust gallery"
_TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE people (id INTEGER PRIMARY KEY AUTOINCREMENT, digest BLOB NOT NULL UNIQUE, name BLOB NOT NULL);
CREATE TABLE templates (id INTEGER PRIMARY KEY AUTOINCREMENT, person INTEGER NOT NULL, vector BLOB NOT NULL);
CREATE INDEX templates_of ON templates (person);
"""
_COUNTS = (
    "SELECT people.id, people.name, count(templates.id) FROM people LEFT JOIN templates "
    "ON templates.person = people.id GROUP BY people.id"
)
_CAUSES = {
    "SQLITE_NOTADB": "is not a gallery; it is no SQLite file, or was overwritten",
    "SQLITE_CORRUPT": "is damaged or cut off; restore it from a copy",
    "SQLITE_BUSY": "is in use by another program; try again",
    "SQLITE_LOCKED": "is in use by another program; try again",
    "SQLITE_FULL": "cannot be written (No space left on device); nothing was changed",
    "SQLITE_READONLY": "cannot be written (it, or its folder, is read-only)",
    "SQLITE_CANTOPEN": "cannot be opened (no access to it, or its folder is read-only)",
    "SQLITE_PERM": "cannot be opened (Permission denied)",
}


def open_gallery(path: Path, *, key: bytes | None, maker: Maker | None = None) -> SqliteStore | None:
    """Returns the gallery in a file; where there is none, an empty one of a given maker, or None without.

    Args:
        key: 32 bytes that names and templates are sealed by; in the clear without.

    Raises:
        GalleryError: no gallery, damaged, locked, encrypted or not as the key says; or it cannot be made.
    """
    if "\0" in str(path):
        raise GalleryError(f"{path}: cannot be made or opened; no file can have this name")
    cipher = Plain() if key is None else AesGcm(key)
    with _said(str(path)):
        if not os.path.lexists(path):
            if maker is None:
                return None
            _make(path, maker, cipher, sealed=key is not None)
        if not path.is_file():
            raise GalleryError(f"{path}: is not a file, so no gallery")
    return SqliteStore(path, cipher, encrypted=key is not None)


class SqliteStore:
    """Keeps templates in a file; see `Store`. May be called from several threads.

    A commit is on the disk when it returns (write-ahead log, synchronous). What is deleted is overwritten
    with zeros, freed pages are given back, and the log is emptied, so that neither holds it any more.

    Comes from `open_gallery`.
    """

    def __init__(self, path: Path, cipher: Cipher, *, encrypted: bool) -> None:
        self.place = str(path)
        self.encrypted = encrypted
        self._path = path
        self._cipher = cipher
        self._lock = threading.RLock()
        self._matrix: Matrix | None = None
        self._seen = -1
        with _said(self.place):
            self._db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=rw",
                uri=True,
                timeout=PATIENCE,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                self.maker = self._checked()
            except BaseException:
                self._db.close()
                raise

    def add(self, name: str, vectors: Vectors) -> int:
        """Keeps templates (n, d) of unit length, all or none; returns how many the person has then.

        Raises:
            GalleryError: it cannot be written.
        """
        check_width(self, vectors)
        with self._lock:
            with self._writing() as db:
                person = self._person(db, name)
                if person is None:
                    person = self._new_person(db, name)
                for vector in vectors:
                    sealed = self._cipher.seal(vector.astype("<f4").tobytes(), _about_template(person))
                    db.execute("INSERT INTO templates (person, vector) VALUES (?, ?)", (person, sealed))
                rows = db.execute("SELECT count(*) FROM templates WHERE person = ?", (person,))
                (count,) = rows.fetchone()
            if self._matrix is not None:
                self._matrix.add(vectors, np.full(len(vectors), person))
        return int(count)

    def remove(self, name: str) -> int:
        """Deletes a person and every byte of them; returns how many templates there were, 0 of a stranger.

        Raises:
            GalleryError: it cannot be written, or another program still reads the log.
        """
        with self._writing() as db:
            person = self._person(db, name)
            gone = db.execute("DELETE FROM templates WHERE person = ?", (person,)).rowcount
            db.execute("DELETE FROM people WHERE id = ?", (person,))
            self._matrix = None
        self._scrub()
        return gone

    def counts(self) -> dict[str, int]:
        """Returns name → number of templates, in the order of the names."""
        with self._lock, _said(self.place):
            rows = self._db.execute(_COUNTS).fetchall()
            return dict(sorted((self._name(person, name), count) for person, name, count in rows))

    def totals(self) -> tuple[int, int]:
        """Returns the numbers of people and of templates."""
        with self._lock, _said(self.place):
            (people,) = self._db.execute("SELECT count(*) FROM people").fetchone()
            (templates,) = self._db.execute("SELECT count(*) FROM templates").fetchone()
        return people, templates

    def nearest(self, vectors: Vectors) -> list[Nearest | None]:
        """Returns the nearest template of each of the vectors (n, d); None in an empty gallery.

        Templates are read into memory at the first call, and again when another program changed the file.
        """
        with self._lock, _said(self.place):
            self._db.execute("BEGIN")
            try:
                matrix = self._current()
                found = [matrix.nearest(vector) for vector in vectors]
                return [None if each is None else Nearest(self._name_of(each[0]), each[1]) for each in found]
            finally:
                self._db.execute("COMMIT")

    def size(self) -> int:
        """Returns the bytes of the file and its log."""
        files = (self._path, Path(f"{self._path}-wal"))
        return sum(each.stat().st_size for each in files if each.exists())

    def close(self) -> None:
        """Closes the file; the last one who does folds the log into it."""
        with self._lock:
            self._db.close()

    def _checked(self) -> Maker:
        """Whose templates the file holds, once it is known as a gallery that the key fits."""
        for setting in ("secure_delete = ON", "temp_store = MEMORY", "synchronous = FULL"):
            self._db.execute(f"PRAGMA {setting}")
        (application,) = self._db.execute("PRAGMA application_id").fetchone()
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION:
            raise GalleryError(f"{self.place}: is not a gallery, but another program's SQLite file")
        if version != FORMAT:
            raise GalleryError(f"{self.place}: has format {version}; this facetrust reads {FORMAT}")
        about = dict(self._db.execute("SELECT name, value FROM about").fetchall())
        if ("proof" in about) != self.encrypted:
            state = "is encrypted; give its key" if "proof" in about else "is not encrypted; give no key"
            raise GalleryError(f"{self.place}: {state} (--key, or the variable FACETRUST_GALLERY_KEY)")
        if self.encrypted:
            try:
                self._cipher.open(about["proof"], _PROOF)
            except ValueError:
                raise GalleryError(f"{self.place}: is encrypted by another key") from None
        try:
            return Maker.model_validate_json(about.get("maker", b""))
        except ValidationError:
            raise GalleryError(f"{self.place}: is damaged; it does not say which model made it") from None

    def _current(self) -> Matrix:
        """All templates, as this transaction sees them."""
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if self._matrix is None or version != self._seen:
            self._matrix = self._read()
            self._seen = version
        return self._matrix

    def _read(self) -> Matrix:
        width = self.maker.dimensions
        (count,) = self._db.execute("SELECT count(*) FROM templates").fetchone()
        matrix = Matrix(width, count)
        rows = self._db.execute("SELECT person, vector FROM templates")
        while part := rows.fetchmany(_ROWS):
            data = b"".join(self._template(person, vector) for person, vector in part)
            if len(data) != 4 * width * len(part):
                raise GalleryError(f"{self.place}: is damaged; a template has not {width} numbers")
            vectors = np.frombuffer(data, "<f4").reshape(len(part), width)
            matrix.add(vectors, _people_of(part))
        return matrix

    def _template(self, person: int, sealed: bytes) -> bytes:
        try:
            return self._cipher.open(sealed, _about_template(person))
        except ValueError:
            raise GalleryError(f"{self.place}: is damaged or was altered; a template does not open") from None

    def _name(self, person: int, sealed: bytes) -> str:
        try:
            return self._cipher.open(sealed, _about_name(person)).decode()
        except ValueError:
            raise GalleryError(f"{self.place}: is damaged or was altered; a name does not open") from None

    def _name_of(self, person: int) -> str:
        (sealed,) = self._db.execute("SELECT name FROM people WHERE id = ?", (person,)).fetchone()
        return self._name(person, sealed)

    def _person(self, db: sqlite3.Connection, name: str) -> int | None:
        row = db.execute("SELECT id FROM people WHERE digest = ?", (self._cipher.digest(name),)).fetchone()
        return None if row is None else int(row[0])

    def _new_person(self, db: sqlite3.Connection, name: str) -> int:
        """The number of a person who is added; the name is sealed to it."""
        digest = self._cipher.digest(name)
        added = db.execute("INSERT INTO people (digest, name) VALUES (?, x'')", (digest,)).lastrowid
        person = int(added or 0)
        sealed = self._cipher.seal(name.encode(), _about_name(person))
        db.execute("UPDATE people SET name = ? WHERE id = ?", (sealed, person))
        return person

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: whole and on the disk, or not at all."""
        with self._lock, _said(self.place):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _scrub(self) -> None:
        """Gives freed pages back and empties the log, which holds what the pages held before."""
        with self._lock, _said(self.place):
            self._db.executescript("PRAGMA incremental_vacuum")  # Which `execute` steps once: a page.
            (busy, *_) = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise GalleryError(
                f"{self.place}: deleted, but another program reads the file, so that its log still holds the "
                "bytes; do it again"
            )


def _make(path: Path, maker: Maker, cipher: Cipher, *, sealed: bool) -> None:
    """Makes an empty gallery beside its place and puts it there at once, for its owner alone to read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # Its mode is 0600.
    os.close(handle)
    part = Path(name)
    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as db:
            for setting in (
                f"page_size = {_PAGE}", "auto_vacuum = INCREMENTAL", "secure_delete = ON",
                f"application_id = {APPLICATION}", f"user_version = {FORMAT}",
            ):  # fmt: skip
                db.execute(f"PRAGMA {setting}")
            db.executescript(_TABLES)
            about = {"maker": maker.model_dump_json().encode()}
            about |= {"proof": cipher.seal(_PROOF, _PROOF)} if sealed else {}
            db.executemany("INSERT INTO about VALUES (?, ?)", about.items())
            db.execute("PRAGMA journal_mode = WAL")
        try:
            os.link(part, path)
        except FileExistsError:  # Another program was quicker; its gallery is as good.
            return
        except OSError:  # No links on this disk.
            part.rename(path)
    finally:
        for each in (part, Path(f"{part}-wal"), Path(f"{part}-shm"), Path(f"{part}-journal")):
            each.unlink(missing_ok=True)


@contextmanager
def _said(place: str) -> Iterator[None]:
    """Turns what SQLite and the disk say into one line."""
    try:
        yield
    except sqlite3.Error as error:
        name = "_".join(str(getattr(error, "sqlite_errorname", "")).split("_")[:2])
        cause = _CAUSES.get(name, f"cannot be read or written ({first_line(error)})")
        raise GalleryError(f"{place}: {cause}") from None
    except OSError as error:
        raise GalleryError(f"{place}: cannot be made ({error.strerror or first_line(error)})") from None


def _people_of(rows: list[Any]) -> NDArray[np.int64]:
    return np.fromiter((row[0] for row in rows), np.int64, len(rows))


def _about_template(person: int) -> bytes:
    return b"template of %d" % person


def _about_name(person: int) -> bytes:
    return b"name of %d" % person
