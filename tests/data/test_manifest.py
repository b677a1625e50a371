import hashlib
import json
import os
from pathlib import Path

import polars as pl
import pytest

from facetrust.data.manifest import SCHEMA, Manifest
from facetrust.errors import ManifestError, ScoresError
from facetrust.records import Sample, Scores

SAMPLES = [
    Sample(
        path="b.png", label=1, split="train", subject="0001", x=1.5, y=2, w=3, h=4, frame=3, attack="print"
    ),
    Sample(path="a, ü.png", label=0, split="test", domain="d"),
    Sample(path="c.png", label=0, split="train", media="m", mask="c_mask.png"),
]


@pytest.mark.parametrize("name", ["m.csv", "m.parquet", "M.CSV"])
def test_a_manifest_reads_back_as_it_was_written(tmp_path: Path, name: str) -> None:
    written = Manifest.write(SAMPLES, tmp_path / "deeper" / name)
    read = Manifest.read(tmp_path / "deeper" / name)
    assert read.samples() == written.samples() == sorted(SAMPLES, key=lambda sample: sample.path)
    assert read.hash == written.hash
    assert read.root == tmp_path / "deeper"
    assert len(read) == 3
    assert [entry.name for entry in read.root.iterdir()] == [name]


def test_the_hash_is_that_of_the_rows_in_json(tmp_path: Path) -> None:
    rows = sorted(
        (list(sample.model_dump(exclude={"points"}).values()) for sample in SAMPLES), key=lambda row: row[0]
    )
    text = "".join(json.dumps(row) + "\n" for row in rows)
    assert Manifest.of(SAMPLES, tmp_path).hash == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_the_hash_knows_content_alone(tmp_path: Path) -> None:
    whole = Manifest.of(SAMPLES, tmp_path)
    assert Manifest.of(SAMPLES[::-1], tmp_path / "elsewhere").hash == whole.hash
    assert Manifest.of(SAMPLES[1:], tmp_path).hash != whole.hash
    changed = [SAMPLES[0].model_copy(update={"label": 0}), *SAMPLES[1:]]
    assert Manifest.of(changed, tmp_path).hash != whole.hash


def test_a_part_keeps_the_name_of_the_whole(tmp_path: Path) -> None:
    whole = Manifest.of(SAMPLES, tmp_path)
    part = whole.only("train")
    assert [sample.path for sample in part.samples()] == ["b.png", "c.png"]
    assert part.hash == whole.hash
    with pytest.raises(ManifestError, match="no rows in the split 'dev'; it has: test, train"):
        whole.only("dev")


def test_labels_by_name_and_numbers_of_any_kind(tmp_path: Path) -> None:
    names = ["Live", " spoof", "0", "1", "real"]
    (tmp_path / "m.csv").write_text(
        "note,split,label,path\n" + "".join(f"x,dev,{n},{i}.png\n" for i, n in enumerate(names))
    )
    read = Manifest.read(tmp_path / "m.csv")
    assert read.rows["label"].to_list() == [0, 1, 0, 1, 0]
    assert read.rows.columns == list(SCHEMA)
    for values in ([False, True], [0, 1], [0.0, 1.0]):
        frame = pl.DataFrame(
            {"path": ["a", "b"], "label": values, "split": "dev", "subject": [7, 8], "x": [None, None]}
        )
        frame.write_parquet(tmp_path / "m.parquet")
        rows = Manifest.read(tmp_path / "m.parquet").rows
        assert rows["label"].to_list() == [0, 1]
        assert rows["subject"].to_list() == ["7", "8"]
        assert rows.schema == pl.Schema(SCHEMA)


