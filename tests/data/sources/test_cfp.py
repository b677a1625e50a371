from collections.abc import Callable
from pathlib import Path

import pytest

from facetrust.data.sources.cfp import cfp
from facetrust.data.splits import shared
from facetrust.errors import ManifestError

NAMES = [
    f"{person:03d}/{view}/{number:02d}.jpg"
    for person in range(1, 21)
    for view, count in (("frontal", 10), ("profile", 4))
    for number in range(1, count + 1)
]
LIST = "\n".join(f"Given Name{n}" for n in range(1, 21)) + "\n"


@pytest.mark.parametrize("inside", ["", "Images/"])
def test_people_by_number(plant: Callable[..., Path], inside: str) -> None:
    root = plant(*(inside + name for name in NAMES), list_name__txt=LIST)
    rows = cfp(root)
    assert [row.path for row in rows] == [inside + name for name in NAMES]
    assert (rows[0].subject, rows[-1].subject, rows[0].label, rows[0].domain) == (
        "Given_Name1", "Given_Name20", 0, "cfp",
    )  # fmt: skip
    assert {row.split for row in rows} == {"train", "dev", "test"}
    assert not shared(rows)
    assert rows != cfp(root, seed=1)


def test_what_is_missing_is_named(plant: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such folder"):
        cfp(tmp_path / "none")
    root = plant(*NAMES)
    with pytest.raises(ManifestError, match=r"list_name\.txt: the list of names is missing"):
        cfp(root)
    plant(list_name__txt="\n")
    with pytest.raises(ManifestError, match=r"list_name\.txt: is empty"):
        cfp(root)
    plant(list_name__txt=LIST)
    (root / NAMES[12]).unlink()
    with pytest.raises(ManifestError, match=r"profile/03\.jpg: a profile picture of Given Name1 is missing"):
        cfp(root)
