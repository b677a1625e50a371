from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from facetrust.data.sampler import EpochSampler, GroupSampler, balance
from facetrust.errors import UsageError
from facetrust.records import Sample


def rows(*groups: tuple[str, int, int]) -> list[Sample]:
    """Returns rows of (domain, label, number), in turn, so that no group lies in one piece."""
    parts = [
        [Sample(path="p", label=label, split="train", domain=domain)] * number
        for domain, label, number in groups
    ]
    order = np.random.default_rng(0).permutation(sum(map(len, parts)))
    together = [row for part in parts for row in part]
    return [together[index] for index in order]


SAMPLES = rows(("a", 0, 40), ("a", 1, 7), ("b", 0, 3), ("b", 1, 23), ("c", 1, 5))


def kind(index: int) -> tuple[str | None, int]:
    return SAMPLES[index].domain, SAMPLES[index].label


def test_the_sampler_visits_every_row_once_and_reshuffles() -> None:
    sampler = EpochSampler(50, seed=2)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert sorted(first) == list(range(50))
    assert sorted(second) == list(range(50, 100))
    assert first != [key - 50 for key in second]


def test_pairs_come_side_by_side_as_two_passes_of_one_row() -> None:
    sampler = EpochSampler(5, seed=1, pairs=True)
    sampler.set_epoch(3)
    keys = np.array(list(sampler)).reshape(-1, 2)
    assert len(sampler) == keys.size == 10
    assert sorted(keys[:, 0] % 5) == list(range(5))
    assert (keys // 5 == (6, 7)).all()
    assert (keys[:, 0] % 5 == keys[:, 1] % 5).all()
    weighted = EpochSampler(5, weights=[1, 0, 0, 0, 0], length=3, pairs=True)
    assert list(weighted) == [0, 5] * 3


def test_weights_are_the_chances() -> None:
    sampler = EpochSampler(3, seed=0, weights=[1.0, 3.0, 0.0], length=4000)
    count = Counter(sampler)
    assert len(sampler) == 4000
    assert count[2] == 0
    assert abs(count[1] / 4000 - 0.75) < 0.03


def test_balance_gives_each_label_half_of_its_domain() -> None:
    def row(domain: str, label: int) -> Sample:
        return Sample(path="p", label=label, split="train", domain=domain)

    rows = [row("a", 0)] * 6 + [row("a", 1)] * 2 + [row("b", 0)] * 4
    chances = balance(rows, {"a": 0.5, "b": 0.5})
    assert sum(chances[:6]) == pytest.approx(0.25)
    assert sum(chances[6:8]) == pytest.approx(0.25)
    assert sum(chances[8:]) == pytest.approx(0.5)
    assert sum(balance(rows)[8:]) == pytest.approx(4 / 12)


def test_every_batch_has_as_many_of_every_group() -> None:
    sampler = GroupSampler(SAMPLES, each=4, steps=9, seed=1)
    assert (len(sampler), sampler.batch_size) == (9 * 20, 20)
    for epoch in range(3):
        sampler.set_epoch(epoch)
        batches = np.array(list(sampler)).reshape(9, 20) % len(SAMPLES)
        for batch in batches:
            count = Counter(map(kind, batch))
            assert len(count) == 5
            assert set(count.values()) == {4}


def test_a_sample_is_repeated_only_after_its_group_was_seen() -> None:
    """Across batches and epochs; the key counts how often the sample was met before."""
    sampler, met = GroupSampler(SAMPLES, each=2, steps=5, seed=1), Counter[int]()
    for epoch in range(8):
        sampler.set_epoch(epoch)
        for key in sampler:
            before, index = divmod(key, len(SAMPLES))
            assert before == met[index]
            met[index] += 1
            group = [met[other] for other in range(len(SAMPLES)) if kind(other) == kind(index)]
            assert max(group) - min(group) <= 1
    assert sum(met.values()) == 8 * 5 * 2 * 5


def test_seed_and_epoch_alone_decide_the_order() -> None:
    def drawn(seed: int, *epochs: int) -> list[int]:
        sampler = GroupSampler(SAMPLES, each=2, steps=6, seed=seed)
        for epoch in epochs:
            sampler.set_epoch(epoch)
            keys = list(sampler)
        return keys

    assert drawn(1, 0, 1, 5) == drawn(1, 5)
    assert drawn(1, 5) != drawn(2, 5)
    assert len({tuple(np.array(drawn(1, epoch)) % len(SAMPLES)) for epoch in range(6)}) == 6


def test_a_pass_is_shuffled() -> None:
    sampler = GroupSampler(rows(("a", 0, 30)), each=5, steps=6)
    first = list(sampler)
    sampler.set_epoch(1)
    second = [key - 30 for key in sampler]
    assert sorted(first) == sorted(second) == list(range(30))
    assert first != second
    assert first != sorted(first)


@pytest.mark.parametrize(("each", "steps"), [(0, 1), (1, 0)])
def test_an_empty_batch_or_epoch_is_an_error(each: int, steps: int) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        GroupSampler(SAMPLES, each=each, steps=steps)
    with pytest.raises(UsageError, match="no samples"):
        GroupSampler([], each=1, steps=1)
