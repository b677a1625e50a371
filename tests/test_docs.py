"""The pages about checking and about Python: every command, snippet, field and limit is the program's."""

from __future__ import annotations

import io
import json
import re
import shlex
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facetrust import cli, registry
from facetrust.cli.status import Status
from facetrust.cli.verdicts import CSV
from facetrust.faces.detector import SEARCH
from facetrust.fusion import RULES
from facetrust.imaging import MAX_BYTES, MAX_PIXELS, MIN_SIDE, decoders, inputs, video
from facetrust.model_file import bundled
from facetrust.runtime.model import load_model
from facetrust.runtime.schema import schema_text
from facetrust.runtime.videos import SAMPLING
from facetrust.tasks import judge_of, task_named
from facetrust.tasks.task import Task

DOCS = Path(__file__).resolve().parents[1] / "docs"
CHECK = (DOCS / "check.md").read_text()
PACKAGE = "my_faces"
TINY = ("trainer.epochs=1", "trainer.batch_size=2", "trainer.workers=0", "trainer.ema=0",
        "trainer.flags={enable_progress_bar: false}")  # fmt: skip

pytestmark = pytest.mark.skipif(not bundled(), reason="no student is bundled")


def blocks(page: str, language: str) -> list[str]:
    """Returns the code blocks of a page that are in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text(), re.DOTALL | re.MULTILINE)


def rows_of(text: str) -> list[list[str]]:
    """Returns the cells of every row of the tables in a text."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def section(name: str) -> str:
    """Returns the text of check.md below a heading, up to the next one."""
    return CHECK.split(f"\n## {name}\n")[1].split("\n## ")[0]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, photo: Path, film) -> Path:
    """A working directory with what the pages name: a photo, a folder with one and a text, and a clip."""
    root = tmp_path_factory.mktemp("docs")
    picture = Image.open(photo)
    picture.save(root / "photo.jpg")
    (root / "folder").mkdir()
    picture.save(root / "folder" / "photo.jpg")
    (root / "folder" / "notes.txt").write_text("no picture")
    film(root / "clip.mp4", [np.asarray(picture.resize((384, 384)))] * 13)
    return root


def commands() -> list[Any]:
    """Returns the commands of check.md: their words, what is on standard input, and the status stated."""
    found = []
    for line in "".join(blocks("check.md", "")).splitlines():
        if line.startswith("facetrust "):
            words, _, rest = line.partition(" < ")
            stated = re.search(r"# status (\d+)", line)
            words = shlex.split(words, comments=True)[1:]
            found.append(
                pytest.param(words, rest.strip() or None, int(stated[1]) if stated else 0, id=" ".join(words))
            )
    return found


def test_the_pages_have_commands_and_snippets():
    assert len(commands()) >= 7
    assert {each.values[2] for each in commands()} == {0, 1, 3}
    assert len(blocks("api.md", "python")) >= 10


@pytest.mark.parametrize(("words", "stdin", "status"), commands())
def test_a_command_ends_with_the_status_that_the_page_states(words, stdin, status, place, monkeypatch, capfd):
    monkeypatch.chdir(place)
    if stdin:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((place / stdin).read_bytes())))
    assert cli.main(words) == status, capfd.readouterr().err


def test_the_options_are_the_programs(capfd):
    assert cli.main(["check", "--help"]) == 0
    offered = set(re.findall(r"^  (?:-h, )?(--[a-z-]+)", capfd.readouterr().out, re.MULTILINE))
    assert {re.search(r"--[a-z-]+", row[0])[0] for row in rows_of(section("Options"))[1:]} == offered - {
        "--help"
    }
    assert [rule for rule in RULES if f"`{rule}`" not in section("Options")] == []


def test_the_exit_statuses_are_the_programs():
    assert {row[0] for row in rows_of(section("Exit statuses"))[1:]} == {str(int(each)) for each in Status}


def test_the_json_is_what_is_printed(place, monkeypatch, capfd):
    monkeypatch.chdir(place)
    (example,) = blocks("check.md", "json")
    shown = json.loads(example)
    assert cli.main(["check", "photo.jpg", "--json"]) == 0
    printed = json.loads(capfd.readouterr().out)
    assert shape(shown) == shape(printed)
    for name in ("schema", "source", "kind", "size", "trusted", "reason", "watched"):
        assert shown[name] == printed[name]
    for one, other in zip(shown["faces"][0]["verdicts"], printed["faces"][0]["verdicts"], strict=True):
        chance = other["probability"]
        rounded = {"threshold": round(other["threshold"], 3), "probability": chance and round(chance, 4)}
        assert one == {**other, "score": one["score"], **rounded}
        assert one["score"] == pytest.approx(other["score"], abs=0.05)


