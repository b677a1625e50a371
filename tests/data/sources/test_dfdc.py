import json
from collections.abc import Callable
from pathlib import Path

import pytest

from facetrust.data.sources.dfdc import dfdc
from facetrust.data.splits import shared
from facetrust.errors import ManifestError
from facetrust.records import Sample

Facts = dict[str, object]
Lay = Callable[[dict[str, dict[str, Facts]]], Path]

REAL: Facts = {"label": "REAL", "split": "train", "original": None}


def fake(original: str) -> Facts:
    return {"label": "FAKE", "split": "train", "original": original}


def part(number: int) -> dict[str, Facts]:
    """Two originals with two fakes each, as in a part of the train set."""
    originals = [f"p{number}{letter}.mp4" for letter in "ab"]
    fakes = {f"{n}{original}": fake(original) for original in originals for n in "xy"}
    return {**dict.fromkeys(originals, REAL), **fakes}


@pytest.fixture
def lay(plant: Callable[..., Path]) -> Lay:
    """Lays folders with their videos and a metadata.json each."""

    def make(places: dict[str, dict[str, Facts]]) -> Path:
        root = plant(*(f"{place}/{name}" for place, listed in places.items() for name in listed))
        for place, listed in places.items():
            (root / place / "metadata.json").write_text(json.dumps(listed))
        return root

    return make


def test_numbered_parts(lay: Lay) -> None:
    numbers = {0: "train", 34: "train", 35: "dev", 39: "dev", 40: "test", 49: "test"}
    rows = dfdc(lay({f"dfdc_train_part_{n}": part(n) for n in numbers}), frames=(5, 2))
    assert {row.path: row.split for row in rows} == {
        f"dfdc_train_part_{n}/{name}": split for n, split in numbers.items() for name in part(n)
    }
    assert [row for row in rows if row.path.endswith("xp34b.mp4")] == [
        Sample(
            path="dfdc_train_part_34/xp34b.mp4", label=1, split="train", subject="dfdc-p34b", domain="dfdc",
            attack="DFDC", media="dfdc/dfdc_train_part_34/xp34b", frame=frame,
        )
        for frame in (5, 15)
    ]  # fmt: skip
    assert [(row.label, row.subject, row.frame) for row in rows if row.path.endswith("/p34b.mp4")] == [
        (0, "dfdc-p34b", frame) for frame in (2, 6, 10, 14, 18)
    ]
    assert not shared(rows)


def test_the_official_validation_and_test(lay: Lay) -> None:
    root = lay({f"train/dfdc_train_part_{n}": part(n) for n in (3, 37, 45)})
    (root / "validation").mkdir()
    (root / "validation/labels.csv").write_text("filename,label\nv1.mp4,0\nv2.mp4,1\n")
    (root / "test").mkdir()
    # The lists of the test carry facts about what was done to a video, and no original.
    facts = {f"t{n}.mp4": {"is_fake": n, "augmentations": {"blur": "1"}} for n in (0, 1)}
    (root / "test/metadata.json").write_text(json.dumps(facts))
    film = (root / "train/dfdc_train_part_3/p3a.mp4").read_bytes()
    for name in ("validation/v1.mp4", "validation/v2.mp4", "test/t0.mp4", "test/t1.mp4"):
        (root / name).write_bytes(film)
    rows = dfdc(root, frames=1)
    assert {row.path: (row.label, row.split) for row in rows if not row.path.startswith("train")} == {
        "validation/v1.mp4": (0, "dev"), "validation/v2.mp4": (1, "dev"),
        "test/t0.mp4": (0, "test"), "test/t1.mp4": (1, "test"),
    }  # fmt: skip
    assert {row.split for row in rows if row.path.startswith("train")} == {"train"}


def test_a_fake_goes_with_its_original_wherever_it_lies(lay: Lay) -> None:
    rows = dfdc(
        lay({
            # a is the original of b, b of c: a chain over three parts. Of "gone" there are fakes only.
            "dfdc_train_part_1": {"1c.mp4": fake("b.mp4"), "1g.mp4": fake("gone.mp4"), "z.mp4": REAL},
            "dfdc_train_part_36": {"b.mp4": fake("a.mp4"), "2g.mp4": fake("gone.mp4")},
            "dfdc_train_part_44": {"a.mp4": REAL, "y.mp4": REAL},
        }),
        frames=1,
    )  # fmt: skip
    assert {Path(row.path).name: (row.split, row.subject) for row in rows} == {
        "a.mp4": ("test", "dfdc-1c"), "b.mp4": ("test", "dfdc-1c"), "1c.mp4": ("test", "dfdc-1c"),
        "1g.mp4": ("train", "dfdc-1g"), "2g.mp4": ("train", "dfdc-1g"),
        "y.mp4": ("test", "dfdc-y"), "z.mp4": ("train", "dfdc-z"),
    }  # fmt: skip
    assert not shared(rows)


