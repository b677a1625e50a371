from __future__ import annotations

import random
from itertools import combinations

import pytest

from facetrust.data.folds._dev import strangers, taken_apart
from facetrust.errors import UsageError
from facetrust.records import Sample


def row(path, split="train", label=0, **fields):
    return Sample(path=path, split=split, label=label, **fields)


def linked(rows):
    """Slow reference: the sets of rows that a chain of equal subjects or media connects."""
    groups = [{each.path} for each in rows]
    for a, b in combinations(rows, 2):
        same = [x and y and x.lower() == y.lower() for x, y in ((a.subject, b.subject), (a.media, b.media))]
        if any(same):
            one, other = (next(group for group in groups if each.path in group) for each in (a, b))
            if one is not other:
                groups.remove(other)
                one |= other
    return groups


@pytest.mark.parametrize("seed", range(20))
def test_no_chain_of_people_and_media_is_cut(seed):
    chance = random.Random(seed)
    rows = [
        row(
            f"{n}.png",
            label=chance.randrange(2),
            subject=chance.choice([None, *"abcdefghij", "A"]),
            media=chance.choice([None, None, *"abcdefghijklmnop"]),
        )
        for n in range(30)
    ]
    train, dev = taken_apart(rows, seed=seed, share=0.3)
    assert sorted(each.path for each in [*train, *dev]) == sorted(each.path for each in rows)
    mine = {each.path for each in dev}
    for group in linked(rows):
        assert group <= mine or not group & mine


def test_dev_rows_are_taken_as_they_are(make_rows):
    rows = make_rows("replay-attack", splits="train dev test")
    train, dev = taken_apart(rows, seed=0, share=0.9)
    assert {each.path for each in dev} == {each.path for each in rows if each.split == "dev"}
    assert len(train) + len(dev) == len(rows)


def test_a_person_with_a_dev_row_does_not_train():
    rows = [row("a", subject="x"), row("b", "dev", subject="X"), row("c", "test", subject="y")]
    train, dev = taken_apart(rows, seed=0, share=0.5)
    assert ([each.path for each in train], [each.path for each in dev]) == (["c"], ["a", "b"])


@pytest.mark.parametrize("seed", range(5))
def test_the_draw_takes_train_people_until_both_labels_have_their_share(make_rows, seed):
    rows = make_rows("msu-mfsd", people=40, frames=1)
    train, dev = taken_apart(rows, seed=seed, share=0.2)
    assert {each.split for each in dev} == {"train"}
    assert len({each.subject for each in dev}) == 4  # Twenty people train, all with as many rows.
    assert {each.label for each in dev} == {each.label for each in train} == {0, 1}


def test_the_draw_depends_on_the_seed_and_not_on_the_order(make_rows):
    rows = make_rows("msu-mfsd", people=40, frames=1)
    shuffled = random.Random(0).sample(rows, len(rows))
    drawn = [
        frozenset(each.subject for each in taken_apart(rows, seed=seed, share=0.2)[1]) for seed in range(6)
    ]
    assert frozenset(each.subject for each in taken_apart(shuffled, seed=3, share=0.2)[1]) == drawn[3]
    assert len(set(drawn)) > 1


def test_a_label_of_one_person_stays_in_train():
    rows = [
        row("a", subject="x"), row("b", subject="y"), row("c", subject="z"), row("d", label=1, subject="z")
    ]  # fmt: skip
    for seed in range(10):
        train, dev = taken_apart(rows, seed=seed, share=0.5)
        assert {each.label for each in train} == {0, 1}
        assert {each.subject for each in dev} == {"x", "y"}


@pytest.mark.parametrize("share", [0, 1, -0.1, 2])
def test_an_impossible_share_is_refused(share):
    with pytest.raises(UsageError, match="between 0 and 1"):
        taken_apart([row("a")], seed=0, share=share)


def test_strangers_share_neither_subject_nor_medium():
    rows = [row("a", subject="X"), row("b", media="m"), row("c", subject="m"), row("d")]
    others = [row("e", subject="x", media="M"), row("f")]
    assert [each.path for each in strangers(rows, others)] == ["c", "d"]
