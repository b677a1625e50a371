"""The live faces of a manifest become a manifest of simulated attacks, files that can be audited."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from facetrust.data._processes import by_processes
from facetrust.data.manifest import Manifest, check_suffix
from facetrust.data.selection import ALL, Selected, Selection, select
from facetrust.data.simulate import SPECIES, SWAPS, beside, check_species, simulate
from facetrust.data.simulate.donors import Donors
from facetrust.errors import ImageError, ManifestError, UsageError
from facetrust.imaging import Pixels, box_of, fit_within, read_image
from facetrust.records import Box, Sample, Split, write_whole
from facetrust.records.settings import require_same_settings

_ELSEWHERE = 0.4  # chance that the scene around the medium is another picture of the same split
_METHOD = 2  # Raised whenever other pictures are made of the same call.
_GENUINE = 2**31  # stands for the copy's number where a genuine picture is changed


class Simulated(NamedTuple):
    """What was written: the manifest, the number of attacks, and (path, reason) of unreadable pictures.

    `left_out` tells how many rows of how many people were not used, for these people are trained on
    elsewhere; None where no manifest was named to stay apart from.
    """

    manifest: Path
    attacks: int
    failed: tuple[tuple[str, str], ...]
    left_out: tuple[int, int] | None = None

    def __str__(self) -> str:
        told = ""
        if self.left_out:
            told = "; left out: {} rows of {} people who train elsewhere".format(*self.left_out)
        return f"{self.manifest}: {self.attacks} attacks{told}"


def simulate_attacks(
    manifest: str | Path,
    out: str | Path,
    *,
    copies: int = 1,
    seed: int = 0,
    species: Sequence[str] = SPECIES,
    wanted: Selection = ALL,
    longest_face: int = 112,
    keep_live: bool = False,
    keep_medium: bool = False,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Simulated:
    """Writes `copies` attacks on every bona fide row of a manifest, in the split of that row.

    Their domain is the row's with `-simulated` behind it, so that recipes and reports can tell them apart;
    it is that of kept live faces too, where these are taken by the simulated camera.

    Pictures already written by the same call are kept, so an interrupted run goes on where it stopped.

    Args:
        manifest: rows with boxes, as `data prepare` writes them.
        out: the new manifest; the pictures go into the folder of the same name beside it.
        copies: attacks per face.
        seed: with the row and the copy's number it decides the attack; it also decides who is drawn where
            `wanted` asks for some people only.
        species: the kinds to choose from, attacks or manipulations that `simulate` knows.
        wanted: which rows to use.
        longest_face: a picture is shrunk until the face's longer side has at most this many pixels.
        keep_live: also write the live faces, shrunk the same way, so that both labels are there; as they
            are seen beside such attacks (`beside`): by the same camera, or changed as what surrounds a
            manipulation. Without them the camera tells the simulated from other live faces.
        keep_medium: prints and screens keep their own tint, contrast and softness, and no camera is added
            (`simulate`); live faces beside them are those of the manifest.
        workers: processes that make pictures, each of them the same as one process would.
        progress: called with rows done and rows in all.

    Raises:
        ManifestError: a manifest cannot be used, or no bona fide row is there or left.
        UnknownName: a species or a split is not known.
        UsageError: fewer than one person or worker is wanted, the live faces beside media that are kept, or
            pictures made by another call lie there.
        FacetrustError: a worker was ended.
    """
    if workers < 1:
        raise UsageError(f"workers {workers}: give a number from 1 on")
    if keep_live and keep_medium:
        raise UsageError("keep_live and keep_medium: no camera took these attacks; train beside the manifest")
    check_species(species)
    if "decoded" in species:
        raise UsageError("decoded: needs a trained decoder, which training alone is given")
    source, out = Manifest.read(manifest), Path(out)
    check_suffix(out)
    chosen = _live(source, wanted, seed)
    used = Manifest.of(chosen.samples, source.root).hash
    require_same_settings(
        out.parent / out.stem / "simulate.json",
        {
            "method": _METHOD,
            "rows": used,
            "seed": seed,
            "species": list(species),
            "longest_face": longest_face,
            **({"keep_medium": True} if keep_medium else {}),
        },
    )
    scenes = _by_split(chosen.samples)
    read = partial(_read, source)
    donors = (
        {split: Donors(rows, read) for split, rows in scenes.items()} if set(species) & set(SWAPS) else {}
    )
    maker = _Maker(source, out, copies, seed, species, longest_face, keep_live, keep_medium, scenes, donors)
    made: Iterator[list[Sample] | ImageError] = (
        map(maker.make, chosen.samples)
        if workers == 1
        else by_processes(_Maker.make, chosen.samples, tool=partial(copy, maker), workers=workers)
    )
    rows: list[Sample] = []
    failed: list[tuple[str, str]] = []
    for number, (sample, found) in enumerate(zip(chosen.samples, made, strict=True), start=1):
        if isinstance(found, ImageError):
            failed.append((sample.path, str(found)))
        else:
            rows += found
        if progress:
            progress(number, len(chosen.samples))
    Manifest.write(rows, out)
    left_out = (chosen.rows_left_out, chosen.people_left_out) if wanted.apart_from else None
    return Simulated(out, sum(row.label or 0 for row in rows), tuple(failed), left_out)


class _Maker(NamedTuple):
    """Makes the pictures of a row; what `simulate_attacks` was asked for."""

    source: Manifest
    out: Path
    copies: int
    seed: int
    species: Sequence[str]
    longest_face: int
    keep_live: bool
    keep_medium: bool
    scenes: Mapping[Split, Sequence[Sample]]
    donors: Mapping[Split, Donors]

    def make(self, sample: Sample) -> list[Sample] | ImageError:
        """Returns the rows of a live face's pictures, which are written; or why it cannot be read."""
        try:
            image, sample = _shrunk(*_read(self.source, sample), self.longest_face)
        except ImageError as error:
            return error
        box = box_of(sample, image)
        rows = []
        if self.keep_live:
            rng = _draws(self.seed, sample, _GENUINE)
            genuine = partial(beside, image, box, species=self.species, rng=rng)
            rows.append(_written(self.out, _renamed(sample, self.species), None, box, genuine))
        for number in range(self.copies):
            rng = _draws(self.seed, sample, number)
            kind = str(rng.choice(list(self.species)))
            given = self.donors[sample.split] if kind in SWAPS else None
            scenes = self.scenes[sample.split]
            picture = partial(_attack, image, sample, kind, self.source, scenes, given, self.keep_medium, rng)
            rows.append(_written(self.out, sample, (kind, number), box, picture))
        return rows


