"""A gallery's file: what is deleted leaves no byte, what is sealed is not read, and each fault is said."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from facetrust.errors import GalleryError, MissingExtra
from facetrust.runtime.gallery import sqlite
from facetrust.runtime.gallery.store import Maker, open_store

WIDTH = 128
MAKER = Maker(model="m@1", fingerprint="f" * 64, dimensions=WIDTH)
KEY = bytes(range(32))


def bytes_of(path: Path) -> bytes:
    """The file, its log and the log's index."""
    return b"".join(
        each.read_bytes() for suffix in ("", "-wal", "-shm") if (each := Path(f"{path}{suffix}")).exists()
    )


def pieces(vector: np.ndarray) -> list[bytes]:
    """A template's bytes in parts of eight, so that a rest of it is found too."""
    data = vector.astype("<f4").tobytes()
    return [data[start : start + 8] for start in range(0, len(data), 8)]


def found(path: Path, people: dict[str, np.ndarray]) -> float:
    """The share of people's names, and of parts of their templates, that stand anywhere in the files."""
    everything = bytes_of(path)
    sought = [name.encode() for name in people]
    sought += [piece for kept in people.values() for each in kept for piece in pieces(each)[::9]]
    return sum(each in everything for each in sought) / len(sought)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "people.db"


def opened(path: Path, **settings):
    store = open_store(path, **settings)
    assert store is not None
    return store


class TestDeletion:
    def test_leaves_no_byte_in_the_file_its_log_or_its_free_pages(self, path, vectors):
        rng = np.random.default_rng(0)
        store = opened(path, maker=MAKER)
        kept: dict[str, np.ndarray] = {}
        gone: dict[str, np.ndarray] = {}
        for step in range(30):
            name = f"person-{step:04d}"
            kept[name] = vectors(int(rng.integers(1, 20)), seed=step, width=WIDTH)
            store.add(name, kept[name])
            if step % 3 == 2:
                leaving = list(kept)[int(rng.integers(len(kept)))]
                assert found(path, {leaving: kept[leaving]}) == 1.0
                gone[leaving] = kept.pop(leaving)
                store.remove(leaving)
        assert len(gone) == 10
        assert found(path, gone) == 0.0
        assert found(path, kept) == 1.0
        store.close()

    def test_gives_the_pages_back(self, path, vectors):
        store = opened(path, maker=MAKER)
        store.add("Bo", vectors(1, width=WIDTH))
        store.remove("nobody")  # Which empties the log.
        before = store.size()
        store.add("Ada", vectors(2000, width=WIDTH))
        assert store.size() > before + 2000 * 4 * WIDTH
        store.remove("Ada")
        assert store.size() <= before + 16384
        assert store._db.execute("PRAGMA freelist_count").fetchone() == (0,)
        store.close()

    def test_that_a_reader_keeps_from_the_log_is_said_and_may_be_done_again(self, path, vectors, monkeypatch):
        monkeypatch.setattr(sqlite, "PATIENCE", 0.05)
        store = opened(path, maker=MAKER)
        (template,) = vectors(1, width=WIDTH)
        store.add("Ada", template[None])
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM templates").fetchone() == (1,)
        with pytest.raises(GalleryError, match=r"another program reads the file.*do it again"):
            store.remove("Ada")
        assert store.counts() == {}
        reader.close()
        assert store.remove("Ada") == 0
        assert not any(piece in bytes_of(path) for piece in pieces(template))
        store.close()


