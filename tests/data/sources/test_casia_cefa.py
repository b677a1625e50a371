from collections.abc import Callable
from pathlib import Path

import pytest

from facetrust.data.sources.casia_cefa import casia_cefa
from facetrust.data.splits import shared
from facetrust.errors import ManifestError, UsageError
from facetrust.records import Sample

# Person, label and species of videos, by their codes; splits as in the lists of protocol 4.1.
KNOWN = {
    "1_087_1_1_1": ("1-087", None, "train"),
    "1_199_3_1_4": ("1-199", "replay", "train"),
    "1_223_3_1_2": ("1-223", "cloth print", "dev"),
    "2_200_3_2_3": ("2-200", "print", "dev"),
    "3_299_3_2_2": ("3-299", "cloth print", "dev"),
    "3_300_1_1_1": ("3-300", None, "test"),
    "3_499_3_2_2": ("3-499", "cloth print", "test"),
    "1_002_1_1_2_1_3": ("mask-1-002", "3D print mask", "test"),
    "2_001_1_1_2_1_3": ("mask-2-001", "silicone mask", "test"),
}


@pytest.mark.parametrize("form", ["a/b/AF-1/{}/color/0007.jpg", "train/{}/profile/0007.jpg", "t/{}_07.jpg"])
def test_codes_tell_person_label_species_and_split(plant: Callable[..., Path], form: str) -> None:
    rows = casia_cefa(plant(*(form.format(code) for code in KNOWN)))
    assert rows == sorted(
        (
            Sample(
                path=form.format(code),
                label=int(species is not None),
                split=split,
                subject=f"casia-cefa-{person}",
                domain="casia-cefa",
                attack=species,
                media=f"casia-cefa-{code}",
                frame=7,
            )
            for code, (person, species, split) in KNOWN.items()
        ),
        key=lambda row: row.path,
    )
    assert not shared(rows)


def test_frames_are_spaced_and_depth_and_infrared_left_out(plant: Callable[..., Path]) -> None:
    video = "Ethnicity/CA/CA-000/2_000_1_1_1"
    root = plant(*(f"{video}/{part}/{n:04d}.jpg" for part in ("color", "depth", "ir") for n in range(1, 101)))
    rows = casia_cefa(root)
    assert [row.frame for row in rows] == list(range(1, 101, 10))
    assert all("/color/" in row.path for row in rows)
    assert len(casia_cefa(root, frames=1000)) == 100
    with pytest.raises(UsageError, match="frames must be at least 1"):
        casia_cefa(root, frames=-1)


def test_what_hides_its_person_is_left_out(plant: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such folder"):
        casia_cefa(tmp_path / "none")
    hidden = ["dev/003000/profile/0001.jpg", "1_001_1_1_5/profile/0001.jpg", "3_001_1_1_2_1_3/color/0001.jpg"]
    root = plant(*hidden)
    with pytest.raises(ManifestError, match="root: holds no pictures that are named by the code"):
        casia_cefa(root)
    plant("train/1_001_1_1_1/profile/0001.jpg")
    assert [row.path for row in casia_cefa(root)] == ["train/1_001_1_1_1/profile/0001.jpg"]
