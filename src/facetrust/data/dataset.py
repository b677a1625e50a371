"""Samples become batches. An item depends on seed, epoch and index alone, so that a run can be repeated."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from facetrust.data import augment as augmentation
from facetrust.data import contrast as contrasts
from facetrust.data.simulate import MANIPULATIONS, SPECIES, beside, simulate
from facetrust.errors import ImageError, UnknownName, UsageError
from facetrust.imaging import Pixels, box_of, crop_face, read_image, to_tensor
from facetrust.records import Box, Preprocessing, Sample

STYLES = ("camera", "flip")


class Failed(NamedTuple):
    """Stands in a batch for a picture that could not be read; `collate` puts it aside."""

    path: str
    reason: str


class Answers(Protocol):
    """What teachers said before, by the `key` of an item: named arrays of any shapes."""

    def __getitem__(self, key: int, /) -> Mapping[str, NDArray[np.floating[Any]]]:
        """Returns the answers about one item."""


class FaceData(Dataset[Any]):
    """Faces as tensors, one view per network that will look at them.

    Item: `key` and `index` (int), `label` (float, 1 = attack), `simulated` (bool), `views`: name to
    (M, 3, h, w) float32, M the number of margins. The view named `student` is seen augmented when
    `training`; the other views (teachers) see the same face clean and whole, but for those in `same`.
    An item is asked for by `epoch * N + index`; its `key` is `draw * N + index`.

    Args:
        samples: rows with absolute paths; a row without a box is a picture that the face fills.
        views: preprocessing of each network.
        seed: seed of every draw.
        training: draw augmentations; otherwise items are the plain crops.
        simulate: chance that a bona fide sample is turned into a simulated attack, in training or not.
        species: the kinds of attack to simulate. With manipulations among them, pictures that are not
            simulated are changed as often and as much as the surroundings of those are.
        style: `camera` mirrors, degrades and moves the box; `flip` mirrors and changes the saturation.
        strength: how strong the degradations are, 0 to 1.5 (`camera`).
        tight: chance of a tight crop of the student's view (`camera`).
        margins: range of the student's margin in training; the card's margins if none is given.
        contrast: how many views `contrast-0`, `contrast-1`, ... (1, 3, h, w) of the student's crop are
            added in training (`data.contrast.view`).
        draws: number of different augmentations of a picture, epoch e showing number e mod `draws`;
            0 for a new one every epoch.
        same: the views that see the student's pixels, box and margin through their own preprocessing.
        read: how a path becomes pixels.
        taught: what the teachers said of each key, if they were asked before; then `taught`, name to
            array, stands in the item.

    Raises:
        UsageError: no samples, an unknown name, a negative number, or no student to look along with.
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
        style: Literal["camera", "flip"] = "camera",
        strength: float = 1.0,
        tight: float = 0.0,
        margins: tuple[float, float] | None = None,
        contrast: int = 0,
        draws: int = 0,
        same: Collection[str] = (),
        read: Callable[[str], Pixels] = read_image,
        taught: Answers | None = None,
    ) -> None:
        if not samples:
            raise UsageError("no samples; check the manifest and its split column")
        if min(contrast, draws) < 0:
            raise UsageError(f"contrast={contrast}, draws={draws}: neither can be negative")
        if (contrast or same) and "student" not in views:
            raise UsageError("contrast and same follow the student's view; add a view named 'student'")
        _known("attack species", species, (*SPECIES, *MANIPULATIONS))
        _known("style", (style,), STYLES)
        _known("view", same, views)
        self.samples = tuple(samples)
        self.views = dict(views)
        self.seed = seed
        self.training = training
        self.simulate = simulate
        self.species = tuple(species)
        self.style = style
        self.strength = strength
        self.tight = tight
        self.margins = margins
        self.contrast = contrast
        self.draws = draws
        self.same = frozenset(same) | {"student"}
        self.read = read
        self.taught = taught

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: int) -> dict[str, Any] | Failed:
        epoch, index = divmod(int(key), len(self.samples))
        draw = epoch % self.draws if self.draws else epoch
        rng = np.random.default_rng([self.seed, draw, index])
        sample = self.samples[index]
        try:
            image = self.read(sample.path)
        except ImageError as error:
            return Failed(sample.path, str(error))
        box = box_of(sample, image)
        faked = sample.label == 0 and rng.random() < self.simulate
        if faked:
            image = simulate(image, box, species=str(rng.choice(self.species)), rng=rng)
        elif self.simulate:
            image = beside(image, box, species=self.species, rng=rng)
        key = draw * len(self.samples) + index
        known = {} if self.taught is None else {"taught": dict(self.taught[key])}
        return {
            "key": key,
            "index": index,
            "label": float(sample.label or faked),
            "simulated": faked,
            "views": self._views(image, box, rng),
            **known,
        }

    def _views(self, image: Pixels, box: Box, rng: np.random.Generator) -> dict[str, Tensor]:
        seen, seen_box, margins = self._augmented(image, box, rng)
        views = {
            name: _view(seen, seen_box, how, margins) if name in self.same else _view(image, box, how, None)
            for name, how in self.views.items()
        }
        if self.training and self.contrast:
            how = self.views["student"]
            crop = crop_face(seen, seen_box, how, margin=margins[0])
            for number in range(self.contrast):
                views[f"contrast-{number}"] = _stack([contrasts.view(crop, how.size, rng)], how)
        return views

    def _augmented(
        self, image: Pixels, box: Box, rng: np.random.Generator
    ) -> tuple[Pixels, Box, tuple[float, ...]]:
        """Returns what the student sees: the picture, the box in it, and the margins."""
        how = self.views.get("student", Preprocessing())
        if not self.training:
            return image, box, how.margins
        if rng.random() < 0.5:
            image, box = augmentation.mirror(image, box)
        if self.style == "flip":
            image = contrasts.base(image, rng)
        else:
            if rng.random() < self.tight:
                image, box = augmentation.tighten(image, box, rng)
            image = augmentation.degrade(image, rng, strength=self.strength)
        margin = float(rng.uniform(*self.margins)) if self.margins else float(rng.choice(how.margins))
        if self.style == "camera":
            box = augmentation.jitter(box, rng)
        return image, box, (margin,)


