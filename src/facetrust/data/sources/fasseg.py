"""FASSEG: portraits with masks of the face's parts (Khan et al., 2015; Benini et al., 2019). All bona fide.

Six train pictures of frontal02 are byte for byte among its test pictures; the audit names them.
"""

from __future__ import annotations

from pathlib import Path

from facetrust.data.sources._files import file_at, folder_at, folders, pictures
from facetrust.errors import ManifestError
from facetrust.records import Sample, Split

_HOLDS = "frontal02/ and multipose01/ of FASSEG"
_SPLITS: tuple[Split, ...] = ("train", "test")


def fasseg(root: Path, *, seed: int = 0) -> list[Sample]:
    """Returns frontal02, then multipose01, by path, with masks and the official train and test split.

    The subject is known in multipose01 only (`fasseg-personne08`).

    Args:
        root: the folder that holds frontal02 and multipose01, or one of them.
        seed: not used; the split is fixed.

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
    return sorted(samples, key=lambda sample: sample.path)


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
