"""An ONNX file and its card: found, opened, verified, run and saved; the one place a session is made."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from facetrust.errors import MissingExtra, ModelError, UnknownName, UsageError, first_line
from facetrust.records import ModelCard, model_folder, sha256_of, write_text, write_whole

if TYPE_CHECKING:
    import numpy as np
    import onnx
    import onnxruntime as ort
    from numpy.typing import NDArray

KEY = "facetrust.card"
_METADATA = 14  # Field of ONNX's ModelProto.
_FIXED = {1: 8, 5: 4}  # Bytes of a field by its kind in Protocol Buffers, where no length is written.
PROBE_SECONDS = 20.0  # Two pictures take the largest of our networks a second.


def bundled() -> list[str]:
    """Returns the names of the models that come with the package, sorted."""
    return sorted(path.stem for path in _assets().glob("*.onnx"))


def kept() -> list[str]:
    """Returns the names of the models that were pulled or imported, sorted; a bundled name stays bundled."""
    whole = {path.stem for path in model_folder().glob("*.onnx") if path.with_suffix(".json").is_file()}
    return sorted(whole - set(bundled()))


def names() -> list[str]:
    """Returns the names that stand for a model: the bundled ones and then those that the user keeps."""
    return [*bundled(), *kept()]


def locate(name: str | Path) -> Path:
    """Returns the .onnx file of a model's name, bundled or kept by the user, or of a path.

    Raises:
        UnknownName: no model of that name; the message gives the nearest one.
        ModelError: a folder, or no such file.
    """
    path = Path(name)
    if isinstance(name, str) and name in bundled():
        return _assets() / f"{name}.onnx"
    if isinstance(name, str) and name in kept():
        return model_folder() / f"{name}.onnx"
    if isinstance(name, str) and path.suffix != ".onnx" and path.name == name and not path.exists():
        raise UnknownName("model", name, names())
    if path.is_dir():
        raise ModelError(
            f"{path}: is a folder; give an .onnx file, which facetrust export makes of a checkpoint"
        )
    if not path.is_file():
        raise ModelError(f"{path}: no such model file")
    return path


def open_model(path: Path, *, threads: int = 1) -> tuple[ort.InferenceSession, ModelCard]:
    """Returns a session for an .onnx file and its card: that beside it, which vouches for it, or that inside.

    Raises:
        ModelError: altered, not ONNX, or without a card.
    """
    beside = path.with_suffix(".json")
    card = None
    if beside.is_file():
        card = ModelCard.from_json(beside.read_bytes(), str(beside))
        card.verify(path)
    session = open_session(path, threads=threads)
    card = card or card_inside(session, str(path))
    if card is None:
        raise ModelError(
            f"{path}: has no card, neither {path.stem}.json beside it nor one inside; "
            "make one with: facetrust import-checkpoint"
        )
    return session, card


def card_inside(session: ort.InferenceSession, source: str) -> ModelCard | None:
    """Returns the card inside an open file, None where it has none; `source` names the file in errors.

    Raises:
        ModelError: the card is damaged.
    """
    text = session.get_modelmeta().custom_metadata_map.get(KEY)
    return None if text is None else ModelCard.from_json(text, source)


def graph_hash(path: Path) -> str:
    """Returns the hexadecimal SHA-256 of an .onnx file without its metadata, in which its card is.

    It stays where a card is fitted anew and the weights are not.

    Raises:
        ModelError: it cannot be read, or is not ONNX.

    Source: the wire format of Protocol Buffers, a list of fields.
    """
    digest = hashlib.sha256()
    try:
        content = path.read_bytes()
        place = 0
        while place < len(content):
            start = place
            tag, place = _varint(content, place)
            kind = tag & 7
            size, place = _varint(content, place) if kind in (0, 2) else (_FIXED[kind], place)
            place += 0 if kind == 0 else size
            if tag >> 3 != _METADATA:
                digest.update(memoryview(content)[start:place])
    except (OSError, IndexError, KeyError):
        raise ModelError(f"{path}: is not an ONNX file that can be read") from None
    return digest.hexdigest()


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = content[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place


def check_shapes(session: ort.InferenceSession, card: ModelCard, *, output: str, source: Path) -> None:
    """Checks that a network takes what its card says and answers with `output`.

    Raises:
        ModelError: it does not.
    """
    inputs = {entry.name: entry.shape for entry in session.get_inputs()}
    outputs = [entry.name for entry in session.get_outputs()]
    if list(inputs) != ["image"] or output not in outputs:
        raise ModelError(
            f"{source}: has inputs {list(inputs)} and outputs {outputs}; needed are 'image' and {output!r}; "
            "make such a file with: facetrust import-checkpoint"
        )
    expected = (3, *card.preprocessing.size)
    shape = inputs["image"][1:]
    if len(shape) != 3 or any(isinstance(a, int) and a != b for a, b in zip(shape, expected, strict=True)):
        raise ModelError(f"{source}: takes images of {shape}, its card says {list(expected)}")


def probe(session: ort.InferenceSession, card: ModelCard, *, output: str, source: Path) -> None:
    """Runs a network once on two grey pictures, so that a file that cannot answer is refused at once.

    Raises:
        ModelError: it fails, takes more than `PROBE_SECONDS`, or answers in another shape than it must.
    """
    import numpy as np

    images = np.zeros((2, 3, *card.preprocessing.size), np.float32)
    named = [entry.name for entry in session.get_outputs() if entry.name in (output, "evidence")]
    answers = dict(
        zip(named, run(session, named, images, source=str(source), seconds=PROBE_SECONDS), strict=True)
    )
    wanted = {"score": 1, "embedding": 2, "classes": 4, "evidence": 3}
    for name, answer in answers.items():
        if answer.ndim != wanted[name] or len(answer) != 2:
            raise ModelError(
                f"{source}: {name} of two pictures has the shape {list(answer.shape)}; needed is one "
                f"{'number' if wanted[name] == 1 else f'array of {wanted[name] - 1} dimensions'} per picture"
            )
    if output == "classes" and answers[output].shape[1:] != (len(card.classes), *card.preprocessing.size):
        raise ModelError(
            f"{source}: classes of a picture have the shape {list(answers[output].shape[1:])}; its card "
            f"names {len(card.classes)} classes and pictures of {list(card.preprocessing.size)}"
        )


def run(
    session: ort.InferenceSession,
    outputs: Sequence[str],
    images: NDArray[np.float32],
    *,
    source: str,
    seconds: float | None = None,
) -> list[NDArray[np.float32]]:
    """Returns the named outputs for images (B, 3, h, w); `source` names the model in errors.

    Args:
        seconds: the longest it may take; no limit if none.

    Raises:
        ModelError: the network fails, or takes longer.
    """
    import onnxruntime as ort

    options = ort.RunOptions()
    options.log_severity_level = 4
    late = threading.Timer(seconds or 0, setattr, (options, "terminate", True))
    if seconds is not None:
        late.start()
    try:
        return list(session.run(list(outputs), {"image": images}, options))
    except Exception as error:  # ONNX Runtime raises a class of its own for every kind of fault.
        if options.terminate:
            raise ModelError(f"{source}: gave no answer in {seconds:g} seconds") from None
        raise ModelError(f"{source}: cannot be run by ONNX Runtime ({first_line(error)})") from None
    finally:
        late.cancel()


def save(graph: onnx.ModelProto, card: ModelCard, path: Path) -> ModelCard:
    """Writes the graph and, last, its card as `<stem>.json`; returns that card.

    The card inside the file says neither `weights` nor `sha256`, as no file can hold its own hash.
    """
    beside = path.with_suffix(".json")
    content = with_card(graph, card).SerializeToString(deterministic=True)
    beside.unlink(missing_ok=True)  # No card may lie beside a file that is not its own.
    write_whole(path, content)
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
        MissingExtra: the onnx package is not installed; `open_model` does without it.
    """
    try:
        import onnx
    except ModuleNotFoundError:
        raise MissingExtra("onnx", "train") from None
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    try:
        graph = onnx.load(str(path))
        onnx.checker.check_model(graph)
    except Exception as error:  # protobuf and the checker have many kinds.
        raise ModelError(f"{path}: is not an ONNX file ({first_line(error)})") from None
    inside = {entry.key: entry.value for entry in graph.metadata_props}.get(KEY)
    if inside is None:
        raise ModelError(f"{path}: holds no card ({KEY}); export it again with facetrust")
    beside = path.with_suffix(".json")
    if beside.is_file():
        ModelCard.from_json(beside.read_bytes(), str(beside)).verify(path)
    return graph, ModelCard.from_json(inside, str(path))


