"""Proof that an exported file answers as the network it came from, from the crop's pixels on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import ExportError
from facetrust.fusion import of_faces, sigmoid
from facetrust.imaging import Pixels, to_tensor
from facetrust.imaging.crop import DARK, FLAT
from facetrust.model_file import check_shapes, open_session, read
from facetrust.records import ModelCard, Preprocessing, Record
from facetrust.tasks import task_named

if TYPE_CHECKING:
    import onnxruntime as ort
    from torch import nn

    from facetrust.export.runtimes import Session

FLOAT_TOLERANCE = 1e-4
INT8_TOLERANCE = 0.05
_INPUT_TOLERANCE = 1e-5  # Two ways to round in float32.
_NOTHING = np.zeros((0, 0, 0), np.float32)  # The evidence of a file that has none.
_CELL = 20  # A single cell may be off by more than the mean over all of them.


class Parity(Record):
    """How far a file is from its origin: greatest absolute differences over all faces.

    `scores` are of what the file answers with: scores in [0, 1], numbers of unit vectors, or class
    probabilities; `agreement` is then the share of pixels that get the same class. `inputs` and `evidence`
    are relative to the largest value if that is above 1; `own` is the score against the sigmoid of the
    file's own mean evidence.
    """

    faces: int
    inputs: float
    scores: float
    mean_scores: float
    evidence: float
    own: float
    tolerance: float
    agreement: float | None = None


def parity(
    model: nn.Module,
    card: ModelCard,
    path: Path,
    crops: Sequence[Pixels] | Pixels,
    *,
    tolerance: float = FLOAT_TOLERANCE,
) -> Parity:
    """Returns the differences between a network and its file, each fed by its own card.

    The network's side is normalised by arithmetic of its own in torch, the file's by what the
    runtime uses; the file's card is the one inside it.

    Args:
        crops: (N, h, w, 3) uint8 RGB, or (N, M, h, w, 3) for a card with M margins.
        tolerance: for scores; `INT8_TOLERANCE` is the stated figure for int8 files.

    Raises:
        ExportError: the inputs or the scores differ by more than the tolerance, the score is not
            that of the evidence, or a face scored alone is not what it is in a batch.
        ModelError: the file cannot be read.
    """
    _, inside = read(path)
    return compare(model, card, open_session(path), inside, crops, tolerance=tolerance, name=str(path))


def compare(
    model: nn.Module,
    card: ModelCard,
    session: ort.InferenceSession,
    inside: ModelCard,
    crops: Sequence[Pixels] | Pixels,
    *,
    tolerance: float = FLOAT_TOLERANCE,
    name: str = "the exported graph",
) -> Parity:
    """Returns what `parity` does, for an open session and the card that travels with it."""
    output = task_named(card.task).output
    faces = as_faces(crops, card.preprocessing)
    ours = _torch_inputs(faces, card.preprocessing)
    theirs = inputs_of(faces, inside.preprocessing, name)
    check_shapes(session, inside, output=output, source=Path(name))
    margins = faces.shape[1]
    expected, evidence = _torch_answers(model, ours, output=output, margins=margins)
    found, maps = answers_of(session, theirs, margins=margins, output=output)
    if maps.shape != evidence.shape:
        raise ExportError(f"{name}: evidence is {maps.shape[1:]} per crop, its origin's {evidence.shape[1:]}")
    if found.shape != expected.shape:
        raise ExportError(f"{name}: answers with {found.shape[1:]} per face, its origin {expected.shape[1:]}")
    difference = np.abs(found - expected)
    scores = output == "score"
    report = Parity(
        faces=len(faces),
        inputs=float(np.abs(ours - theirs).max() / max(1.0, float(np.abs(ours).max()))),
        scores=float(difference.max()),
        mean_scores=float(difference.mean()),
        evidence=float(np.abs(maps - evidence).max() / max(1.0, float(np.abs(evidence).max())))
        if scores
        else 0.0,
        own=_own_difference(session, theirs) if scores else 0.0,
        tolerance=tolerance,
        agreement=float((found.argmax(1) == expected.argmax(1)).mean()) if output == "classes" else None,
    )
    _judge(report, name)
    _check_alone(session, theirs, tolerance=tolerance, name=name, output=output)
    return report


def _judge(report: Parity, name: str) -> None:
    # A NaN compares false with everything, so it is asked whether each is small enough.
    if not report.inputs <= _INPUT_TOLERANCE:
        raise ExportError(
            f"{name}: its card prepares pixels differently (inputs differ by {report.inputs:.3g} of their "
            "range); export it again from the checkpoint"
        )
    if not report.scores <= report.tolerance:
        raise ExportError(
            f"{name}: scores differ from the network's by up to {report.scores:.3g} on {report.faces} faces "
            f"(mean {report.mean_scores:.3g}); allowed are {report.tolerance:g}"
        )
    if not report.evidence <= _CELL * report.tolerance:
        raise ExportError(
            f"{name}: a cell of the evidence is off by {report.evidence:.3g} of its range; "
            f"allowed are {_CELL * report.tolerance:g}"
        )
    if not report.own <= FLOAT_TOLERANCE:
        raise ExportError(
            f"{name}: the score is not the sigmoid of the mean evidence (off by {report.own:.3g})"
        )


def as_faces(crops: Sequence[Pixels] | Pixels, how: Preprocessing) -> NDArray[np.uint8]:
    """Returns crops as (N, M, h, w, 3) uint8, checked against a card.

    Raises:
        ExportError: none given, another size, kind or number of crops per face.
    """
    wanted = f"(N, {len(how.margins)}, {how.size[0]}, {how.size[1]}, 3) uint8"
    sizes = {crop.shape for crop in crops}
    if not sizes:
        raise ExportError(f"no crops are given, wanted is {wanted}")
    if len(sizes) > 1:
        raise ExportError(f"crops have {len(sizes)} shapes, wanted is {wanted}")
    faces = np.asarray(crops)
    if faces.ndim == 4 and len(how.margins) == 1:
        faces = faces[:, None]
    if faces.dtype != np.uint8 or faces.shape[1:] != (len(how.margins), *how.size, 3):
        raise ExportError(f"crops are {faces.shape} {faces.dtype}, wanted is {wanted}")
    return faces


def inputs_of(faces: NDArray[np.uint8], how: Preprocessing, name: str) -> NDArray[np.float32]:
    """Returns (N * M, 3, h, w) float32 as the runtime makes it from crops (N, M, h, w, 3).

    Raises:
        ExportError: the card wants crops of another size or number.
    """
    if faces.shape[1:4] != (len(how.margins), *how.size):
        raise ExportError(
            f"{name}: its card wants {len(how.margins)} crops of {how.size}, not {faces.shape[1:4]}"
        )
    return np.stack([to_tensor(crop, how) for face in faces for crop in face])


def answers_of(
    session: ort.InferenceSession | Session,
    inputs: NDArray[np.float32],
    *,
    margins: int = 1,
    batch: int = 32,
    output: str = "score",
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Returns the file's answers (N, ...) and its evidence (N * M, gh, gw) for inputs (N * M, 3, h, w).

    Evidence is empty where the output is no score.
    """
    wanted = ["score", "evidence"] if output == "score" else [output]
    parts = [
        session.run(wanted, {"image": inputs[start : start + batch]})
        for start in range(0, len(inputs), batch)
    ]
    values = np.concatenate([part[0] for part in parts]).astype(np.float64)
    if output != "score":
        return of_faces(values.reshape(-1, margins, *values.shape[1:]), output), _NOTHING
    maps = np.concatenate([part[1] for part in parts])
    if margins == 1:
        return values, maps
    return sigmoid(maps.mean((1, 2), dtype=np.float64).reshape(-1, margins).mean(1)), maps


