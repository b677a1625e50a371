"""RecordIO: records as MXNet writes them, those cut into parts too, and named errors for damaged ones."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from facetrust.data.packs import encoded_pictures
from facetrust.data.record_io import RecordFile
from facetrust.errors import ManifestError

MAGIC = struct.pack("<I", 0xCED7230A)
PICTURE = b"\xff\xd8picture"


def entry(labels: list[float], picture: bytes = PICTURE, *, key: int = 0) -> bytes:
    """Labels and picture behind their header; one label stands in the header itself."""
    if len(labels) == 1:
        return struct.pack("<IfQQ", 0, labels[0], key, 0) + picture
    return struct.pack("<IfQQ", len(labels), 0, key, 0) + struct.pack(f"<{len(labels)}f", *labels) + picture


def part(flag: int, content: bytes) -> bytes:
    return MAGIC + struct.pack("<I", flag << 29 | len(content)) + content + bytes(-len(content) % 4)


def record(content: bytes) -> bytes:
    """A record; where the magic number stands in the content on a multiple of four, it is cut there."""
    cuts = [at for at in range(0, len(content) - 3, 4) if content[at : at + 4] == MAGIC]
    ends = [*cuts, len(content)]
    parts = [content[start:end] for start, end in zip([0, *(cut + 4 for cut in cuts)], ends, strict=True)]
    if len(parts) == 1:
        return part(0, content)
    flags = [1, *[2] * (len(parts) - 2), 3]
    return b"".join(part(flag, each) for flag, each in zip(flags, parts, strict=True))


def written(folder: Path, entries: dict[int, bytes], name: str = "train") -> Path:
    places, content = [], b""
    for key, each in entries.items():
        places.append(f"{key}\t{len(content)}\n")
        content += record(each)
    folder.mkdir(exist_ok=True, parents=True)
    (folder / f"{name}.idx").write_text("".join(places))
    (folder / f"{name}.rec").write_bytes(content)
    return folder / f"{name}.rec"


def test_labels_and_pictures_are_read_by_key(tmp_path):
    path = written(tmp_path, {0: entry([3, 5], b""), 2: entry([7, 0.5]), 1: entry([4], PICTURE + b"x")})
    with RecordFile(path) as records:
        assert list(records) == [0, 1, 2]
        assert (len(records), 1 in records, 9 in records) == (3, True, False)
        assert records.read(0) == ((3.0, 5.0), b"")
        assert records.read(1) == ((4.0,), PICTURE + b"x")
        assert records.read(2) == ((7.0, 0.5), PICTURE)
        assert [records.labels(key) for key in records] == [(3.0, 5.0), (4.0,), (7.0, 0.5)]
    assert list(encoded_pictures(path, [2, 1])) == [(2, PICTURE), (1, PICTURE + b"x")]


def test_a_picture_that_holds_the_magic_number_is_put_together_again(tmp_path):
    picture = b"abcd" + MAGIC + b"efgh" + MAGIC + MAGIC + b"ijk"
    path = written(tmp_path, {1: entry([2], picture), 2: entry([3])})
    assert path.read_bytes().count(MAGIC) == 5  # Four parts and one whole record; none of them in between.
    with RecordFile(path) as records:
        assert records.read(1) == ((2.0,), picture)
        assert records.read(2) == ((3.0,), PICTURE)


def broken(path: Path, at: int, change: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[at : at + len(change)] = change
    path.write_bytes(content)


def read_twice(path: Path) -> None:
    with RecordFile(path) as records:
        records.labels(1)
        records.read(1)


def test_damage_is_one_line(tmp_path):
    said = {
        "magic": (lambda path: broken(path, 0, b"\0\0\0\0"), "byte 0: no record begins there"),
        "flag": (lambda path: broken(path, 7, b"\xe0"), "byte 0: no record begins there"),
        "length": (lambda path: broken(path, 4, b"\xff\xff\xff\x1f"), "536870911 bytes are announced"),
        "cut": (lambda path: path.write_bytes(path.read_bytes()[:-9]), "the file is cut short"),
        "nothing": (lambda path: path.write_bytes(b""), "the file is cut short"),
        "header": (lambda path: path.write_bytes(part(0, b"short")), "5 bytes are too few for its header"),
        "labels": (lambda path: broken(path, 8, b"\x00\xff"), "labels and is too short for them"),
        "middle": (lambda path: broken(path, 7, b"\x40"), "begins or ends in the middle"),
        "no end": (lambda path: broken(path, 7, b"\x20"), "the file is cut short"),
        "index": (lambda path: path.with_suffix(".idx").write_text("1\t0\n2\n"), "line 2: is not a record"),
        "no index": (lambda path: path.with_suffix(".idx").write_text(""), "holds no records"),
        "place": (lambda path: path.with_suffix(".idx").write_text("1\t4\n"), "its .idx is another's"),
        "no .idx": (lambda path: path.with_suffix(".idx").unlink(), "the index of the records is missing"),
        "no .rec": (lambda path: path.unlink(), "the file of records is missing"),
    }
    for name, (damage, message) in said.items():
        path = written(tmp_path / name, {1: entry([4])})
        damage(path)
        with pytest.raises(ManifestError) as caught:
            read_twice(path)
        assert message in str(caught.value), name
        assert "\n" not in str(caught.value)


def test_a_record_that_is_not_there_is_named(tmp_path):
    with (
        RecordFile(written(tmp_path, {1: entry([4])})) as records,
        pytest.raises(ManifestError, match="record 5"),
    ):
        records.read(5)
