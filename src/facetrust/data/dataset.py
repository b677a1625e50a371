"""Samples become items. An item depends on seed, epoch and index alone, so that a run can be repeated."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from facetrust.data.augment import any_camera
from facetrust.data.augment import camera as augmentation
from facetrust.data.augment import flip as contrasts
from facetrust.data.augment.sharpness import blurred_to, equally_sharp, sharpness
from facetrust.data.batches import Failed
from facetrust.data.regions import check_region, face_region
from facetrust.data.simulate import (
    MANIPULATIONS,
    SPECIES,
    SWAPS,
    Blend,
    beside,
    check_species,
    manipulate,
    simulate,
)
from facetrust.data.simulate.decoder import Decoder
from facetrust.data.simulate.donors import Donors
from facetrust.data.targets import Labels, Masks, Target
from facetrust.errors import ImageError, UnknownName, UsageError
from facetrust.imaging import Pixels, box_of, crops_of, read_sample, to_tensor
from facetrust.imaging.crop import TEMPLATE, Points, native
from facetrust.records import Box, Preprocessing, Sample

STYLES = ("camera", "any-camera", "flip")
Read = Callable[[Sample], tuple[Pixels, Sample]]


class Answers(Protocol):
    """What teachers said before, by the `key` of an item: named arrays of any shapes."""

    def __getitem__(self, key: int, /) -> Mapping[str, NDArray[np.floating[Any]]]:
        """Returns the answers about one item."""


class FaceData(Dataset[Any]):
    """Faces as tensors, one view per network that will look at them.

    Item: `key` and `index` (int); `target`, the label as a float (1 = attack) or what else `target` reads;
    `simulated` (bool); `views`, name to (M, 3, h, w) float32, M the number of margins. The view named
    `student` is augmented when `training`; the other views (teachers) see the same face clean and whole,
    except those in `same`. An item is asked for by `epoch * N + index`; its `key` is `draw * N + index`. With
    masks, `mask` (M, h, w) float32 in [0, 1] lies over the student's crops: where they are not genuine.

    Args:
        samples: rows with absolute paths; a row without a box is a picture that the face fills.
        views: preprocessing of each network.
        seed: seed of every draw.
        training: draw augmentations; otherwise items are the plain crops.
        simulate: chance that a bona fide sample is turned into a simulated attack, in training or not.
        species: the kinds of attack to simulate. With manipulations among them, pictures that are not
            simulated are changed as often and as much as the surroundings of those are.
        style: `camera` mirrors, degrades and moves the box; `any-camera` does so with the crop, and far more
            widely (`data.augment.any_camera`); `flip` mirrors and changes the saturation.
        strength: how strong the degradations are, 0 to 1.5 (not `flip`).
        tight: chance of a tight crop of the student's view (not `flip`).
        turn: chance that the student's crop is turned by a quarter or more (`any-camera`).
        tilt: degrees that the student's picture is turned by at most, around the face.
        matched: chance that the student's crop is blurred to the sharpness of another row of the same domain
            and the other label, if it is the sharper one (`any-camera`); of pairs, that the sharper of the
            two is blurred until both faces are equally sharp.
        codecs: the ways to store a picture that `any-camera` draws from (`any_camera.CODECS`).
        margins: range of the student's margin in training; the card's margins if none is given.
        contrast: how many views `contrast-0`, `contrast-1`, ... (1, 3, h, w) of the student's crop are
            added in training (`data.augment.flip.view`).
        draws: number of different augmentations of a picture, epoch e showing number e mod `draws`;
            0 for a new one every epoch.
        pairs: epochs 2n and 2n + 1 show a bona fide picture as it is and manipulated, otherwise alike;
            `simulate` is not used. `EpochSampler(pairs=True)` draws both side by side.
        region: classes of the rows' masks that are the face (`data.regions`): where a row has such a mask, it
            bounds what is manipulated, in the place of an outline by five points.
        decoder: .onnx file of a trained autoencoder (`data.simulate.decoder`), for the species `decoded`.
        masks: add `mask` to the items; all 1 for an attack that is no manipulation.
        same: the views that see the student's pixels, box and margin through their own preprocessing.
        read: how a row becomes a picture, and the row with box and points as they are in it.
        taught: what the teachers said of each key, if they were asked before; then `taught`, name to
            array, stands in the item.
        target: what the task learns from; the label if none is given. With masks of classes, `target` is
            (M, h, w) int64 over the student's crops.

    Raises:
        UsageError: no samples, an unknown name, a negative number, no student to look along with, pairs of
            attacks that have no genuine picture beside them, or a region where no row has a mask.
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
        style: Literal["camera", "any-camera", "flip"] = "camera",
        strength: float = 1.0,
        tight: float = 0.0,
        turn: float = 0.0,
        tilt: float = 0.0,
        matched: float = 0.0,
        codecs: Sequence[str] = ("jpeg",),
        margins: tuple[float, float] | None = None,
        contrast: int = 0,
        draws: int = 0,
        pairs: bool = False,
        region: Sequence[str] = (),
        decoder: str | Path | None = None,
        masks: bool = False,
        same: Collection[str] = (),
        read: Read = read_sample,
        taught: Answers | None = None,
        target: Target | None = None,
    ) -> None:
        if not samples:
            raise UsageError("no samples; check the manifest and its split column")
        if min(contrast, draws) < 0:
            raise UsageError(f"contrast={contrast}, draws={draws}: neither can be negative")
        if (contrast or same or masks) and "student" not in views:
            raise UsageError("contrast, same and masks follow the student's view; add a view named 'student'")
        if pairs and (alone := set(species) - set(MANIPULATIONS)):
            raise UsageError(f"pairs: {min(alone)} has no genuine picture beside it; take {MANIPULATIONS}")
        if pairs and draws % 2:
            raise UsageError(f"draws={draws}: pairs need an even number")
        check_species(sorted(species))
        if decoder is None and "decoded" in species:
            raise UsageError("decoded: needs a trained decoder; set data.augment.decoder")
        if region:
            check_region(samples, region)
        _known("style", (style,), STYLES)
        _known("view", same, views)
        _known("codec", codecs, any_camera.CODECS)
        self.samples = tuple(samples)
        self.views = dict(views)
        self.seed = seed
        self.training = training
        self.simulate = simulate
        self.species = tuple(species)
        self.style = style
        self.strength = strength
        self.tight = tight
        self.turn = turn
        self.tilt = tilt
        self.matched = matched
        self.codecs = tuple(codecs)
        self._levels: dict[int, float] = {}
        self._rivals = _rivals(samples) if matched else {}
        self.margins = margins
        self.contrast = contrast
        self.draws = draws
        self.pairs = pairs
        self.region = tuple(region)
        self.masks = masks
        self.same = frozenset(same) | {"student"}
        self.read = read
        swaps = (simulate > 0 or pairs) and set(species) & set(SWAPS)
        self._donors = Donors(samples, read) if swaps else None
        self._decoder = None if decoder is None else Decoder(decoder)
        self._last: tuple[str, Any, Blend, Any] | None = None
        self.target: Target = target or Labels()
        self.taught = taught

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: int) -> dict[str, Any] | Failed:
        epoch, index = divmod(int(key), len(self.samples))
        draw = epoch % self.draws if self.draws else epoch
        rng = np.random.default_rng([self.seed, draw // 2 if self.pairs else draw, index])
        sample = self.samples[index]
        try:
            image, sample = self.read(sample)
        except ImageError as error:
            return Failed(sample.path, str(error))
        box = box_of(sample, image)
        try:
            image, faked, mask = self._shown(image, box, sample, rng, odd=bool(draw % 2))
        except ImageError as error:
            return Failed(sample.path, str(error))
        key = draw * len(self.samples) + index
        known = {} if self.taught is None else {"taught": dict(self.taught[key])}
        return {
            "key": key,
            "index": index,
            "target": self.target.of(sample, faked=faked),
            "simulated": faked,
            **self._views(image, box, sample, mask, rng),
            **known,
        }

    def _shown(
        self, image: Pixels, box: Box, sample: Sample, rng: np.random.Generator, *, odd: bool
    ) -> tuple[Pixels, bool, Pixels | None]:
        """Returns the picture, whether it was faked, and its mask if masks are wanted.

        That is (H, W, 1) uint8, 255 where the picture is not genuine.
        """
        if isinstance(self.target, Masks):
            return image, False, self.target.read(sample, image.shape)
        genuine = sample.label == 0
        faked = genuine and (odd if self.pairs else rng.random() < self.simulate)
        if genuine and (faked or self.pairs):
            species = str(rng.choice(self.species))
            if species not in MANIPULATIONS:
                return simulate(image, box, species=species, rng=rng), faked, self._mask(image, 255)
            blend = self._blended(image, box, sample, species, rng)
            if faked:
                return blend.fake, faked, blend.levels if self.masks else None
            return blend.real, faked, self._mask(image, 0)
        if self.simulate and not self.pairs:
            image = beside(image, box, species=self.species, rng=rng)
        return image, faked, self._mask(image, 255 * (sample.label or 0))

    def _blended(
        self, image: Pixels, box: Box, sample: Sample, species: str, rng: np.random.Generator
    ) -> Blend:
        """Returns a manipulation; the other of a pair, asked for next and drawn alike, gets the same one."""
        begun = rng.bit_generator.state
        if self._last is not None and self._last[:2] == (sample.path, begun):
            _, _, blend, rng.bit_generator.state = self._last
            return blend
        donor = self._donors.draw(sample, image, rng) if self._donors and species in SWAPS else None
        region = face_region(sample, image.shape, self.region) if self.region else None
        blend = manipulate(
            image,
            box,
            species=species,
            rng=rng,
            points=sample.points,
            donor=donor,
            region=region,
            decoder=self._decoder,
        )
        if self.pairs and self.matched and rng.random() < self.matched:
            fake, real = equally_sharp(blend.fake, blend.real, box)
            blend = Blend(fake, real, blend.mask)
        self._last = (sample.path, begun, blend, rng.bit_generator.state)
        return blend

    def _mask(self, image: Pixels, level: int) -> Pixels | None:
        return np.full((*image.shape[:2], 1), level, np.uint8) if self.masks else None

    def _views(
        self,
        image: Pixels,
        box: Box,
        sample: Sample,
        mask: Pixels | None,
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        """Returns the item's `views`, and its `mask`, or dense `target`, if masks are wanted."""
        points = sample.points
        seen, seen_box, seen_points, margins, mask = self._augmented(image, box, sample, mask, rng)
        views = {
            name: _view(seen, seen_box, how, seen_points, margins)
            if name in self.same
            else _view(image, box, how, points, None)
            for name, how in self.views.items()
        }
        if self.training and self.contrast:
            how = self.views["student"]
            (crop,) = crops_of(seen, seen_box, how, points=seen_points, margins=margins[:1])
            for number in range(self.contrast):
                views[f"contrast-{number}"] = _stack([contrasts.view(crop, how.size, rng)], how)
        if mask is None:
            return {"views": views}
        how = self.views["student"]
        if self.target.dense:
            nearest = how.model_copy(update={"resize": "nearest"})
            classes = np.stack(crops_of(mask, seen_box, nearest, points=seen_points, margins=margins))
            classes = classes.reshape(classes.shape[:3]).astype(np.int64)
            return {"views": views, "target": torch.from_numpy(classes)}
        covered = np.stack(crops_of(mask, seen_box, how, points=seen_points, margins=margins))
        covered = covered.reshape(covered.shape[:3])
        return {"views": views, "mask": torch.from_numpy(covered.astype(np.float32) / 255)}

    def _augmented(
        self,
        image: Pixels,
        box: Box,
        sample: Sample,
        mask: Pixels | None,
        rng: np.random.Generator,
    ) -> tuple[Pixels, Box, Points | None, tuple[float, ...], Pixels | None]:
        """Returns what the student sees: the picture, box and points in it, margins, and the mask over it."""
        how = self.views.get("student", Preprocessing())
        points: Points | None = sample.points
        if not self.training:
            return image, box, points, how.margins, mask
        if mask is not None:  # What moves the picture moves the mask, as a fourth channel.
            image = np.dstack((image, mask))
        if rng.random() < 0.5:
            image, box = augmentation.mirror(image, box)
            points = None if points is None else augmentation.mirror_points(points, image.shape[1])
            if isinstance(self.target, Masks):
                image[:, :, 3] = self.target.mirrored(image[:, :, 3])
        if self.tilt:
            degrees = float(rng.uniform(-self.tilt, self.tilt))
            image, box, points = augmentation.tilt(image, box, points, degrees)
        if self.style != "flip" and rng.random() < self.tight:
            image, moved = augmentation.tighten(image, box, rng)
            across, down = moved[0] - box[0], moved[1] - box[1]
            points = None if points is None else [(x + across, y + down) for x, y in points]
            box = moved
        if self.style == "any-camera":
            return self._through_any_camera(image, box, points, sample, rng)
        if mask is not None:
            image, mask = np.ascontiguousarray(image[:, :, :3]), image[:, :, 3:]
        if self.style == "flip":
            image = contrasts.base(image, rng)
        else:
            image = augmentation.degrade(image, rng, strength=self.strength)
        margin = float(rng.uniform(*self.margins)) if self.margins else float(rng.choice(how.margins))
        if self.style == "camera":
            box = augmentation.jitter(box, rng)
            if points is not None and how.align == "points":
                points = augmentation.jitter_points(points, rng, strength=self.strength)
        return image, box, points, (margin,), mask

    def _through_any_camera(
        self, image: Pixels, box: Box, points: Points | None, sample: Sample, rng: np.random.Generator
    ) -> tuple[Pixels, Box, Points | None, tuple[float, ...], Pixels | None]:
        """Returns the student's crop as the whole picture; a fourth channel, the mask, moves along."""
        how = self.views["student"]
        crop = self._drawn_crop(image, box, points, rng)
        if how.size[0] == how.size[1] and rng.random() < self.turn:
            crop = any_camera.turned(crop, int(rng.integers(1, 4)))
        shown, mask = np.ascontiguousarray(crop[:, :, :3]), crop[:, :, 3:] if crop.shape[2] > 3 else None
        if rng.random() < self.matched and (rivals := self._rivals.get((sample.domain, sample.label))):
            shown = blurred_to(shown, self._level(rivals[int(rng.integers(len(rivals)))]))
        shown = any_camera.degrade(shown, rng, strength=self.strength, codecs=self.codecs)
        whole = (0.0, 0.0, float(how.size[1]), float(how.size[0]))
        aligned = [(x * how.size[1] / 112, y * how.size[0] / 112) for x, y in TEMPLATE]
        return shown, whole, aligned if points is not None else None, (1.0,), mask

    def _drawn_crop(self, image: Pixels, box: Box, points: Points | None, rng: np.random.Generator) -> Pixels:
        """Returns one crop of the student's: around a jittered box, or a native window anywhere in it."""
        how = self.views["student"]
        if how.align == "native":
            return native(image, box, how.size, place=(rng.random(), rng.random()))
        margin = float(rng.uniform(*self.margins)) if self.margins else float(rng.choice(how.margins))
        (crop,) = crops_of(image, augmentation.jitter(box, rng), how, points=points, margins=(margin,))
        return crop

    def _level(self, index: int) -> float:
        """How sharp a row's plain crop is; measured once."""
        if index not in self._levels:
            image, sample = self.read(self.samples[index])
            how = self.views["student"]
            (crop,) = crops_of(
                image, box_of(sample, image), how, points=sample.points, margins=how.margins[:1]
            )
            self._levels[index] = sharpness(crop)
        return self._levels[index]


def _rivals(samples: Sequence[Sample]) -> dict[tuple[str | None, int | None], list[int]]:
    """The rows of the other label in each (domain, label)."""
    groups: dict[tuple[str | None, int | None], list[int]] = {}
    for index, sample in enumerate(samples):
        if sample.label is not None:
            groups.setdefault((sample.domain, 1 - sample.label), []).append(index)
    return groups


def _view(
    image: Pixels,
    box: Box,
    how: Preprocessing,
    points: Points | None,
    margins: tuple[float, ...] | None,
) -> Tensor:
    return _stack(crops_of(image, box, how, points=points, margins=margins), how)


def _stack(crops: Sequence[Pixels], how: Preprocessing) -> Tensor:
    return torch.from_numpy(np.stack([to_tensor(crop, how) for crop in crops]))


def _known(kind: str, names: Collection[str], known: Collection[str]) -> None:
    if unknown := set(names) - set(known):
        raise UnknownName(kind, min(unknown), known)
