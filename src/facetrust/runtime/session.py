"""Opens an exported model with its card and scores faces with it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetrust.errors import ModelError, UnknownName
from facetrust.imaging import Pixels, crop_face, to_tensor
from facetrust.records import Box, ModelCard
from facetrust.runtime._sessions import open_session

if TYPE_CHECKING:
    import onnxruntime as ort

CARD_KEY = "facetrust.card"
_EPSILON = 1e-7


class Scored(NamedTuple):
    """Scores (N,) in [0, 1], and evidence (N, M, gh, gw) per face and margin, if the model has any."""

    scores: NDArray[np.float64]
    evidence: NDArray[np.float32] | None


def bundled() -> list[str]:
    """Returns the names of the models that come with the package, sorted."""
    return sorted(path.stem for path in _assets().glob("*.onnx"))


def load_model(name: str | Path, *, threads: int = 1, batch: int = 32) -> Model:
    """Returns a bundled model by its name, or the model in an .onnx file.

    The card beside the file (`<stem>.json`) wins, and the file must have the SHA-256 that it states.
    Without one the card inside the file is taken, which cannot vouch for the file it travels in.

    Args:
        threads: threads inside one operator; 0 lets ONNX Runtime take every core.
        batch: most crops that go through the network at once.

    Raises:
        UnknownName: no bundled model of that name; the message gives the nearest one.
        ModelError: missing, altered, not ONNX, without a card, or not fed as its card says.
    """
    path = _locate(name)
    beside = path.with_suffix(".json")
    card = None
    if beside.is_file():
        card = ModelCard.from_json(beside.read_bytes(), str(beside))
        card.verify(path)
    session = open_session(path, threads=threads)
    if card is None:
        card = _card_inside(session, path)
    _compare(session, card, path)
    return Model(session, card, batch=batch)


class Model:
    """A network and the card that says how to feed it. Comes from `load_model`."""

    def __init__(self, session: ort.InferenceSession, card: ModelCard, *, batch: int = 32) -> None:
        self.card = card
        self._session = session
        self._batch = batch
        self._has_evidence = "evidence" in [entry.name for entry in session.get_outputs()]

    @property
    def name(self) -> str:
        """The name as verdicts carry it: `name@version`."""
        return f"{self.card.name}@{self.card.version}"

    @property
    def threshold(self) -> float:
        """The first threshold of the card, or 0.5 if none was fitted."""
        return self.card.thresholds[0].value if self.card.thresholds else 0.5

    def crops(self, image: Pixels, boxes: Sequence[Box]) -> NDArray[np.float32]:
        """Returns what the network is fed: (N, M, 3, h, w) for N boxes and the card's M margins.

        Args:
            image: (H, W, 3) uint8 RGB, upright.
            boxes: x, y, w, h in pixels; may reach outside the image.
        """
        how = self.card.preprocessing
        made = np.empty((len(boxes), len(how.margins), 3, *how.size), np.float32)
        for row, box in enumerate(boxes):
            for column, margin in enumerate(how.margins):
                made[row, column] = to_tensor(crop_face(image, box, how, margin=margin), how)
        return made

    def score(self, image: Pixels, boxes: Sequence[Box]) -> NDArray[np.float64]:
        """Returns the scores (N,) of the faces in `boxes`, in [0, 1]; the card says what higher means."""
        return self.score_crops(self.crops(image, boxes)).scores

    def score_with_evidence(self, image: Pixels, boxes: Sequence[Box]) -> Scored:
        """Returns the scores of the faces in `boxes` and where in each crop they come from."""
        return self.score_crops(self.crops(image, boxes), evidence=True)

    def score_crops(self, crops: NDArray[np.float32], *, evidence: bool = False) -> Scored:
        """Returns the scores of crops (N, M, 3, h, w) or (N, 3, h, w): sigmoids of the mean logits over M."""
        if crops.ndim == 4:
            crops = crops[:, None]
        count, margins = crops.shape[:2]
        wanted = ["score", "evidence"] if evidence and self._has_evidence else ["score"]
        if not count:
            return Scored(np.empty(0), None)
        flat = crops.reshape(-1, *crops.shape[2:])
        parts = [
            self._session.run(wanted, {"image": flat[start : start + self._batch]})
            for start in range(0, len(flat), self._batch)
        ]
        scores = np.concatenate([part[0] for part in parts]).astype(np.float64).reshape(count, margins)
        maps = np.concatenate([part[1] for part in parts]) if len(wanted) == 2 else None
        return Scored(
            _pooled(scores), None if maps is None else maps.reshape(count, margins, *maps.shape[1:])
        )


def _pooled(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, M) scores to (N,): the sigmoid of the mean logit."""
    if scores.shape[1] == 1:
        return scores[:, 0]
    clipped = np.clip(scores, _EPSILON, 1 - _EPSILON)
    logits = np.log(clipped / (1 - clipped)).mean(axis=1)
    return np.asarray(1 / (1 + np.exp(-logits)), dtype=np.float64)


def _assets() -> Path:
    return Path(str(files("facetrust"))) / "assets"


def _locate(name: str | Path) -> Path:
    """The file of a bundled name or a path."""
    path = Path(name)
    if isinstance(name, str) and name in bundled():
        return _assets() / f"{name}.onnx"
    if isinstance(name, str) and path.suffix != ".onnx" and path.name == name and not path.exists():
        raise UnknownName("bundled model", name, bundled())
    if path.is_dir():
        raise ModelError(
            f"{path}: is a folder; give an .onnx file, which facetrust export makes of a checkpoint"
        )
    if not path.is_file():
        raise ModelError(f"{path}: no such model file")
    return path


def _card_inside(session: ort.InferenceSession, path: Path) -> ModelCard:
    text = session.get_modelmeta().custom_metadata_map.get(CARD_KEY)
    if text is None:
        raise ModelError(
            f"{path}: has no card, neither {path.stem}.json beside it nor one inside; "
            "make one with: facetrust import-checkpoint"
        )
    return ModelCard.from_json(text, str(path))


def _compare(session: ort.InferenceSession, card: ModelCard, path: Path) -> None:
    """Raises ModelError unless the network takes what the card says and answers with a score."""
    inputs = {entry.name: entry.shape for entry in session.get_inputs()}
    outputs = [entry.name for entry in session.get_outputs()]
    if list(inputs) != ["image"] or "score" not in outputs:
        raise ModelError(
            f"{path}: has inputs {list(inputs)} and outputs {outputs}; needed are 'image' and 'score'; "
            "make such a file with: facetrust import-checkpoint"
        )
    expected = (3, *card.preprocessing.size)
    shape = inputs["image"][1:]
    if len(shape) != 3 or any(isinstance(a, int) and a != b for a, b in zip(shape, expected, strict=True)):
        raise ModelError(f"{path}: takes images of {shape}, its card says {list(expected)}")
