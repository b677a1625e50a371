"""The command line: parses, calls, answers with the right status, and loads only what it needs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facetrust import __version__, cli
from facetrust.cli.output import checking, frames_of
from facetrust.imaging.inputs import PICTURES, files_in

COMMANDS = ("audit", "check", "data", "demo", "evaluate", "explain", "export", "import-checkpoint", "models",
            "profile", "report", "train")  # fmt: skip
COSTLY = [
    "torch",
    "torchvision",
    "onnxruntime",
    "onnx",
    "cv2",
    "polars",
    "lightning",
    "numpy",
    "PIL",
    "pydantic",
]


ATTACKS = ("--task", "antispoof", "--model")
BOTH = ("--task", "antispoof", "--task", "deepfake")


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def bare(*lacking: str):
    """Returns a way to run the command line in a process where some packages are not installed."""

    def start(*arguments: object) -> subprocess.CompletedProcess[str]:
        code = (
            "import sys\n"
            "class Refuse:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            f"        if name.partition('.')[0] in {lacking!r}: raise ModuleNotFoundError(name, name=name)\n"
            "sys.meta_path.insert(0, Refuse())\n"
            "from facetrust.cli import main\n"
            f"sys.exit(main({[str(argument) for argument in arguments]!r}))"
        )
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    return start


@pytest.fixture
def pictures(tmp_path: Path, photo: Path) -> Path:
    """A folder: a face, a whitened one, an empty wall, and what is no picture."""
    face = np.asarray(Image.open(photo))
    folder = tmp_path / "pictures"
    (folder / "b").mkdir(parents=True)
    Image.fromarray(face).save(folder / "a.png")
    Image.fromarray(128 + face // 2).save(folder / "b" / "white.png")
    Image.fromarray(np.full((200, 200, 3), 128, np.uint8)).save(folder / "wall.png")
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
def another(tmp_path: Path, bright_model: Path):
    """Writes the bright model again, for another task and with another threshold; gives its path."""

    def write(task: str, threshold: float) -> Path:
        path = tmp_path / f"{task}{threshold}.onnx"
        path.write_bytes(bright_model.read_bytes())
        card = json.loads(bright_model.with_suffix(".json").read_text())
        card["task"] = task
        card["thresholds"][0]["value"] = threshold
        path.with_suffix(".json").write_text(json.dumps(card))
        return path

    return write


class TestStarting:
    @pytest.mark.parametrize(
        "arguments", [["--help"], [], ["check", "--help"], ["data", "--help"], ["--version"]]
    )
    def test_help_loads_nothing_costly(self, arguments):
        # Typer reads a command's parameters with pydantic, where it is there.
        costly = COSTLY if arguments in ([], ["--help"], ["--version"]) else COSTLY[:-1]
        code = (
            "import json, sys\nfrom facetrust.cli import main\n"
            f"status = main({arguments!r})\n"
            f"print(json.dumps([status, sorted(set({costly!r}) & set(sys.modules))]))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert json.loads(done.stdout.splitlines()[-1]) == [0, []]
        assert done.stderr == ""

    def test_help_names_every_command(self, capsys):
        assert run("--help") == 0
        said = capsys.readouterr().out
        assert [name for name in COMMANDS if f"  {name} " not in said] == []

    @pytest.mark.parametrize(
        "command", [*COMMANDS, *(f"data {name}" for name in ("contact", "prepare", "simulate", "split"))]
    )
    def test_every_command_has_help(self, command, capsys):
        assert run(*command.split(), "--help") == 0
        assert len(capsys.readouterr().out.splitlines()) > 5

    def test_the_version(self, capsys):
        assert run("--version") == 0
        assert capsys.readouterr().out == f"facetrust {__version__}\n"

    def test_as_a_module_and_as_a_script(self):
        for start in ([sys.executable, "-m", "facetrust"], [str(Path(sys.executable).parent / "facetrust")]):
            done = subprocess.run([*start, "chek"], capture_output=True, text=True, check=False)
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr == "facetrust: No such command 'chek'. Did you mean 'check'?\n"


class TestStatus:
    def test_an_interrupt_is_quiet(self, monkeypatch, capsys):
        def stop(*_args, **_settings):
            raise KeyboardInterrupt

        monkeypatch.setattr("facetrust.model_file.bundled", stop)
        assert run("models") == 130
        assert capsys.readouterr().err.strip() == ""

    def test_a_missing_package_names_its_extra(self):
        done = bare("torch", "lightning")("train", "antispoof/teacher-nuaa")
        assert done.returncode == 2
        assert re.fullmatch(
            r"facetrust: \w+ is not installed; run: pip install 'facetrust\[train\]' "
            r"\(in a checkout: pip install '\.\[train\]'\)\n",
            done.stderr,
        )
        done = bare("skimage")("demo")
        assert "facetrust: " in done.stderr
        assert len(done.stderr.splitlines()) == 1

    def test_an_error_of_ours_that_nobody_foresaw_is_shown_whole(self, monkeypatch):
        def broken():
            raise ZeroDivisionError("a bug")

        monkeypatch.setattr("facetrust.model_file.bundled", broken)
        with pytest.raises(ZeroDivisionError, match="a bug"):
            run("models")


class TestCheck:
    def test_a_trusted_face_is_status_0(self, photo, bright_model, capsys):
        assert run("check", photo, *ATTACKS, bright_model) == 0
        said = capsys.readouterr()
        assert "bona fide" in said.out
        assert "bright@1" in said.out
        assert said.err == ""

    def test_a_distrusted_face_is_status_1(self, pictures, bright_model, capsys):
        assert run("check", pictures / "b" / "white.png", *ATTACKS, bright_model) == 1
        assert "attack" in capsys.readouterr().out

    def test_no_face_is_an_answer(self, pictures, bright_model, capsys):
        assert run("check", pictures / "wall.png", *ATTACKS, bright_model) == 0
        assert "cannot tell: no face found" in capsys.readouterr().out

    def test_json_is_one_object_a_line_in_stable_order(self, pictures, bright_model, capsys):
        assert run("check", pictures, pictures / "a.png", *ATTACKS, bright_model, "--json") == 1
        said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        names = ["a.png", "b/white.png", "wall.png", "a.png"]
        assert [each["source"] for each in said] == [str(pictures / name) for name in names]
        assert [each["trusted"] for each in said] == [True, False, None, True]
        assert all(each["schema"] == "facetrust.check/1" for each in said)

    def test_unreadable_pictures_are_told_and_the_run_goes_on(self, pictures, bright_model, capsys):
        (pictures / "b" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
        assert run("check", pictures, *ATTACKS, bright_model, "--json") == 2
        said = capsys.readouterr()
        assert len(said.out.splitlines()) == 3
        assert len(said.err.splitlines()) == 1
        assert said.err.startswith(f"facetrust: {pictures / 'b' / 'broken.jpg'}: ")

    def test_evidence_is_written_one_picture_each(self, pictures, bright_model, tmp_path):
        out = tmp_path / "maps"
        run("check", pictures, *ATTACKS, bright_model, "--evidence", out)
        assert sorted(path.name for path in out.iterdir()) == [
            f"{n}.evidence.png" for n in ("a", "wall", "white")
        ]

    def test_an_empty_folder_is_an_error(self, tmp_path, bright_model, capsys):
        assert run("check", tmp_path, "--model", bright_model) == 2
        assert "no picture in it" in capsys.readouterr().err

    def test_models_are_given_by_task(self, photo, bright_model, capsys):
        assert run("check", photo, "--task", "antispoof", "--model", f"antispoof={bright_model}") == 0
        assert run("check", photo, "--task", "deepfake", "--model", bright_model) == 2
        assert "is a model for antispoof, not for deepfake" in capsys.readouterr().err
        assert run("check", photo, "--task", "antispoof", "--model", f"deepfake={bright_model}") == 2
        assert "is for deepfake, which is not asked; add --task deepfake" in capsys.readouterr().err

    def test_each_question_has_its_row_and_one_that_fails_is_status_1(
        self, photo, bright_model, another, tmp_path, capsys
    ):
        """The models go to the tasks of their cards; the second calls everything manipulated, or nothing."""
        never, always = (another("deepfake", threshold) for threshold in (2.0, -1.0))
        models = ("--model", never, "--model", bright_model)
        assert run("check", photo, *BOTH, *models, "--evidence", tmp_path / "maps") == 0
        header, *rows = (line.split() for line in capsys.readouterr().out.splitlines())
        assert [row[header.index("task")] for row in rows] == ["antispoof", "deepfake"]
        assert ["genuine" in rows[1], "bona" in rows[0]] == [True, True]
        assert [path.name for path in (tmp_path / "maps").iterdir()] == ["astronaut.evidence.png"]
        assert run("check", photo, *BOTH, "--model", bright_model, "--model", always, "--json") == 1
        said = json.loads(capsys.readouterr().out)
        assert said["trusted"] is False
        decisions = [(each["task"], each["decision"]) for each in said["faces"][0]["verdicts"]]
        assert decisions == [("antispoof", "bona fide"), ("deepfake", "manipulated")]

    def test_both_questions_are_asked_unless_one_is_named(self, photo, capsys):
        assert run("check", photo, "--json") in (0, 1)
        (face,) = json.loads(capsys.readouterr().out)["faces"]
        assert [verdict["task"] for verdict in face["verdicts"]] == ["antispoof", "deepfake"]
        assert run("check", "--help") == 0
        assert "antispoof and deepfake if none is named" in " ".join(capsys.readouterr().out.split())

    def test_the_search_for_pictures_is_stable_and_deep(self, tmp_path):
        for name in ("z.JPG", "a/y.png", "a/b/x.webp", "a/notes.txt", "c.gif"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        found = [str(path.relative_to(tmp_path)) for path in files_in([tmp_path])]
        assert found == ["a/b/x.webp", "a/y.png", "c.gif", "z.JPG"]
        assert files_in([tmp_path / "a" / "notes.txt"]) == [tmp_path / "a" / "notes.txt"]
        assert len(PICTURES) == len(set(PICTURES)) >= 9

    def test_videos_are_found_and_judged_among_pictures(self, pictures, film, bright_model, capsys):
        face, white = (np.asarray(Image.open(pictures / name)) for name in ("a.png", "b/white.png"))
        film(pictures / "b" / "live.mp4", [face[::2, ::2]] * 10)
        attack = film(pictures / "b" / "white.MOV", [white[::2, ::2]] * 10)
        (pictures / "c.avi").write_bytes(attack.read_bytes()[:9000])
        assert run("check", pictures, *ATTACKS, bright_model, "--json") == 2
        said = capsys.readouterr()
        found = {
            str(Path(each["source"]).relative_to(pictures)): each
            for each in map(json.loads, said.out.splitlines())
        }
        assert list(found) == ["a.png", "b/live.mp4", "b/white.MOV", "b/white.png", "wall.png"]
        assert [each["trusted"] for each in found.values()] == [True, True, False, False, None]
        assert found["b/white.MOV"]["faces"][0]["timeline"]["scored"] == 2
        assert len(said.err.splitlines()) == 1
        assert said.err.startswith(f"facetrust: {pictures / 'c.avi'}: ")
        assert run("check", attack, *ATTACKS, bright_model) == 1
        assert capsys.readouterr().out.count("attack") == 2
        assert run("check", attack, *ATTACKS, bright_model, "--rule", "mode") == 2
        assert "no rule of a video's score named 'mode'" in capsys.readouterr().err

    def test_a_bar_counts_the_frames_of_a_video(self, capsys):
        shown = checking([Path("a.png"), Path("b.MP4")], as_json=False)
        assert shown.tasks[0].total == 2
        move = frames_of(shown)
        below = shown.tasks[1]
        assert not below.visible
        move("x/b.MP4", 3, 7)
        assert (below.visible, below.description, below.completed, below.total) == (True, "b.MP4", 3, 7)
        move("x/b.MP4", 7, 7)
        assert not below.visible

    def test_many_pages_of_a_table_hold_every_row(self, pictures, bright_model, capsys, monkeypatch):
        monkeypatch.setattr("facetrust.cli.output._PAGE", 2)
        run("check", pictures, *ATTACKS, bright_model)
        said = capsys.readouterr().out
        assert said.count("picture") >= 2
        assert said.count("threshold") == 2

    def test_works_where_torch_is_not_installed(self, photo, bright_model, tmp_path):
        lacking = (
            "torch",
            "torchvision",
            "timm",
            "lightning",
            "sklearn",
            "scipy",
            "matplotlib",
            "safetensors",
            "yaml",
        )
        done = bare(*lacking)("check", photo, *ATTACKS, bright_model, "--json", "--evidence", tmp_path)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["trusted"] is True
        assert (tmp_path / "astronaut.evidence.png").is_file()

    def test_a_reader_that_leaves_early_gets_no_traceback(self, pictures, bright_model):
        arguments = ["check", str(pictures), *ATTACKS, str(bright_model), "--json"]
        code = f"from facetrust.cli import main; main({arguments!r})"
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, text=True, check=False
        )
        os.close(write)
        assert "Traceback" not in done.stderr


class TestTheOthers:
    def test_explain_draws_a_map(self, photo, bright_model, tmp_path, capsys):
        assert run("explain", bright_model, photo, "--out", tmp_path) == 0
        assert capsys.readouterr().out.strip() == str(tmp_path / "astronaut.cam.png")
        assert (tmp_path / "astronaut.cam.png").is_file()

    def test_explain_takes_several_pictures(self, photo, bright_model, tmp_path, capsys):
        (tmp_path / "b.png").write_bytes(photo.read_bytes())
        assert run("explain", bright_model, photo, tmp_path / "b.png", "--out", tmp_path) == 0
        made = [str(tmp_path / name) for name in ("astronaut.cam.png", "b.cam.png")]
        assert capsys.readouterr().out.splitlines() == made

    def test_explain_against_students_prints_how_alike_they_look(self, photo, tmp_path, capsys, monkeypatch):
        from facetrust.explain.compare import Agreement, Comparison

        asked = {}

        def compare(teacher, pictures, **settings):
            asked.update(settings, teacher=teacher, pictures=pictures)
            alike = Agreement(
                student="runs/s", teacher_layers=(2,), student_layers=(1,), values=(0.5,), mean=0.375
            )
            layers = {"teacher_layers": (1, 2), "student_layers": (1, 2)}
            even = Agreement(student="even", values=(0.25, 0.75), mean=0.5, **layers)
            told = {"teacher": "t", "method": "m", "pictures": ("a",)}
            return Comparison(schema="facetrust.comparison/1", agreements=(alike,), even=even, **told)

        monkeypatch.setattr("facetrust.explain.compare.compare", compare)
        assert run("explain", "runs/t", photo, "--against", "runs/s", "--rows", 2, "--out", tmp_path) == 0
        assert (asked["teacher"], asked["pictures"], asked["against"]) == (
            "runs/t",
            [photo],
            [Path("runs/s")],
        )
        assert (asked["method"], asked["rows"], asked["out"]) == ("rollout", 2, tmp_path)
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert lines[0][-3:] == ["1", "2", "mean"]
        assert lines[1] == ["runs/s", "0.500", "0.375"]
        assert lines[2] == ["even", "0.250", "0.750", "0.500"]
        assert lines[-1] == [str(tmp_path / "comparison.png")]

    def test_the_help_of_import_checkpoint_names_every_kind(self, capsys):
        from facetrust.zoo import KINDS

        assert run("import-checkpoint", "--help") == 0
        said = "".join(capsys.readouterr().out.split())  # Lines are broken after hyphens.
        assert [kind for kind in KINDS if kind not in said] == []

    def test_models_lists_what_is_bundled(self, capsys):
        from facetrust.model_file import bundled

        assert run("models", "--json") == 0
        said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert len(said) == len(bundled())
        assert run("models") == 0
        table = capsys.readouterr().out
        assert [card["name"] for card in said if card["name"] not in table] == []
