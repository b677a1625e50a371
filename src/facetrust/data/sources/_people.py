"""What the sources of people share: a folder per person, records of RecordIO, and points of aligned faces."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from facetrust.data.record_io import RecordFile
from facetrust.data.sources._files import PICTURES, folder_at, folders, pictures
from facetrust.data.splits import assign
from facetrust.errors import ManifestError
from facetrust.imaging import TEMPLATE
from facetrust.records import Sample

RECORDS = "train.rec"


def person(path: str, name: str, domain: str, *, aligned: bool, frame: int | None = None) -> Sample:
    """Returns the row of a person's picture; an aligned one (112 × 112 pixels) has the template's points."""
    points = TEMPLATE if aligned else None
    return Sample(path=path, label=0, split="train", subject=name, domain=domain, frame=frame, points=points)


def people_in_folders(
    root: Path, domain: str, holds: str, *, aligned: bool, prefix: str = ""
) -> list[Sample]:
    """Returns every picture in the folders of a folder, each named for its person, by path.

    Args:
        root: the folder.
        domain: what the data set is called.
        holds: what the folder should hold, for errors.
        aligned: see `person`.
        prefix: goes before a folder's name to make the subject's, where names are only numbers.

    Raises:
        ManifestError: the folder is missing or holds no pictures, or a person's folder holds none.
    """
    root = folder_at(root, holds)
    rows = []
    for folder in folders(root):
        mine = pictures(folder, kinds=PICTURES)
        if not mine:
            raise ManifestError(f"{folder}: holds no pictures of a person; remove the folder or fill it")
        rows += [
            person(path.relative_to(root).as_posix(), prefix + folder.name, domain, aligned=aligned)
            for path in mine
        ]
    if not rows:
        raise ManifestError(f"{root}: holds no pictures; give the folder that holds {holds}")
    return rows


def people_in_records(path: Path, domain: str) -> list[Sample]:
    """Returns every picture of a `.rec` file by its number, which is the row's frame. The faces are aligned.

    A picture's person is its record's first label. Where record 0 has two labels, they are, as insightface
    writes it, the first and the end of further records that stand for people and hold no pictures.

    Raises:
        ManifestError: the file is damaged, or its people's records are not those that record 0 announces.
    """
    with RecordFile(path) as records:
        keys: Iterable[int] = list(records)
        if 0 in records and len(ends := records.labels(0)) == 2:
            first, end = (int(each) for each in ends)
            if not 1 < first <= end or any(key not in records for key in (1, first - 1, *range(first, end))):
                raise ManifestError(f"{path}: record 0 announces people {first} to {end}, who are not there")
            keys = [key for key in keys if 0 < key < first]
        names = {key: f"{domain}-{int(records.labels(key)[0])}" for key in keys}
    return [person(path.name, name, domain, aligned=True, frame=key) for key, name in names.items()]


def people_set(root: Path, domain: str, holds: str, *, aligned: bool, seed: int) -> list[Sample]:
    """Returns the pictures in `train.rec`, or else in a folder per person, people split under the seed.

    Raises:
        ManifestError: as `people_in_folders` and `people_in_records`.
    """
    root = folder_at(root, holds)
    if (root / RECORDS).is_file() or (root / RECORDS).with_suffix(".idx").is_file():
        return assign(people_in_records(root / RECORDS, domain), seed=seed)
    found = people_in_folders(root, domain, holds, aligned=aligned, prefix=f"{domain}-")
    return assign(found, seed=seed)
