"""Manifests become a run's batches: which rows, in which order, in which views."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from facetrust.data.augment.harmless import controlled
from facetrust.data.batches import collate
from facetrust.data.dataset import FaceData
from facetrust.data.decoded import Decoded
from facetrust.data.manifest import Manifest, absolute, whole_pictures
from facetrust.data.sampler import EpochSampler, GroupSampler, balance
from facetrust.data.targets import Target
from facetrust.errors import ManifestError, UsageError
from facetrust.imaging import read_sample
from facetrust.records import Sample
from facetrust.training.assembly import STUDENT, Assembly
from facetrust.training.recipe import Data, Recipe
from facetrust.training.teacher_cache import TeacherCache

_BATCH = 64  # where neither the recipe nor its groups say how large a batch is
_log = logging.getLogger("facetrust")


class Sources(NamedTuple):
    """Training and development rows with absolute paths; the dev manifests' hashes; the data in words."""

    train: list[Sample]
    dev: list[Sample]
    manifest: str
    described: str


def read_sources(data: Data, target: str = "label", unit: str = "face") -> Sources:
    """Returns the rows that a recipe's manifests hold, for a task about `unit` that learns from `target`.

    Raises:
        ManifestError: a manifest cannot be read, or training or development lacks a label.
    """
    train: list[Sample] = []
    dev: list[Sample] = []
    hashes, described = [], []
    for path in (*data.manifests, *data.extra, *data.dev):
        manifest = Manifest.read(path)
        _warn_of_audit(path, manifest.hash)
        rows = absolute(manifest.samples(), manifest.root)
        rows = whole_pictures(rows) if unit == "picture" else rows
        if path not in data.dev:
            if data.genuine_only:
                rows = [row for row in rows if row.label == 0]
            mine = [row for row in rows if row.split == "train"]
            train += mine
            described.append(f"{path.stem}: {len(mine)} training samples, manifest {manifest.hash[:16]}")
        if path not in data.extra:
            dev += [row for row in rows if row.split == "dev"]
            hashes.append(manifest.hash)
    dev = _of_others(dev, train)
    for split, found, simulated in (
        ("train", train, data.augment.simulate or data.augment.pairs),
        ("dev", dev, data.simulate_dev),
    ):
        labels = {row.label for row in found} | ({1} if simulated else set())
        if not found or (target == "label" and labels != {0, 1}):
            what = (
                "no rows" if not found else "one label only" if None not in labels else "rows without a label"
            )
            needed = "; both labels are needed" if target == "label" else ""
            raise ManifestError(f"{data.manifests[0]}: {what} in the {split} split{needed}")
    return Sources(train, dev, "+".join(hashes), "; ".join(described))


def _of_others(dev: list[Sample], train: list[Sample]) -> list[Sample]:
    """Leaves out development rows of people who are among the training rows, of whatever manifest."""
    people = {row.subject for row in train if row.subject is not None}
    kept = [row for row in dev if row.subject not in people]
    if len(kept) < len(dev):
        _log.info("%d development rows left out: their people are trained on", len(dev) - len(kept))
    return kept


def _warn_of_audit(path: Path, found: str) -> None:
    report = path.with_name(path.name + ".audit.json")
    try:
        audit = json.loads(report.read_text(encoding="utf-8"))
        state = (
            "was audited, and not found clean" if audit["manifest"] == found else "changed since its audit"
        )
        if audit["manifest"] == found and audit["clean"]:
            return
    except FileNotFoundError:
        state = "was not audited"
    except (ValueError, RecursionError, KeyError, TypeError, OSError):
        state = f"has an audit that cannot be read ({report.name})"
    _log.warning("%s: %s; run: facetrust audit %s", path, state, path)


