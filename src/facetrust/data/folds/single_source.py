"""Single source: one of MSU-MFSD, CASIA-FASD, Replay-Attack and OULU-NPU trains, another is reported."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

from facetrust.data.folds._domains import CELEBA, MCIO, crossed, needed, reported
from facetrust.data.folds._fold import Fold
from facetrust.records import Sample


def single_source(
    samples: Sequence[Sample],
    *,
    seed: int = 0,
    celeba: bool = False,
    train_frames: int = 1,
    test_frames: int = 2,
    dev_share: float = 0.15,
) -> list[Fold]:
    """Returns the 12 folds c-to-i, c-to-m, ... of all ordered pairs, made as those of `mcio`.

    Args:
        samples: rows of the four sets, by the names of `MCIO`; others are left out.
        seed: seed of the draw.
        celeba: CelebA-Spoof is a second source, as in FLIP's code; its rows must then be there.
        train_frames: frames per video in train; 0 for all.
        test_frames: frames per video in dev and test; 0 for all.
        dev_share: share of a source's train rows that become dev, where it has no dev part.

    Raises:
        ProtocolError: a set has no rows, or a split lacks a label.
        UsageError: a number is not possible.

    Source: Srivatsan, Naseer and Nandakumar, FLIP (ICCV 2023), protocol 3, and the lists in its code.
    """
    further = [CELEBA] if celeba else []
    rows = needed(samples, [*MCIO.values(), *further], "single-source")
    return [
        crossed(
            f"{source}-to-{target}",
            [rows[name] for name in [MCIO[source], *further]],
            reported(rows[MCIO[target]]),
            seed=seed,
            dev_share=dev_share,
            frames=(train_frames, test_frames),
        )
        for source, target in permutations(sorted(MCIO), 2)
    ]
