"""A contact sheet: what simulation makes of a manifest's genuine faces, to be looked at."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from facetrust.data.digital_spoof import digital_spoof
from facetrust.data.manifest import Manifest
from facetrust.data.self_blend import self_blend
from facetrust.data.simulate import MANIPULATIONS, SPECIES, simulate
from facetrust.errors import ManifestError, UnknownName, UsageError
from facetrust.imaging import Pixels, box_of, crop_face, read_image
from facetrust.records import Box, Preprocessing, Sample, write_whole

_CELL = 160
_HEAD = 24  # pixels above the first row, for the columns' names
_HOW = Preprocessing(margins=(1.6,), size=(_CELL, _CELL))


def contact_sheet(
    manifest: str | Path, out: str | Path, *, species: str = "self-blend", rows: int = 8, seed: int = 0
) -> Path:
    """Returns the PNG it wrote: a row per genuine face, a column for it and for what is made of it.

    A blend's columns are original, mask, fake and real (the genuine picture after the same
    changes); those of an attack are original and attack.

    Args:
        manifest: its rows with label 0 are drawn from.
        out: the sheet, a .png file.
        species: a kind of attack or manipulation that `simulate` knows.
        rows: faces on the sheet; all there are, if there are fewer.
        seed: decides which faces, and with their number everything about an attack.

    Raises:
        ManifestError: the manifest cannot be used or has no genuine rows.
        ImageError: a picture cannot be read.
        UnknownName: no such species.
        UsageError: the sheet's name does not end in .png, or it shall have no row.
    """
    out = Path(out)
    if species not in (known := (*SPECIES, *MANIPULATIONS)):
        raise UnknownName("attack species", species, known)
    if out.suffix.lower() != ".png":
        raise UsageError(f"{out}: a contact sheet is a picture; its name must end in .png")
    if rows < 1:
        raise UsageError(f"rows={rows}: a contact sheet has one at least")
    source = Manifest.read(manifest)
    lines = [
        _made(source, sample, species, np.random.default_rng([seed, number]))
        for number, sample in enumerate(_drawn(source, rows, seed))
    ]
    cells = [np.hstack(list(line.values())) for line in lines]
    sheet = np.vstack([_head(list(lines[0])), *cells])
    write_whole(out, lambda part: cv2.imwrite(str(part), np.ascontiguousarray(sheet[:, :, ::-1])))
    return out


def _drawn(source: Manifest, rows: int, seed: int) -> list[Sample]:
    genuine = [sample for sample in source.samples() if sample.label == 0]
    if not genuine:
        raise ManifestError(f"{source.source}: no genuine rows to make anything from")
    chosen = np.random.default_rng(seed).permutation(len(genuine))[:rows]
    return [genuine[number] for number in sorted(chosen)]


def _made(source: Manifest, sample: Sample, species: str, rng: np.random.Generator) -> dict[str, Pixels]:
    """Returns column name → cell."""
    image = read_image(source.path_of(sample))
    box = box_of(sample, image)
    if species in MANIPULATIONS:
        make = self_blend if species == "self-blend" else digital_spoof
        fake, real, mask = make(image, box, rng)
        grey = np.repeat(np.round(mask * 255).astype(np.uint8)[:, :, None], 3, axis=2)
        made = {"original": image, "mask": grey, "fake": fake, "real": real}
    else:
        made = {"original": image, "attack": simulate(image, box, species=species, rng=rng)}
    return {name: _cell(picture, box) for name, picture in made.items()}


def _cell(image: Pixels, box: Box) -> Pixels:
    return crop_face(image, box, _HOW)


def _head(names: list[str]) -> Pixels:
    head = np.full((_HEAD, _CELL * len(names), 3), 255, np.uint8)
    for number, name in enumerate(names):
        place = (number * _CELL + 6, _HEAD - 8)
        cv2.putText(head, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (40, 40, 40), 1, cv2.LINE_AA)
    return head
