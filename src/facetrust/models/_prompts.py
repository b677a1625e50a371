"""The twelve sentences that FLIP compares a face with, and their token ids, so that no vocabulary is needed.

Ids are those of CLIP's byte-pair encoding. Source: Srivatsan et al. 2023, arXiv 2309.16649, supplement.
"""

from __future__ import annotations

import torch
from torch import Tensor

LENGTH = 77
_START, _END = 49406, 49407

SPOOF: dict[str, tuple[int, ...]] = {
    "This is an example of a spoof face": (589, 533, 550, 6228, 539, 320, 1261, 539, 1710),
    "This is an example of an attack face": (589, 533, 550, 6228, 539, 550, 3815, 1710),
    "This is not a real face": (589, 533, 783, 320, 1532, 1710),
    "This is how a spoof face looks like": (589, 533, 829, 320, 1261, 539, 1710, 1606, 789),
    "a photo of a spoof face": (320, 1125, 539, 320, 1261, 539, 1710),
    "a printout shown to be a spoof face": (320, 17851, 620, 8506, 531, 655, 320, 1261, 539, 1710),
}
LIVE: dict[str, tuple[int, ...]] = {
    "This is an example of a real face": (589, 533, 550, 6228, 539, 320, 1532, 1710),
    "This is a bonafide face": (589, 533, 320, 1871, 24074, 654, 1710),
    "This is a real face": (589, 533, 320, 1532, 1710),
    "This is how a real face looks like": (589, 533, 829, 320, 1532, 1710, 1606, 789),
    "a photo of a real face": (320, 1125, 539, 320, 1532, 1710),
    "This is not a spoof face": (589, 533, 783, 320, 1261, 539, 1710),
}


# Up to the longest one's end mark.
LONGEST = max(map(len, [*SPOOF.values(), *LIVE.values()])) + 2


def prompt_tokens(length: int = LENGTH) -> Tensor:
    """Returns the prompts as (2, 6, length) int64: first the six of an attack, then the six of a live face.

    Each begins with the start mark, ends with the end mark, and is filled up with zeros.
    """
    classes = (SPOOF.values(), LIVE.values())
    return torch.tensor([[_padded(ids, length) for ids in prompts] for prompts in classes])


def _padded(ids: tuple[int, ...], length: int) -> list[int]:
    return [_START, *ids, _END] + [0] * (length - len(ids) - 2)
