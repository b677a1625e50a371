"""What simulation makes of a manifest's genuine faces: a contact sheet to be looked at, and statistics."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facetrust.data.manifest import Manifest, absolute
from facetrust.data.regions import check_region, face_region
from facetrust.data.simulate import (
    MANIPULATIONS,
    SPECIES,
    SWAPS,
    beside,
    check_species,
    manipulate,
    simulate,
)
from facetrust.data.simulate._blending import Blend
from facetrust.data.simulate.donors import Donor, Donors
from facetrust.data.simulate.statistics import Traces, traces
from facetrust.errors import ManifestError, UsageError
from facetrust.imaging import Pixels, box_of, crop_face, read_sample
from facetrust.imaging.crop import Points
from facetrust.records import Box, Preprocessing, write_whole

_CELL = 160
_HEAD = 24  # pixels above the first row, for the columns' names
_HOW = Preprocessing(margins=(1.6,), size=(_CELL, _CELL))


class Range(NamedTuple):
    """The median of a statistic, and its 5 and 95 % points."""

    median: float
    low: float
    high: float


def contact_sheet(
    manifest: str | Path,
    out: str | Path,
    *,
    species: str = "self-blend",
    rows: int = 8,
    seed: int = 0,
    region: Sequence[str] = (),
) -> Path:
    """Returns the PNG it wrote: a row per genuine face, a column for it and for what is made of it.

    A blend's columns are original, mask, fake and real (the genuine picture, changed as the fake is
    around the face); those of an attack are original, live (the original, seen as beside such attacks) and
    attack.

    Args:
        manifest: its rows with label 0 are drawn from.
        out: the sheet, a .png file.
        species: a kind of attack or manipulation that `simulate` knows.
        rows: of the sheet; where there are fewer faces, they come again and other things are made of them.
        seed: decides which faces, and with their number everything about an attack.
        region: classes of the rows' masks that bound manipulations, as in a recipe's `data.augment`.

    Raises:
        ManifestError: the manifest cannot be used or has no genuine rows.
        ImageError: a picture or a mask cannot be read.
        UnknownName: no such species or class.
        UsageError: the sheet's name does not end in .png, no row is asked for, or none has a mask.
    """
    out = Path(out)
    check_species([species])
    if out.suffix.lower() != ".png":
        raise UsageError(f"{out}: a contact sheet is a picture; its name must end in .png")
    if rows < 1:
        raise UsageError(f"rows={rows}: a contact sheet has one at least")
    drawn = _drawn(Manifest.read(manifest), rows, seed, species, region)
    lines = [_made(face, species) for face in drawn]
    cells = [np.hstack(list(line.values())) for line in lines]
    sheet = np.vstack([_head(list(lines[0])), *cells])
    content = io.BytesIO()
    Image.fromarray(sheet).save(content, "PNG", optimize=True)
    write_whole(out, content.getbuffer())
    return out


def statistics(
    manifest: str | Path,
    *,
    species: str = "self-blend",
    count: int = 200,
    seed: int = 0,
    region: Sequence[str] = (),
) -> dict[str, Range]:
    """Returns what blends of a manifest's genuine faces leave to be found, statistic → range over them.

    Args:
        manifest: its rows with label 0 are drawn from; they come again where there are fewer than `count`.
        species: a kind of manipulation that `simulate` knows.
        count: how many blends are made.
        seed: decides which faces, and with their number everything about a blend.
        region: as of `contact_sheet`.

    Raises:
        ManifestError: the manifest cannot be used or has no genuine rows.
        ImageError: a picture or a mask cannot be read.
        UnknownName: no such species or class.
        UsageError: the species leaves no mask, no blend is asked for, or no row has a mask for a region.
    """
    if species in SPECIES:
        raise UsageError(f"{species}: has no mask; statistics are of {' or '.join(MANIPULATIONS)}")
    if count < 1:
        raise UsageError(f"count={count}: statistics need one blend at least")
    found = [
        traces(face.image, face.box, _blend(face, species))
        for face in _drawn(Manifest.read(manifest), count, seed, species, region)
    ]
    low, median, high = np.percentile(np.array(found), (5, 50, 95), axis=0)
    return {
        name: Range(float(median[number]), float(low[number]), float(high[number]))
        for number, name in enumerate(Traces._fields)
    }


class _Face(NamedTuple):
    """A picture, the face's box, points and region in it, whose face it may get, what decides all else."""

    image: Pixels
    box: Box
    points: Points | None
    donor: Donor | None
    region: NDArray[np.bool_] | None
    rng: np.random.Generator


def _drawn(source: Manifest, count: int, seed: int, species: str, region: Sequence[str]) -> Iterator[_Face]:
    genuine = [sample for sample in absolute(source.samples(), source.root) if sample.label == 0]
    if not genuine:
        raise ManifestError(f"{source.source}: no genuine rows to make anything from")
    if region:
        check_region(genuine, region)
    donors = Donors(genuine, read_sample) if species in SWAPS else None
    chosen = np.resize(np.random.default_rng(seed).permutation(len(genuine)), count)
    for number, row in enumerate(sorted(chosen)):
        image, sample = read_sample(genuine[row])
        rng = np.random.default_rng([seed, number])
        donor = donors.draw(sample, image, rng) if donors else None
        within = face_region(sample, image.shape, region) if region else None
        yield _Face(image, box_of(sample, image), sample.points, donor, within, rng)


def _blend(face: _Face, species: str) -> Blend:
    return manipulate(
        face.image,
        face.box,
        species=species,
        rng=face.rng,
        points=face.points,
        donor=face.donor,
        region=face.region,
    )


def _made(face: _Face, species: str) -> dict[str, Pixels]:
    """Returns column name → cell."""
    image, box = face.image, face.box
    if species in MANIPULATIONS:
        blend = _blend(face, species)
        grey = np.repeat(blend.levels, 3, axis=2)
        made = {"original": image, "mask": grey, "fake": blend.fake, "real": blend.real}
    else:
        attack = simulate(image, box, species=species, rng=face.rng)
        made = {
            "original": image,
            "live": beside(image, box, species=[species], rng=face.rng),
            "attack": attack,
        }
    return {name: _cell(picture, box) for name, picture in made.items()}


def _cell(image: Pixels, box: Box) -> Pixels:
    return crop_face(image, box, _HOW)


def _head(names: list[str]) -> Pixels:
    head = np.full((_HEAD, _CELL * len(names), 3), 255, np.uint8)
    for number, name in enumerate(names):
        place = (number * _CELL + 6, _HEAD - 8)
        cv2.putText(head, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (40, 40, 40), 1, cv2.LINE_AA)
    return head