class TestSealed:
    @pytest.fixture(autouse=True)
    def _needs(self):
        pytest.importorskip("cryptography", reason="cryptography is not installed (the extra gallery)")

    def test_neither_names_nor_templates_can_be_read(self, path, vectors):
        (template,) = vectors(1, width=WIDTH)
        clear = opened(path, maker=MAKER)
        clear.add("Ada Lovelace", template[None])
        assert b"Ada Lovelace" in bytes_of(path)
        clear.close()
        other = path.with_name("sealed.db")
        store = opened(other, maker=MAKER, key=KEY)
        store.add("Ada Lovelace", template[None])
        assert b"Lovelace" not in bytes_of(other)
        assert not any(piece in bytes_of(other) for piece in pieces(template))
        assert KEY not in bytes_of(other)
        assert store.encrypted
        store.close()
        again = opened(other, key=KEY)
        assert again.nearest(template[None])[0].score == pytest.approx(1)
        again.close()

    def test_the_same_template_is_never_written_alike_twice(self, path, vectors):
        store = opened(path, maker=MAKER, key=KEY)
        store.add("Ada", np.repeat(vectors(1, width=WIDTH), 3, axis=0))
        rows = store._db.execute("SELECT vector FROM templates").fetchall()
        assert len(set(rows)) == 3
        store.close()

    def test_a_template_that_was_moved_or_altered_does_not_open(self, path, vectors):
        store = opened(path, maker=MAKER, key=KEY)
        store.add("Ada", vectors(1, width=WIDTH))
        store.add("Bo", vectors(1, seed=1, width=WIDTH))
        store._db.execute("UPDATE templates SET person = 1 WHERE person = 2")
        with pytest.raises(GalleryError, match="was altered; a template does not open"):
            store.nearest(vectors(1, width=WIDTH))
        store._db.execute("UPDATE people SET name = (SELECT name FROM people WHERE id = 1) WHERE id = 2")
        with pytest.raises(GalleryError, match="was altered; a name does not open"):
            store.counts()
        store.close()

    def test_the_wrong_key_none_or_one_too_many_is_said(self, path, vectors):
        opened(path, maker=MAKER, key=KEY).close()
        with pytest.raises(GalleryError, match="encrypted by another key"):
            open_store(path, key=KEY[::-1])
        with pytest.raises(GalleryError, match="is encrypted; give its key"):
            open_store(path)
        clear = path.with_name("clear.db")
        opened(clear, maker=MAKER).close()
        with pytest.raises(GalleryError, match="is not encrypted; give no key"):
            open_store(clear, key=KEY)

    def test_the_key_is_read_from_a_file_or_the_environment(self, path, tmp_path, monkeypatch):
        (tmp_path / "key").write_text(KEY.hex() + "\n")
        opened(path, maker=MAKER, key=tmp_path / "key").close()
        monkeypatch.setenv("FACETRUST_GALLERY_KEY", KEY.hex().upper())
        opened(path).close()

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "has not 64 hexadecimal digits"),
            ("00" * 31, "has not 64"),
            ("zz" * 32, "has not 64"),
            ("00" * 500, "has not 64"),
            ("\N{SNOWMAN}" * 64, "has not 64"),
            (None, "the gallery's key cannot be read"),
        ],
    )
    def test_what_is_no_key_is_said(self, path, tmp_path, content, message):
        if content is not None:
            (tmp_path / "key").write_text(content)
        with pytest.raises(GalleryError, match=message):
            open_store(path, maker=MAKER, key=tmp_path / "key")
        with pytest.raises(GalleryError, match="has 5 bytes; 32 are needed"):
            open_store(path, maker=MAKER, key=b"short")
        assert not path.exists()

    def test_without_its_package_the_extra_is_named(self, path, monkeypatch):
        monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
        with pytest.raises(MissingExtra, match=r"facetrust\[gallery\]"):
            open_store(path, maker=MAKER, key=KEY)


