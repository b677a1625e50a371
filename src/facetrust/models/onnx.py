"""An exported network (ONNX) as a module: a teacher, or something to be evaluated."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from facetrust import model_file
from facetrust.errors import ModelError
from facetrust.models._output import Classes, Embedding, Score

_EPSILON = 1e-7


def onnx(path: str | Path) -> OnnxModel:
    """Returns the network in an ONNX file or of a bundled name, its card as `.card`.

    Input `image` (B, 3, h, w), outputs `score` (B,) in [0, 1] and, if it has one, `evidence`
    (B, gh, gw); or `embedding` (B, d); or `classes` (B, C, h, w), probabilities.
    `facetrust.model_file.open_model` says where the card comes from.

    Raises:
        UnknownName: no model of that name.
        ModelError: missing, altered, not ONNX, without card, or of another convention.
    """
    return OnnxModel(model_file.locate(path))


class OnnxModel(nn.Module):
    """Runs on the CPU through ONNX Runtime; has no parameters and passes no gradient."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        # PyTorch may be set to more threads than there are cores.
        threads = min(torch.get_num_threads(), os.cpu_count() or 1)
        self._session, self.card = model_file.open_model(path, threads=threads)
        names = [entry.name for entry in self._session.get_outputs()]
        output = next((name for name in ("classes", "embedding") if name in names), "score")
        model_file.check_shapes(self._session, self.card, output=output, source=path)
        wanted = ("score", "evidence") if output == "score" else (output,)
        self._outputs = [name for name in wanted if name in names]

    def forward(self, images: Tensor) -> Score | Embedding | Classes:
        """Returns logits (B,) and evidence (B, gh, gw), or (B, 1, 1); embeddings (B, d); or class logits."""
        pixels = np.ascontiguousarray(images.detach().cpu().numpy(), dtype=np.float32)
        answer, *maps = model_file.run(self._session, self._outputs, pixels, source=self.card.title)
        if self._outputs == ["embedding"]:
            return Embedding(torch.from_numpy(answer).to(images.device))
        if self._outputs == ["classes"]:
            return Classes(torch.from_numpy(answer).clamp_min(_EPSILON).log().to(images.device))
        if maps:
            evidence = torch.from_numpy(maps[0])
            return Score(evidence.mean((1, 2)).to(images.device), evidence.to(images.device))
        logit = torch.logit(torch.from_numpy(answer).reshape(-1), eps=_EPSILON).to(images.device)
        return Score(logit, logit[:, None, None])

    def answer(self, images: Tensor) -> tuple[Embedding, Tensor]:
        """Returns the answer, and the embedding (B, d) in it, where the file gives one.

        Raises:
            ModelError: the file gives scores, and not what they are made from.
        """
        output = self(images)
        if not isinstance(output, Embedding):
            raise ModelError(
                f"{self.card.title}: an .onnx file gives scores only; take the run it was made of"
            )
        return output, output.embedding
