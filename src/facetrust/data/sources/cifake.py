"""CIFAKE: CIFAR-10's photographs beside pictures of Stable Diffusion 1.4, 32 x 32 (Bird and Lotfi, 2024).

Read is the layout on Kaggle: `{train,test}/{REAL,FAKE}/*.jpg`. The generated pictures were reduced from the
generator's own size, the photographs were not: how a picture was resized tells them apart too.
"""

from __future__ import annotations

from pathlib import Path

from facetrust.data.sources._generated import labelled_pictures
from facetrust.records import Sample


def cifake(root: Path, *, seed: int = 0) -> list[Sample]:
    """Returns the pictures by path, generated ones label 1; test is official, dev a tenth of train.

    Args:
        root: the folder that holds train and test.
        seed: of the draw of dev.

    Raises:
        ManifestError: the folder is missing, or holds no pictures below REAL or FAKE.
    """
    return labelled_pictures(
        root,
        "train/REAL, train/FAKE, test/REAL and test/FAKE of CIFAKE",
        labels={"REAL": 0, "FAKE": 1},
        splits={"train": "train", "test": "test"},
        domain=lambda folders: "cifake",
        generator=lambda folders: "stable-diffusion-1.4",
        seed=seed,
    )
