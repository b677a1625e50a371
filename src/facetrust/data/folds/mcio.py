"""MCIO: of MSU-MFSD, CASIA-FASD, Idiap's Replay-Attack and OULU-NPU three train and one is reported."""

from __future__ import annotations

from collections.abc import Sequence

from facetrust.data.folds._domains import CELEBA, MCIO, crossed, needed, reported
from facetrust.data.folds._fold import Fold
from facetrust.records import Sample

_ROUNDS = (("oci", "m"), ("omi", "c"), ("ocm", "i"), ("icm", "o"))


def mcio(
    samples: Sequence[Sample],
    *,
    seed: int = 0,
    celeba: bool = False,
    train_frames: int = 1,
    test_frames: int = 2,
    dev_share: float = 0.15,
) -> list[Fold]:
    """Returns the folds oci-to-m, omi-to-c, ocm-to-i and icm-to-o.

    Reported are the target's official train and test rows, as FLIP does; the development parts of
    Replay-Attack and OULU-NPU are in none of FLIP's lists. Here they are dev where their set is a
    source; of MSU-MFSD, CASIA-FASD and CelebA-Spoof people are drawn for dev. All else of the sources
    trains. FLIP takes the first frame of a video to train, the first and the middle one to test, and
    leaves 10 live and 10 attack videos of the target out of its test list, which stay in here.

    Args:
        samples: rows of the four sets, by the names of `MCIO`; others are left out.
        seed: seed of the draw.
        celeba: CelebA-Spoof trains too, as in every main table of FLIP; its rows must then be there.
        train_frames: frames per video in train; 0 for all.
        test_frames: frames per video in dev and test; 0 for all.
        dev_share: share of a source's train rows that become dev, where it has no dev part.

    Raises:
        ProtocolError: a set has no rows, or a split lacks a label.
        UsageError: a number is not possible.

    Source: Srivatsan, Naseer and Nandakumar, FLIP (ICCV 2023), protocol 1, and the lists in its code.
    """
    further = [CELEBA] if celeba else []
    rows = needed(samples, [*MCIO.values(), *further], "mcio")
    return [
        crossed(
            f"{sources}-to-{target}",
            [rows[name] for name in [*(MCIO[letter] for letter in sources), *further]],
            reported(rows[MCIO[target]]),
            seed=seed,
            dev_share=dev_share,
            frames=(train_frames, test_frames),
        )
        for sources, target in _ROUNDS
    ]
