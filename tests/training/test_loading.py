from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facetrust.data.manifest import Manifest
from facetrust.data.sampler import EpochSampler, GroupSampler
from facetrust.errors import ManifestError, UsageError
from facetrust.records import Sample
from facetrust.training.loading import Sources, _Share, order_of, read_sources
from facetrust.training.recipe import Data, check_recipe, load_recipe


def rows(split: str, count: int, *, label: int | None = None, domain: str = "d") -> list[Sample]:
    return [
        Sample(
            path=f"{domain}-{split}-{n}.png",
            label=n % 2 if label is None else label,
            split=split,
            domain=domain,
        )
        for n in range(count)
    ]


@pytest.fixture
def manifests(tmp_path: Path) -> tuple[Path, Path]:
    main = Manifest.write([*rows("train", 6), *rows("dev", 4), *rows("test", 2)], tmp_path / "m.csv")
    extra = Manifest.write([*rows("train", 8, domain="e"), *rows("dev", 2, domain="e")], tmp_path / "e.csv")
    assert len(main) + len(extra) == 22
    return tmp_path / "m.csv", tmp_path / "e.csv"


def test_further_manifests_train_only_and_test_rows_are_never_read(manifests: tuple[Path, Path]) -> None:
    main, extra = manifests
    found = read_sources(Data(manifests=(main,), extra=(extra,)))
    assert (len(found.train), len(found.dev)) == (6 + 8, 4)
    assert all(Path(row.path).is_absolute() for row in found.train + found.dev)
    assert not any("test" in Path(row.path).name for row in found.train + found.dev)
    assert found.manifest == Manifest.read(main).hash
    assert "m: 6 training samples" in found.described
    assert "e: 8 training samples" in found.described


def test_a_split_with_one_label_is_an_error_unless_attacks_are_simulated(tmp_path: Path) -> None:
    Manifest.write([*rows("train", 4), *rows("dev", 4, label=0)], tmp_path / "m.csv")
    data = Data(manifests=(tmp_path / "m.csv",))
    with pytest.raises(ManifestError, match="one label only in the dev split"):
        read_sources(data)
    assert len(read_sources(data.model_copy(update={"simulate_dev": 0.5})).dev) == 4


def test_genuine_rows_alone_where_attacks_are_simulated(manifests: tuple[Path, Path]) -> None:
    augment = {"simulate": 0.5, "species": ["self-blend"]}
    data = Data(manifests=manifests, genuine_only=True, simulate_dev=0.5, augment=augment)  # type: ignore[arg-type]
    found = read_sources(data)
    assert {row.label for row in found.train + found.dev} == {0}
    assert (len(found.train), len(found.dev)) == (3 + 4, 2 + 1)


def test_development_rows_of_both_labels_beside_genuine_training_rows(
    manifests: tuple[Path, Path], tmp_path: Path
) -> None:
    judged = Manifest.write([*rows("train", 4, domain="d"), *rows("dev", 6, domain="d")], tmp_path / "d.csv")
    assert len(judged) == 10
    augment = {"pairs": True, "species": ["self-blend"]}
    data = Data(manifests=manifests[:1], dev=(tmp_path / "d.csv",), genuine_only=True, augment=augment)  # type: ignore[arg-type]
    found = read_sources(data)
    assert {row.label for row in found.train} == {0}
    assert (len(found.train), len(found.dev)) == (3, 2 + 6)
    assert sum(row.label or 0 for row in found.dev) == 3
    assert found.manifest.split("+")[1] == Manifest.read(tmp_path / "d.csv").hash
    assert "d: " not in found.described


def test_nobody_is_trained_on_by_one_manifest_and_developed_on_by_another(tmp_path: Path) -> None:
    def named(rows: list[Sample], *people: str) -> list[Sample]:
        return [row.model_copy(update={"subject": person}) for row, person in zip(rows, people, strict=True)]

    a = [*named(rows("train", 2), "ann", "ben"), *named(rows("dev", 4), "eva", "eva", "kim", "kim")]
    b = [*named(rows("train", 2, domain="e"), "kim", "lou"), *rows("dev", 2, domain="e")]
    Manifest.write(a, tmp_path / "a.csv")
    Manifest.write(b, tmp_path / "b.csv")
    found = read_sources(Data(manifests=(tmp_path / "a.csv", tmp_path / "b.csv")))
    assert [row.subject for row in found.dev] == ["eva", "eva", None, None]
    assert [row.subject for row in found.train] == ["ann", "ben", "kim", "lou"]