def _live(source: Manifest, wanted: Selection, seed: int) -> Selected:
    live = [sample for sample in source.samples() if sample.label == 0]
    if not live:
        raise ManifestError(f"{source.source}: no bona fide rows to make attacks from")
    chosen = select(live, wanted, seed=seed)
    if chosen.samples:
        return chosen
    where = f"in the split {' or '.join(wanted.splits)}" if wanted.splits else "here"
    if not chosen.rows_left_out:
        raise ManifestError(f"{source.source}: no bona fide rows {where}; name another split")
    others = ", ".join(map(str, wanted.apart_from))
    raise ManifestError(
        f"{source.source}: no bona fide rows left: all {chosen.people_left_out} people {where} are in the "
        f"train split of {others}"
    )


def _draws(seed: int, sample: Sample, number: int) -> np.random.Generator:
    return np.random.default_rng([seed, *hashlib.sha256(sample.path.encode()).digest()[:8], number])


def _written(
    out: Path, sample: Sample, made: tuple[str, int] | None, box: Box, picture: Callable[[], Pixels]
) -> Sample:
    stem = hashlib.sha256(sample.path.encode()).hexdigest()[:16]
    name = f"{stem}-live.png" if made is None else f"{stem}-{made[0]}-{made[1]}.png"
    path = out.parent / out.stem / name
    if not path.is_file():
        pixels = np.ascontiguousarray(picture()[:, :, ::-1])
        _, content = cv2.imencode(".png", pixels)
        write_whole(path, content.tobytes())
    # A mask of the row's would have another size, and lie elsewhere.
    changes = {"path": f"{out.stem}/{name}", "mask": None, **dict(zip("xywh", box, strict=True))}
    if made is not None:
        medium = f"{sample.media or sample.path}#{made[0]}-{made[1]}"
        changes |= {"label": 1, "attack": f"simulated-{made[0]}", "media": medium, "domain": _domain(sample)}
    return sample.model_copy(update=changes)


def _renamed(live: Sample, species: Sequence[str]) -> Sample:
    """Only beside prints and replays another camera takes a live face."""
    return live.model_copy(update={"domain": _domain(live)}) if set(species) & set(SPECIES) else live


def _domain(sample: Sample) -> str:
    return f"{sample.domain or 'faces'}-simulated"


def _read(source: Manifest, sample: Sample) -> tuple[Pixels, Sample]:
    return read_image(source.path_of(sample)), sample


def _shrunk(image: Pixels, sample: Sample, longest_face: int) -> tuple[Pixels, Sample]:
    """Returns the picture shrunk until its face fits, and the row with box and points as they are in it."""
    box = box_of(sample, image)
    factor = min(1.0, longest_face / max(box[2:]))
    image, factor = fit_within(image, max(1, round(max(image.shape[:2]) * factor)))
    x, y, w, h = (side * factor for side in box)
    points = [(px * factor, py * factor) for px, py in sample.points] if sample.points else None
    return image, sample.model_copy(update={"x": x, "y": y, "w": w, "h": h, "points": points})


def _by_split(samples: Sequence[Sample]) -> dict[Split, list[Sample]]:
    groups: dict[Split, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.split, []).append(sample)
    return groups


def _attack(
    image: Pixels,
    sample: Sample,
    kind: str,
    source: Manifest,
    scenes: Sequence[Sample],
    donors: Donors | None,
    keep_medium: bool,
    rng: np.random.Generator,
) -> Pixels:
    background = None
    if kind in SPECIES:  # a manipulation has no scene around it
        scene = scenes[int(rng.integers(len(scenes)))]
        background = _scene(source, scene) if rng.random() < _ELSEWHERE else None
    donor = donors.draw(sample, image, rng) if donors else None
    box = box_of(sample, image)
    return simulate(
        image,
        box,
        species=kind,
        rng=rng,
        background=background,
        points=sample.points,
        donor=donor,
        keep_medium=keep_medium,
    )


def _scene(source: Manifest, sample: Sample) -> Pixels | None:
    try:
        return read_image(source.path_of(sample))
    except ImageError:  # the picture's own surroundings serve as well; its row reports the fault
        return None
