"""What an answer of classes of pixels is worth, per picture and class; rewards carry no gradient."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_MATCH = 0.5  # Overlap of two segments above which they are one; no segment can have two such.


class Rewards(NamedTuple):
    """Rewards (B, C - 1) float32 of the foreground classes, and which of them are in truth or answer."""

    values: Tensor
    present: Tensor

    def per_picture(self) -> Tensor:
        """Returns (B,), the mean over the present classes; 1 where there is none, for nothing is wrong."""
        count = self.present.sum(1)
        mean = (self.values * self.present).sum(1) / count.clamp_min(1)
        return torch.where(count > 0, mean, torch.ones_like(mean))

    def per_class(self) -> Tensor:
        """Returns (B, C - 1), each class's share in a mean over all of them; 1 / (C - 1) where it is absent.

        Unlike the mean over the present classes, each share hangs on that class's pixels alone.
        """
        return torch.where(self.present, self.values, torch.ones_like(self.values)) / self.values.shape[1]


def f1_rewards(
    answer: Tensor, truth: Tensor, classes: int, *, false_positives: float = 0.0, stray: bool = True
) -> Rewards:
    """Returns F1_c = 2 TP_c / (2 TP_c + FP_c + FN_c) minus w FP_c / (h w), counts being of pixels.

    The first class is the background, which has no reward. A single pixel of a class that is not in the mask
    makes its F1 0, and drawn answers have such pixels where an answer of the likeliest classes has none.

    Args:
        answer, truth: (B, h, w) indices of classes.
        classes: C, how many there are.
        false_positives: w, the weight of the rate of false pixels.
        stray: a class that is answered and not in the mask has that F1 of 0. If false, every class counts,
            and one that is not in the mask is worth 1 less w's penalty.
    """
    counts = _confusions(answer, truth, classes)
    hits = counts.diagonal(dim1=1, dim2=2)[:, 1:]
    true, said = counts.sum(2)[:, 1:], counts.sum(1)[:, 1:]
    f1 = 2 * hits / (true + said).clamp_min(1)
    rate = (said - hits) / (truth.shape[1] * truth.shape[2])
    if not stray:
        f1 = torch.where(true > 0, f1, torch.ones_like(f1))
    return Rewards(f1 - false_positives * rate, (true + said > 0) | (not stray))


def panoptic_rewards(answer: Tensor, truth: Tensor, classes: int, *, false_positives: float = 0.0) -> Rewards:
    """Returns PQ_c = (sum of IoU over TP) / (TP + FP / 2 + FN / 2) minus w FP / (TP + FP), of segments.

    A segment is a connected component, corners included, of a class's pixels. A segment of the answer and one
    of the truth match where their intersection over union is above 0.5; answered ones without a match are
    FP, true ones FN.

    Source: Kirillov et al., Panoptic segmentation, CVPR 2019; that false positives are counted by segments
    and not by pixels: Pinto et al., arXiv 2302.08242.

    Args:
        answer, truth, classes, false_positives: as of `f1_rewards`; w weighs the share of false segments.
    """
    pairs = list(zip(answer.cpu().numpy(), truth.cpu().numpy(), strict=True))
    rows = [
        [_quality(said == index, true == index, false_positives) for index in range(1, classes)]
        for said, true in pairs
    ]
    made = torch.tensor(rows, dtype=torch.float32, device=truth.device).reshape(len(pairs), classes - 1, 2)
    return Rewards(made[:, :, 0], made[:, :, 1] > 0)


def _confusions(answer: Tensor, truth: Tensor, classes: int) -> Tensor:
    """Pixels by picture, true class and answer: (B, C, C) float32."""
    pictures = torch.arange(len(truth), device=truth.device)[:, None, None]
    cells = (pictures * classes + truth.long()) * classes + answer.long()
    counts = torch.bincount(cells.flatten(), minlength=len(truth) * classes**2)
    return counts.reshape(len(truth), classes, classes).float()


def _quality(said: NDArray[np.bool_], true: NDArray[np.bool_], weight: float) -> tuple[float, float]:
    """The reward of one class in one picture, and 1 where it is in either mask."""
    (answers, found), (truths, wanted) = _segments(said), _segments(true)
    answered, known = answers - 1, truths - 1  # Without what is no segment.
    if not answered + known:
        return 0.0, 0.0
    both = np.zeros((answers, truths))
    np.add.at(both, (found.ravel(), wanted.ravel()), 1)
    union = both.sum(1)[1:, None] + both.sum(0)[None, 1:] - both[1:, 1:]
    overlap = both[1:, 1:] / np.maximum(union, 1)
    matches = overlap > _MATCH
    hits = int(matches.sum())
    quality = float(overlap[matches].sum()) / (0.5 * (answered + known))
    return quality - weight * (answered - hits) / max(answered, 1), 1.0


def _segments(mask: NDArray[np.bool_]) -> tuple[int, NDArray[np.int32]]:
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    return count, np.asarray(labels, np.int32)
