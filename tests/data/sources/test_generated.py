"""Sets of photographed and generated pictures: who generated what, and which part is dev."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from facetrust.data.sources.cifake import cifake
from facetrust.data.sources.folder import folder
from facetrust.data.sources.genimage import genimage
from facetrust.data.sources.universal_fake_detect import universal_fake_detect
from facetrust.errors import ManifestError


def grown(root: Path, *folders: str, count: int = 20) -> Path:
    for name in folders:
        (root / name).mkdir(parents=True)
        for n in range(count):
            (root / name / f"{n:02d}.png").touch()
    return root


def facts(rows, *, split: str) -> Counter:
    return Counter((row.domain, row.label, row.attack) for row in rows if row.split == split)


def test_cifake_keeps_its_test_and_gives_a_tenth_of_train_to_dev(tmp_path):
    root = grown(tmp_path, "train/REAL", "train/FAKE", "test/REAL", "test/FAKE")
    rows = cifake(root)
    real, fake = ("cifake", 0, None), ("cifake", 1, "stable-diffusion-1.4")
    assert facts(rows, split="train") == {real: 18, fake: 18}
    assert facts(rows, split="dev") == {real: 2, fake: 2}
    assert facts(rows, split="test") == {real: 20, fake: 20}
    assert rows != cifake(root, seed=1)
    assert [row for row in rows if row.split == "test"] == [
        row for row in cifake(root, seed=1) if row.split == "test"
    ]


def test_genimage_names_the_generator_of_photographs_too(tmp_path):
    archives = ("ADM/imagenet_ai_0508_adm", "Midjourney/imagenet_midjourney")
    kinds = ("train/ai", "train/nature", "val/ai", "val/nature")
    rows = genimage(grown(tmp_path, *(f"{archive}/{kind}" for archive in archives for kind in kinds)))
    assert facts(rows, split="test") == {
        (name, label, name if label else None): 20 for name in ("ADM", "Midjourney") for label in (0, 1)
    }
    one = genimage(tmp_path / archives[0])
    assert {row.domain for row in one} == {"imagenet_ai_0508_adm"}


def test_universal_fake_detect_finds_the_generator_at_every_depth(tmp_path):
    root = grown(
        tmp_path / "set",
        *("train/progan/bird/0_real", "train/progan/bird/1_fake"),
        *("val/progan/bird/0_real", "val/progan/bird/1_fake"),
        *("test/biggan/0_real", "test/biggan/1_fake", "test/stylegan/car/1_fake"),
        *("diffusion_datasets/ldm_200/1_fake", "diffusion_datasets/laion/0_real"),
    )
    rows = universal_fake_detect(root)
    progan = {("progan", 0, None): 20, ("progan", 1, "progan"): 20}
    assert facts(rows, split="train") == progan
    assert facts(rows, split="dev") == progan
    assert facts(rows, split="test") == {
        ("biggan", 0, None): 20,
        ("biggan", 1, "biggan"): 20,
        ("stylegan", 1, "stylegan"): 20,
        ("ldm_200", 1, "ldm_200"): 20,
        ("laion", 0, None): 20,
    }
    assert {row.domain for row in universal_fake_detect(root / "test" / "biggan")} == {"biggan"}


def test_a_list_names_the_generator(tmp_path):
    (tmp_path / "a.jpg").touch()
    (tmp_path / "b.jpg").touch()
    (tmp_path / "manifest.csv").write_text(
        "path,label,attack,domain,split,content\na.jpg,generated,sd15,pool,test,face\nb.jpg,real,,own,test,scene\n"
    )
    rows = [(row.path, row.label, row.attack, row.domain, row.split) for row in folder(tmp_path)]
    assert rows == [("a.jpg", 1, "sd15", "pool", "test"), ("b.jpg", 0, None, "own", "test")]


@pytest.mark.parametrize("source", [cifake, genimage, universal_fake_detect])
def test_pictures_without_a_label_are_not_taken(source, tmp_path):
    with pytest.raises(ManifestError, match="no pictures"):
        source(grown(tmp_path, "train/maybe"))
