import itertools

import pytest

from facetrust.data.sources._identities import Shown, apart_from_test, chains, drawn
from facetrust.records import Sample, Split


def shown(name: str, *people: str, split: Split | None = None) -> Shown:
    video = Sample(path=f"{name}.mp4", label=len(people) // 2, split="test", subject=people[0], media=name)
    return Shown(video, people, split)


def test_chains_are_the_same_whatever_the_order() -> None:
    groups = [("c", "b"), ("d", "c"), ("a", "b"), ("y", "x"), ("z",)]
    for order in itertools.permutations(groups):
        assert chains(order) == {**dict.fromkeys("abcd", "a"), "x": "x", "y": "x", "z": "z"}
    assert chains([]) == {}


@pytest.mark.parametrize("seed", range(10))
def test_a_chain_of_fakes_is_drawn_into_one_split(seed: int) -> None:
    # 00–01–02–03 by three fakes, 04–05–06–07 by three more, and so on.
    links = [(f"{n:02d}", f"{n + 1:02d}") for n in range(40) if n % 4 != 3]
    videos = [shown(f"real{n:02d}", f"{n:02d}") for n in range(40)]
    videos += [shown(f"fake{one}", one, two) for one, two in links]
    rows = drawn(videos, seed=seed)
    assert [row.path for row in rows] == [one.video.path for one in videos]
    assert [row.subject for row in rows] == [one.video.subject for one in videos]
    where: dict[int, set[str]] = {}
    for (_, people, _), row in zip(videos, rows, strict=True):
        where.setdefault(int(people[0]) // 4, set()).add(row.split)
    assert all(len(splits) == 1 for splits in where.values())
    assert {row.split for row in rows} == {"train", "dev", "test"}


def test_a_given_split_stays() -> None:
    videos = [shown(str(n), str(n), split="test" if n % 2 else None) for n in range(20)]
    rows = drawn(videos, seed=0, shares={"train": 1.0})
    assert [row.split for row in rows] == ["train", "test"] * 10


def test_nobody_of_the_test_is_in_train_or_dev() -> None:
    tested = [shown("t1", "a", split="test"), shown("t2", "b", "c", split="test")]
    known = [shown("k1", "a"), shown("k2", "x", "c"), shown("k3", "b", "x")]
    # x is met with people of the test in what is left out only, so that x itself may train.
    strangers = [shown("s", "x"), *(shown(f"s{n}", f"p{n}") for n in range(19))]
    rows = apart_from_test([*tested, *known, *strangers], seed=0)
    assert [row.path for row in rows] == [one.video.path for one in (*tested, *strangers)]
    assert [row.split for row in rows].count("dev") == 4
    assert [row.split for row in rows].count("test") == 2