class TestFaults:
    def test_the_file_is_its_owners_alone(self, path):
        opened(path, maker=MAKER).close()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert [each.name for each in path.parent.iterdir()] == ["people.db"]

    def test_a_locked_file_is_said_after_a_while(self, path, vectors, monkeypatch):
        monkeypatch.setattr(sqlite, "PATIENCE", 0.05)
        store = opened(path, maker=MAKER)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(GalleryError, match=r"people.db: is in use by another program; try again"):
            store.add("Ada", vectors(1, width=WIDTH))
        other.close()
        assert store.add("Ada", vectors(1, width=WIDTH)) == 1
        store.close()

    @pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
    def test_a_file_that_was_cut_off_is_said(self, path, vectors, share):
        store = opened(path, maker=MAKER)
        store.add("Ada", vectors(400, width=WIDTH))
        store.close()
        data = path.read_bytes()
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(GalleryError, match=r"is damaged or cut off|is not a gallery"):
            opened(path).nearest(vectors(1, width=WIDTH))

    def test_a_template_of_another_length_is_said(self, path, vectors):
        store = opened(path, maker=MAKER)
        store.add("Ada", vectors(2, width=WIDTH))
        store._db.execute("UPDATE templates SET vector = x'0000803f' WHERE id = 2")
        with pytest.raises(GalleryError, match="a template has not 128 numbers"):
            store.nearest(vectors(1, width=WIDTH))
        store.close()

    @pytest.mark.parametrize(
        ("content", "message"),
        [(b"", "another program's"), (b"text" * 500, "is not a gallery; it is no SQLite file")],
    )
    def test_what_is_no_gallery_is_said_and_left_as_it_is(self, path, content, message):
        path.write_bytes(content)
        for maker in (None, MAKER):
            with pytest.raises(GalleryError, match=message):
                open_store(path, maker=maker)
        assert path.read_bytes() == content

    def test_another_programs_database_a_folder_and_a_later_format_are_said(self, path, tmp_path):
        sqlite3.connect(path).execute("CREATE TABLE songs (name TEXT)").connection.close()
        with pytest.raises(GalleryError, match="another program's SQLite file"):
            open_store(path, maker=MAKER)
        with pytest.raises(GalleryError, match="is not a file"):
            open_store(tmp_path, maker=MAKER)
        later = tmp_path / "later.db"
        opened(later, maker=MAKER).close()
        sqlite3.connect(later).execute("PRAGMA user_version = 2").connection.close()
        with pytest.raises(GalleryError, match="has format 2; this facetrust reads 1"):
            open_store(later)


@pytest.mark.skipif(sys.platform != "linux", reason="disks are mounted as Linux does")
class TestDisk:
    @pytest.fixture
    def disk(self, tmp_path):
        """A function that mounts a disk with some options, or mounts it anew with others."""
        place = tmp_path / "disk"
        place.mkdir()

        def mount(options: str) -> Path:
            again = "remount," if place.is_mount() else ""
            command = ["mount", "-t", "tmpfs", "-o", f"{again}{options}", "none", str(place)]
            if subprocess.run(command, capture_output=True, check=False).returncode:
                pytest.skip("no small disk can be made here; it takes the rights to mount one")
            return place

        yield mount
        if place.is_mount():
            subprocess.run(["umount", "--lazy", place], check=True)

    def test_a_full_one_is_said_and_what_was_kept_stays(self, disk, vectors):
        path = disk("size=512k") / "people.db"
        store = opened(path, maker=MAKER)
        kept, said = 0, ""
        while not said:
            try:
                store.add(f"p{kept}", vectors(20, seed=kept, width=WIDTH))
                kept += 1
            except GalleryError as error:
                said = str(error)
        assert said.endswith("(No space left on device); nothing was changed")
        assert kept >= 3
        assert len(store.counts()) == kept
        store.close()
        disk("size=8m")
        again = opened(path)
        assert again.counts() == {f"p{number}": 20 for number in range(kept)}
        assert again.nearest(vectors(1, seed=kept - 1, width=WIDTH))[0].name == f"p{kept - 1}"
        assert again.add("more", vectors(20, width=WIDTH)) == 20
        again.close()

    def test_one_too_full_for_a_gallery_is_left_as_it_was(self, disk):
        place = disk("size=16k")
        with pytest.raises(GalleryError, match="No space left on device"):
            open_store(place / "people.db", maker=MAKER)
        assert list(place.iterdir()) == []

    def test_one_that_is_read_only_is_said(self, disk, vectors):
        place = disk("size=1m")
        opened(place / "people.db", maker=MAKER).close()
        disk("ro")
        with pytest.raises(GalleryError, match="read-only"):
            open_store(place / "people.db").add("Ada", vectors(1, width=WIDTH))
        with pytest.raises(GalleryError, match=r"new.db: cannot be made \(Read-only file system"):
            open_store(place / "new.db", maker=MAKER)
