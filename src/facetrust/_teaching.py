"""Asks the teachers once about every training picture, where what they see stays the same in every epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from facetrust.data.dataset import FaceData, collate
from facetrust.records import Preprocessing, Sample, write_whole
from facetrust.tasks.distill import Distill


def ask(
    task: Distill,
    samples: Sequence[Sample],
    views: Mapping[str, Preprocessing],
    *,
    cache: Path,
    batch_size: int = 64,
    workers: int = 0,
) -> NDArray[np.float32]:
    """Returns the teachers' averaged logit (N,) of every sample, NaN where the picture cannot be read.

    Args:
        task: holds the teachers.
        samples: rows with absolute paths.
        views: preprocessing by view; only the teachers' are used.
        cache: file that keeps the answers, so that a resumed run does not ask again. It belongs to
            one run folder, whose recipe cannot change.
    """
    if cache.is_file():
        known: NDArray[np.float32] = np.load(cache, allow_pickle=False)
        if len(known) == len(samples):
            return known
    seen = {name: how for name, how in views.items() if name in task.teachers}
    loader = DataLoader(
        FaceData(samples, views=seen), batch_size=batch_size, num_workers=workers, collate_fn=collate
    )
    answers = np.full(len(samples), np.nan, np.float32)
    for batch in loader:
        if len(batch["index"]):
            answers[batch["index"].numpy()] = task.teacher_logits(batch["views"]).cpu().numpy()

    def save(part: Path) -> None:
        with part.open("wb") as file:
            np.save(file, answers)

    write_whole(cache, save)
    return answers
