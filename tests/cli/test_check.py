"""`check`: its statuses, its forms of output, its options and what it takes."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facetrust import cli
from facetrust.cli.output import checking, frames_of
from facetrust.cli.verdicts import CSV
from facetrust.runtime.checker import Checker

ATTACKS = ("--task", "antispoof", "--model")
BOTH = ("--task", "antispoof", "--task", "deepfake")
NEVER, ALWAYS = 0.999999, 0.000001  # Thresholds that nothing, and that everything reaches.


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def lines_of(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def stdin(monkeypatch):
    """Puts bytes on standard input."""
    return lambda data: monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


class TestStatus:
    def test_a_trusted_face_is_0(self, photo, bright_model, capsys):
        assert run("check", photo, *ATTACKS, bright_model) == 0
        said = capsys.readouterr()
        assert "bona fide" in said.out
        assert "bright@1" in said.out
        assert said.err == ""

    def test_a_distrusted_face_is_1(self, pictures, bright_model, capsys):
        assert run("check", pictures / "b" / "white.png", *ATTACKS, bright_model) == 1
        assert "attack" in capsys.readouterr().out

    def test_no_face_is_3(self, pictures, bright_model, capsys):
        assert run("check", pictures / "wall.png", *ATTACKS, bright_model) == 3
        assert "cannot tell: no face found" in capsys.readouterr().out
        assert run("check", pictures / "a.png", pictures / "wall.png", *ATTACKS, bright_model) == 3

    @pytest.mark.parametrize("threshold", [NEVER, ALWAYS])
    def test_an_advisory_verdict_alone_is_3(self, photo, another, capsys, threshold):
        assert run("check", photo, *ATTACKS, another("antispoof", threshold, advisory=True), "--json") == 3
        (said,) = lines_of(capsys.readouterr().out)
        assert said["trusted"] is None
        assert said["reason"].startswith("advisory only")
        assert said["faces"][0]["verdicts"][0]["advisory"] is True
        run("check", photo, *ATTACKS, another("antispoof", threshold, advisory=True))
        assert "cannot tell: advisory only" in capsys.readouterr().out

    def test_an_advisory_verdict_beside_another_decides_nothing(self, photo, another, bright_model, capsys):
        model = another("deepfake", ALWAYS, advisory=True)
        assert run("check", photo, *BOTH, "--model", bright_model, "--model", model) == 0
        assert "manipulated (advisory)" in capsys.readouterr().out

    def test_a_file_that_cannot_be_read_is_2_and_the_others_are_checked(self, pictures, bright_model, capsys):
        (pictures / "b" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
        assert run("check", pictures, *ATTACKS, bright_model, "--json") == 2
        said = capsys.readouterr()
        assert len(said.out.splitlines()) == 3
        assert len(said.err.splitlines()) == 1
        assert said.err.startswith(f"facetrust: {pictures / 'b' / 'broken.jpg'}: ")

    @pytest.mark.parametrize(
        ("names", "status"),
        [
            (("a.png", "a.png"), 0),
            (("a.png", "wall.png"), 3),
            (("wall.png", "b/white.png", "a.png"), 1),
            (("b/white.png", "wall.png", "none.png"), 2),
            (("none.png",), 2),
        ],
    )
    def test_of_several_2_counts_before_1_before_3(self, pictures, bright_model, names, status):
        assert run("check", *(pictures / name for name in names), *ATTACKS, bright_model) == status

    def test_a_report_is_true_where_all_was_trusted(self, pictures, bright_model):
        checker = Checker("antispoof", models={"antispoof": bright_model})
        reports = list(checker.check_many(pictures / n for n in ("a.png", "b/white.png", "wall.png")))
        assert [report.trusted for report in reports] == [True, False, None]
        assert [bool(report) for report in reports] == [True, False, False]


class TestForms:
    def test_json_is_one_object_a_line_in_stable_order(self, pictures, bright_model, capsys):
        assert run("check", pictures, pictures / "a.png", *ATTACKS, bright_model, "--json") == 1
        said = lines_of(capsys.readouterr().out)
        names = ["a.png", "b/white.png", "wall.png", "a.png"]
        assert [each["source"] for each in said] == [str(pictures / name) for name in names]
        assert [each["trusted"] for each in said] == [True, False, None, True]
        assert all(each["schema"] == "facetrust.check/1" for each in said)

    def test_csv_is_a_header_and_one_row_per_verdict(self, pictures, bright_model, another, capsys):
        models = ("--model", bright_model, "--model", another("deepfake", NEVER))
        assert run("check", pictures, *BOTH, *models, "--csv") == 1
        rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
        assert [(Path(row["source"]).name, row["face"], row["task"], row["trusted"]) for row in rows] == [
            ("a.png", "1", "antispoof", "true"),
            ("a.png", "1", "deepfake", "true"),
            ("white.png", "1", "antispoof", "false"),
            ("white.png", "1", "deepfake", "false"),
            ("wall.png", "", "", ""),
        ]
        assert tuple(rows[0]) == CSV
        assert [row["decision"] for row in rows] == ["bona fide", "genuine", "attack", "genuine", ""]
        assert rows[2]["advisory"] == "false"
        assert 0.5 < float(rows[2]["score"]) <= 1
        assert float(rows[2]["threshold"]) == 0.5
        assert 100 < float(rows[0]["x"]) < 250
        assert rows[4]["reason"] == "no face found"

    def test_csv_of_a_video_has_its_own_verdict_too(self, tmp_path, photo, film, bright_model, capsys):
        face = np.asarray(Image.open(photo))[::2, ::2]
        path = film(tmp_path / "a.mp4", [face] * 10)
        assert run("check", path, *ATTACKS, bright_model, "--csv") == 0
        rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
        assert [(row["kind"], row["face"]) for row in rows] == [("video", ""), ("video", "1")]

    def test_quiet_prints_nothing(self, pictures, bright_model, capsys):
        (pictures / "notes.txt").touch()
        assert run("check", pictures, pictures / "none.png", *ATTACKS, bright_model, "--quiet") == 2
        assert run("check", pictures / "a.png", *ATTACKS, bright_model, "--quiet") == 0
        assert run("check", pictures / "b", *ATTACKS, bright_model, "--quiet") == 1
        assert capsys.readouterr() == ("", "")

    @pytest.mark.parametrize("forms", [("--json", "--csv"), ("--json", "--quiet"), ("--csv", "--quiet")])
    def test_one_form_at_a_time(self, photo, bright_model, capsys, forms):
        assert run("check", photo, *ATTACKS, bright_model, *forms) == 2
        assert capsys.readouterr().err == "facetrust: --json, --csv and --quiet: give one of them\n"

    def test_many_pages_of_a_table_hold_every_row(self, pictures, bright_model, capsys, monkeypatch):
        monkeypatch.setattr("facetrust.cli.verdicts._PAGE", 2)
        run("check", pictures, *ATTACKS, bright_model)
        said = capsys.readouterr().out
        assert said.count("threshold") == 2
        assert [name for name in ("a.png", "white.png", "wall.png") if name not in said] == []

    def test_a_bar_counts_the_frames_of_a_video(self):
        bar = checking([Path("a.png"), Path("b.MP4")], hidden=False)
        assert bar.tasks[0].total == 2
        move = frames_of(bar)
        below = bar.tasks[1]
        assert not below.visible
        move("x/b\x1b.MP4", 3, 7)
        assert (below.visible, below.description, below.completed, below.total) == (True, r"b\x1b.MP4", 3, 7)
        move("x/b\x1b.MP4", 7, 7)
        assert not below.visible


class TestOptions:
    def test_models_are_given_by_task(self, photo, bright_model, capsys):
        assert run("check", photo, "--task", "antispoof", "--model", f"antispoof={bright_model}") == 0
        assert run("check", photo, "--task", "deepfake", "--model", bright_model) == 2
        assert "is a model for antispoof, not for deepfake" in capsys.readouterr().err
        assert run("check", photo, "--task", "antispoof", "--model", f"deepfake={bright_model}") == 2
        assert "is for deepfake, which is not asked; add --task deepfake" in capsys.readouterr().err

    def test_the_second_model_for_a_task_is_refused_and_does_not_take_the_place_of_the_first(
        self, photo, bright_model, another, capsys
    ):
        second = another("antispoof", ALWAYS)
        for asked in (("--task", "antispoof"), BOTH):
            assert run("check", photo, *asked, "--model", bright_model, "--model", second) == 2
            said = capsys.readouterr().err
            assert f"--model {second}: there is a model for antispoof already; give one" in said
            assert len(said.splitlines()) == 1

    def test_each_question_has_its_row_and_one_that_fails_is_status_1(
        self, photo, bright_model, another, tmp_path, capsys
    ):
        """The models go to the tasks of their cards; the second calls everything manipulated, or nothing."""
        never, always = (another("deepfake", threshold) for threshold in (NEVER, ALWAYS))
        models = ("--model", never, "--model", bright_model)
        assert run("check", photo, *BOTH, *models, "--evidence", tmp_path / "maps") == 0
        header, *rows = (line.split() for line in capsys.readouterr().out.splitlines())
        assert [row[header.index("task")] for row in rows] == ["antispoof", "deepfake"]
        assert ["genuine" in rows[1], "bona" in rows[0]] == [True, True]
        assert [path.name for path in (tmp_path / "maps").iterdir()] == ["astronaut.evidence.png"]
        assert run("check", photo, *BOTH, "--model", bright_model, "--model", always, "--json") == 1
        (said,) = lines_of(capsys.readouterr().out)
        assert said["trusted"] is False
        decisions = [(each["task"], each["decision"]) for each in said["faces"][0]["verdicts"]]
        assert decisions == [("antispoof", "bona fide"), ("deepfake", "manipulated")]

    def test_both_questions_are_asked_unless_one_is_named(self, photo, capsys):
        assert run("check", photo, "--json") in (0, 1)
        (said,) = lines_of(capsys.readouterr().out)
        (face,) = said["faces"]
        asked = [each["task"] for each in (*face["verdicts"], *face["not_judged"])]
        assert asked == ["antispoof", "deepfake"]  # The second wants a larger face.
        assert run("check", "--help") == 0
        assert "antispoof and deepfake if none is named" in " ".join(capsys.readouterr().out.split())

    def test_a_plain_string_names_one_task(self, photo, bright_model):
        import facetrust

        report = facetrust.check(photo, tasks="antispoof", models={"antispoof": bright_model})
        assert [each.task for each in report.faces[0].verdicts] == ["antispoof"]

    def test_threads_are_at_most_the_cores(self, photo, bright_model, capsys):
        cores = os.cpu_count()
        for threads in (100_000, cores + 1):
            assert run("check", photo, *ATTACKS, bright_model, "--threads", threads) == 2
            assert capsys.readouterr().err == (
                f"facetrust: {threads} threads: give 1 to {cores}, the cores of this machine, or 0 for all\n"
            )
        assert run("check", photo, *ATTACKS, bright_model, "--threads", cores) == 0

    def test_works_where_torch_is_not_installed(self, photo, bright_model, tmp_path, start):
        lacking = (
            "torch",
            "torchvision",
            "timm",
            "lightning",
            "sklearn",
            "scipy",
            "matplotlib",
            "safetensors",
        )
        done = start(
            "check",
            photo,
            *ATTACKS,
            bright_model,
            "--json",
            "--evidence",
            tmp_path,
            lacking=(*lacking, "yaml"),
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["trusted"] is True
        assert (tmp_path / "astronaut.evidence.png").is_file()


class TestInputs:
    def test_videos_are_found_and_judged_among_pictures(self, pictures, film, bright_model, capsys):
        face, white = (np.asarray(Image.open(pictures / name)) for name in ("a.png", "b/white.png"))
        film(pictures / "b" / "live.mp4", [face[::2, ::2]] * 10)
        attack = film(pictures / "b" / "white.MOV", [white[::2, ::2]] * 10)
        (pictures / "c.avi").write_bytes(attack.read_bytes()[:9000])
        assert run("check", pictures, *ATTACKS, bright_model, "--json") == 2
        said = capsys.readouterr()
        found = {str(Path(each["source"]).relative_to(pictures)): each for each in lines_of(said.out)}
        assert list(found) == ["a.png", "b/live.mp4", "b/white.MOV", "b/white.png", "wall.png"]
        assert [each["trusted"] for each in found.values()] == [True, True, False, False, None]
        assert found["b/white.MOV"]["faces"][0]["timeline"]["scored"] == 2
        assert len(said.err.splitlines()) == 1
        assert said.err.startswith(f"facetrust: {pictures / 'c.avi'}: ")
        assert run("check", attack, *ATTACKS, bright_model) == 1
        assert capsys.readouterr().out.count("attack") == 2
        assert run("check", attack, *ATTACKS, bright_model, "--rule", "mode") == 2
        assert "no rule of a video's score named 'mode'" in capsys.readouterr().err

    def test_a_picture_or_a_video_on_standard_input(self, tmp_path, photo, film, stdin, bright_model, capsys):
        stdin(photo.read_bytes())
        assert run("check", "-", *ATTACKS, bright_model, "--json", "--evidence", tmp_path / "maps") == 0
        (said,) = lines_of(capsys.readouterr().out)
        assert (said["source"], said["kind"]) == ("<stdin>", "image")
        assert (tmp_path / "maps" / "stdin.evidence.png").is_file()
        face = np.asarray(Image.open(photo))[::2, ::2]
        stdin(film(tmp_path / "a.3gp", [face] * 10, "mp4v").read_bytes())
        assert run("check", photo, "-", *ATTACKS, bright_model, "--json") == 0
        said = lines_of(capsys.readouterr().out)
        assert [(each["source"], each["kind"]) for each in said] == [
            (str(photo), "image"),
            ("<stdin>", "video"),
        ]

    def test_nothing_or_text_on_standard_input(self, stdin, bright_model, capsys):
        for data, message in (
            (b"", "is empty; give an image file"),
            (b"text", "is not an image of a known format"),
        ):
            stdin(data)
            assert run("check", "-", *ATTACKS, bright_model) == 2
            assert capsys.readouterr().err == f"facetrust: <stdin>: {message}\n"

    def test_an_address_and_a_cameras_number_are_answered(
        self, photo, bright_model, capsys, monkeypatch, tmp_path
    ):
        monkeypatch.chdir(tmp_path)
        assert run("check", "https://a.b/c.jpg", "0", photo, *ATTACKS, bright_model) == 2
        said = capsys.readouterr()
        assert "bona fide" in said.out
        assert said.err.splitlines() == [
            "facetrust: https://a.b/c.jpg: is an address, and nothing is fetched; fetch it first: "
            "curl -L https://a.b/c.jpg | facetrust check -",
            "facetrust: 0: no such file; cameras are not read yet, so save a picture or a video of one first",
        ]

    def test_a_glob_in_quotes(self, pictures, bright_model, capsys):
        assert run("check", f"{pictures}/*.png", *ATTACKS, bright_model, "--json") == 3
        said = lines_of(capsys.readouterr().out)
        assert [Path(each["source"]).name for each in said] == ["a.png", "wall.png"]
        assert run("check", f"{pictures}/*.bmp", *ATTACKS, bright_model) == 2
        assert capsys.readouterr().err == f"facetrust: {pictures}/*.bmp: no file matches\n"

    def test_skipped_files_are_counted_named_on_request_and_3(self, pictures, bright_model, capsys):
        for name in ("b/notes.txt", "thing\x1b.xyz", ".hidden"):
            (pictures / name).touch()
        (pictures / "b" / "white.png").unlink()
        (pictures / "wall.png").unlink()
        assert run("check", pictures, *ATTACKS, bright_model) == 3
        skipped = "2 files skipped, neither a picture nor a video that can be decoded here"
        assert capsys.readouterr().err == f"facetrust: {skipped} (--list-skipped names them)\n"
        assert run("check", pictures, *ATTACKS, bright_model, "--list-skipped") == 3
        assert capsys.readouterr().err.splitlines() == [
            f"facetrust: {pictures}/b/notes.txt: skipped",
            f"facetrust: {pictures}/thing\\x1b.xyz: skipped",
            f"facetrust: {skipped}",
        ]

    def test_a_folder_with_nothing_but_skipped_files_is_3(self, tmp_path, bright_model, capsys):
        (tmp_path / "texts").mkdir()
        (tmp_path / "texts" / "notes.txt").touch()
        assert run("check", tmp_path / "texts", *ATTACKS, bright_model) == 3
        assert capsys.readouterr() == (
            "",
            "facetrust: 1 file skipped, neither a picture nor a video that can be decoded here "
            "(--list-skipped names them)\n",
        )

    def test_an_empty_folder_is_an_error_and_the_others_are_checked(
        self, tmp_path, pictures, bright_model, capsys
    ):
        (tmp_path / "empty").mkdir()
        assert run("check", tmp_path / "empty", *ATTACKS, bright_model) == 2
        assert "empty: no picture in it, nor a video" in capsys.readouterr().err
        assert run("check", tmp_path / "empty", pictures / "a.png", *ATTACKS, bright_model) == 2
        assert "bona fide" in capsys.readouterr().out

    @pytest.mark.timeout(60)
    def test_pipes_and_devices_are_failures_and_never_a_hang(self, pictures, bright_model, capsys):
        os.mkfifo(pictures / "pipe.jpg")
        os.mkfifo(pictures / "pipe.mp4")
        (pictures / "zero.png").symlink_to("/dev/zero")
        assert run("check", pictures, *ATTACKS, bright_model, "--json") == 2
        said = capsys.readouterr()
        assert len(said.out.splitlines()) == 3
        assert said.err.splitlines() == [
            f"facetrust: {pictures}/pipe.jpg: is not a regular file but a pipe; give an image file",
            f"facetrust: {pictures}/pipe.mp4: is not a regular file but a pipe; give a video file",
            f"facetrust: {pictures}/zero.png: is not a regular file but a device; give an image file",
        ]
