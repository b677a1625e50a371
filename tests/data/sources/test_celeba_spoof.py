import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from facetrust.data.sources.celeba_spoof import celeba_spoof
from facetrust.data.splits import shared
from facetrust.errors import ManifestError
from facetrust.records import Sample

LIVE, PHONE, TEST = "Data/train/7/live/1.png", "Data/train/8/spoof/2.jpg", "Data/test/9/spoof/3.jpg"
LISTS = ("metas/intra_test/train_label.json", "metas/intra_test/test_label.json")


def numbers(kind: int, label: int) -> list[int]:
    return [1] * 40 + [kind, 2, 1, label]


def lay(root: Path, *lists: dict[str, list[int]]) -> Path:
    for name, rows in zip(LISTS, lists, strict=True):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(json.dumps(rows))
        for path in rows:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return lay(
        tmp_path / "set",
        {PHONE: numbers(9, 1), LIVE: numbers(0, 0)},
        {TEST: numbers(10, 1)},
    )


def test_rows_of_both_lists(root: Path) -> None:
    last, live, phone = celeba_spoof(root)
    assert [row.path for row in (last, live, phone)] == sorted([LIVE, PHONE, TEST])
    assert last == Sample(
        path=TEST, label=1, split="test", subject="celeba-spoof-9", domain="celeba-spoof", attack="3D mask"
    )
    assert (live.label, live.attack, live.subject) == (0, None, "celeba-spoof-7")
    assert (phone.label, phone.attack, phone.subject) == (1, "phone", "celeba-spoof-8")
    assert {live.split, phone.split} <= {"train", "dev"}


def test_people_of_the_train_list_are_parted_under_the_seed(tmp_path: Path) -> None:
    train = {
        f"Data/train/{who}/{kind}/{n}.jpg": numbers(3 * label, label)
        for who in range(100, 160)
        for label, kind in enumerate(("live", "spoof"))
        for n in range(2)
    }
    root = lay(tmp_path, train, {TEST: numbers(10, 1)})
    rows = celeba_spoof(root, seed=1)
    assert not shared(rows)
    assert sum(row.split == "dev" for row in rows) == pytest.approx(0.15 * 240, abs=4)
    assert sum(row.split == "test" for row in rows) == 1
    assert rows == celeba_spoof(root, seed=1) != celeba_spoof(root, seed=2)


@pytest.mark.parametrize(
    ("size", "line", "box"),
    [
        ((448, 112), "56 28 112 56 0.99", (112, 14, 224, 28)),
        ((224, 224), "-10 200 20 100 1", (0, 200, 10, 24)),
        ((224, 224), "10.5 20 30 40 0.9\nmore", (10.5, 20, 30, 40)),
        ((224, 224), "300 10 20 20 1", None),
        ((224, 224), "10 10 0 20 1", None),
        ((224, 224), "10 10 20", None),
        ((224, 224), "10 ten 20 20 1", None),
        ((224, 224), "10 10 nan 20 1", None),
    ],
)
@pytest.mark.parametrize("name", [LIVE, PHONE])
def test_boxes_are_scaled_and_cut(
    root: Path, name: str, size: tuple[int, int], line: str, box: tuple[float, ...] | None
) -> None:
    Image.new("RGB", size).save(root / name)
    (root / name).with_name(f"{Path(name).stem}_BB.txt").write_text(line)
    row = next(row for row in celeba_spoof(root) if row.path == name)
    assert (row.x, row.y, row.w, row.h) == (pytest.approx(box) if box else (None,) * 4)


def test_a_picture_that_lies_on_its_side_is_scaled_upright(root: Path) -> None:
    tag = Image.Exif()
    tag[0x0112] = 6
    Image.new("RGB", (448, 224)).save(root / PHONE, exif=tag)
    (root / PHONE).with_name("2_BB.txt").write_text("56 56 56 56 1")
    row = celeba_spoof(root)[-1]
    assert (row.x, row.y, row.w, row.h) == (56, 112, 56, 112)


def test_a_missing_or_useless_box_is_no_error_unless_asked(root: Path) -> None:
    (root / LIVE).with_name("1_BB.txt").write_text("1 1 9 9 1")  # Of a picture that is empty.
    assert all(row.x is None for row in celeba_spoof(root))
    with pytest.raises(ManifestError, match=r"2_BB\.txt: a picture's box is missing"):
        celeba_spoof(root, need_boxes=True)


@pytest.mark.parametrize("with_box", [True, False])
def test_a_missing_picture_is_named(root: Path, with_box: bool) -> None:
    (root / PHONE).unlink()
    if with_box:
        (root / PHONE).with_name("2_BB.txt").write_text("1 1 9 9 1")
    with pytest.raises(ManifestError, match=r"spoof/2\.jpg: a picture of the lists is missing"):
        celeba_spoof(root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not a JSON file"),
        ("[]", "names no pictures"),
        (json.dumps({PHONE: [1, 2]}), "2.jpg: needs 44 numbers"),
        (json.dumps({PHONE: numbers(11, 1)}), "needs 44 numbers"),
        (json.dumps({PHONE: numbers(1, 2)}), "needs 44 numbers"),
        (json.dumps({PHONE: None}), "needs 44 numbers"),
        (json.dumps({LISTS[0]: numbers(1, 1)}), "train_label.json: is not Data/train/"),
        (json.dumps({TEST: numbers(1, 1)}), "celeba-spoof-9 is in both lists"),
    ],
)
def test_bad_lists(root: Path, text: str, message: str) -> None:
    (root / LISTS[0]).write_text(text)
    with pytest.raises(ManifestError, match=message):
        celeba_spoof(root)


def test_a_missing_list_is_named(root: Path, plant: Callable[..., Path]) -> None:
    (root / LISTS[1]).unlink()
    with pytest.raises(ManifestError, match=r"test_label\.json: the list of test pictures is missing"):
        celeba_spoof(root)
    with pytest.raises(ManifestError, match="the list of train pictures is missing"):
        celeba_spoof(plant(LIVE))
