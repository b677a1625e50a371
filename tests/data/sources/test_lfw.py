from collections.abc import Callable
from pathlib import Path

import pytest

from facetrust.data.sources.lfw import lfw
from facetrust.data.splits import shared
from facetrust.errors import ManifestError

NAMES = [f"P{n:02d}_X/P{n:02d}_X_{i:04d}.jpg" for n in range(40) for i in range(1, n % 3 + 2)]


def test_people_are_split_under_the_seed(plant: Callable[..., Path]) -> None:
    root = plant("people.txt", *NAMES)
    rows = lfw(root, seed=1)
    assert [row.path for row in rows] == sorted(NAMES)
    assert {(row.label, row.domain, row.x) for row in rows} == {(0, "lfw", None)}
    assert all(row.path.startswith(f"{row.subject}/") for row in rows)
    assert {row.split for row in rows} == {"train", "dev", "test"}
    assert not shared(rows)
    assert rows == lfw(root, seed=1) != lfw(root, seed=2)


def test_what_is_missing_is_named(plant: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such folder"):
        lfw(tmp_path / "none")
    root = plant("people.txt")
    with pytest.raises(ManifestError, match="holds no pictures"):
        lfw(root)
    plant(*NAMES)
    (root / "P02_X" / "P02_X_0002.jpg").unlink()
    with pytest.raises(ManifestError, match=r"P02_X_0002\.jpg: is missing"):
        lfw(root)


@pytest.mark.real
def test_the_real_one(real_data: Path) -> None:
    rows = lfw(real_data / "lfw")
    assert len(rows) == 13232
    assert len({row.subject for row in rows}) == 5748