def _torch_inputs(faces: NDArray[np.uint8], how: Preprocessing) -> NDArray[np.float32]:
    import torch

    pixels = torch.from_numpy(faces.reshape(-1, *faces.shape[2:]).copy()).permute(0, 3, 1, 2).double()
    if how.color == "BGR":
        pixels = pixels.flip(1)
    mean, std = (torch.tensor(values, dtype=torch.float64).view(1, 3, 1, 1) for values in (how.mean, how.std))
    if how.grey_world:
        level = pixels.mean((2, 3), keepdim=True).div(255).clamp_min(DARK)
        pixels = pixels * (level.mean(1, keepdim=True) / level)
    normal = (pixels * (how.top / 255.0) - mean) / std
    if how.standardize:
        spread, middle = torch.std_mean(normal, dim=(1, 2, 3), correction=0, keepdim=True)
        normal = (normal - middle) / spread.clamp_min(FLAT)
    return np.asarray(normal.float().numpy())


def _torch_answers(
    model: nn.Module, inputs: NDArray[np.float32], *, output: str, margins: int, batch: int = 32
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """The network's answers (N, ...) and evidence, by arithmetic of its own in torch."""
    import torch
    from torch.nn import functional

    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    modes = [(part, part.training) for part in model.modules()]
    model.eval()
    with torch.inference_mode():
        answers = [
            model(torch.from_numpy(inputs[i : i + batch]).to(device)) for i in range(0, len(inputs), batch)
        ]
    for part, training in modes:
        part.training = training
    if output == "score":
        logits = torch.cat([answer.logit.double().cpu() for answer in answers])
        maps = np.concatenate([answer.evidence.float().cpu().numpy() for answer in answers])
        return logits.reshape(-1, margins).mean(1).sigmoid().numpy(), maps
    if output == "embedding":
        each = functional.normalize(torch.cat([answer.embedding.double().cpu() for answer in answers]))
        return functional.normalize(each.reshape(-1, margins, each.shape[1]).mean(1)).numpy(), _NOTHING
    each = torch.cat([answer.logits.double().cpu() for answer in answers]).softmax(1)
    return each.reshape(-1, margins, *each.shape[1:]).mean(1).numpy(), _NOTHING


def _own_difference(session: ort.InferenceSession, inputs: NDArray[np.float32]) -> float:
    scores, maps = answers_of(session, inputs)
    return float(np.abs(scores - sigmoid(maps.mean((1, 2), dtype=np.float64))).max())


def _check_alone(
    session: ort.InferenceSession, inputs: NDArray[np.float32], *, tolerance: float, name: str, output: str
) -> None:
    together, _ = answers_of(session, inputs[:3], output=output)
    alone = np.concatenate([answers_of(session, one[None], output=output)[0] for one in inputs[:3]])
    if not (off := float(np.abs(together - alone).max())) <= tolerance:
        raise ExportError(f"{name}: a face alone scores {off:.3g} away from itself in a batch")
