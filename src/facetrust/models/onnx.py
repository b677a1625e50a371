"""An exported network (ONNX) as a module: a teacher, or something to be evaluated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from facetrust.errors import MissingExtra, ModelError
from facetrust.models._output import Score
from facetrust.records import ModelCard

_EPSILON = 1e-7


def onnx(path: str | Path) -> OnnxModel:
    """Returns the network in an ONNX file of our convention, with its card as `.card`.

    Input `image` (B, 3, h, w), outputs `score` (B,) in [0, 1] and, if it has one, `evidence`
    (B, gh, gw). The card is `<stem>.json` beside the file, then the file's hash must be the card's,
    or else the text under `facetrust.card` in the file's metadata.

    Raises:
        ModelError: missing, altered, not ONNX, without card, or of another convention.
    """
    return OnnxModel(Path(path))


class OnnxModel(nn.Module):
    """Runs on the CPU through ONNX Runtime; has no parameters and passes no gradient."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        try:
            import onnxruntime
        except ImportError:
            raise MissingExtra("onnxruntime", "train") from None
        if not path.is_file():
            raise ModelError(f"{path}: no such model file")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime has one exception class per status code.
            raise ModelError(f"{path}: is not an ONNX model ({str(error).splitlines()[0][:120]})") from None
        names = {entry.name for entry in self._session.get_outputs()}
        inputs = [entry.name for entry in self._session.get_inputs()]
        if inputs != ["image"] or "score" not in names:
            raise ModelError(
                f"{path}: has inputs {inputs} and outputs {sorted(names)}; needed are image and score"
            )
        self.card = _card(path, self._session)
        self._outputs = ["score", "evidence"] if "evidence" in names else ["score"]

    def forward(self, images: Tensor) -> Score:
        """Returns logits (B,) and evidence (B, gh, gw), or (B, 1, 1) if the file has none."""
        pixels = np.ascontiguousarray(images.detach().cpu().numpy(), dtype=np.float32)
        found = self._session.run(self._outputs, {"image": pixels})
        if len(found) == 2:
            evidence = torch.from_numpy(found[1])
            return Score(evidence.mean((1, 2)).to(images.device), evidence.to(images.device))
        logit = torch.logit(torch.from_numpy(found[0]).reshape(-1), eps=_EPSILON).to(images.device)
        return Score(logit, logit[:, None, None])


def _card(path: Path, session: object) -> ModelCard:
    beside = path.with_suffix(".json")
    if beside.is_file():
        card = ModelCard.from_json(beside.read_bytes(), str(beside))
        card.verify(path)
        return card
    text = session.get_modelmeta().custom_metadata_map.get("facetrust.card")  # type: ignore[attr-defined]
    if text is None:
        raise ModelError(
            f"{path}: has no card, neither inside nor as {beside.name} beside it; export it again"
        )
    return ModelCard.from_json(text, str(path))
