"""Sources: each kind becomes inputs in a stable order whose bytes are read back; bad ones are one line."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import polars as pl
import pytest

from facetrust.errors import InputError
from facetrust.imaging.inputs import Encoded
from facetrust.imaging.pixels import MAX_BYTES
from facetrust.runtime.scan.reading import MISSING, UNREADABLE, Reader
from facetrust.runtime.scan.sources import Input, inputs_of_source


def listed(source: object) -> list[Input]:
    return list(inputs_of_source(str(source)).inputs)


def names(source: object, root: Path) -> list[str]:
    return [each.name.removeprefix(f"{root}/") for each in listed(source)]


def content(each: Input) -> bytes | None:
    source = Reader().read(each).source
    return source.data if isinstance(source, Encoded) else None


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    (folder / "b").mkdir(parents=True)
    for name in ("c.png", "a.jpg", "b/d.png", "notes.txt"):
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """A shard as WebDataset lays it out: members of a key, of which one is a picture; and a link."""
    path = tmp_path / "shards" / "0.tar"
    path.parent.mkdir()
    with tarfile.open(path, "w") as members:
        for name in ("one.jpg", "one.json", "two.jpg", "two.cls"):
            about = tarfile.TarInfo(name)
            data = name.encode() * 300
            about.size = len(data)
            members.addfile(about, io.BytesIO(data))
        link = tarfile.TarInfo("three.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        members.addfile(link)
    return path


def test_a_folder_is_searched_deeply_and_in_order(pictures):
    assert names(pictures, pictures) == ["a.jpg", "b/d.png", "c.png"]
    assert [path.name for path in inputs_of_source(str(pictures)).skipped] == ["notes.txt"]
    assert names(pictures / "*.png", pictures) == ["c.png"]
    assert names(pictures / "c.png", pictures) == ["c.png"]
    assert [content(each) for each in listed(pictures)] == [b"a.jpg", b"b/d.png", b"c.png"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("l.txt", "c.png\n\nb/d.png\r\nnone.png\n"),
        ("l.csv", "label,path\n0,c.png\n1,b/d.png\n1,none.png\n"),
    ],
)
def test_a_list_has_paths_that_are_relative_to_it(pictures, name, text):
    (pictures / name).write_text(text)
    found = listed(pictures / name)
    assert [each.file for each in found] == [f"{pictures}/{n}" for n in ("c.png", "b/d.png", "none.png")]
    assert [content(each) for each in found] == [b"c.png", b"b/d.png", None]
    missing = Reader().read(found[2])
    assert (missing.failure, missing.reason) == (MISSING, f"{pictures}/none.png: no such file")


def test_a_parquet_of_paths(pictures):
    pl.DataFrame({"label": [0, 1], "path": ["c.png", "b/d.png"]}).write_parquet(pictures / "m.parquet")
    assert [content(each) for each in listed(pictures / "m.parquet")] == [b"c.png", b"b/d.png"]


def test_a_parquet_of_bytes_is_read_by_rows_around_the_one_asked(tmp_path):
    data = [f"picture {n}".encode() for n in range(200)]
    pl.DataFrame({"key": [f"k{n}" for n in range(200)], "jpg": data}).write_parquet(tmp_path / "b.parquet")
    found = listed(tmp_path / "b.parquet")
    assert [found[n].name for n in (0, 199)] == [f"{tmp_path}/b.parquet/k0", f"{tmp_path}/b.parquet/k199"]
    reader = Reader()
    assert [reader.read(found[n]).source.data for n in (0, 63, 64, 199, 5)] == [
        data[n] for n in (0, 63, 64, 199, 5)
    ]


def test_a_parquet_as_hugging_face_writes_pictures(tmp_path):
    images = [{"bytes": b"one", "path": "1.jpg"}, {"bytes": None, "path": "2.jpg"}]
    pl.DataFrame({"image": images}).write_parquet(tmp_path / "h.parquet")
    one, two = listed(tmp_path / "h.parquet")
    assert (one.name, content(one)) == (f"{tmp_path}/h.parquet/0", b"one")
    none = Reader().read(two)
    assert (none.failure, none.reason) == (UNREADABLE, f"{tmp_path}/h.parquet/1: has no bytes")


def test_of_a_tar_shard_pictures_are_taken_by_where_they_lie(shard):
    assert names(shard, shard) == ["one.jpg", "two.jpg"]
    assert [content(each) for each in listed(shard)] == [b"one.jpg" * 300, b"two.jpg" * 300]
    with shard.open("rb") as file:
        file.seek(listed(shard)[1].offset)
        assert file.read(7) == b"two.jpg"


def test_a_folder_without_pictures_is_its_shards(shard):
    pl.DataFrame({"bytes": [b"x"]}).write_parquet(shard.parent / "1.parquet")
    assert names(shard.parent, shard.parent) == ["0.tar/one.jpg", "0.tar/two.jpg", "1.parquet/0"]
    (shard.parent / "a.png").write_text("a")
    assert names(shard.parent, shard.parent) == ["a.png"]
    assert len(inputs_of_source(str(shard.parent)).skipped) == 2


def test_an_address_is_listed_and_read(pictures, shard):
    pytest.importorskip("fsspec")
    found = listed(f"file://{pictures}")
    assert [each.file for each in found] == [f"file://{pictures}/{n}" for n in ("a.jpg", "b/d.png", "c.png")]
    assert [content(each) for each in found] == [b"a.jpg", b"b/d.png", b"c.png"]
    assert [content(each) for each in listed(f"file://{shard.parent}")] == [
        b"one.jpg" * 300,
        b"two.jpg" * 300,
    ]
    gone = Reader().read(found[0]._replace(file=f"file://{pictures}/gone.png"))
    assert gone.failure == MISSING


def test_a_picture_beyond_the_limit_is_not_read(shard):
    huge = listed(shard)[0]._replace(size=MAX_BYTES + 1)
    assert Reader().read(huge).reason == f"{shard}/one.jpg: {MAX_BYTES + 1} bytes; the limit is {MAX_BYTES}"


def test_inputs_are_found_from_another_folder(pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("l.txt").write_text("in/c.png")
    found = [*listed("in"), *listed("l.txt")]
    assert [each.name for each in found] == ["in/a.jpg", "in/b/d.png", "in/c.png", "in/c.png"]
    monkeypatch.chdir("/")
    assert [content(each) for each in found] == [b"a.jpg", b"b/d.png", b"c.png", b"c.png"]


def test_a_name_that_is_no_text_crosses_the_listing():
    odd = Input("a\ufffd.png", "a\udcff.png", 1, 2)
    assert Input.from_line(odd.to_line()) == odd


BAD = [
    ("none", "none: no such file or folder"),
    ("empty", "empty: no picture in it, nor a video"),
    ("none*.png", "no file matches"),
    ("none.txt", "none.txt: no such file or folder"),
    ("none.tar", "none.tar: cannot be read as a tar file"),
    ("bad.tar", "bad.tar: cannot be read as a tar file"),
    ("packed.tar.gz", "packed.tar.gz: is packed"),
    ("dull.tar", "dull.tar: no picture in it"),
    ("bad.parquet", "bad.parquet: cannot be read as a Parquet file"),
    ("dull.parquet", "dull.parquet: has no column of bytes .* it has n"),
    ("bad.csv", "bad.csv: has no column path; it has name"),
    ("nowhere://bucket/x", "nowhere://bucket/x: cannot be opened"),
    ("file:///none/at/all", "no picture in it"),
    ("s3://bucket/x.parquet/", "cannot be"),
]


@pytest.mark.parametrize(("name", "said"), BAD)
def test_a_bad_source_is_one_line(tmp_path, monkeypatch, name, said):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("bad.tar").write_text("no tar" * 200)
    Path("bad.parquet").write_text("no table")
    Path("packed.tar.gz").touch()
    Path("bad.csv").write_text("name\nx\n")
    pl.DataFrame({"n": [1]}).write_parquet("dull.parquet")
    with tarfile.open("dull.tar", "w") as members:
        members.addfile(tarfile.TarInfo("a.txt"))
    with pytest.raises(InputError, match=said) as caught:
        listed(name)
    assert "\n" not in str(caught.value)
