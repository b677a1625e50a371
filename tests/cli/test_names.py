"""Names of files of every kind in `check`: printed as they are, and never the end of a run."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pytest

from facetrust import cli
from facetrust.runtime.checker import Checker

ATTACKS = ("--task", "antispoof", "--model")


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def lines_of(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


NAMES = {
    "foo[/bold].jpg": "foo[/bold].jpg",
    "photo [final].jpg": "photo [final].jpg",
    ":smile: [red]x[/red].jpg": ":smile: [red]x[/red].jpg",
    "esc\x1b]0;x\x07.jpg": r"esc\x1b]0;x\x07.jpg",
    "two\nlines.jpg": r"two\nlines.jpg",
    "two  blanks.jpg": "two  blanks.jpg",
    "\u202egpj.jpg": r"\u202egpj.jpg",
    "ü 中 👨‍👩‍👧.jpg": "ü 中 👨‍👩‍👧.jpg",
    os.fsdecode(b"bad\xff\xfe.jpg"): "bad\ufffd\ufffd.jpg",
}


class TestNames:
    @pytest.fixture
    def named(self, tmp_path, photo):
        """Writes the photo, or something broken, under a name in a folder that is the working directory."""

        def write(name: str, data: bytes | None = None) -> Path:
            path = tmp_path / "names" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(photo.read_bytes() if data is None else data)
            return path

        return write

    @pytest.mark.parametrize("name", NAMES, ids=ascii)
    def test_are_printed_as_they_are_and_control_characters_escaped(
        self, named, bright_model, capsys, monkeypatch, name
    ):
        monkeypatch.chdir(named(name).parents[name.count("/")])
        assert run("check", name, *ATTACKS, bright_model) == 0
        row = capsys.readouterr().out.splitlines()[1]
        assert row.startswith(f"{NAMES[name]}  1 ")
        assert run("check", name, *ATTACKS, bright_model, "--csv") == 0
        (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
        assert row["source"] == NAMES[name]
        assert run("check", name, *ATTACKS, bright_model, "--json", "--evidence", "maps") == 0
        (said,) = lines_of(capsys.readouterr().out)
        assert said["source"] == name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        assert len(list(Path("maps").iterdir())) == 1

    @pytest.mark.parametrize("name", NAMES, ids=ascii)
    def test_of_failures_are_one_line_without_control_characters(self, named, bright_model, capsys, name):
        path = named(name, b"broken")
        assert run("check", path, *ATTACKS, bright_model) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.isprintable() or "\u200d" in name
        assert line.endswith(": is not an image of a known format")

    def test_that_are_not_utf8_do_not_end_a_run(self, named, bright_model, capsys):
        names = [os.fsdecode(b"a\xff.jpg"), "b.jpg", os.fsdecode(b"c\xfe.mp4")]
        paths = [named(name, None if name != names[2] else b"x") for name in names]
        assert run("check", *paths, *ATTACKS, bright_model, "--json") == 2
        said = capsys.readouterr()
        assert [Path(each["source"]).name for each in lines_of(said.out)] == ["a\ufffd.jpg", "b.jpg"]
        assert said.err.startswith(f"facetrust: {paths[2].parent}/c\\xfe.mp4: is not a video")

    @pytest.mark.parametrize(
        "name", ["n" * 300 + ".jpg", "n" * 300 + ".mp4", "nu\0l.jpg", "nu\0l.mp4"], ids=ascii
    )
    def test_that_no_file_can_have_are_failures_among_good_ones(self, photo, bright_model, capsys, name):
        import facetrust

        assert run("check", photo, name, photo, *ATTACKS, bright_model, "--json") == 2
        said = capsys.readouterr()
        assert len(said.out.splitlines()) == 2
        (line,) = said.err.splitlines()
        assert line.isprintable()
        checker = Checker("antispoof", models={"antispoof": bright_model})
        first, failure, last = checker.check_many([photo, name, photo])
        assert first.trusted
        assert last.trusted
        assert failure.source == name
        assert str(failure.error).startswith(f"{name}: cannot be read (")
        with pytest.raises(facetrust.FacetrustError, match="cannot be read"):
            checker.check(name)

    def test_that_are_long_are_shortened_for_evidence(self, named, bright_model, tmp_path, capsys):
        first, second = (named("x" * 170 + middle + "y" * 71 + "end.jpg") for middle in ("a" * 3, "b" * 3))
        umlauts = named("ü" * 125 + ".jpg")
        out = tmp_path / "maps"
        assert run("check", first, second, umlauts, *ATTACKS, bright_model, "--evidence", out) == 0
        assert capsys.readouterr().err == ""
        made = sorted(path.name for path in out.iterdir())
        assert len(made) == 3
        assert all(len(os.fsencode(name)) < 255 for name in made)
        assert made[0].endswith("yend-2.evidence.png")
        assert made[1].endswith("yend.evidence.png")
