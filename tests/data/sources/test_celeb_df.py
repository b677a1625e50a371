from collections.abc import Callable
from pathlib import Path

import pytest

from facetrust.data.sources.celeb_df import celeb_df
from facetrust.data.splits import shared
from facetrust.errors import ManifestError
from facetrust.records import Sample

Plant = Callable[..., Path]

TESTED = [
    "Celeb-real/id0_0001.mp4", "YouTube-real/00170.mp4", "Celeb-synthesis/id0_id1_0001.mp4",
    "Celeb-synthesis/id2_id0_0004.mp4",
]  # fmt: skip
# Each shows somebody of the test, as target or as source.
KNOWN = [
    "Celeb-real/id1_0007.mp4", "Celeb-real/id2_0000.mp4", "Celeb-synthesis/id5_id1_0002.mp4",
    "Celeb-synthesis/id2_id6_0003.mp4",
]  # fmt: skip
# Chains of 10 to 12, 13 to 15 and so on; id5 and id6 are met with people of the test only elsewhere.
STRANGERS = [
    "Celeb-real/id5_0000.mp4", "Celeb-synthesis/id6_id5_0000.mp4",
    *(f"Celeb-real/id{n}_0000.mp4" for n in range(10, 40)),
    *(f"Celeb-synthesis/id{n}_id{n + 1}_0000.mp4" for n in range(10, 40) if n % 3 != 0),
    *(f"YouTube-real/{n:05d}.mp4" for n in range(10)),
]  # fmt: skip
LIST = "".join(f"{int('synthesis' not in name)} {name}\n" for name in TESTED)


@pytest.fixture
def root(plant: Plant) -> Path:
    hidden = "Celeb-real/._id0_0001.mp4"
    return plant(*TESTED, *KNOWN, *STRANGERS, hidden, List_of_testing_videos__txt=LIST)


def test_the_list_is_test_and_its_people_are_nowhere_else(root: Path) -> None:
    rows = celeb_df(root, frames=(5, 1))
    assert {row.path for row in rows if row.split == "test"} == set(TESTED)
    assert {row.path for row in rows if row.split != "test"} == set(STRANGERS)
    assert {row.split for row in rows} == {"train", "dev", "test"}
    assert not shared(rows)


def test_labels_are_turned_round(root: Path) -> None:
    rows = celeb_df(root, frames=(5, 1))
    assert [row for row in rows if row.path == TESTED[2]] == [
        Sample(
            path=TESTED[2], label=1, split="test", subject="celeb-df-id0", domain="celeb-df",
            attack="Celeb-synthesis", media="celeb-df/Celeb-synthesis/id0_id1_0001", frame=10,
        )
    ]  # fmt: skip
    assert [row for row in rows if row.path == TESTED[1]] == [
        Sample(
            path=TESTED[1], label=0, split="test", subject="celeb-df-youtube-00170", domain="celeb-df",
            media="celeb-df/YouTube-real/00170", frame=frame,
        )
        for frame in (2, 6, 10, 14, 18)
    ]  # fmt: skip
    assert all(row.label == ("synthesis" in row.path) for row in rows)


def test_a_chain_is_in_one_split(root: Path) -> None:
    for seed in range(5):
        where: dict[int, set[str]] = {}
        for row in celeb_df(root, seed=seed, frames=1):
            if row.split != "test" and "YouTube" not in row.path:
                for who in Path(row.path).stem.split("_")[:-1]:
                    where.setdefault((int(who[2:]) + 2) // 3, set()).add(row.split)
        # 10-11-12 by links 10–11 and 11–12, … ; 39 is alone.
        assert all(len(splits) == 1 for splits in where.values())


def test_as_published_all_that_is_not_listed_trains(root: Path) -> None:
    rows = celeb_df(root, frames=1, overlap=True)
    assert {row.path for row in rows if row.split == "test"} == set(TESTED)
    assert {row.path for row in rows if row.split != "test"} == {*KNOWN, *STRANGERS}
    assert {row.split for row in rows} == {"train", "dev", "test"}
    # The audit is to find them.
    assert "celeb-df-id2" in {found.value for found in shared(rows)}


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ("", "names no videos"),
        ("\n \n", "names no videos"),
        ("0 Celeb-real/id0_0001.mp4\n", "line 1 is not 1 and a real video"),
        ("1 YouTube-real/00170.mp4\n1 Celeb-synthesis/id0_id1_0001.mp4\n", "line 2 is not 1 and a real"),
        ("YouTube-real/00170.mp4\n", "line 1 is not"),
        ("1 YouTube-real/00171.mp4\n", r"00171\.mp4: a video of the test is missing"),
    ],
)
def test_lists_that_cannot_be_used(plant: Plant, listed: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message) as caught:
        celeb_df(plant(*TESTED, List_of_testing_videos__txt=listed))
    assert "\n" not in str(caught.value)


def test_a_missing_list_is_named(plant: Plant) -> None:
    with pytest.raises(ManifestError, match=r"List_of_testing_videos\.txt: the list of the test is missing"):
        celeb_df(plant(*TESTED))


def test_a_missing_folder_is_named(plant: Plant) -> None:
    real = TESTED[0]
    with pytest.raises(ManifestError, match="lacks the folder Celeb-synthesis"):
        celeb_df(plant(real, List_of_testing_videos__txt=f"1 {real}\n"))


def test_other_names_are_refused(plant: Plant) -> None:
    root = plant(*TESTED, "Celeb-real/id1_id2_0000.mp4", List_of_testing_videos__txt=LIST)
    with pytest.raises(ManifestError, match=r"id1_id2_0000\.mp4: is not named as .* of Celeb-real"):
        celeb_df(root)
