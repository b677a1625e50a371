"""`check` loses no verdict: evidence that cannot be written, ^C, a closed pipe, a full disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facetrust import cli
from facetrust.runtime.checker import Checker

ATTACKS = ("--task", "antispoof", "--model")


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def lines_of(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


class TestEvidence:
    def test_is_one_picture_each(self, pictures, bright_model, tmp_path):
        out = tmp_path / "maps"
        run("check", pictures, *ATTACKS, bright_model, "--evidence", out)
        assert sorted(path.name for path in out.iterdir()) == [
            f"{n}.evidence.png" for n in ("a", "wall", "white")
        ]

    def test_its_own_pictures_are_not_judged_the_next_time(self, pictures, bright_model, capsys):
        for _ in range(2):
            asked = ("check", pictures, *ATTACKS, bright_model, "--json", "--evidence", pictures / "maps")
            assert run(*asked) == 1
            said = capsys.readouterr()
            assert [Path(each["source"]).name for each in lines_of(said.out)] == [
                "a.png",
                "white.png",
                "wall.png",
            ]
            assert said.err == ""

    def test_a_folder_that_is_a_file_loses_no_verdict(self, pictures, bright_model, tmp_path, capsys):
        out = tmp_path / "maps"
        out.touch()
        asked = ("check", pictures, *ATTACKS, bright_model, "--evidence", out)
        assert run(*asked, "--json") == 1  # That of the whitened face.
        said = capsys.readouterr()
        assert [each["trusted"] for each in lines_of(said.out)] == [True, False, None]
        problem = f"{out}: is not a folder; give one for evidence"
        assert [each["evidence_errors"] for each in lines_of(said.out)] == [[problem]] * 3
        assert said.err == f"facetrust: {problem} (and 2 more evidence pictures)\n"
        assert run(*asked) == 1
        assert "bona fide" in capsys.readouterr().out

    def test_a_full_disk_loses_no_verdict(self, tmp_path, photo, film, bright_model, capsys, monkeypatch):
        def full(path, _):
            raise OSError(28, "No space left on device")

        face = np.asarray(Image.open(photo))[::2, ::2]
        video = film(tmp_path / "a.mp4", [face] * 10)
        monkeypatch.setattr("facetrust.runtime.evidence.write_whole", full)
        out = tmp_path / "maps"
        assert run("check", photo, video, *ATTACKS, bright_model, "--json", "--evidence", out) == 0
        said = capsys.readouterr()
        assert [each["trusted"] for each in lines_of(said.out)] == [True, True]
        assert said.err == (
            f"facetrust: {out}/astronaut.evidence.png: cannot be written (No space left on device); "
            "give another folder (and 1 more evidence pictures)\n"
        )


class TestInterrupts:
    def test_a_table_shows_what_is_finished(self, photo, bright_model, capsys, monkeypatch):
        check_many = Checker.check_many

        def interrupted(checker, *_, **__):
            yield from check_many(checker, [photo, photo])
            raise KeyboardInterrupt

        monkeypatch.setattr(Checker, "check_many", interrupted)
        assert run("check", photo, *ATTACKS, bright_model) == 130
        said = capsys.readouterr()
        assert said.out.count("bona fide") == 2
        assert said.err == ""

    def test_a_model_that_fails_later_loses_no_verdict(self, photo, bright_model, capsys, monkeypatch):
        from facetrust.errors import ModelError

        check_many = Checker.check_many

        def failing(checker, *_, **__):
            yield from check_many(checker, [photo])
            raise ModelError("bright: gave up")

        monkeypatch.setattr(Checker, "check_many", failing)
        assert run("check", photo, *ATTACKS, bright_model) == 2
        assert "bona fide" in (said := capsys.readouterr()).out
        assert said.err == "facetrust: bright: gave up\n"

    @pytest.mark.parametrize("form", [(), ("--json",), ("--csv",)])
    def test_a_signal_ends_it_with_130_and_shows_what_is_finished(
        self, photo, bright_model, tmp_path, form, interrupt
    ):
        maps = tmp_path / "maps"
        rest = [*ATTACKS, str(bright_model), *form, "--evidence", str(maps)]
        code = (
            "import sys; from facetrust.cli import main\n"
            f"sys.exit(main(['check', *[{str(photo)!r}] * 5000, *{rest!r}]))"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            while not maps.is_dir() or len(list(maps.iterdir())) < 10:  # More than are judged at once.
                assert process.poll() is None
                time.sleep(0.05)
            out, err = interrupt(process)
        assert (process.returncode, err) == (130, "")
        assert len(out.splitlines()) >= 8

    @pytest.mark.parametrize("form", [(), ("--json",), ("--csv",)])
    def test_a_reader_that_leaves_early_is_told_nothing(self, pictures, bright_model, form, start):
        read, write = os.pipe()
        os.close(read)
        done = start("check", pictures, *ATTACKS, bright_model, *form, stdout=write, stderr=subprocess.PIPE)
        os.close(write)
        assert (done.returncode, done.stderr) == (141, "")

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
    def test_an_output_that_is_full_is_one_line(self, photo, bright_model, start):
        with Path("/dev/full").open("w") as full:
            done = start("check", photo, *ATTACKS, bright_model, stdout=full, stderr=subprocess.PIPE)
        assert done.returncode == 2
        assert done.stderr == "facetrust: the output: No space left on device\n"
