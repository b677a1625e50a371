"""A gallery in a PostgreSQL database with pgvector, which many programs share and which searches itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from facetrust.errors import GalleryError, MissingExtra, first_line
from facetrust.runtime.gallery.store import Maker, Nearest, Vectors, check_width, shown_place

if TYPE_CHECKING:
    import psycopg

INDEX_FROM = 200_000  # Templates; fewer are searched exactly, see docs/gallery.md.
CANDIDATES = 200  # That the index looks through; more miss fewer and take longer.
PATIENCE = 5  # Seconds that a server, or another program's lock, is waited for.
_LOCK = 0x46544741  # Of those who make the tables.
_TABLES = """
CREATE TABLE facetrust_about (model text NOT NULL, fingerprint text NOT NULL, dimensions int NOT NULL);
CREATE TABLE facetrust_people (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE facetrust_templates (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person bigint NOT NULL REFERENCES facetrust_people ON DELETE CASCADE,
    vector vector({width}) NOT NULL
);
ALTER TABLE facetrust_templates ALTER vector SET STORAGE PLAIN;
CREATE INDEX facetrust_templates_of ON facetrust_templates (person);
"""
_COUNTS = (
    "SELECT name, count(t.id) FROM facetrust_people p LEFT JOIN facetrust_templates t ON t.person = p.id "
    "GROUP BY name"
)
_NEAREST = (
    "SELECT name, score FROM (SELECT person, -(vector <#> %(vector)s) AS score FROM facetrust_templates "
    "ORDER BY vector <#> %(vector)s LIMIT 1) AS best JOIN facetrust_people p ON p.id = person"
)
INDEX = (
    "CREATE INDEX IF NOT EXISTS facetrust_templates_near ON facetrust_templates "
    "USING hnsw (vector vector_ip_ops)"
)


def open_gallery(url: str, *, maker: Maker | None = None) -> PostgresStore | None:
    """Returns the gallery in a database; where there is none, an empty one of a given maker, or None without.

    Raises:
        MissingExtra: psycopg is not installed.
        GalleryError: the server cannot be reached or lacks pgvector, or the tables cannot be made.
    """
    try:
        import psycopg
    except ModuleNotFoundError:
        raise MissingExtra("psycopg", "postgres") from None
    with _said(url):
        db = psycopg.connect(url, autocommit=True, connect_timeout=PATIENCE)
        try:
            db.execute("SET synchronous_commit = on")
            db.execute(f"SET hnsw.ef_search = {CANDIDATES}")
            db.execute(f"SET lock_timeout = '{PATIENCE}s'")
            found = _about(db)
            if found is None and maker is not None:
                found = _make(db, maker)
            if found is not None:
                return PostgresStore(url, db, found)
        except BaseException:
            db.close()
            raise
        db.close()
    return None


class PostgresStore:
    """Keeps templates in a database; see `Store`. Comes from `open_gallery`; safe from several threads.

    A commit is on the server's disk when it returns. Up to `INDEX_FROM` templates every one is compared; from
    there on pgvector's HNSW index is made and used, which may miss the nearest. What is deleted is gone for
    every query at once; when the server's pages, log and backups lose its bytes is the server's to say.
    """

    encrypted = False

    def __init__(self, url: str, db: psycopg.Connection[Any], maker: Maker) -> None:
        self.place = shown_place(url)
        self.maker = maker
        self._url = url
        self._db = db
        self._lock = threading.RLock()

    def add(self, name: str, vectors: Vectors) -> int:
        """Keeps templates (n, d) of unit length, all or none; returns how many the person has then.

        Raises:
            GalleryError: it cannot be written.
        """
        check_width(self, vectors)
        with self._lock, _said(self._url):
            with self._db.transaction():
                added = self._db.execute(
                    "INSERT INTO facetrust_people (name) VALUES (%s) "
                    "ON CONFLICT (name) DO UPDATE SET name = EXCLUDED.name RETURNING id",
                    (name,),
                )
                (person,) = _row(added)
                with self._db.cursor().copy("COPY facetrust_templates (person, vector) FROM STDIN") as rows:
                    for vector in vectors:
                        rows.write_row((person, _text(vector)))
                question = "SELECT count(*) FROM facetrust_templates WHERE person = %s"
                (count,) = _row(self._db.execute(question, (person,)))
            self._index()
        return int(count)

    def remove(self, name: str) -> int:
        """Deletes a person; returns how many templates there were, 0 of one who is not there.

        Raises:
            GalleryError: it cannot be written.
        """
        with self._lock, _said(self._url):
            with self._db.transaction():
                gone = self._db.execute(
                    "DELETE FROM facetrust_templates WHERE person = "
                    "(SELECT id FROM facetrust_people WHERE name = %s FOR UPDATE)",
                    (name,),
                ).rowcount
                self._db.execute("DELETE FROM facetrust_people WHERE name = %s", (name,))
            if gone:
                self._db.execute("VACUUM facetrust_templates, facetrust_people")
        return gone

    def counts(self) -> dict[str, int]:
        """Returns name → number of templates, in the order of the names."""
        with self._lock, _said(self._url):
            return dict(sorted(self._db.execute(_COUNTS).fetchall()))

    def totals(self) -> tuple[int, int]:
        """Returns the numbers of people and of templates."""
        with self._lock, _said(self._url):
            (people,) = _row(self._db.execute("SELECT count(*) FROM facetrust_people"))
            (templates,) = _row(self._db.execute("SELECT count(*) FROM facetrust_templates"))
        return people, templates

    def nearest(self, vectors: Vectors) -> list[Nearest | None]:
        """Returns the nearest template of each of the vectors (n, d); None in an empty gallery."""
        with self._lock, _said(self._url):
            found = [self._db.execute(_NEAREST, {"vector": _text(each)}).fetchone() for each in vectors]
        return [None if row is None else Nearest(row[0], float(row[1])) for row in found]

    def size(self) -> int:
        """Returns the bytes of its tables and indexes."""
        question = (
            "SELECT sum(pg_total_relation_size(name)) FROM unnest(ARRAY['facetrust_about', "
            "'facetrust_people', 'facetrust_templates']::regclass[]) AS name"
        )
        with self._lock, _said(self._url):
            return int(_row(self._db.execute(question))[0])

    def close(self) -> None:
        """Closes the connection."""
        with self._lock:
            self._db.close()

    @property
    def server_process(self) -> int:
        """The number of the server's process that answers."""
        return self._db.info.backend_pid

    def _index(self) -> None:
        """Makes the index once there are many; what was added before is committed already."""
        question = "SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = 'facetrust_templates'::regclass"
        (about,) = _row(self._db.execute(question))
        if about >= INDEX_FROM:
            self._db.execute(INDEX)


def _about(db: psycopg.Connection[Any]) -> Maker | None:
    """Whose templates a database holds; None where it has no tables of ours."""
    (there,) = _row(db.execute("SELECT to_regclass('facetrust_about') IS NOT NULL"))
    row = (
        db.execute("SELECT model, fingerprint, dimensions FROM facetrust_about").fetchone() if there else None
    )
    return None if row is None else Maker(model=row[0], fingerprint=row[1], dimensions=row[2])


def _make(db: psycopg.Connection[Any], maker: Maker) -> Maker:
    """Makes the tables, unless another program was quicker; returns whose they are."""
    with db.transaction():
        db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        found = _about(db)
        if found is not None:
            return found
        db.execute("CREATE EXTENSION IF NOT EXISTS vector")
        for command in _TABLES.format(width=int(maker.dimensions)).split(";\n"):
            db.execute(command.encode())
        row = (maker.model, maker.fingerprint, maker.dimensions)
        db.execute("INSERT INTO facetrust_about VALUES (%s, %s, %s)", row)
    return maker


def _row(cursor: psycopg.Cursor[Any]) -> tuple[Any, ...]:
    """The one row of an answer that always has one."""
    (row,) = cursor.fetchall()
    return tuple(row)


def _text(vector: Vectors) -> str:
    """How pgvector reads a vector (d,); nine digits tell every float32."""
    return f"[{','.join(format(value, '.9g') for value in vector.tolist())}]"


@contextmanager
def _said(url: str) -> Iterator[None]:
    """Turns what the server says into one line, without the password."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise GalleryError(f"{shown_place(url)}: {first_line(error)}") from None
