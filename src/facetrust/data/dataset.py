"""Samples become batches. An item depends on seed, epoch and index alone, so that a run can be repeated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from facetrust.data import augment as augmentation
from facetrust.data.simulate import SPECIES, simulate
from facetrust.errors import ImageError, UnknownName, UsageError
from facetrust.imaging import Pixels, box_of, crop_face, read_image, to_tensor
from facetrust.records import Box, Preprocessing, Sample


class Failed(NamedTuple):
    """Stands in a batch for a picture that could not be read; `collate` puts it aside."""

    path: str
    reason: str


class FaceData(Dataset[Any]):
    """Faces as tensors, one view per network that will look at them.

    Item: `index` (int), `label` (float, 1 = attack), `simulated` (bool), `views`: name to (M, 3, h, w)
    float32, M the number of margins. The view named `student` is seen degraded, and now and then
    cropped tight, when `training`; the other views (teachers) see the same face clean and whole.

    Args:
        samples: rows with absolute paths; a row without a box is a picture that the face fills.
        views: preprocessing of each network.
        seed: seed of every draw.
        training: draw augmentations; otherwise items are the plain crops.
        simulate: chance that a bona fide sample is turned into a simulated attack, in training or not.
        species: the kinds of attack to simulate.
        strength: how strong the degradations are, 0 to 1.5.
        tight: chance of a tight crop of the student's view.
        margins: range of the student's margin in training; the card's margins if none is given.
        taught: (N,) what the teachers said of each sample, if they were asked before; then `taught`
            stands in the item.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        *,
        views: Mapping[str, Preprocessing],
        seed: int = 0,
        training: bool = False,
        simulate: float = 0.0,
        species: Sequence[str] = SPECIES,
        strength: float = 1.0,
        tight: float = 0.0,
        margins: tuple[float, float] | None = None,
        taught: Sequence[float] | None = None,
    ) -> None:
        if not samples:
            raise UsageError("no samples; check the manifest and its split column")
        if unknown := set(species) - set(SPECIES):
            raise UnknownName("attack species", min(unknown), SPECIES)
        self.samples = tuple(samples)
        self.views = dict(views)
        self.seed = seed
        self.training = training
        self.simulate = simulate
        self.species = tuple(species)
        self.strength = strength
        self.tight = tight
        self.margins = margins
        self.taught = taught

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: int) -> dict[str, Any] | Failed:
        epoch, index = divmod(int(key), len(self.samples))
        rng = np.random.default_rng([self.seed, epoch, index])
        sample = self.samples[index]
        try:
            image = read_image(sample.path)
        except ImageError as error:
            return Failed(sample.path, str(error))
        box = box_of(sample, image)
        faked = sample.label == 0 and rng.random() < self.simulate
        if faked:
            image = simulate(image, box, species=str(rng.choice(self.species)), rng=rng)
        seen, seen_box, margins = self._augmented(image, box, rng)
        views = {
            name: _view(seen, seen_box, how, margins) if name == "student" else _view(image, box, how, None)
            for name, how in self.views.items()
        }
        label = float(sample.label or faked)
        known = {} if self.taught is None else {"taught": float(self.taught[index])}
        return {"index": index, "label": label, "simulated": faked, "views": views, **known}

    def _augmented(
        self, image: Pixels, box: Box, rng: np.random.Generator
    ) -> tuple[Pixels, Box, tuple[float, ...] | None]:
        if not self.training:
            return image, box, None
        if rng.random() < 0.5:
            image, box = augmentation.mirror(image, box)
        if rng.random() < self.tight:
            image, box = augmentation.tighten(image, box, rng)
        image = augmentation.degrade(image, rng, strength=self.strength)
        how = self.views.get("student", Preprocessing())
        margin = float(rng.uniform(*self.margins)) if self.margins else float(rng.choice(how.margins))
        return image, augmentation.jitter(box, rng), (margin,)


class EpochSampler(Sampler[int]):
    """Yields `epoch * size + index`, the key that `FaceData` takes apart, shuffled by seed and epoch.

    Args:
        size: number of samples.
        seed: seed of the shuffle.
        weights: (size,) chances; with them, `length` indices are drawn with replacement.
        length: draws per epoch; `size` if none is given.
    """

    def __init__(
        self, size: int, *, seed: int = 0, weights: Sequence[float] | None = None, length: int | None = None
    ) -> None:
        self.size = size
        self.seed = seed
        self.weights = None if weights is None else np.asarray(weights, np.float64) / np.sum(weights)
        self.length = size if length is None or weights is None else length
        self.epoch = 0

    def __len__(self) -> int:
        return self.length

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch whose order is drawn next."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng([self.seed, self.epoch])
        if self.weights is None:
            order = rng.permutation(self.size)
        else:
            order = rng.choice(self.size, self.length, p=self.weights)
        return iter((self.epoch * self.size + order).tolist())


def collate(items: Sequence[dict[str, Any] | Failed]) -> dict[str, Any]:
    """Returns a batch: `index`, `label`, `simulated` (B,), `views` name to (B, M, 3, h, w), `failed` rows.

    `taught` (B,) is there where the items have it.

    Unreadable pictures are left out of every tensor and listed in `failed`; a batch may come out
    smaller, or with empty tensors, but a label never meets another's picture.
    """
    good = [item for item in items if not isinstance(item, Failed)]
    names = good[0]["views"] if good else {}
    taught = [item["taught"] for item in good if "taught" in item]
    return {
        "index": torch.tensor([item["index"] for item in good], dtype=torch.int64),
        "label": torch.tensor([item["label"] for item in good], dtype=torch.float32),
        "simulated": torch.tensor([item["simulated"] for item in good], dtype=torch.bool),
        "views": {name: torch.stack([item["views"][name] for item in good]) for name in names},
        "failed": [item for item in items if isinstance(item, Failed)],
        **({"taught": torch.tensor(taught, dtype=torch.float32)} if taught else {}),
    }


def balance(samples: Sequence[Sample], shares: Mapping[str, float] | None = None) -> list[float]:
    """Returns a chance per sample so that in each domain both labels come equally often.

    Args:
        samples: the rows.
        shares: how often each domain is drawn; the domains missing here are drawn by their size.
    """
    groups = [(sample.domain or "", sample.label) for sample in samples]
    count = {group: groups.count(group) for group in set(groups)}
    labels = {domain: sum(1 for other, _ in count if other == domain) for domain, _ in count}
    total = {domain: sum(n for (other, _), n in count.items() if other == domain) for domain in labels}
    share = {domain: (shares or {}).get(domain, total[domain] / len(groups)) for domain in labels}
    return [share[domain] / labels[domain] / count[domain, label] for domain, label in groups]


def absolute(samples: Sequence[Sample], root: Path) -> list[Sample]:
    """Returns the rows with their paths joined to the manifest's folder."""
    return [sample.model_copy(update={"path": str(root / sample.path)}) for sample in samples]


def _view(image: Pixels, box: Box, how: Preprocessing, margins: tuple[float, ...] | None) -> Tensor:
    crops = [crop_face(image, box, how, margin=margin) for margin in margins or how.margins]
    return torch.from_numpy(np.stack([to_tensor(crop, how) for crop in crops]))