def order_of(recipe: Recipe, sources: Sources) -> EpochSampler | GroupSampler:
    """Returns in which order training draws its rows.

    Raises:
        UsageError: batches shall be both of groups and of pairs, or of another size than the groups make.
    """
    data = recipe.data
    if data.per_group is not None:
        if data.augment.pairs:
            raise UsageError("data.per_group and data.augment.pairs both order the batches; set one of them")
        groups = {(row.domain, row.label) for row in sources.train}
        size = len(groups) * data.per_group
        if (said := recipe.trainer.batch_size or size) != size:
            domains = ", ".join(sorted({str(domain) for domain, _ in groups}))
            raise UsageError(
                f"trainer.batch_size is {said}, but data.per_group={data.per_group} of {len(groups)} groups "
                f"(the labels of {domains}) makes {size}; set that, or add the data that is missing"
            )
        steps = max(1, (data.length or len(sources.train)) // size)
        return GroupSampler(sources.train, each=data.per_group, steps=steps, seed=recipe.seed)
    chances = balance(sources.train, data.shares) if data.balance else None
    return EpochSampler(
        len(sources.train), seed=recipe.seed, weights=chances, length=data.length, pairs=data.augment.pairs
    )


def loaders(
    recipe: Recipe,
    sources: Sources,
    made: Assembly,
    order: EpochSampler | GroupSampler,
    taught: TeacherCache | None,
    shard: tuple[int, int],
    target: Target,
) -> tuple[DataLoader[Any], list[DataLoader[Any]]]:
    """Returns the loader of training batches, and those of the development set and of its controls.

    Args:
        taught: what the teachers said before; then their views are not made.
        shard: this process's number, and how many there are. They share every batch, and every development
            set, so that a recipe means the same on any number of them.
        target: what the task learns from.

    Raises:
        UsageError: a batch cannot be shared evenly, or there are fewer development rows than processes.
    """
    data = recipe.data
    own = {STUDENT: recipe.preprocessing}
    plain = Decoded(recipe.trainer.decoded) if recipe.trainer.decoded else read_sample
    training = FaceData(
        sources.train, views=made.views if taught is None else own, seed=recipe.seed, training=True,
        read=plain, same=made.same if taught is None else (), contrast=made.contrast, taught=taught,
        masks="evidence-cross-entropy" in recipe.losses, target=target, **dict(data.augment),
    )  # fmt: skip
    dev = [
        FaceData(
            sources.dev, views=own, seed=recipe.seed, simulate=data.simulate_dev,
            species=data.augment.species, decoder=data.augment.decoder, target=target, read=read,
        )
        for read in (plain, *(controlled(sources.dev).values() if data.controls else ()))
    ]  # fmt: skip
    rank, count = shard
    if isinstance(order, GroupSampler):
        batch, together = order.batch_size, 1
    else:
        batch, together = recipe.trainer.batch_size or _BATCH, 1 + data.augment.pairs
    if count > 1 and batch % (count * together):
        raise UsageError(
            f"trainer.batch_size: {count} processes cannot share {batch} evenly; "
            f"give a multiple of {count * together}"
        )
    if count > len(sources.dev):
        raise UsageError(f"{len(sources.dev)} development rows are too few for {count} processes")
    share = _Share(order, rank, count, together=together)
    shared = {
        "batch_size": batch // count, "num_workers": recipe.trainer.workers, "collate_fn": collate,
        "worker_init_fn": _quiet_worker, "pin_memory": torch.cuda.is_available(),
    }  # fmt: skip
    # A last batch of one face would give batch normalisation nothing to compare.
    whole = len(order) >= batch
    persistent = recipe.trainer.workers > 0
    return (
        DataLoader(training, sampler=share, drop_last=whole, persistent_workers=persistent, **shared),  # type: ignore[arg-type]
        [
            DataLoader(shown, sampler=range(rank, len(shown), count), **shared)  # type: ignore[arg-type]
            for shown in dev
        ],
    )


class _Share(Sampler[int]):
    """A process's part of each batch of another sampler; all parts are equally long.

    `together` keys stay side by side, such as the two of a pair. What is too little for a key each, at the
    end of an epoch, is left out.
    """

    def __init__(
        self, order: EpochSampler | GroupSampler, rank: int = 0, count: int = 1, *, together: int = 1
    ) -> None:
        self.order = order
        self.rank = rank
        self.count = count
        self.together = together

    def __len__(self) -> int:
        return len(self.order) // (self.count * self.together) * self.together

    def set_epoch(self, epoch: int) -> None:
        self.order.set_epoch(epoch)

    def __iter__(self) -> Iterator[int]:
        keys = np.array(list(self.order)[: len(self) * self.count], np.int64)
        return iter(keys.reshape(-1, self.together)[self.rank :: self.count].ravel().tolist())


def _quiet_worker(_: int) -> None:
    import cv2

    # One thread a worker; more would fight over the cores that the other workers use.
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
