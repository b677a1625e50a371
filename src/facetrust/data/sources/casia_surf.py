"""CASIA-SURF: prints with eyes, nose or mouth cut out, flat or bent (Zhang et al., CVPR 2019).

Read are the colour pictures that the lists of one of two releases name:

- the 2019 challenge: `train_list.txt`, `val_private_list.txt` and `test_private_list.txt` beside
  `Training`, `Val` and `Testing`; a line is `color depth ir label`, label 1 a real face. Pictures of
  `Val` and `Testing` are numbered; neither person nor attack is stated.
- the later one: `protocol/CASIA_SURF@p1_image_{train,dev,test}.txt` beside `Data`; a line is
  `CASIA_SURF/Data/… label`, label 0 a real face. Every picture tells person and attack.

Depth and infrared are left out, and so are the lists without labels (`val_public_list.txt`). That the
official split shares no person is the authors' statement; it can be checked in the later release only.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from facetrust.data.sources._files import file_at, folder_at
from facetrust.errors import ManifestError
from facetrust.records import Sample, Split

_HOLDS = "train_list.txt, Training, Val and Testing of CASIA-SURF, or its Data and protocol"
_SPLITS: tuple[Split, ...] = ("train", "dev", "test")
_TOLD = re.compile(r"(?:.*/)?(real|fake)_part/([^/]+)/([^/]+?)(?:\.rssdk)?/color/(\d+)\.\w+")
_CUTS = {"e": "eyes", "en": "eyes and nose", "enm": "eyes, nose and mouth"}
_SHAPES = {"s": "flat", "b": "bent"}


class _Release(NamedTuple):
    lists: tuple[str, ...]
    columns: int
    real: str  # The label of a real face.
    inside: str  # What the listed paths begin with, the root itself.


_CHALLENGE = _Release(("train_list.txt", "val_private_list.txt", "test_private_list.txt"), 4, "1", "")
_LATER = _Release(
    tuple(f"protocol/CASIA_SURF@p1_image_{split}.txt" for split in _SPLITS),
    2,
    "0",
    "CASIA_SURF/",
)


def casia_surf(root: Path, *, seed: int = 0) -> list[Sample]:
    """Returns the listed colour pictures by path, with the official split.

    The species is `print` where the name does not tell what was cut, else for example
    `print, eyes and nose cut, bent`.

    An empty list leaves its split out: the challenge's test labels were not part of every copy.

    Args:
        root: the folder that the lists' paths start from.
        seed: not used; the split is fixed.

    Raises:
        ManifestError: the folder, a list or a picture is missing, or a line cannot be used.
    """
    root = folder_at(root, _HOLDS)
    release = _LATER if (root / "protocol").is_dir() else _CHALLENGE
    samples = []
    for name, split in zip(release.lists, _SPLITS, strict=True):
        listed = file_at(root / name, f"the list of {split} pictures")
        lines = listed.read_text(encoding="utf-8", errors="replace").splitlines()
        for number, line in enumerate(lines, start=1):
            if line.strip():
                samples.append(_sample(line.split(), release, split, f"{listed}: line {number}"))
    if not samples:
        raise ManifestError(f"{root}: the lists name no pictures; unpack the data set again")
    for sample in samples:
        file_at(root / sample.path, "a picture of the lists")
    return sorted(samples, key=lambda sample: sample.path)


def _sample(fields: list[str], release: _Release, split: Split, where: str) -> Sample:
    if len(fields) != release.columns or fields[-1] not in ("0", "1"):
        raise ManifestError(f"{where}: needs {release.columns} columns, the last of them 0 or 1")
    path = fields[0].removeprefix(release.inside)
    label = int(fields[-1] != release.real)
    told = _TOLD.fullmatch(path)
    if told is None:
        species = "print" if label else None
        return Sample(path=path, label=label, split=split, domain="casia-surf", attack=species)
    part, person, attack, frame = told.groups()
    if (part == "fake") != bool(label):
        raise ManifestError(f"{where}: says {fields[-1]} of a picture in {part}_part; get the list again")
    return Sample(
        path=path,
        label=label,
        split=split,
        subject=f"casia-surf-{person}",
        domain="casia-surf",
        attack=_species(attack) if label else None,
        media=f"casia-surf-{person}-{attack}",
        frame=int(frame),
    )


def _species(attack: str) -> str:
    """`04_en_b` is the fourth kind: eyes and nose cut out, the print bent."""
    _, _, what = attack.partition("_")
    cut, _, shape = what.partition("_")
    return f"print, {_CUTS[cut]} cut, {_SHAPES[shape]}" if cut in _CUTS and shape in _SHAPES else "print"
