"""`scan`: the same answer as `check`, its statuses, and bad input in one line."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from facetrust import cli

ATTACKS = ("--task", "antispoof", "--workers", "1", "--model")


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def lines_in(out: Path) -> list[dict]:
    parts = sorted(out.glob("parts/*.jsonl"))
    return [json.loads(line) for part in parts for line in part.read_text().splitlines()]


def test_the_answer_is_that_of_check(photo, tmp_path, capsys):
    """From a folder, from a tar shard and from Parquet, with the bundled models."""
    status = run("check", photo, "--json")
    report = json.loads(capsys.readouterr().out)
    (tmp_path / "in").mkdir()
    with tarfile.open(tmp_path / "in" / "s.tar", "w") as members:
        members.add(photo, "key.png")
    pl.DataFrame({"bytes": [photo.read_bytes()]}).write_parquet(tmp_path / "in" / "b.parquet")
    (tmp_path / "list.txt").write_text(f"{photo}\n")
    for source in ("in/s.tar", "in/b.parquet", "list.txt"):
        out = tmp_path / f"out-{Path(source).stem}"
        assert run("scan", tmp_path / source, "--out", out, "--jsonl", "--workers", 1) == status
        (row,) = lines_in(out)
        (face,) = report["faces"]
        assert [row["x"], row["y"], row["w"], row["h"]] == face["box"]
        assert (row["trusted"], row["width"], row["height"], row["face"]) == (report["trusted"], 512, 512, 1)
        for verdict in face["verdicts"]:
            assert row[f"{verdict['task']}_score"] == pytest.approx(verdict["score"], abs=1e-6)
            assert row[f"{verdict['task']}_decision"] == verdict["decision"]
    assert [path.name for path in (tmp_path / "out-s").iterdir() if path.suffix == ".html"] == [
        "summary.html"
    ]


def test_the_statuses_and_what_is_said(pictures, bright_model, tmp_path, capsys):
    asked = (*ATTACKS, bright_model, "--out")
    assert run("scan", pictures / "a.png", *asked, tmp_path / "0") == 0
    assert run("scan", pictures / "wall.png", *asked, tmp_path / "3") == 3
    capsys.readouterr()
    (pictures / "b" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (pictures / "notes.txt").touch()
    assert run("scan", pictures, *asked, tmp_path / "1") == 1
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        f"facetrust: unreadable: {pictures}/b/broken.jpg: is not an image of a known format",
        "facetrust: 1 file skipped, neither a picture nor a video that can be decoded here",
    ]
    counts = dict(line.rsplit(None, 1) for line in said.out.splitlines()[:-1])
    assert counts == {
        "pictures and videos": "4",
        "duplicates, not judged again": "0",
        "not judged": "1",
        "faces": "2",
        "trusted": "1",
        "not trusted": "1",
        "cannot tell": "1",
    }
    assert said.out.splitlines()[-1] == str(tmp_path / "1" / "summary.html")
    (pictures / "b" / "white.png").unlink()
    assert run("scan", pictures, *asked, tmp_path / "broken") == 3


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("none",), "none: no such file or folder"),
        (("a.png", "--task", "recognition"), "recognition: a scan asks questions whose answers are scores"),
        (("a.png", "--task", "nosuch"), "no task named 'nosuch'"),
        (("a.png", "--model", "antispoof=none.onnx"), "none.onnx: no such model file"),
        (
            ("a.png", "--model", "antispoof-tiny", "--model", "antispoof-small"),
            "--model antispoof-small: there is a model for antispoof already; give one",
        ),
        (("a.png", "--threshold", "2"), "2.0 is not above 0 and below 1"),
        (("http://127.0.0.1:9/x",), "http://127.0.0.1:9/x: "),
    ],
)
def test_bad_input_is_2_and_one_line_and_leaves_nothing(tmp_path, monkeypatch, capsys, asked, said):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (64, 64)).save("a.png")
    assert run("scan", *asked, "--out", "out") == 2
    err = capsys.readouterr().err
    assert err.startswith("facetrust: ")
    assert said in err
    assert err.count("\n") == 1
    assert not Path("out").exists()


def test_an_interrupt_is_130_and_the_scan_goes_on(pictures, bright_model, tmp_path, interrupt):
    face = Image.open(pictures / "a.png").resize((192, 192))
    for number in range(29):
        face.rotate(number / 20).save(pictures / f"{number}.png")
    words = ["scan", pictures, *ATTACKS, bright_model, "--out", tmp_path / "out"]
    process = subprocess.Popen(
        [sys.executable, "-m", "facetrust", *map(str, words)], stderr=subprocess.PIPE, text=True
    )
    manifest = tmp_path / "out" / "manifest.jsonl"
    while not (manifest.exists() and manifest.stat().st_size):
        assert process.poll() is None
    _, err = interrupt(process)
    assert (process.returncode, err) == (130, "")
    finished = manifest.read_text()
    assert 0 < finished.count("\n") < 4
    assert run(*words) == 1
    assert manifest.read_text().startswith(finished)
    assert pl.read_parquet(tmp_path / "out" / "parts" / "*.parquet")["input"].n_unique() == 32
