"""WCS: of WMCA, CASIA-CeFA and CASIA-SURF two train and one is reported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from facetrust.data.folds._domains import CELEBA, WCS, crossed, needed, reported
from facetrust.data.folds._fold import Fold
from facetrust.data.folds._frames import thinned
from facetrust.records import Sample

_ROUNDS = (("cs", "w"), ("sw", "c"), ("cw", "s"))


def wcs(
    samples: Sequence[Sample],
    *,
    seed: int = 0,
    celeba: bool = False,
    frames: int = 10,
    part: Literal["all", "train", "dev", "test"] = "all",
    dev_share: float = 0.15,
) -> list[Fold]:
    """Returns the folds cs-to-w, sw-to-c and cw-to-s.

    A source's own dev rows are dev, all its others train; where it has none, people are drawn. FLIP
    trains on all parts of a source and takes 10 frames of each video of WMCA and CASIA-CeFA, all of
    CASIA-SURF. Its test lists name pictures of the validation parts of CASIA-SURF and CASIA-CeFA, to
    which `part=dev` comes nearest.

    Args:
        samples: rows of the three sets, by the names of `WCS`; others are left out.
        seed: seed of the draw.
        celeba: CelebA-Spoof trains too, as in the settings of FLIP's code; its rows must then be there.
        frames: frames per video of WMCA and CASIA-CeFA; 0 for all.
        part: which of the target's rows are reported.
        dev_share: share of a source's train rows that become dev, where it has no dev part.

    Raises:
        ProtocolError: a set has no rows, or a split lacks a label.
        UsageError: a number is not possible.

    Source: Srivatsan, Naseer and Nandakumar, FLIP (ICCV 2023), protocol 2, and the lists in its code.
    """
    further = [CELEBA] if celeba else []
    rows = needed(samples, [*WCS.values(), *further], "wcs")
    for letter in "wc":
        rows[WCS[letter]] = thinned(rows[WCS[letter]], frames)
    return [
        crossed(
            f"{sources}-to-{target}",
            [rows[name] for name in [*(WCS[letter] for letter in sources), *further]],
            [row for row in reported(rows[WCS[target]]) if part in ("all", row.split)],
            seed=seed,
            dev_share=dev_share,
        )
        for sources, target in _ROUNDS
    ]
