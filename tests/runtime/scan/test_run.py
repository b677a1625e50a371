"""A scan: every input has its rows once, whatever ends in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from facetrust import errors
from facetrust.errors import InputError, UsageError
from facetrust.runtime.scan import folder as scan_folder
from facetrust.runtime.scan import run, workers
from facetrust.runtime.scan.rows import judged_by

HERE = Path(__file__).parent


def test_every_face_has_a_row_and_so_has_what_has_none(fill, scan, rows, noted):
    source = fill("good", "two", "none", "broken", "raise", "bad", copy="good 0")
    moves: list[tuple[int, int]] = []
    done = scan(source, moved=lambda *at: moves.append(at))
    assert (moves[0], moves[-1]) == ((0, 7), (7, 7))
    assert moves == sorted(moves)
    found = rows()
    said = [(r["input"], r["kind"], r["face"], r["trusted"], r["failure"], r["same_as"]) for r in found]
    assert said == [
        (0, "image", 1, True, None, None),
        (1, "image", 1, True, None, None),
        (1, "image", 2, True, None, None),
        (2, "image", None, None, None, None),
        (3, "failure", None, None, "unreadable", None),
        (4, "failure", None, None, "error", None),
        (5, "image", 1, False, None, None),
        (6, "same", None, None, None, 0),
    ]
    assert [Path(r["source"]).name for r in found[-2:]] == ["005.png", "copy.png"]
    assert [r["toy_score"] for r in found] == [0.1, 0.2, 0.3, None, None, None, 0.9, None]
    assert found[4]["reason"] == f"{source / '003.png'}: is broken"
    assert found[5]["reason"] == f"{source / '004.png'}: ValueError: a bug"
    assert found[0]["sha256"] == found[-1]["sha256"]
    total = done.total
    counts = (total.inputs, total.pictures, total.duplicates, total.faces, total.without_face)
    assert counts == (7, 4, 1, 4, 1)
    assert (total.trusted, total.not_trusted, total.cannot_tell) == (2, 1, 1)
    assert total.failures == {"unreadable": 1, "error": 1}
    assert total.seconds["decode"] == 2.0
    assert "copy.png" not in noted()


def test_a_second_start_judges_nothing_and_one_with_other_settings_or_source_is_refused(
    fill, scan, rows, noted, tmp_path
):
    source = fill(*["good"] * 9)
    first = scan(source)
    before, files = noted(), {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "parts").iterdir()}
    assert scan(source).total == first.total
    assert noted() == before
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "parts").iterdir()} == files
    assert len(files) == 4  # Nine inputs are two parts, in two forms.
    with pytest.raises(UsageError, match=r"out: holds a scan made with forms \['parquet', 'jsonl'\], not"):
        scan(source, jsonl=False)
    (source / "new.png").write_text("good")
    with pytest.raises(UsageError, match=r"made with inputs '9, listed as \w+', not '10, listed as \w+'"):
        scan(source)
    with pytest.raises(UsageError, match="made with source"):
        scan(source / "new.png")


def test_a_folder_of_something_else_is_left_alone(fill, scan, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.doc").touch()
    with pytest.raises(UsageError, match=r"out: holds thesis\.doc, which is of no scan; give another --out"):
        scan(fill("good"))
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["thesis.doc"]


def test_a_source_that_cannot_be_listed_leaves_no_folder(tmp_path, scan):
    (tmp_path / "list.csv").write_text("name\na.png\n")
    with pytest.raises(InputError, match="has no column path; it has name"):
        scan(tmp_path / "list.csv")
    assert not (tmp_path / "out").exists()


def test_a_worker_that_is_killed_once_loses_nothing(fill, scan, rows, noted):
    source = fill(*["good"] * 5, "once", *["good"] * 5)
    done = scan(source)
    assert done.total.failures == {}
    assert [row["input"] for row in rows()] == list(range(11))
    assert Counter(noted())["005.png"] == 2


def test_what_kills_its_worker_is_tried_twice_and_named_and_so_are_its_copies(fill, scan, rows, noted):
    source = fill("good", "kill", "good", copy="kill 1")
    done = scan(source)
    found = rows()
    assert [(r["input"], r["kind"], r["failure"]) for r in found] == [
        (0, "image", None),
        (1, "failure", "crash"),
        (2, "image", None),
        (3, "same", None),
    ]
    assert found[1]["reason"] == f"{source / '001.png'}: ended its process twice"
    assert found[3]["same_as"] == 1
    assert Counter(noted())["001.png"] == 2
    assert done.total.failed == {"crash": [(str(source / "001.png"), found[1]["reason"])]}


def test_workers_that_die_with_nothing_in_hand_are_an_error(fill, scan, monkeypatch):
    monkeypatch.setattr(workers, "_LOST", 2)
    from toy_checker import Opener

    class Dying(Opener):
        def __reduce__(self):
            return os._exit, (7,)

    with pytest.raises(errors.FacetrustError, match=r"2 workers in a row .*\(exit status 7\)"):
        scan(fill("good"), open_checker=Dying(Path("notes")))


DRIVER = """
from pathlib import Path
from toy_checker import Opener
from facetrust.runtime.scan.run import scan
if __name__ == "__main__":
    scan("pictures", "out", workers=2, jsonl=True, open_checker=Opener(Path("notes"), 0.05))
