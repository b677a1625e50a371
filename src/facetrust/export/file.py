"""An exported file: the graph, its card inside and beside it, and a session that runs it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from facetrust.errors import ModelError
from facetrust.records import ModelCard, sha256_of, write_text, write_whole

if TYPE_CHECKING:
    import onnx
    import onnxruntime as ort

KEY = "facetrust.card"


def save(graph: onnx.ModelProto, card: ModelCard, path: Path) -> ModelCard:
    """Writes the graph and, last, its card as `<stem>.json`; returns that card.

    The card inside the file says neither `weights` nor `sha256`, as no file can hold its own hash.
    """
    beside = path.with_suffix(".json")
    content = with_card(graph, card).SerializeToString(deterministic=True)
    beside.unlink(missing_ok=True)  # A card beside a file that is not its own would be a lie.
    write_whole(path, lambda part: part.write_bytes(content))
    card = card.model_copy(update={"weights": path.name, "sha256": sha256_of(path)})
    write_text(beside, card.to_json())
    return card


def with_card(graph: onnx.ModelProto, card: ModelCard) -> onnx.ModelProto:
    """Returns the same graph object, the card in its metadata in place of what was there."""
    inside = card.model_copy(update={"weights": "", "sha256": ""})
    del graph.metadata_props[:]
    entry = graph.metadata_props.add()
    entry.key, entry.value = KEY, inside.to_json()
    return graph


def read(path: Path) -> tuple[onnx.ModelProto, ModelCard]:
    """Returns the graph in an .onnx file and the card inside it.

    Raises:
        ModelError: missing, not ONNX, without a card, or not the file that the card beside it names.
    """
    import onnx

    path = Path(path)
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    try:
        graph = onnx.load(str(path))
        onnx.checker.check_model(graph)
    except Exception as error:  # protobuf and the checker have many kinds.
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise ModelError(f"{path}: is not an ONNX file ({reason})") from None
    inside = {entry.key: entry.value for entry in graph.metadata_props}.get(KEY)
    if inside is None:
        raise ModelError(f"{path}: holds no card ({KEY}); export it again with facetrust")
    beside = path.with_suffix(".json")
    if beside.is_file():
        ModelCard.from_json(beside.read_bytes(), str(beside)).verify(path)
    return graph, ModelCard.from_json(inside, str(path))


def open_session(model: Path | bytes, *, threads: int = 1) -> ort.InferenceSession:
    """Returns an ONNX Runtime session on the CPU, quiet, with `threads` threads per operator.

    Raises:
        ModelError: ONNX Runtime cannot run it.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4
    # Threads that wait in a loop would take the core from the other model in a comparison.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    content = model if isinstance(model, bytes) else str(model)
    try:
        return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises a class of its own for every kind of fault.
        name = "the graph" if isinstance(model, bytes) else str(model)
        raise ModelError(f"{name}: ONNX Runtime cannot run it ({str(error).splitlines()[0][:160]})") from None