def test_the_order_is_the_recipes(manifests: tuple[Path, Path]) -> None:
    content = {
        "task": "antispoof",
        "model": {"name": "any"},
        "data": {"manifests": [str(manifests[0])]},
        "seed": 3,
    }
    sources = read_sources(check_recipe(content, "here").data)
    drawn = order_of(check_recipe(content, "here"), sources)
    assert isinstance(drawn, EpochSampler)
    assert drawn.weights is not None
    content["data"] |= {"per_group": 2, "length": 12}  # type: ignore[operator]
    grouped = order_of(check_recipe(content, "here"), sources)
    assert isinstance(grouped, GroupSampler)
    assert (grouped.batch_size, len(grouped), grouped.seed) == (4, 12, 3)
    content["data"]["augment"] = {"pairs": True, "species": ["self-blend"]}  # type: ignore[index]
    with pytest.raises(UsageError, match="both order the batches"):
        order_of(check_recipe(content, "here"), sources)
    del content["data"]["per_group"]  # type: ignore[attr-defined]
    paired = order_of(check_recipe(content, "here"), sources)
    assert isinstance(paired, EpochSampler)
    assert (paired.pairs, len(paired)) == (True, 24)


def four_sources(*domains: str) -> Sources:
    found = [row for domain in domains for row in rows("train", 10, domain=domain)]
    return Sources(found, [], "", "")


@pytest.mark.parametrize("name", ["antispoof/flip-mcl", "antispoof/student-attention"])
def test_mcio_recipes_see_three_pictures_of_eight_groups(name: str) -> None:
    """FLIP's main tables: three sources and CelebA-Spoof, 24 pictures a step."""
    order = order_of(load_recipe(name), four_sources("o", "c", "i", "celeba-spoof"))
    assert isinstance(order, GroupSampler)
    assert (order.batch_size, len(order) // order.batch_size) == (24, 100)


def test_flip_mcl_takes_4000_steps() -> None:
    recipe = load_recipe("antispoof/flip-mcl")
    order = order_of(recipe, four_sources("o", "c", "i", "celeba-spoof"))
    assert recipe.trainer.epochs * len(order) // order.batch_size == 4000
    assert (recipe.optimizer.name, recipe.optimizer.decay_all) == ("adam", True)
    assert (recipe.optimizer.lr, recipe.optimizer.weight_decay) == (1e-6, 1e-6)
    assert (recipe.optimizer.final, recipe.trainer.clip, recipe.trainer.ema) == (1, 0, 0)


def test_without_the_fourth_source_the_batch_is_another_and_that_is_said() -> None:
    three = four_sources("o", "c", "i")
    with pytest.raises(UsageError, match=r"is 24, but data.per_group=3 .*of c, i, o\) makes 18"):
        order_of(load_recipe("antispoof/flip-mcl"), three)
    told = load_recipe("antispoof/flip-mcl", ["trainer.batch_size=18", "data.length=1800"])
    order = order_of(told, three)
    assert isinstance(order, GroupSampler)
    assert (order.batch_size, told.trainer.epochs * len(order) // order.batch_size) == (18, 4000)
    silent = load_recipe("antispoof/flip-mcl", ["trainer.batch_size=null"])
    assert order_of(silent, three).batch_size == 18  # type: ignore[union-attr]


@pytest.mark.parametrize(("batch", "sizes"), [(1, 5), (4, 4)])
def test_shares_are_equally_long_apart_and_together_the_order(batch: int, sizes: int) -> None:
    order = EpochSampler(11, seed=0)
    shares = [list(_Share(order, rank, 2, together=batch)) for rank in (0, 1)]
    assert [len(share) for share in shares] == [sizes, sizes]
    assert not set(shares[0]) & set(shares[1])
    whole = list(order)[: 2 * sizes]
    assert set(shares[0]) | set(shares[1]) == set(whole)
    # A share's batch is a batch of the whole.
    cut = [whole[at : at + batch] for at in range(0, len(whole), batch)]
    assert all(shares[0][at : at + batch] in cut for at in range(0, sizes, batch))


def test_processes_share_a_balanced_batch() -> None:
    """Of each group in a batch, each process sees as many."""
    samples = [*rows("train", 10, domain="a"), *rows("train", 6, domain="b")]
    order = GroupSampler(samples, each=2, steps=3)
    shares = [list(_Share(order, rank, 2)) for rank in (0, 1)]
    batches = np.array(list(order)).reshape(3, 8)
    for step, batch in enumerate(batches):
        parts = [share[4 * step : 4 * step + 4] for share in shares]
        assert sorted(parts[0] + parts[1]) == sorted(batch)
        for part in parts:
            seen = [samples[key % len(samples)] for key in part]
            assert len({(row.domain, row.label) for row in seen}) == 4


def test_a_share_follows_its_orders_epochs() -> None:
    share = _Share(EpochSampler(8, seed=0), 0, 1)
    first = list(share)
    share.set_epoch(1)
    assert min(share) >= 8
    share.set_epoch(0)
    assert list(share) == first
