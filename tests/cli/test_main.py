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

from facetrust import __version__, cli
from facetrust.cli.status import EXIT_STATUS, Status, status_of

COMMANDS = ("audit", "check", "data", "demo", "evaluate", "explain", "export", "import-checkpoint", "models",
            "profile", "report", "train", "version")  # fmt: skip
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


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


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
        for asked in ("--version", "version"):
            assert run(asked) == 0
            assert capsys.readouterr().out == f"facetrust {__version__}\n"

    def test_as_a_module_and_as_a_script(self):
        for start in ([sys.executable, "-m", "facetrust"], [str(Path(sys.executable).parent / "facetrust")]):
            done = subprocess.run([*start, "chek"], capture_output=True, text=True, check=False)
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr == "facetrust: No such command 'chek'. Did you mean 'check'?\n"


class TestCompletion:
    def test_it_can_be_shown_and_installed(self, capsys):
        assert run("--help") == 0
        said = capsys.readouterr().out
        assert "--show-completion" in said
        assert "--install-completion" in said

    @pytest.mark.parametrize(
        ("words", "wanted"),
        [
            ("facetrust ch", "check"),
            ("facetrust check --thresh", "--threshold"),
            ("facetrust data pre", "prepare"),
        ],
    )
    def test_commands_and_options_are_completed(self, words, wanted, start):
        place = {
            **os.environ,
            "_FACETRUST_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        }
        assert wanted in start(env=place).stdout.split()


class TestHints:
    @pytest.mark.parametrize(
        ("arguments", "hint"),
        [
            ("check x --treshold 1", "No such option: --treshold; did you mean --threshold?"),
            ("check x --treshold=1", "No such option: --treshold; did you mean --threshold?"),
            ("check x --thread 1", "No such option: --thread; did you mean --threads?"),
            ("check x --jsn", "No such option: --jsn; did you mean --json?"),
            ("check x --hepl", "No such option: --hepl; did you mean --help?"),
            ("evaluate x --no-baseline", "No such option: --no-baseline; did you mean --no-baselines?"),
            ("check x --gpu", "No such option: --gpu; for all there are, see: facetrust check --help"),
            (
                "profile x --threshold 1",
                "No such option: --threshold; for all there are, see: facetrust profile --help",
            ),
            ("data split x --seeds 1", "No such option: --seeds; did you mean --seed?"),
            ("chek x", "No such command 'chek'. Did you mean 'check'?"),
            ("data prepar x", "No such command 'prepar'. Did you mean 'prepare'?"),
            ("scrutinise x", "No such command 'scrutinise'."),
        ],
    )
    def test_only_what_is_near_is_offered(self, arguments, hint, capsys):
        assert run(*arguments.split()) == 2
        assert capsys.readouterr() == ("", f"facetrust: {hint}\n")


class TestStatus:
    def test_of_several_2_counts_before_1_before_3_before_0(self):
        assert status_of([]) == 0
        assert status_of([Status.DONE, Status.NOT_JUDGED]) == 3
        assert status_of([Status.NOT_JUDGED, Status.NOT_TRUSTED, Status.DONE]) == 1
        assert status_of([Status.BAD_INPUT, Status.NOT_JUDGED, Status.NOT_TRUSTED]) == 2
        assert Status.INTERRUPTED == 130

    @pytest.mark.parametrize("command", ["", "check"])
    def test_help_tells_them(self, command, capsys):
        assert run(*command.split(), "--help") == 0
        said = " ".join(capsys.readouterr().out.split())
        assert command or EXIT_STATUS in said
        assert "Exit status: 0 " in said
        for part in ("1 at least one is not trusted", "3 nothing wrong was found, but", "2 counts before 1"):
            assert part in said

    def test_closed_streams_are_no_traceback(self):
        code = "import sys; from facetrust.cli import main; sys.exit(main(['version']))"
        done = subprocess.run(
            ["sh", "-c", '"$0" -c "$1" <&- >&-', sys.executable, code],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")

    def test_an_interrupt_is_quiet(self, monkeypatch, capsys):
        def stop(*_args, **_settings):
            raise KeyboardInterrupt

        monkeypatch.setattr("facetrust.model_file.bundled", stop)
        assert run("models") == 130
        assert capsys.readouterr().err.strip() == ""

    def test_a_missing_package_names_its_extra(self, start):
        done = start("train", "antispoof/teacher-nuaa", lacking=("torch", "lightning"))
        assert done.returncode == 2
        assert re.fullmatch(
            r"facetrust: \w+ is not installed; run: pip install 'facetrust\[train\]' "
            r"\(in a checkout: pip install '\.\[train\]'\)\n",
            done.stderr,
        )
        done = start("demo", lacking=("skimage",))
        assert "facetrust: " in done.stderr
        assert len(done.stderr.splitlines()) == 1

    def test_an_error_of_ours_that_nobody_foresaw_is_shown_whole(self, monkeypatch):
        def broken():
            raise ZeroDivisionError("a bug")

        monkeypatch.setattr("facetrust.model_file.bundled", broken)
        with pytest.raises(ZeroDivisionError, match="a bug"):
            run("models")


class TestTheOthers:
    def test_explain_draws_a_map(self, photo, bright_model, tmp_path, capsys):
        assert run("explain", bright_model, photo, "--out", tmp_path) == 0
        made = [tmp_path / name for name in ("astronaut.evidence.png", "figure.png")]
        assert capsys.readouterr().out.splitlines() == [str(path) for path in made]
        assert all(path.is_file() for path in made)
        assert np.load(tmp_path / "astronaut.evidence.npy").shape == (1, 4, 4)

    def test_explain_takes_several_pictures(self, photo, bright_model, tmp_path, capsys):
        (tmp_path / "b.png").write_bytes(photo.read_bytes())
        assert run("explain", bright_model, photo, tmp_path / "b.png", "--out", tmp_path) == 0
        made = [str(tmp_path / name) for name in ("astronaut.evidence.png", "b.evidence.png", "figure.png")]
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
        assert (asked["method"], asked["rows"], asked["out"]) == (None, 2, tmp_path)  # the teacher's own
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert lines[0][-3:] == ["1", "2", "mean"]
        assert lines[1] == ["runs/s", "0.500", "0.375"]
        assert lines[2] == ["even", "0.250", "0.750", "0.500"]
        assert lines[-1] == [str(tmp_path / "comparison.png")]

    def test_explain_against_students_is_by_one_method_and_for_no_decision(self, photo, tmp_path, capsys):
        asked = ("explain", "runs/t", photo, "--against", "runs/s", "--out", tmp_path)
        for more in (("--decision", "attack"), ("--method", "attention", "--method", "rollout")):
            assert run(*asked, *more) == 2
            assert "--against compares by one --method, and for no --decision" in capsys.readouterr().err

    def test_the_help_of_import_checkpoint_names_every_kind(self, capsys):
        from facetrust.zoo import IMPORTERS

        assert run("import-checkpoint", "--help") == 0
        said = "".join(capsys.readouterr().out.split())  # Lines are broken after hyphens.
        assert [kind for kind in IMPORTERS if kind not in said] == []

    def test_models_lists_what_is_bundled(self, capsys):
        from facetrust.model_file import bundled

        assert run("models", "--json") == 0
        said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert len(said) == len(bundled())
        assert run("models") == 0
        table = capsys.readouterr().out
        assert [card["name"] for card in said if card["name"] not in table] == []