def collate(items: Sequence[dict[str, Any] | Failed]) -> dict[str, Any]:
    """Returns a batch: `key`, `index`, `label`, `simulated` (B,), `views` name to (B, M, 3, h, w), `failed`.

    `taught`, name to (B, ...) float32, is there where the items have it.

    Unreadable pictures are left out of every tensor and listed in `failed`; a batch may come out
    smaller, or with empty tensors, but a label never meets another's picture.
    """
    good = [item for item in items if not isinstance(item, Failed)]
    names = good[0]["views"] if good else {}
    taught = [item["taught"] for item in good if "taught" in item]
    answers = {name: _floats([said[name] for said in taught]) for name in (taught[0] if taught else {})}
    return {
        "key": torch.tensor([item["key"] for item in good], dtype=torch.int64),
        "index": torch.tensor([item["index"] for item in good], dtype=torch.int64),
        "label": torch.tensor([item["label"] for item in good], dtype=torch.float32),
        "simulated": torch.tensor([item["simulated"] for item in good], dtype=torch.bool),
        "views": {name: torch.stack([item["views"][name] for item in good]) for name in names},
        "failed": [item for item in items if isinstance(item, Failed)],
        **({"taught": answers} if taught else {}),
    }


def absolute(samples: Sequence[Sample], root: Path) -> list[Sample]:
    """Returns the rows with their paths joined to the manifest's folder."""
    return [sample.model_copy(update={"path": str(root / sample.path)}) for sample in samples]


def _view(image: Pixels, box: Box, how: Preprocessing, margins: tuple[float, ...] | None) -> Tensor:
    return _stack([crop_face(image, box, how, margin=margin) for margin in margins or how.margins], how)


def _stack(crops: Sequence[Pixels], how: Preprocessing) -> Tensor:
    return torch.from_numpy(np.stack([to_tensor(crop, how) for crop in crops]))


def _floats(arrays: Sequence[NDArray[Any]]) -> Tensor:
    return torch.from_numpy(np.stack(arrays).astype(np.float32))


def _known(kind: str, names: Collection[str], known: Collection[str]) -> None:
    if unknown := set(names) - set(known):
        raise UnknownName(kind, min(unknown), known)
