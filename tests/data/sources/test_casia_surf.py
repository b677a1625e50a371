from collections.abc import Callable
from pathlib import Path

import pytest

from facetrust.data.sources.casia_surf import casia_surf
from facetrust.errors import ManifestError
from facetrust.records import Sample

FAKE = "Training/fake_part/CLKJ_AS0005/04_en_b.rssdk/color/101.jpg"
REAL = "Training/real_part/CLKJ_AS0005/real.rssdk/color/91.jpg"
VAL, VAL_2, TEST = "Val/0000/000000-color.jpg", "Val/0007/007243-color.jpg", "Testing/0000/000001-color.jpg"
NAMES = ("train_list.txt", "val_private_list.txt", "test_private_list.txt")


def line(path: str, label: int) -> str:
    return f"{path} {path.replace('color', 'depth')} {path.replace('color', 'ir')} {label}\n"


LISTS = (line(REAL, 1) + line(FAKE, 0), line(VAL, 0) + line(VAL_2, 1), line(TEST, 1))


@pytest.fixture
def root(plant: Callable[..., Path]) -> Path:
    root = plant(FAKE, REAL, VAL, VAL_2, TEST)
    for name, text in zip(NAMES, LISTS, strict=True):
        (root / name).write_text(text)
    return root


def test_lists_of_the_challenge_are_turned_round(root: Path) -> None:
    rows = casia_surf(root)
    assert [row.path for row in rows] == sorted([FAKE, REAL, VAL, VAL_2, TEST])
    test, fake, real, val, live = rows
    assert fake == Sample(
        path=FAKE,
        label=1,
        split="train",
        subject="casia-surf-CLKJ_AS0005",
        domain="casia-surf",
        attack="print, eyes and nose cut, bent",
        media="casia-surf-CLKJ_AS0005-04_en_b",
        frame=101,
    )
    assert (real.label, real.attack, real.subject, real.frame) == (0, None, fake.subject, 91)
    assert val == Sample(path=VAL, label=1, split="dev", domain="casia-surf", attack="print")
    assert (live.label, live.attack, live.split) == (0, None, "dev")
    assert (test.label, test.split) == (0, "test")


def test_lists_of_the_later_release_are_taken_as_they_are(plant: Callable[..., Path]) -> None:
    inside = "Data/{}/{}_part/CLKJ_{}/{}.rssdk/color/0015.jpg"
    given = {
        "train": [("Training", "fake", "AS0005", "06_enm_b", 1), ("Training", "real", "BS0831", "real", 0)],
        "dev": [("Val", "fake", "AS0010", "01_e_s", 1)],
        "test": [("Testing", "fake", "CS0117", "03_en_s", 1), ("Testing", "fake", "CS0117", "07_x", 1)],
    }
    root = plant(*(inside.format(*fields) for rows in given.values() for fields in rows))
    (root / "protocol").mkdir()
    for split, rows in given.items():
        text = "".join(f"CASIA_SURF/{inside.format(*fields)} {fields[-1]}\n" for fields in rows)
        (root / f"protocol/CASIA_SURF@p1_image_{split}.txt").write_text(text)
    found = {row.path: row for row in casia_surf(root)}
    species = {
        "06_enm_b": "print, eyes, nose and mouth cut, bent",
        "01_e_s": "print, eyes cut, flat",
        "03_en_s": "print, eyes and nose cut, flat",
        "07_x": "print",
        "real": None,
    }
    for split, rows in given.items():
        for fields in rows:
            row = found.pop(inside.format(*fields))
            assert (row.split, row.label, row.attack) == (split, fields[-1], species[fields[3]])
            assert row.subject == f"casia-surf-CLKJ_{fields[2]}"
    assert not found


def test_an_empty_list_leaves_its_split_out(root: Path) -> None:
    (root / NAMES[2]).write_text("\n")
    assert {row.split for row in casia_surf(root)} == {"train", "dev"}
    for name in NAMES:
        (root / name).write_text("")
    with pytest.raises(ManifestError, match="the lists name no pictures"):
        casia_surf(root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (VAL, "val_private_list.txt: line 1: needs 4 columns"),
        (f"{line(VAL, 1)}{VAL} b c 2", "line 2: needs 4 columns, the last of them 0 or 1"),
        (line(REAL, 0), "line 1: says 0 of a picture in real_part"),
        (line(FAKE, 1), "line 1: says 1 of a picture in fake_part"),
        (line("Val/0000/000009-color.jpg", 1), "000009-color.jpg: a picture of the lists is missing"),
    ],
)
def test_bad_lists(root: Path, text: str, message: str) -> None:
    (root / NAMES[1]).write_text(text)
    with pytest.raises(ManifestError, match=message):
        casia_surf(root)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_list_is_named(root: Path, name: str) -> None:
    (root / name).unlink()
    with pytest.raises(ManifestError, match=f"{name}: the list of .* pictures is missing"):
        casia_surf(root)
