"""The sets of UniversalFakeDetect: ProGAN to train on, and to test on 19 generators (Ojha et al., CVPR 2023).

Read is their layout, that of CNNDetection (Wang et al., CVPR 2020) too: `{train,val,test}/<generator>/…` with
`0_real` and `1_fake` at the end, objects in folders between or not, such as `train/progan/bird/0_real` and
`test/biggan/1_fake`; and `diffusion_datasets/<generator>/1_fake`, all of it test, whose photographs lie in
`imagenet/0_real` and `laion/0_real`.
"""

from __future__ import annotations

from pathlib import Path

from facetrust.data.sources._generated import Folders, labelled_pictures
from facetrust.records import Sample, Split

_LABELS = {"0_real": 0, "1_fake": 1}
_SPLITS: dict[str, Split] = {"train": "train", "val": "dev", "test": "test"}
_OUTER = (*_SPLITS, "diffusion_datasets")


def universal_fake_detect(root: Path, *, seed: int = 0) -> list[Sample]:
    """Returns the pictures by path, generated ones label 1, with the generator as domain.

    Where there is no val, dev is a tenth of train.

    Args:
        root: the folder that holds train and test, `diffusion_datasets` beside them, or one of them.
        seed: of the draw of dev.

    Raises:
        ManifestError: the folder is missing, or holds no pictures below 0_real or 1_fake.
    """
    own = Path(root).resolve().name

    def generator(folders: Folders) -> str:
        inner = [name for name in folders if name not in _OUTER]
        return inner[0] if inner and inner[0] not in _LABELS else own

    return labelled_pictures(
        root,
        "{train,val,test}/<generator>/…/0_real and 1_fake",
        labels=_LABELS,
        splits=_SPLITS,
        domain=generator,
        generator=generator,
        seed=seed,
    )
