"""FASSEG: portraits with masks of the face's parts (Khan et al., 2015; Benini et al., 2019). All bona fide.

Six train pictures of frontal02 are byte for byte among its test pictures. Brows are marked as hair, ears and
neck as the face, clothing as background.
"""

from __future__ import annotations

from pathlib import Path

from facetrust.data.sources._files import file_at, folder_at, folders, pictures
from facetrust.errors import ManifestError
from facetrust.records import Sample, Split

CLASSES = ("background", "face", "hair_and_brows", "eyes", "nose", "mouth_and_lips")
# Of frontal02: train picture and the test picture that it is a copy of.
COPIES = {"15": "26", "16": "17", "17": "13", "18": "20", "19": "23", "20": "44"}
_HOLDS = "frontal02/ and multipose01/ of FASSEG"
_SPLITS: tuple[Split, ...] = ("train", "test")


def fasseg(root: Path, *, seed: int = 0, copies: bool = False) -> list[Sample]:
    """Returns frontal02, then multipose01, by path, with masks of `CLASSES` and the official split.

    The subject is known in multipose01 only (`fasseg-personne08`).

    Args:
        root: the folder that holds frontal02 and multipose01, or one of them.
        seed: not used; the split is fixed.
        copies: keep the train pictures that are copies of test pictures (`COPIES`).

    Raises:
        ManifestError: the folder, all pictures, or the mask of a picture are missing.
    """
    root = folder_at(root, _HOLDS)
    samples = []
    for split in _SPLITS:
        samples += [_sample(path, root, split) for path in _images(root / "frontal02" / split)]
        for pose in folders(root / "multipose01" / split) if (root / "multipose01" / split).is_dir() else ():
            samples += [_sample(path, root, split) for path in _images(pose)]
    if not samples:
        raise ManifestError(f"{root}: holds no pictures; give the folder that holds {_HOLDS}")
    left_out = set() if copies else {f"frontal02/train/images/{stem}.jpg" for stem in COPIES}
    return sorted((row for row in samples if row.path not in left_out), key=lambda sample: sample.path)


def _images(folder: Path) -> list[Path]:
    return pictures(folder / "images") if (folder / "images").is_dir() else []


def _sample(path: Path, root: Path, split: Split) -> Sample:
    mask = file_at(path.parents[1] / "masks" / f"{path.stem}.png", "a mask")
    person = path.stem[:10] if path.stem.startswith("personne") else None
    return Sample(
        path=path.relative_to(root).as_posix(),
        label=0,
        split=split,
        subject=f"fasseg-{person}" if person else None,
        domain="fasseg",
        mask=mask.relative_to(root).as_posix(),
    )