def test_a_subject_keeps_its_zeros_and_nothing_is_null(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path,label,split,subject,media,x\na,0,dev,0001,,\n")
    (row,) = Manifest.read(tmp_path / "m.csv").samples()
    assert (row.subject, row.media, row.x) == ("0001", None, None)


HEAD = "path,label,split"
BAD = {
    f"{HEAD}": "has no rows",
    "path,label\na,0": "lacks the column 'split'",
    "label,split\n0,dev": "lacks the column 'path'",
    f"{HEAD}\na,0,dev\nb,what,dev\nc,also,dev": "row 2: label 'what' is not known",
    f"{HEAD}\na,0.5,dev": "row 1: label '0.5' is not known",
    f"{HEAD}\na,0,dev\nb,0,val": "row 2: split 'val' is not one of train, dev, test",
    f"{HEAD}\na,0,dev\nb,0,dev\na,1,dev": "row 3: path 'a' comes twice",
    f"{HEAD}\n,0,dev": "row 1: path is empty",
    f"{HEAD}\na,,dev": "row 1: label is empty",
    f"{HEAD}\na,0,": "row 1: split is empty",
    f"{HEAD},x\na,0,dev,1": "row 1: the box needs all of x, y, w and h",
    f"{HEAD},x,y,w,h\na,0,dev,1,1,0,5": "row 1: the box needs w and h above 0",
    f"{HEAD},x,y,w,h\na,0,dev,1,oops,2,5": "row 1: y 'oops' is not a number that fits",
    f"{HEAD},x,y,w,h\na,0,dev,1,inf,2,5": "row 1: y 'inf' is not a number that fits",
    f"{HEAD},frame\na,0,dev,1.5": "row 1: frame '1.5' is not a number that fits",
    f"{HEAD},frame\na,0,dev,1e30": "row 1: frame '1e30' is not a number that fits",
    f"{HEAD},points\na,0,dev,1 2 3": "row 1: points '1 2 3' are not ten numbers",
    f"{HEAD},points\na,0,dev,{'1 ' * 9}x": "x' are not ten numbers, five times x and y",
    f"{HEAD},points\na,0,dev,{'1 ' * 9}nan": "nan' are not ten numbers, five times x and y",
    f"{HEAD}\na,{'9' * 5000},dev": "row 1: label '99999999",
    "": "is not a readable csv file",
    f"{HEAD}\na,0,dev,9,9": "is not a readable csv file",
}


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_bad_rows_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(ManifestError) as caught:
        Manifest.read(tmp_path / "m.csv")
    assert BAD[text] in str(caught.value)
    assert str(tmp_path / "m.csv") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("value", "kind"), [([1, 2], r"List\(Int64\)"), (b"\xff", "Binary")])
def test_a_column_that_holds_no_plain_values_is_named(tmp_path: Path, value, kind) -> None:
    rows = pl.DataFrame({"path": ["a"], "label": [0], "split": ["dev"], "subject": [value]})
    rows.write_parquet(tmp_path / "m.parquet")
    with pytest.raises(ManifestError, match=f"the column 'subject' holds {kind}, not plain values"):
        Manifest.read(tmp_path / "m.parquet")


def test_bad_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 not so")
    (tmp_path / "folder.csv").mkdir()
    cases = {
        "none.csv": "no such manifest",
        "none.txt": "must end in .parquet or .csv",
        "none": "must end in .parquet or .csv",
        "broken.parquet": "is not a readable parquet file",
        "folder.csv": "is a directory",
    }
    for name, message in cases.items():
        with pytest.raises(ManifestError, match=message):
            Manifest.read(tmp_path / name)


def test_nothing_is_written_for_rows_that_cannot_be_used(tmp_path: Path) -> None:
    for samples, name in (([], "m.csv"), ([SAMPLES[0], SAMPLES[0]], "m.parquet"), (SAMPLES, "m.json")):
        with pytest.raises(ManifestError):
            Manifest.write(samples, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_missing_pictures_and_masks_are_counted(tmp_path: Path) -> None:
    made = Manifest.of(SAMPLES, tmp_path)
    with pytest.raises(ManifestError, match=r"no such image .*a, ü\.png and 3 more"):
        made.verify_files()
    for sample in made.samples():
        made.path_of(sample).touch()
    with pytest.raises(ManifestError, match=r"no such image .*c_mask\.png; "):
        made.verify_files()
    (tmp_path / "c_mask.png").touch()
    made.verify_files()


def test_a_file_that_makes_the_reader_panic_is_one_line(tmp_path: Path, monkeypatch, capfd) -> None:
    """Polars panics on some damaged files: it writes on standard error, and raises what is no `Exception`."""

    class Panic(BaseException):
        pass

    def panic(_: Path) -> None:
        os.write(2, b"thread 'async-executor-0' panicked\nstack backtrace: ...\n")
        raise Panic

    monkeypatch.setattr(pl, "read_parquet", panic)
    (tmp_path / "m.parquet").touch()
    with pytest.raises(ManifestError, match=r"is not a readable parquet file \(Panic\)"):
        Manifest.read(tmp_path / "m.parquet")
    with pytest.raises(ScoresError, match=r"is not a scores file \(Panic\)"):
        Scores.read(tmp_path / "m.parquet")
    assert capfd.readouterr().err == ""
    os.write(2, b"as before")
    assert capfd.readouterr().err == "as before"