def shape(value: Any) -> Any:
    """Returns keys and kinds without the numbers."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return (
        "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    )


def test_every_field_of_the_schema_is_explained():
    schema = json.loads(schema_text())
    fields = {
        *schema["properties"],
        *(name for each in schema["$defs"].values() for name in each["properties"]),
    }
    explained = {name for row in rows_of(section("The JSON")) for name in re.findall(r"`(\w+)`", row[0])}
    assert fields - explained == set()
    assert explained - fields == set()
    assert [column for column in CSV if f"`{column}`" not in section("The JSON")] == []


def test_the_limits_are_the_programs():
    limits = {row[0]: row[1:] for row in rows_of(section("Limits"))}
    assert limits["bytes"] == [f"{MAX_BYTES >> 20} MiB", f"{video.MAX_BYTES >> 30} GiB"]
    assert limits["pixels"] == [f"{MAX_PIXELS:,}", f"{decoders.MAX_PIXELS:,} per frame (8K)"]
    assert limits["shortest side"] == [f"{MIN_SIDE} pixels"] * 2
    assert limits["frames"] == ["", f"{video.MAX_FRAMES:,}"]
    assert limits["faces"][0] == (
        f"from {SEARCH.smallest} pixels (`--smallest-face`), {SEARCH.most:,} (`--most-faces`)"
    )
    lists = re.findall(r"`((?:\.\w+ ?)+)`", section("Limits").replace("\n  ", " "))
    assert [tuple(each.split()) for each in lists] == [inputs.PICTURES, inputs.HEIC, video.VIDEOS]
    assert (SAMPLING.per_second, SAMPLING.most) == (4.0, 720)
    assert "Four frames per second are looked at, at most 720 in all" in section("Videos")


def test_the_quality_limits_are_the_cards():
    rows = {
        row[0].strip("`"): row[1] for row in rows_of(section("Quality")) if row[0][:6] in ("`least", "`most_")
    }
    fitted = (DOCS / "recognition.md").read_text().split("\n### Limits of quality\n")[1].split("\n## ")[0]
    compared = {row[0].strip("`"): row[1] for row in rows_of(fitted) if len(row) == 9 and row[0][0] == "`"}
    compared["least_chroma"] = "0"  # By hand, as the page says.
    for name in bundled():
        limits = load_model(name).card.limits
        task = task_named(load_model(name).card.task)
        if task.output == "embedding":
            assert {limit: f"{value:.3g}" for limit, value in limits if value is not None} == compared
            continue
        if task.output != "score" or task.unit != "face":
            assert limits is None  # Parts decide nothing; whole pictures have no face.
            continue
        wanted = {limit: f"{value:g}" for limit, value in limits if value is not None}
        if task.name == "deepfake":  # Its networks see 192 pixels; the table says so beside the others' 56.
            assert wanted.pop("least_size") == "112"
            assert "at least 56; 112 for those of deepfakes" in section("Quality")
            wanted["least_size"] = rows["least_size"]
            wanted["least_room"] = rows["least_room"]  # None; the network was not tried on cut pictures.
        assert rows.keys() == wanted.keys()
        for limit, value in wanted.items():
            assert value == rows[limit] or f"{value} for `{name}`" in section("Quality"), (name, limit)


def test_the_python_runs(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    names: dict[str, Any] = {}
    for code in blocks("api.md", "python"):
        if not code.startswith(f"# {PACKAGE}/"):
            exec(code, names)
    assert names["reports"][0].trusted
    assert [type(each).__name__ for each in names["facetrust"].check_many(names["sources"][-2:])] == [
        "CheckReport",
        "Failure",
    ]
    assert (
        names["model"].judge(names["model"].score(names["pixels"], [names["box"]])[0]).decision == "bona fide"
    )
    assert names["report"].watched.sampled == 4
    assert "missing.jpg: no such file" in capsys.readouterr().out


def test_a_map_is_measured_as_the_page_says(place, monkeypatch):
    monkeypatch.chdir(place)
    (code,) = blocks("explain.md", "python")
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["heat"].shape == (8, 8)
    assert names["curve"].score[0] == pytest.approx(names["face"].verdicts[0].score, abs=1e-6)
    assert names["curve"].area > 0


@pytest.fixture
def my_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The package that api.md shows, laid down as pip would."""
    for code in blocks("api.md", "python"):
        if code.startswith(f"# {PACKAGE}/"):
            file = tmp_path / "site" / code.splitlines()[0].removeprefix("# ")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(code)
    (project,) = blocks("api.md", "toml")
    about = tomllib.loads(project)["project"]
    folder = tmp_path / "site" / f"{PACKAGE}-{about['version']}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n"
    )
    lines = [
        line
        for group, entries in about["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()))
    ]
    (folder / "entry_points.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    registry.forget()
    yield PACKAGE
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]
    monkeypatch.undo()
    registry.forget()


@pytest.mark.usefixtures("my_package")
def test_the_package_goes_the_way_of_our_own(tmp_path, photo, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    face = np.array(Image.open(photo))
    for subject in "abc":
        (tmp_path / "ROOT" / subject).mkdir(parents=True)
        Image.fromarray(face).save(tmp_path / "ROOT" / subject / "free.jpg")
        covered = face.copy()
        covered[140:160, 190:260] = 90
        Image.fromarray(covered).save(tmp_path / "ROOT" / subject / "covered.jpg")
    (recipe,) = blocks("api.md", "yaml")
    Path("occlusion.yaml").write_text(recipe)
    short = [part for setting in TINY for part in ("--set", setting)]
    for command in (
        ["data", "prepare", "my-set", "ROOT", "--out", "data/my.parquet"],
        ["train", "occlusion.yaml", *short, "--out", "run"],
        ["export", "run", "--out", "occlusion.onnx", "--data", "data/my.parquet"],
    ):
        assert cli.main(command) == 0, (command, capfd.readouterr().err)
    assert (
        cli.main(["check", str(photo), "--task", "occlusion", "--model", "occlusion.onnx"])
        == Status.NOT_JUDGED
    )
    assert " occlusion " in capfd.readouterr().out
    assert task_named("occlusion").decisions == ("free", "covered")
    assert judge_of("occlusion") is judge_of("antispoof")


def test_the_contract_shown_is_that_of_a_question():
    (code,) = blocks("architecture.md", "python")
    names: dict[str, Any] = {"Task": Task}
    exec(code, names)
    assert names["TASK"] == task_named("antispoof")
