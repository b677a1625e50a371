"""Labeled Faces in the Wild: press photos of well-known people (Huang et al., 2007). All bona fide."""

from __future__ import annotations

from pathlib import Path

from facetrust.data.sources._files import folder_at, folders
from facetrust.data.splits import assign
from facetrust.errors import ManifestError
from facetrust.records import Sample

_HOLDS = "a folder a person of LFW (Aaron_Eckhart/Aaron_Eckhart_0001.jpg …)"


def lfw(root: Path, *, seed: int = 0) -> list[Sample]:
    """Returns all pictures by name, label 0, people split under the seed.

    The official lists are for pairs and are left to recognition. Where the archive is the aligned
    one, a face fills its picture; therefore rows have no box.

    Raises:
        ManifestError: the folder is missing or holds no people, or a person's numbering has a hole.
    """
    root = folder_at(root, _HOLDS)
    samples = []
    for person in folders(root):
        found = sorted(path.name for path in person.glob(f"{person.name}_*.jpg"))
        for number, name in enumerate(found, start=1):
            if name != (expected := f"{person.name}_{number:04d}.jpg"):
                raise ManifestError(f"{person / expected}: is missing; unpack the data set again")
            samples.append(_sample(person.name, name))
    if not samples:
        raise ManifestError(f"{root}: holds no pictures; give the folder that holds {_HOLDS}")
    return assign(samples, seed=seed)


def _sample(person: str, name: str) -> Sample:
    return Sample(path=f"{person}/{name}", label=0, split="train", subject=person, domain="lfw")