def test_a_folder_without_a_number_is_drawn(lay: Lay) -> None:
    videos = {name: facts for number in range(10) for name, facts in part(number).items()}
    root = lay({"train_sample_videos": videos})
    for given in (root, root / "train_sample_videos"):
        rows = dfdc(given, frames=1, seed=3)
        assert len(rows) == 60
        assert {row.split for row in rows} == {"train", "dev", "test"}
        assert not shared(rows)
        original = {Path(row.path).stem: row.split for row in rows}
        assert all(original[name.lstrip("xy")] == split for name, split in original.items())


PREVIEW = {
    "original_videos/1/1_A_001.mp4": ("real", "train", 1, None),
    "original_videos/9/9_A_001.mp4": ("real", "test", 9, None),
    "method_A/9/9_C/8_9_C_001.mp4": ("fake", "test", 9, 8),
    "method_B/1/1_C/2_1_C_001.mp4": ("fake", "train", 1, 2),
    "method_B/2/2_C/3_2_C_001.mp4": ("fake", "train", 2, 3),
    "method_A/4/4_C/8_4_C_001.mp4": ("fake", "train", 4, 8),
    **{f"original_videos/{n}/{n}_A_001.mp4": ("real", "train", n, None) for n in range(20, 40)},
}
LISTED = {
    path: {"label": label, "set": part, "target_id": target, "swapped_id": source, "augmentations": []}
    for path, (label, part, target, source) in PREVIEW.items()
}


def test_the_preview(plant: Callable[..., Path]) -> None:
    rows = dfdc(plant(*PREVIEW, dataset__json=json.dumps(LISTED)), frames=(2, 1))
    # 8 gave the face of a test video and must not train; 1, 2 and 3 are one chain.
    assert {row.path for row in rows} == {*PREVIEW} - {"method_A/4/4_C/8_4_C_001.mp4"}
    assert all((row.split == "test") == (PREVIEW[row.path][1] == "test") for row in rows)
    assert {row.split for row in rows} == {"train", "dev", "test"}
    assert len({row.split for row in rows if row.subject in ("dfdc-preview-1", "dfdc-preview-2")}) == 1
    assert [row for row in rows if row.path.startswith("method_A")] == [
        Sample(
            path="method_A/9/9_C/8_9_C_001.mp4", label=1, split="test", subject="dfdc-preview-9",
            domain="dfdc", attack="method_A", media="dfdc-preview/method_A/9/9_C/8_9_C_001", frame=10,
        )
    ]  # fmt: skip
    assert not shared(rows)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("metadata__json", "{", r"metadata\.json: is not a JSON file"),
        ("metadata__json", "[]", r"metadata\.json: names no videos"),
        ("metadata__json", '{"a.mp4": {"label": "MAYBE"}}', r"a\.mp4: needs the label REAL or FAKE"),
        ("metadata__json", '{"a.mp4": 1}', r"a\.mp4: needs the label REAL or FAKE"),
        ("metadata__json", '{"b.mp4": {"label": "REAL"}}', r"b\.mp4: a video of the list is missing"),
        ("labels__csv", "file,label\na.mp4,1\n", "None: needs the label|needs the label"),
        ("labels__csv", "filename,label\na.mp4,2\n", r"labels\.csv: a\.mp4: needs the label"),
        ("labels__csv", "", r"labels\.csv: names no videos"),
        ("dataset__json", "{", r"dataset\.json: is not a JSON file"),
        ("dataset__json", "{}", r"dataset\.json: names no videos"),
        (
            "dataset__json",
            '{"a.mp4": {"label": "real", "set": "train"}}',
            r"a\.mp4: needs label .* target_id",
        ),
        ("dataset__json", '{"b.mp4": {"label": "real", "set": "train", "target_id": 1}}', r"b\.mp4: a video"),
        ("notes__txt", "", r"lacks metadata\.json"),
    ],
)
def test_lists_that_cannot_be_used(plant: Callable[..., Path], name: str, text: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message) as caught:
        dfdc(plant("a.mp4", **{name: text}))
    assert "\n" not in str(caught.value)


def test_a_part_without_its_list_is_missed(lay: Lay) -> None:
    root = lay({f"dfdc_train_part_{n}": part(n) for n in (1, 2)})
    (root / "dfdc_train_part_2/metadata.json").unlink()
    with pytest.raises(ManifestError, match=r"part_2/metadata\.json: the list of the videos is missing"):
        dfdc(root)
