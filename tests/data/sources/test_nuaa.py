from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from facetrust.data.sources.nuaa import nuaa
from facetrust.data.splits import shared
from facetrust.errors import ManifestError
from facetrust.records import Sample

HEAD = "path,label,subject,session,split_subject_disjoint,x,y,w,h,sha256\n"
LIVE = "live/0001/0001_00_00_01_25.jpg"
PRINT = "spoof/0009/0009_01_02_03_7.jpg"
ROWS = f"{LIVE},live,0001,01,train,1,2,3,4,a\n{PRINT},spoof,0009,03,val,5,6,7,8,b\n"


def test_rows_of_the_list(plant: Callable[..., Path]) -> None:
    first, second = nuaa(plant(LIVE, PRINT, manifest__csv=HEAD + ROWS))
    assert first == Sample(
        path=LIVE, label=0, split="train", subject="nuaa-0001", domain="nuaa", media="nuaa-live-0001-01"
    ).model_copy(update={"frame": 25, "x": 1, "y": 2, "w": 3, "h": 4})
    assert (second.label, second.attack, second.split) == (1, "print", "dev")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks the column 'path'"),
        (HEAD, "has no rows"),
        (HEAD + ROWS.replace("spoof,0009", "odd,0009"), "row 2: label 'odd' is not known"),
        (HEAD + ROWS.replace("val", "valid"), "row 2: split 'valid' is not one of"),
        (HEAD + ROWS.replace(",5,6", ",5,six"), "row 2: the box or the frame number"),
        (
            HEAD + ROWS.replace("_7.jpg", "_8.jpg"),
            "0009_01_02_03_8.jpg: a picture that manifest.csv names is missing",
        ),
        (HEAD + "live", "row 1: "),
    ],
)
def test_bad_lists(plant: Callable[..., Path], text: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        nuaa(plant(LIVE, PRINT, manifest__csv=text))


def test_missing_list_and_root(plant: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such folder"):
        nuaa(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match="is empty"):
        nuaa(tmp_path / "empty")
    root = plant(LIVE)
    with pytest.raises(ManifestError, match=r"manifest\.csv: the list .* is missing"):
        nuaa(root)
    with pytest.raises(ManifestError, match="is not a folder"):
        nuaa(root / LIVE)


@pytest.mark.real
def test_the_real_one(real_data: Path) -> None:
    rows = nuaa(real_data / "nuaa")
    counts = Counter((row.split, row.label) for row in rows)
    assert [counts[split, label] for split in ("train", "dev", "test") for label in (0, 1)] == [
        280, 280, 80, 80, 240, 240,
    ]  # fmt: skip
    assert not shared(rows)
