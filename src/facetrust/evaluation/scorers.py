"""A model becomes a scorer: a bundled model's name, an .onnx file, or a run folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import ImageError
from facetrust.imaging import Pixels, box_of
from facetrust.records import ModelCard, Sample

Answer = float | NDArray[np.float64] | ImageError
Reader = Callable[[Sample], tuple[Pixels, Sample]]
Scorer = Callable[[list[Sample], Reader], Iterator[Answer]]


def open_scorer(model: str | Path, *, batch: int = 64, workers: int = 0) -> tuple[ModelCard, Scorer]:
    """Returns a model's card and its scorer.

    A scorer takes rows with absolute paths and a function that reads a row's picture. It yields one answer
    per row, in their order: the score (or the embedding, or class probabilities), or the error of a picture
    that cannot be read.

    Args:
        model: a run folder (runs in torch), an `.onnx` file or a bundled model's name (run by the
            runtime, as when serving).
        batch: faces at once, and `workers` processes that read them; for a run folder.

    Raises:
        UnknownName: no bundled model of that name.
        ModelError: the model is missing, altered or unfinished.
    """
    if Path(model).is_dir():
        return open_run(Path(model), batch=batch, workers=workers)
    from facetrust.runtime.model import load_model

    opened = load_model(model, decides=False)  # A threshold is fitted on its scores, later.

    def score(rows: list[Sample], read: Reader) -> Iterator[Answer]:
        for row in rows:
            try:
                image, shown = read(row)
            except ImageError as error:
                yield error
            else:
                points = None if shown.points is None else [shown.points]
                (value,) = opened.answer(opened.crops(image, [box_of(shown, image)], points)).values
                yield float(value) if opened.task.output == "score" else value

    return opened.card, score


def open_run(
    folder: Path, *, batch: int = 64, workers: int = 0, weights: Path | None = None
) -> tuple[ModelCard, Scorer]:
    """Returns what `open_scorer` does, for a run folder.

    Args:
        folder: of a finished run.
        batch: faces at once, and `workers` processes that read them.
        weights: a .safetensors file of the same network, to score with instead of the run's.

    Raises:
        ModelError: the run is missing, altered or unfinished.
    """
    import torch
    from safetensors.torch import load_file
    from torch.utils.data import DataLoader

    from facetrust.data.dataset import FaceData, collate
    from facetrust.data.targets import Unasked
    from facetrust.models import answers, load_checkpoint

    model, card = load_checkpoint(folder)
    if weights is not None:
        model.load_state_dict(load_file(weights))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.to(device)

    def score(rows: list[Sample], read: Reader) -> Iterator[Answer]:
        data = FaceData(rows, views={"student": card.preprocessing}, read=read, target=Unasked())
        waiting = iter(rows)
        for faces in DataLoader(data, batch, num_workers=workers, collate_fn=collate):
            failed = {entry.path: entry.reason for entry in faces["failed"]}
            values: Iterator[Any] = iter(())
            if len(faces["target"]):
                with torch.no_grad():
                    judged = answers(model, faces["views"]["student"].to(device)).cpu()
                values = iter(judged.tolist() if judged.ndim == 1 else judged.numpy())
            for _ in range(len(faces["target"]) + len(faces["failed"])):
                path = next(waiting).path
                yield ImageError(failed[path]) if path in failed else next(values)

    return card, score
