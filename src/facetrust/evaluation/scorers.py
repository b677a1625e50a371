"""A model becomes a scorer: a bundled model's name, an .onnx file, or a run folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facetrust.data.classes import Merge, merged_answer, merged_names
from facetrust.errors import ImageError, UsageError
from facetrust.imaging import Pixels, box_of
from facetrust.records import ModelCard, Sample
from facetrust.tasks import task_named

Answer = float | NDArray[np.float64] | ImageError
Reader = Callable[[Sample], tuple[Pixels, Sample]]
Scorer = Callable[[list[Sample], Reader], Iterator[Answer]]


def open_scorer(
    model: str | Path, *, batch: int = 64, workers: int = 0, flip: bool = False
) -> tuple[ModelCard, Scorer]:
    """Returns a model's card and its scorer.

    A scorer takes rows with absolute paths and a function that reads a row's picture. It yields one answer
    per row, in their order: the score (or the embedding, or class probabilities), or the error of a picture
    that cannot be read.

    Args:
        model: a run folder (runs in torch), an `.onnx` file or a bundled model's name (run by the
            runtime, as when serving).
        batch: faces at once, and `workers` processes that read them; for a run folder.
        flip: answer with the sum of the embeddings of a face and of its mirror image.

    Raises:
        UnknownName: no model of that name.
        UsageError: `flip` for a model that gives no embeddings.
        ModelError: the model is missing, altered or unfinished.
    """
    if Path(model).is_dir():
        return open_run(Path(model), batch=batch, workers=workers, flip=flip)
    from facetrust.runtime.model import load_model

    opened = load_model(model, decides=False)  # A threshold is fitted on its scores, later.
    _check_flip(opened.card, flip=flip)

    def score(rows: list[Sample], read: Reader) -> Iterator[Answer]:
        for row in rows:
            try:
                image, shown = read(row)
            except ImageError as error:
                yield error
            else:
                points = None if shown.points is None else [shown.points]
                crops = opened.crops(image, [box_of(shown, image)], points)
                if flip:
                    crops = np.concatenate([crops, crops[..., ::-1]])
                value = opened.answer(crops).values.sum(0)
                yield float(value) if opened.task.output == "score" else value

    return opened.card, score


def open_run(
    folder: Path, *, batch: int = 64, workers: int = 0, weights: Path | None = None, flip: bool = False
) -> tuple[ModelCard, Scorer]:
    """Returns what `open_scorer` does, for a run folder.

    Args:
        folder: of a finished run.
        batch: faces at once, and `workers` processes that read them.
        weights: a .safetensors file of the same network, to score with instead of the run's.
        flip: as `open_scorer`.

    Raises:
        UsageError: `flip` for a model that gives no embeddings.
        ModelError: the run is missing, altered or unfinished.
    """
    import torch
    from safetensors.torch import load_file
    from torch.utils.data import DataLoader

    from facetrust.data.batches import collate
    from facetrust.data.dataset import FaceData
    from facetrust.data.targets import Unasked
    from facetrust.models import answers, load_checkpoint

    model, card = load_checkpoint(folder)
    _check_flip(card, flip=flip)
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
                # In whole single precision, so that a GPU says what a CPU says.
                with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
                    crops = faces["views"]["student"].to(device)
                    judged = answers(model, crops)
                    judged = (judged + answers(model, crops.flip(-1)) if flip else judged).cpu()
                values = iter(judged.tolist() if judged.ndim == 1 else judged.numpy())
            for _ in range(len(faces["target"]) + len(faces["failed"])):
                path = next(waiting).path
                yield ImageError(failed[path]) if path in failed else next(values)

    return card, score


def merging(card: ModelCard, scorer: Scorer, merge: Merge) -> tuple[ModelCard, Scorer]:
    """Returns the card and the scorer with classes merged: both are the same where nothing is to be merged.

    Raises:
        UsageError: the model does not answer with classes, or one of them is to be left out.
    """
    if not merge:
        return card, scorer
    if not card.classes:
        raise UsageError(f"{card.title}: gives no classes, which alone are merged")

    def score(rows: list[Sample], read: Reader) -> Iterator[Answer]:
        for answer in scorer(rows, read):
            if isinstance(answer, np.ndarray):
                answer = merged_answer(answer, card.classes, merge)
            yield answer

    return card.model_copy(update={"classes": merged_names(card.classes, merge)}), score


def _check_flip(card: ModelCard, *, flip: bool) -> None:
    if flip and task_named(card.task).output != "embedding":
        raise UsageError(f"{card.title}: gives no embeddings, which alone are added over mirror images")
