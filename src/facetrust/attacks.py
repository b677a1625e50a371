"""The live faces of a manifest become a manifest of simulated attacks, files that can be audited."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from facetrust.data.manifest import Manifest, check_suffix
from facetrust.data.simulate import SPECIES, simulate
from facetrust.errors import ImageError, ManifestError, UnknownName
from facetrust.imaging import Pixels, box_of, fit_within, read_image
from facetrust.records import Box, Sample, Split, write_whole

_ELSEWHERE = 0.4  # chance that the scene around the medium is another picture of the same split


class Simulated(NamedTuple):
    """What was written: the manifest, the number of attacks, and (path, reason) of unreadable pictures."""

    manifest: Path
    attacks: int
    failed: tuple[tuple[str, str], ...]


def simulate_attacks(
    manifest: str | Path,
    out: str | Path,
    *,
    copies: int = 1,
    seed: int = 0,
    species: Sequence[str] = SPECIES,
    longest_face: int = 112,
    keep_live: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Simulated:
    """Writes `copies` attacks on every bona fide row of a manifest, in the split of that row.

    Their domain is the row's with `-simulated` behind it, so that recipes and reports can tell them apart.

    Pictures already written by the same call are kept, so an interrupted run goes on where it stopped.

    Args:
        manifest: rows with boxes, as `data prepare` writes them.
        out: the new manifest; the pictures go into the folder of the same name beside it.
        copies: attacks per face.
        seed: with the row and the copy's number it decides the attack.
        species: the kinds to choose from.
        longest_face: a picture is shrunk until the face's longer side has at most so many pixels.
        keep_live: also write the live faces, shrunk the same way, so that both labels are there.
        progress: called with rows done and rows in all.

    Raises:
        ManifestError: the manifest cannot be used or has no bona fide rows.
        UnknownName: a species is not known.
    """
    for name in species:
        if name not in SPECIES:
            raise UnknownName("attack species", name, SPECIES)
    source, out = Manifest.read(manifest), Path(out)
    check_suffix(out)
    live = [sample for sample in source.samples() if sample.label == 0]
    if not live:
        raise ManifestError(f"{manifest}: no bona fide rows to make attacks from")
    scenes = _by_split(live)
    rows: list[Sample] = []
    failed: list[tuple[str, str]] = []
    for number, sample in enumerate(live):
        if progress:
            progress(number, len(live))
        try:
            image, box = _shrunk(source, sample, longest_face)
        except ImageError as error:
            failed.append((sample.path, str(error)))
            continue
        if keep_live:
            rows.append(_written(out, sample, None, box, partial(np.asarray, image)))
        for copy in range(copies):
            rng = np.random.default_rng([seed, *hashlib.sha256(sample.path.encode()).digest()[:8], copy])
            kind = str(rng.choice(list(species)))
            scene = scenes[sample.split][int(rng.integers(len(scenes[sample.split])))]
            picture = partial(_attack, image, box, kind, source, scene, rng)
            rows.append(_written(out, sample, (kind, copy), box, picture))
    Manifest.write(rows, out)
    return Simulated(out, len(rows) - keep_live * (len(live) - len(failed)), tuple(failed))


def _written(
    out: Path, sample: Sample, made: tuple[str, int] | None, box: Box, picture: Callable[[], Pixels]
) -> Sample:
    stem = hashlib.sha256(sample.path.encode()).hexdigest()[:16]
    name = f"{stem}-live.png" if made is None else f"{stem}-{made[0]}-{made[1]}.png"
    path = out.parent / out.stem / name
    if not path.is_file():
        pixels = np.ascontiguousarray(picture()[:, :, ::-1])
        write_whole(path, lambda part: cv2.imwrite(str(part), pixels))
    changes = {"path": f"{out.stem}/{name}", **dict(zip("xywh", box, strict=True))}
    if made is not None:
        medium = f"{sample.media or sample.path}#{made[0]}-{made[1]}"
        domain = f"{sample.domain or 'faces'}-simulated"
        changes |= {"label": 1, "attack": f"simulated-{made[0]}", "media": medium, "domain": domain}
    return sample.model_copy(update=changes)


def _shrunk(source: Manifest, sample: Sample, longest_face: int) -> tuple[Pixels, Box]:
    image = read_image(source.path_of(sample))
    x, y, w, h = box_of(sample, image)
    factor = min(1.0, longest_face / max(w, h))
    image, factor = fit_within(image, max(1, round(max(image.shape[:2]) * factor)))
    return image, (x * factor, y * factor, w * factor, h * factor)


def _by_split(samples: Sequence[Sample]) -> dict[Split, list[Sample]]:
    groups: dict[Split, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.split, []).append(sample)
    return groups


def _attack(
    image: Pixels, box: Box, kind: str, source: Manifest, scene: Sample, rng: np.random.Generator
) -> Pixels:
    background = None
    if rng.random() < _ELSEWHERE:
        try:
            background = read_image(source.path_of(scene))
        except ImageError:  # the picture's own surroundings serve as well; its row reports the fault
            background = None
    return simulate(image, box, species=kind, rng=rng, background=background)
