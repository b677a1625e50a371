"""GenImage: ImageNet's photographs beside pictures of eight generators (Zhu et al., NeurIPS 2023).

Read is the layout of the unpacked archives: `<generator>/<archive>/{train,val}/{ai,nature}/…`, such as
`Midjourney/imagenet_midjourney/val/ai/1.png`; the folder of one archive will do. Photographs are JPEG and
most generated pictures PNG, of other sizes: bring them to one format before a figure is believed.
"""

from __future__ import annotations

from pathlib import Path

from facetrust.data.sources._generated import Folders, labelled_pictures
from facetrust.records import Sample

_SPLITS = ("train", "val")


def genimage(root: Path, *, seed: int = 0) -> list[Sample]:
    """Returns the pictures by path, generated ones label 1, with the generator's folder as domain.

    `val`, on which works report, is test; dev is a tenth of train. A generator's own photographs have its
    domain, so that leaving a domain out leaves a generator out.

    Args:
        root: the folder of the generators' folders, or of one generator.
        seed: of the draw of dev.

    Raises:
        ManifestError: the folder is missing, or holds no pictures below ai or nature.
    """
    own = Path(root).resolve().name

    def generator(folders: Folders) -> str:
        return own if folders[0] in _SPLITS else folders[0]

    return labelled_pictures(
        root,
        "<generator>/…/train/ai, train/nature, val/ai and val/nature of GenImage",
        labels={"nature": 0, "ai": 1},
        splits={"train": "train", "val": "test"},
        domain=generator,
        generator=generator,
        seed=seed,
    )