def open_session(model: Path | str | bytes, *, threads: int = 1, source: str = "") -> ort.InferenceSession:
    """Returns an ONNX Runtime session on the CPU for an .onnx file or its bytes; `source` names it in errors.

    Every session of the package is made here, so that what is profiled is what is run.

    Args:
        threads: threads inside one operator; 0 lets ONNX Runtime take every core.

    Raises:
        UsageError: fewer threads than none, or more than there are cores.
        ModelError: not an ONNX file, or one that this ONNX Runtime cannot run.
    """
    import onnxruntime as ort

    cores = os.cpu_count() or 1
    if not 0 <= threads <= cores:
        raise UsageError(f"{threads} threads: give 1 to {cores}, the cores of this machine, or 0 for all")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Shapes change from call to call, so planned memory would be planned anew each time.
    options.enable_mem_pattern = False
    # Waiting threads must not burn the cores that decoding, or the other model of a comparison, needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    content = model if isinstance(model, bytes) else str(model)
    ort.set_default_logger_severity(4)  # What it logs before a session is there comes as an error too.
    try:
        # Without the fallback, which tries the same again and prints so on standard output.
        return ort.InferenceSession(
            content, options, providers=["CPUExecutionProvider"], enable_fallback=False
        )
    except Exception as error:  # ONNX Runtime raises a class of its own for every kind of fault.
        name = source or ("the graph" if isinstance(model, bytes) else str(model))
        raise ModelError(f"{name}: cannot be run by ONNX Runtime ({first_line(error)})") from None


def _assets() -> Path:
    return Path(str(files("facetrust"))) / "assets"
