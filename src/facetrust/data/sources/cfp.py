"""Celebrities in Frontal-Profile: 500 people, 10 frontal and 4 profile pictures each (Sengupta et al., 2016).

All bona fide. 176 of its people also occur in LFW: leave them out where one set trains and the other tests.
"""

from __future__ import annotations

from pathlib import Path

from facetrust.data.sources._files import file_at, folder_at
from facetrust.data.splits import assign
from facetrust.errors import ManifestError
from facetrust.records import Sample

_HOLDS = "list_name.txt and the folders 001, 002 … of CFP"
_VIEWS = {"frontal": 10, "profile": 4}


def cfp(root: Path, *, seed: int = 0) -> list[Sample]:
    """Returns all pictures by number, label 0, people split under the seed.

    Subjects are spelled as in LFW (`Aaron_Eckhart`), so that people in both sets are recognised.

    Args:
        root: the folder of `list_name.txt`; pictures lie in it or in its `Images`.
        seed: seed of the split.

    Raises:
        ManifestError: the folder, the list of names or a picture is missing.
    """
    root = folder_at(root, _HOLDS)
    listed = file_at(root / "list_name.txt", "the list of names")
    names = [line.strip() for line in listed.read_text(encoding="utf-8", errors="replace").splitlines()]
    names = [name for name in names if name]
    if not names:
        raise ManifestError(f"{listed}: is empty; unpack the data set again")
    inside = "Images/" if (root / "Images").is_dir() else ""
    samples = []
    for person, name in enumerate(names, start=1):
        for view, count in _VIEWS.items():
            for number in range(1, count + 1):
                path = f"{inside}{person:03d}/{view}/{number:02d}.jpg"
                file_at(root / path, f"a {view} picture of {name}")
                samples.append(_sample(path, name.replace(" ", "_")))
    return assign(samples, seed=seed)


def _sample(path: str, person: str) -> Sample:
    return Sample(path=path, label=0, split="train", subject=person, domain="cfp")
