"""Every command of the README and the tutorial is run as written there, on a tiny fake set."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facetrust import cli
from facetrust.cli.status import Status
from facetrust.data.simulate import simulate
from facetrust.model_file import bundled

ROOT = Path(__file__).resolve().parents[1]
WANTED = {
    "data prepare",
    "data simulate",
    "audit",
    "train",
    "evaluate",
    "report",
    "export",
    "profile",
    "check",
    "explain",
}
# What makes training short; everything else is the recipe's own.
TINY = ("trainer.epochs=1", "trainer.batch_size=4", "trainer.workers=0", "data.length=8",
        "trainer.flags={enable_progress_bar: false}")  # fmt: skip
CHECKED = (Status.DONE, Status.NOT_TRUSTED, Status.NOT_JUDGED)  # A model just trained is advisory.
BOX = (178, 63, 88, 110)  # Of the face in the public-domain portrait.


def commands(page: str) -> list[list[str]]:
    """Returns the commands in a page's code blocks, in order, comments cut off."""
    found, inside = [], False
    for line in (ROOT / page).read_text().splitlines():
        if line.startswith("```"):
            inside = not inside
        elif inside and line.startswith("facetrust "):
            found.append(shlex.split(line, comments=True)[1:])
    return found


def fake_nuaa(root: Path, photo: Path) -> None:
    """Lays a data set in NUAA's layout: a portrait in different light for each person, and prints of it."""
    face = np.asarray(Image.open(photo))
    rng = np.random.default_rng(0)
    lines = ["path,label,subject,session,split_subject_disjoint,x,y,w,h,sha256"]
    for who, split in ((1, "train"), (2, "train"), (8, "val"), (10, "test"), (11, "test")):
        for label, session in (("live", "01"), ("spoof", "02")):
            for n in range(4):
                light = rng.uniform(0.6, 1.0, 3)
                picture = (face * light).astype(np.uint8)
                if label == "spoof":
                    picture = simulate(picture, BOX, species="print", rng=rng)
                path = f"{label}/{who:04d}/{who:04d}_00_00_{session}_{n}.jpg"
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture).save(root / path)
                box = ",".join(map(str, BOX))  # As large as the limits of quality ask for.
                lines.append(f"{path},{label},{who:04d},{session},{split},{box},a")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, photo: Path) -> Path:
    """An empty working directory with a fake NUAA, three photos and a folder of photos."""
    root = tmp_path_factory.mktemp("tutorial")
    fake_nuaa(root / "DATA" / "nuaa", photo)
    for name in ("photo.jpg", "one.jpg", "two.jpg"):
        Image.open(photo).save(root / name)
    (root / "folder").mkdir()
    shutil.copy(root / "photo.jpg", root / "folder")
    return root


def short(command: list[str]) -> list[str]:
    """Returns a command with what makes it short on top."""
    if command[0] == "train":
        return [*command, *(part for setting in TINY for part in ("--set", setting))]
    return [*command, "--rounds", "3", "--no-memory"] if command[0] == "profile" else command


@pytest.mark.timeout(600)  # It trains, exports and profiles; two cores may be busy with other tests.
@pytest.mark.filterwarnings("ignore:.*:UserWarning:sklearn")
def test_the_tutorial_runs_as_written(place, monkeypatch, capfd):
    monkeypatch.chdir(place)
    ran = set()
    for command in commands("docs/antispoof.md"):
        status = cli.main(short(command))
        said = capfd.readouterr()
        assert status in (CHECKED if command[0] == "check" else (Status.DONE,)), (command, said.err)
        ran.add(" ".join(command[:2]) if command[0] == "data" else command[0])
    assert ran == WANTED
    for name in ("report/report.html", "out/student.onnx", "out/student.json", "maps/photo.evidence.png"):
        assert (place / name).is_file(), name
    proof = json.loads((place / "out" / "student.export.json").read_text())
    assert proof["parity"]["scores"] <= proof["parity"]["tolerance"]
    figures = json.loads((place / "report" / "report.json").read_text())
    assert len(figures["models"]) >= 4


@pytest.mark.parametrize("page", ["README.md", "docs/antispoof.md"])
def test_every_command_in_a_page_is_one(page, capfd):
    found = commands(page)
    assert len(found) >= 2
    for command in found:
        known = command[:2] if command[0] == "data" else command[:1]
        assert cli.main([*known, "--help"]) == 0
        options = [word for word in command if word.startswith("--")]
        text = capfd.readouterr().out
        assert [option for option in options if option not in text] == []


@pytest.mark.skipif(not bundled(), reason="no student is bundled yet")
def test_the_readme_runs_as_written(place, monkeypatch, capfd):
    monkeypatch.chdir(place)
    for command in commands("README.md"):
        if command == ["serve"]:
            continue  # It runs until it is stopped; tests/serve starts and asks it.
        assert cli.main(command) in CHECKED, command
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(not bundled(), reason="no student is bundled yet")
def test_the_readmes_python_runs_as_written(place, monkeypatch):
    monkeypatch.chdir(place)
    text = (ROOT / "README.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    names: dict[str, object] = {}
    exec(code, names)
    assert names["report"].trusted
    (face,) = names["report"].faces
    assert [verdict.advisory for verdict in face.verdicts] == [False]
    assert [each.task for each in face.not_judged] == ["deepfake"]


def test_makes_targets_are_the_readmes_commands():
    text = (ROOT / "README.md").read_text()
    makefile = (ROOT / "Makefile").read_text()
    for target in ("demo", "test"):
        assert f"\nmake {target} " in text
        assert f"\n{target}: " in makefile
        assert f"make {target}" in (ROOT / ".ci" / "run").read_text()


def anchors(page: Path) -> set[str]:
    """Returns what a link may name in a page: its headings, as web pages of Markdown spell them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_in_the_pages_lead_somewhere():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    assert len(pages) >= 25
    for page in pages:
        for part in page.read_text().split("](")[1:]:
            target, _, anchor = part.split(")")[0].partition("#")
            if "://" in target or target == "docs/demo.png":
                continue
            place = page.parent / target if target else page
            assert place.exists(), (page.name, target)
            assert not anchor or anchor in anchors(place), (page.name, target, anchor)
