from collections.abc import Callable
from pathlib import Path

import pytest

from facetrust.data.sources.wmca import wmca
from facetrust.data.splits import shared
from facetrust.errors import ManifestError, UsageError
from facetrust.records import Sample

# Names that published work on the set gives, with what they show.
KNOWN = {
    "035_01_000_0_01": (0, None, "035"),
    "514_01_035_1_05": (1, "glasses", "035"),
    "101_06_067_1_02": (1, "rigid mask", "067"),
    "505_01_000_2_06": (1, "mannequin", "505"),
    "100_03_015_2_10": (1, "paper mask", "100"),
    "018_01_007_2_16": (1, "rigid mask", "018"),
    "530_03_001_2_18": (1, "flexible mask", "530"),
    "098_01_035_3_13": (1, "print", "098"),
    "018_02_000_3_10": (1, "replay", "018"),
    "098_06_072_4_11": (1, "replay", "098"),
    "520_02_003_1_08": (1, "wig", "003"),
    "512_02_000_1_01": (1, "glasses", "512"),
    "985_02_004_5_01": (1, "makeup", "004"),
}


@pytest.mark.parametrize(
    "form", ["{}/color/0012.jpg", "R_CDIT/{}/12.jpg", "a/31.01.18/{}/color/0012.png", "x/31.01.18_{}_12.jpg"]
)
def test_codes_tell_label_species_and_person(plant: Callable[..., Path], form: str) -> None:
    rows = wmca(plant(*(form.format(code) for code in KNOWN)))
    dated = "31.01.18_" if "31.01.18" in form else ""
    for row in rows:
        code = next(code for code in KNOWN if code in row.path)
        label, species, person = KNOWN[code]
        assert row == Sample(
            path=form.format(code),
            label=label,
            split=row.split,
            subject=f"wmca-{person}",
            domain="wmca",
            attack=species,
            media=f"wmca-{dated}{code}",
            frame=12,
        )
    assert [row.path for row in rows] == sorted(form.format(code) for code in KNOWN)


def test_ten_frames_evenly_spaced(plant: Callable[..., Path]) -> None:
    root = plant(*(f"035_01_000_0_01/color/{n:04d}.jpg" for n in range(50)))
    assert [row.frame for row in wmca(root)] == list(range(0, 50, 5))  # FLIP's choice, by its file names.
    assert [row.frame for row in wmca(root, frames=3)] == [0, 16, 33]
    assert len(wmca(root, frames=99)) == 50
    with pytest.raises(UsageError, match="frames must be at least 1; got 0"):
        wmca(root, frames=0)


def test_other_channels_and_names_are_passed_over(plant: Callable[..., Path]) -> None:
    code = "035_01_000_0_01"
    others = [f"{code}/{part}/0001.jpg" for part in ("depth", "ir", "thermal", "infrared", ".color", "PCA")]
    root = plant(f"{code}/color/0001.jpg", *others, "logo.png", f"{code}/color/0001.txt")
    assert [row.path for row in wmca(root)] == [f"{code}/color/0001.jpg"]


def test_a_video_that_lies_in_two_folders_comes_once(plant: Callable[..., Path]) -> None:
    stem = "31.01.18_036_01_000_0_00"
    test = [f"test/real/{stem}_{n:02d}.jpg" for n in range(3)]
    train = [f"train/real/{stem}_{n:02d}.jpg" for n in range(0, 15, 5)]
    root = plant(*test, *train)
    assert [row.path for row in wmca(root)] == train
    (root / train[-1]).unlink()
    assert [row.path for row in wmca(root)] == test


def test_people_keep_apart_also_under_glasses(plant: Callable[..., Path]) -> None:
    pairs = [f"{who:03d}_01_000_0_00/color/1.jpg" for who in range(1, 41)]
    pairs += [f"514_01_{who:03d}_1_05/color/1.jpg" for who in range(1, 41)]
    root = plant(*pairs)
    rows = wmca(root, seed=3)
    assert len({row.subject for row in rows}) == 40
    assert not shared(rows)
    assert {row.split for row in rows} == {"train", "dev", "test"}
    assert rows == wmca(root, seed=3) != wmca(root, seed=4)


def test_what_cannot_be_used_is_named(plant: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such folder"):
        wmca(tmp_path / "none")
    root = plant("035_01_000_0_01.hdf5", "dev/0001.jpg")
    with pytest.raises(ManifestError, match="root: holds no pictures that are named by the code"):
        wmca(root)
    plant("035_01_000_7_01/color/1.jpg")
    with pytest.raises(ManifestError, match=r"_7_01/color/1\.jpg: attack type 7 of WMCA is not known"):
        wmca(root)
