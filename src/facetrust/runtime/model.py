"""An exported model with its card, which faces and pictures are put to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetrust import model_file
from facetrust.errors import ModelError, UnknownName, UsageError
from facetrust.fusion import of_faces
from facetrust.imaging import Pixels, inputs_of
from facetrust.imaging.crop import Points
from facetrust.records import Box, Embedding, ModelCard, Parts, Policy, Threshold, Verdict, sha256_of
from facetrust.tasks import Task, judge_of, task_named

if TYPE_CHECKING:
    import onnxruntime as ort

Judgement = Verdict | Embedding | Parts

USER = "user"  # The rule of a threshold that was given by hand.


class Answers(NamedTuple):
    """What a model says of N faces, and where in each crop that comes from.

    values: scores (N,) in [0, 1], embeddings (N, d) of unit length, or class probabilities (N, C, h, w).
    evidence: (N, M, gh, gw) per face and margin, if the model has any and it was asked for.
    """

    values: NDArray[np.float64]
    evidence: NDArray[np.float32] | None


def load_model(name: str | Path, *, threads: int = 1, batch: int = 32, decides: bool = True) -> Model:
    """Returns a model by its name, bundled or kept by the user, or the model in an .onnx file.

    The card beside the file (`<stem>.json`) wins, and the file must have the SHA-256 that it states.
    Without one the card inside the file is taken, which cannot vouch for the file it travels in.

    Args:
        threads: threads inside one operator; 0 lets ONNX Runtime take every core.
        batch: most crops that go through the network at once.
        decides: whether its scores are to be decided by; a card without a threshold is refused then.

    Raises:
        UnknownName: no model of that name; the message gives the nearest one.
        ModelError: missing, altered, not ONNX, without a card, or not fed as its card says.
    """
    path = model_file.locate(name)
    session, card = model_file.open_model(path, threads=threads)
    if not card.sha256:  # That inside the file cannot say it.
        card = card.model_copy(update={"weights": path.name, "sha256": sha256_of(path)})
    try:
        task = task_named(card.task)
    except UnknownName as error:
        raise ModelError(f"{path}: its card is for another question ({error})") from None
    if decides and task.output == "score":
        _ = card.threshold  # A model that cannot decide is refused before anything is asked of it.
    model_file.check_shapes(session, card, output=task.output, source=path)
    model_file.probe(session, card, output=task.output, source=path)
    return Model(session, card, graph=model_file.graph_hash(path), batch=batch)


class Model:
    """A network and the card that says how to feed it. Comes from `load_model`."""

    def __init__(
        self, session: ort.InferenceSession, card: ModelCard, *, graph: str, batch: int = 32
    ) -> None:
        self.card = card
        self._graph = graph
        self._session = session
        self._batch = batch
        self._has_evidence = "evidence" in [entry.name for entry in session.get_outputs()]

    @property
    def name(self) -> str:
        """The name as verdicts carry it: `name@version`."""
        return self.card.title

    @cached_property
    def fingerprint(self) -> str:
        """What its answers hang on, as hexadecimal SHA-256: the network and the preprocessing.

        Thresholds and limits do not count, and neither does the card inside the file. Preprocessing counts
        as far as it is not the default, so that a field that is added changes nothing.
        """
        preprocessing = self.card.preprocessing.model_dump_json(exclude_defaults=True)
        return hashlib.sha256(f"{self._graph}\n{preprocessing}".encode()).hexdigest()

    @cached_property
    def task(self) -> Task:
        """The question that the model answers."""
        return task_named(self.card.task)

    @property
    def threshold(self) -> float:
        """The value that decides; see `ModelCard.threshold`."""
        return self.card.threshold

    @property
    def decides(self) -> bool:
        """Whether it gives scores that count: those of an advisory model are shown and decide nothing."""
        return self.task.output == "score" and not self.card.advisory

    def with_threshold(self, value: float) -> Model:
        """Returns the same network deciding at the user's threshold.

        Raises:
            UsageError: the model gives no score, or the value is not above 0 and below 1.
        """
        if self.task.output != "score":
            raise UsageError(f"threshold for {self.task.name}: its models give no score to decide by")
        if not 0 < value < 1:
            raise UsageError(f"threshold for {self.task.name}: {value} is not above 0 and below 1")
        own = Threshold(value=value, rule=USER, manifest="none", split="dev")
        return self._deciding(own)

    def with_policy(self, policy: Policy) -> Model:
        """Returns the same network deciding at its card's threshold for a policy: `ModelCard.threshold_for`.

        Raises:
            UsageError: the model gives no score, no such policy, or its card has no threshold for it.
        """
        if self.task.output != "score":
            raise UsageError(f"policy for {self.task.name}: its models give no score to decide by")
        return self._deciding(self.card.threshold_for(policy))

    def _deciding(self, threshold: Threshold) -> Model:
        rest = tuple(each for each in self.card.thresholds if each != threshold)
        card = self.card.model_copy(update={"thresholds": (threshold, *rest)})
        return Model(self._session, card, graph=self._graph, batch=self._batch)

    def crops(
        self, image: Pixels, boxes: Sequence[Box], points: Sequence[Points] | None = None
    ) -> NDArray[np.float32]:
        """Returns what the network is fed: (N, M, 3, h, w) for N boxes and the card's M margins.

        Args:
            image: (H, W, 3) uint8 RGB, upright.
            boxes: x, y, w, h in pixels; may reach outside the image.
            points: five per box, which a card that asks for aligned faces needs.

        Raises:
            ImageError: a face cannot be aligned.
        """
        preprocessing = self.card.preprocessing
        made = np.empty((len(boxes), len(preprocessing.margins), 3, *preprocessing.size), np.float32)
        for row, box in enumerate(boxes):
            made[row] = inputs_of(image, box, preprocessing, points=points[row] if points else None)
        return made

    def score(self, image: Pixels, boxes: Sequence[Box]) -> NDArray[np.float64]:
        """Returns the answers about the faces in `boxes`: for scores (N,) in [0, 1], see the card."""
        return self.answer(self.crops(image, boxes)).values

    def score_with_evidence(self, image: Pixels, boxes: Sequence[Box]) -> Answers:
        """Returns the scores of the faces in `boxes` and where in each crop they come from."""
        return self.answer(self.crops(image, boxes), evidence=True)

    def answer_faces(
        self,
        image: Pixels,
        boxes: Sequence[Box],
        points: Sequence[Points] | None = None,
        *,
        evidence: bool = False,
    ) -> Answers:
        """Returns `answer(crops(image, boxes, points))`; few crops are in memory at a time."""
        parts = []
        for start in range(0, len(boxes), self._batch):
            rows = slice(start, start + self._batch)
            crops = self.crops(image, boxes[rows], points[rows] if points else None)
            parts.append(self.answer(crops, evidence=evidence))
        if not parts:
            return Answers(np.empty(0), None)
        maps = [part.evidence for part in parts if part.evidence is not None]
        return Answers(
            np.concatenate([part.values for part in parts]), np.concatenate(maps) if maps else None
        )

    def answer(self, crops: NDArray[np.float32], *, evidence: bool = False) -> Answers:
        """Returns the answers to crops (N, M, 3, h, w) or (N, 3, h, w), one per face.

        Several crops of a face become one answer: scores by their mean logit, embeddings and
        probabilities by their mean.

        Raises:
            ModelError: the network fails, or answers with a value that is not finite.
        """
        if crops.ndim == 4:
            crops = crops[:, None]
        count, margins = crops.shape[:2]
        wanted = [self.task.output, *(["evidence"] if evidence and self._has_evidence else [])]
        if not count:
            return Answers(np.empty(0), None)
        flat = crops.reshape(-1, *crops.shape[2:])
        parts = [
            model_file.run(self._session, wanted, flat[start : start + self._batch], source=self.name)
            for start in range(0, len(flat), self._batch)
        ]
        values = np.concatenate([part[0] for part in parts]).astype(np.float64)
        if not np.isfinite(values).all():
            raise ModelError(f"{self.name}: answered with a value that is not finite; it cannot be used")
        if self.task.output == "score" and not ((values >= 0) & (values <= 1)).all():
            raise ModelError(f"{self.name}: answered with a score outside 0 to 1; it cannot be used")
        maps = np.concatenate([part[1] for part in parts]) if len(wanted) == 2 else None
        return Answers(
            of_faces(values.reshape(count, margins, *values.shape[1:]), self.task.output),
            None if maps is None else maps.reshape(count, margins, *maps.shape[1:]),
        )

    def judge(self, value: NDArray[np.float64] | float) -> Judgement:
        """Returns one face's answer as the task judges it: a verdict, an embedding, or parts."""
        judged: Judgement = judge_of(self.card.task)(value, self.card)
        return judged


def by_kind(judgements: Iterable[Judgement]) -> dict[str, tuple[Any, ...]]:
    """Returns judgements as the fields of a face or a report: `verdicts`, `embeddings`, `parts`."""
    each = list(judgements)
    kinds = {"verdicts": Verdict, "embeddings": Embedding, "parts": Parts}
    return {name: tuple(one for one in each if isinstance(one, kind)) for name, kind in kinds.items()}
