import json
from collections.abc import Callable
from pathlib import Path

import pytest

from facetrust.data.sources.ffpp import ffpp
from facetrust.data.splits import shared
from facetrust.errors import ManifestError, UsageError
from facetrust.records import Sample

Plant = Callable[..., Path]

PAIRS = {"train": [("000", "003"), ("012", "026")], "val": [("720", "672")], "test": [("953", "974")]}
LISTS = {f"{name}__json": json.dumps(pairs) for name, pairs in PAIRS.items()}
SPLITS = {"train": "train", "val": "dev", "test": "test"}
ALL = [pair for pairs in PAIRS.values() for pair in pairs]


def real(who: str, compression: str = "c23", source: str = "youtube") -> str:
    return f"original_sequences/{source}/{compression}/videos/{who}.mp4"


def fake(name: str, method: str = "Deepfakes", compression: str = "c23") -> str:
    return f"manipulated_sequences/{method}/{compression}/videos/{name}.mp4"


NAMES = [
    *(real(who) for pair in ALL for who in pair),
    *(fake(f"{one}_{two}", method) for method in ("Deepfakes", "FaceShifter")
      for pair in ALL for one, two in (pair, pair[::-1])),
]  # fmt: skip
ACTORS = [
    real("01__hugging_happy", source="actors"),
    real("02__hugging_happy", source="actors"),
    fake("01_02__hugging_happy__YVGY8LOK", "DeepFakeDetection"),
]


@pytest.mark.parametrize("inside", [False, True])
def test_the_official_lists(plant: Plant, inside: bool) -> None:
    root = plant(*NAMES, *ACTORS, **LISTS)
    if inside:
        (root / "splits").mkdir()
        for name in PAIRS:
            (root / f"{name}.json").rename(root / "splits" / f"{name}.json")
    rows = ffpp(root, frames=(5, 2), complete=True)
    people = [row for row in rows if "DeepFakeDetection" not in row.path and "actors" not in row.path]
    assert {row.path for row in people} == set(NAMES)
    for name, pairs in PAIRS.items():
        listed = {who for pair in pairs for who in pair}
        assert all(row.split == SPLITS[name] for row in people if Path(row.path).stem[:3] in listed)
    assert [row.frame for row in rows if row.path == real("000")] == [2, 6, 10, 14, 18]
    assert [row for row in rows if row.path == fake("003_000", "FaceShifter")] == [
        Sample(
            path=fake("003_000", "FaceShifter"), label=1, split="train", subject="ffpp-000", domain="ffpp",
            attack="FaceShifter", media="ffpp/FaceShifter/c23/003_000", frame=frame,
        )
        for frame in (5, 15)
    ]  # fmt: skip
    assert not shared(rows)


def test_actors_are_test(plant: Plant) -> None:
    rows = [row for row in ffpp(plant(*NAMES, *ACTORS, **LISTS), frames=1) if "__" in row.path]
    assert [(row.path, row.label, row.attack, row.subject, row.split) for row in rows] == [
        (ACTORS[2], 1, "DeepFakeDetection", "ffpp-actor-01", "test"),
        (ACTORS[0], 0, None, "ffpp-actor-01", "test"),
        (ACTORS[1], 0, None, "ffpp-actor-02", "test"),
    ]