"""


def test_a_scan_that_is_killed_goes_on_and_no_part_is_made_twice(fill, scan, rows, noted, tmp_path):
    fill(*["good", "two", "none"] * 16, copy="good 0", zcopy="two 1")
    (tmp_path / "driver.py").write_text(DRIVER)
    place = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    process = subprocess.Popen([sys.executable, "driver.py"], cwd=tmp_path, env=place)
    manifest = tmp_path / "out" / "manifest.jsonl"
    while not (manifest.exists() and manifest.read_bytes().count(b"\n") >= 2):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = [json.loads(line)["part"] for line in manifest.read_text().splitlines()]
    parts = [tmp_path / "out" / "parts" / f"{number:06}.parquet" for number in finished]
    before = {part: part.stat().st_mtime_ns for part in parts}
    again = len(noted())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        done = scan(Path("pictures"))
    assert len(noted()) > again
    assert {part: part.stat().st_mtime_ns for part in parts} == before
    found = rows()
    assert sorted(row["input"] for row in found) == sorted([*range(50), *range(1, 48, 3)])
    assert done.total.inputs == 50
    same = {row["input"]: row["same_as"] for row in found if row["kind"] == "same"}
    assert len(same) == 2
    hashes = {row["input"]: row["sha256"] for row in found}
    assert all(hashes[number] == hashes[other] for number, other in same.items())
    judged = {row["input"] for row in found if row["kind"] == "image"}
    assert set(same.values()) <= judged
    assert [p.name for p in (tmp_path / "out" / "parts").iterdir() if p.name.startswith(".")] == []


def test_a_torn_line_of_the_manifest_and_a_lost_part_are_made_again(fill, scan, rows, noted, tmp_path):
    source = fill(*["good"] * 24, zcopy="good 9")
    first = scan(source).total
    manifest = tmp_path / "out" / "manifest.jsonl"
    lines = manifest.read_bytes().splitlines(keepends=True)
    manifest.write_bytes(lines[0] + lines[1] + lines[2] + lines[3][:-9])
    (tmp_path / "out" / "parts" / "000000.parquet").unlink()
    before = len(noted())
    again = scan(source).total
    assert len(noted()) - before == 8
    assert (again.inputs, again.scores, again.duplicates) == (25, first.scores, 1)
    assert [row["input"] for row in rows()] == list(range(25))
    assert rows()[-1]["same_as"] == 9  # That is known of a part that was finished before.
    assert scan(source).total.inputs == 25  # The first part stands twice in the manifest now.


@pytest.mark.parametrize("jsonl", [True, False])
def test_a_damaged_part_is_one_line(tmp_path, jsonl):
    path = tmp_path / f"000000.{'jsonl' if jsonl else 'parquet'}"
    path.write_text('{"input": 3}\n')
    with pytest.raises(UsageError, match=r"000000\.\w+: is damaged; remove it, and it is made again"):
        list(judged_by(path))


def test_two_scans_do_not_share_a_folder(fill, scan, tmp_path):
    fcntl = pytest.importorskip("fcntl")
    (tmp_path / "out").mkdir()
    with (tmp_path / "out" / ".lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="out: another scan writes to it; wait for it"):
            scan(fill("good"))


def test_parts_are_small_where_there_is_little_and_bounded_where_there_is_much(tmp_path, monkeypatch):
    from facetrust.runtime.scan.sources import Input

    def sizes(count: int) -> set[int]:
        inputs = (Input(f"{n}.png", f"{n}.png") for n in range(count))
        place = tmp_path / str(count)
        with scan_folder.ScanFolder(place, inputs, {"source": "x"}, ("jsonl",)) as folder:
            parts = list(folder.missing())
            assert sum(part.size for part in parts) == count == folder.count
            with folder.listing.open("rb") as file:
                for part in parts:
                    file.seek(part.offset)
                    assert Input.from_line(file.readline()).name == f"{part.first}.png"
            return {part.size for part in parts[:-1]}

    assert sizes(100) == {8}
    assert sizes(5000) == {80}
    assert sizes(70_000) == {1000}


def test_without_polars_parts_are_json_lines_if_these_are_asked_for(monkeypatch):
    def refuse():
        raise errors.MissingExtra("polars", "data")

    monkeypatch.setattr(run, "imported_polars", refuse)
    assert run._forms(jsonl=True) == ("jsonl",)
    with pytest.raises(UsageError, match=r"polars is not installed; .*; or give --jsonl, which writes"):
        run._forms(jsonl=False)
