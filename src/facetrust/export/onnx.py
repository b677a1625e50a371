"""PyTorch → ONNX: one file with the outputs of its kind and its card inside."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facetrust.errors import ExportError, MissingExtra, first_line
from facetrust.export._simplify import simplify
from facetrust.export.parity import FLOAT_TOLERANCE, compare
from facetrust.imaging import Pixels
from facetrust.model_file import open_session, save, with_card
from facetrust.records import ModelCard

if TYPE_CHECKING:
    import onnx
    from torch import Tensor, nn

OUTPUTS = {"score": ["score", "evidence"], "embedding": ["embedding"], "classes": ["classes"]}
OPSET = 18  # The exporter's own; a higher one would shut out older runtimes and gain nothing.


def export(
    model: nn.Module,
    card: ModelCard,
    out: Path,
    *,
    crops: Sequence[Pixels] | Pixels | None = None,
    tolerance: float = FLOAT_TOLERANCE,
) -> Path:
    """Returns the path of the .onnx file that holds the network; `<stem>.json` beside it is its card.

    Input `image` (B, 3, h, w) float32, normalised as the card says. Outputs, by what the network gives:
    `score` (B,) in [0, 1] and `evidence` (B, gh, gw), whose mean per image is the logit; `embedding` (B, d)
    of unit length; or `classes` (B, C, h, w), the probability of each class. Nothing is written before
    the graph was found to answer as the network does.

    Args:
        model: its forward gives a `Score`, an `Embedding` or `Classes`; it is left as it is.
        crops: real crops (N, h, w, 3) or (N, M, h, w, 3) uint8 RGB to prove it on; noise if none.
        tolerance: greatest allowed difference of a score.

    Raises:
        ExportError: the network cannot be traced, fixes the batch size, or the graph answers otherwise.
        MissingExtra: torch or onnxscript is not installed.
    """
    out = Path(out)
    graph = with_card(trace(model, card.preprocessing.size, name=card.name), card)
    faces = _noise(card) if crops is None else crops
    session = open_session(graph.SerializeToString())
    compare(model, card, session, card, faces, tolerance=tolerance, name=out.name)
    save(graph, card, out)
    return out


def trace(model: nn.Module, size: tuple[int, int], *, name: str = "the network") -> onnx.ModelProto:
    """Returns a network as an ONNX graph for images of `size` (height, width), batch norms folded.

    Raises:
        ExportError: it cannot be traced, or its code fixes the batch size.
        MissingExtra: torch or onnxscript is not installed.
    """
    try:
        import onnxscript  # noqa: F401
        import torch
    except ImportError as error:
        raise MissingExtra(error.name or "torch", "train") from None
    # A copy on the CPU: no mode, device or hook of the caller's network is touched.
    own = copy.deepcopy(model).cpu().eval()
    image = torch.zeros(2, 3, *size)
    try:
        with torch.no_grad():
            kind = _kind(own, image)
        wrapped = _named(own, kind).eval()
        with warnings.catch_warnings(), torch.no_grad():
            # The exporter uses names of torch that torch calls outdated; no caller can change that.
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            free = ({0: torch.export.Dim("batch", min=1)},)
            program = torch.export.export(wrapped, (image,), dynamic_shapes=free, strict=False)
            made = torch.onnx.export(
                program,
                (),
                input_names=["image"],
                output_names=OUTPUTS[kind],
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                optimize=True,
                verbose=False,
            )
    except ExportError:
        raise
    except Exception as error:  # Tracing runs the network's code, which may raise anything.
        raise ExportError(f"{name}: {_reason(error)}") from error
    if made is None:
        raise ExportError(f"{name}: torch made no graph of it")
    return simplify(made.model_proto)


def _reason(error: Exception) -> str:
    text = str(error)
    if "specialized it to be a constant" in text:
        return "its code fixes the batch size, for example by len(tensor); use tensor.shape[0]"
    return f"torch cannot trace it ({type(error).__name__}: {first_line(error)})"


def _kind(model: nn.Module, image: Tensor) -> str:
    from facetrust.models import kind_of

    kind = kind_of(model(image))
    if not kind:
        raise ExportError(
            f"{type(model).__name__} gives no logit and evidence, no embedding and no logits; wrap its output"
        )
    return kind


def _named(model: nn.Module, kind: str) -> nn.Module:
    import torch
    from torch.nn import functional

    class Named(torch.nn.Module):
        """The network, its answer in the form that the runtime reads."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, image: Tensor) -> tuple[Tensor, ...]:
            found: Any = self.model(image)
            if kind == "embedding":
                return (functional.normalize(found.embedding),)
            if kind == "classes":
                # Written out: ONNX Runtime takes ten times as long for a softmax over any axis but the last.
                powers = (found.logits - found.logits.amax(1, keepdim=True)).exp()
                return (powers / powers.sum(1, keepdim=True),)
            return torch.sigmoid(found.logit), found.evidence

    return Named()


def _noise(card: ModelCard) -> Pixels:
    how = card.preprocessing
    shape = (4, len(how.margins), *how.size, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