def test_without_lists_linked_identities_stay_together(plant: Plant) -> None:
    # Chains of three: 000–001–002 by 000_001 and 002_001, 003–004–005 and so on; of the last no original.
    links = [(f"{n:03d}_{n + 1:03d}", f"{n + 2:03d}_{n + 1:03d}") for n in range(0, 30, 3)]
    fakes = [fake(name, method) for pair in links for name, method in zip(pair, ("Deepfakes", "Face2Face"),
                                                                          strict=True)]  # fmt: skip
    root = plant(*(real(f"{n:03d}") for n in range(29)), *fakes)
    for seed in range(5):
        rows = ffpp(root, seed=seed, frames=1)
        where: dict[int, set[str]] = {}
        for row in rows:
            for who in Path(row.path).stem.split("_"):
                where.setdefault(int(who) // 3, set()).add(row.split)
        assert len(where) == 10
        assert all(len(splits) == 1 for splits in where.values())
        assert {row.split for row in rows} == {"train", "dev", "test"}
        assert {row.subject for row in rows} == {f"ffpp-{n:03d}" for n in range(0, 30, 3)}


def test_one_compression_is_read(plant: Plant) -> None:
    root = plant(*NAMES, real("000", "c40"), fake("000_003", "NeuralTextures", "c40"), **LISTS)
    assert {row.path for row in ffpp(root)} == set(NAMES)
    low = ffpp(root, compression="c40")
    assert {row.path for row in low} == {real("000", "c40"), fake("000_003", "NeuralTextures", "c40")}
    assert {row.split for row in low} == {"train"}
    with pytest.raises(ManifestError, match="holds no raw videos, but c23, c40"):
        ffpp(root, compression="raw")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"val__json": None}, r"val\.json: a list of the splits is missing"),
        ({"val__json": "[["}, r"val\.json: is not a JSON file"),
        ({"val__json": "[" * 100_000}, r"val\.json: is not a JSON file"),
        ({"val__json": "[]"}, r"val\.json: is not a list of pairs"),
        ({"val__json": '[["720"]]'}, r"val\.json: is not a list of pairs"),
        ({"val__json": "[[720, 672]]"}, r"val\.json: is not a list of pairs"),
        ({"val__json": '[["000", "672"]]'}, r"val\.json: 000 is in another list"),
        ({"val__json": '[["720", "671"]]'}, r"672.*identities are not in one of the lists"),
    ],
)
def test_lists_that_cannot_be_used(plant: Plant, changed: dict[str, str | None], message: str) -> None:
    lists = {name: text for name, text in {**LISTS, **changed}.items() if text is not None}
    with pytest.raises(ManifestError, match=message) as caught:
        ffpp(plant(*NAMES, **lists))
    assert "\n" not in str(caught.value)


def test_a_fake_across_two_lists_is_refused(plant: Plant) -> None:
    with pytest.raises(ManifestError, match=r"000_720\.mp4: its identities are not in one of the lists"):
        ffpp(plant(*NAMES, fake("000_720", "FaceSwap"), **LISTS))


@pytest.mark.parametrize(
    "name", [real("000_003"), fake("000"), fake("01_02__a__B"), real("01", source="actors")]
)
def test_other_names_are_refused(plant: Plant, name: str) -> None:
    with pytest.raises(ManifestError, match=rf"{Path(name).name}: is not named by"):
        ffpp(plant(name))


def test_what_is_missing_is_named(plant: Plant) -> None:
    root = plant(*NAMES, "._hidden.mp4", **LISTS)
    (root / fake("720_672")).unlink()
    assert fake("720_672") not in {row.path for row in ffpp(root)}
    with pytest.raises(ManifestError, match=r"Deepfakes/c23/videos/720_672\.mp4: a video of the lists"):
        ffpp(root, complete=True)
    with pytest.raises(UsageError, match="frames must be at least 1"):
        ffpp(root, frames=0)
    for name in PAIRS:
        (root / f"{name}.json").unlink()
    with pytest.raises(ManifestError, match=r"lacks train\.json, val\.json and test\.json"):
        ffpp(root, complete=True)


def test_the_real_videos(real_data: Path) -> None:
    root = real_data / "ffpp"
    if not root.is_dir():
        pytest.skip("no ffpp")
    rows = ffpp(root)
    assert len(rows) == 7 * 10
    assert sum(row.label for row in rows) == 4 * 10
    assert {row.frame for row in rows if row.path == real("004")} == {
        (2 * n + 1) * 309 // 20 for n in range(10)
    }
    assert not shared(rows)
