"""ONNX → OpenVINO's own format, for its runtimes on Intel's processors."""

from __future__ import annotations

from pathlib import Path

from facetrust.errors import ExportError, MissingExtra, first_line
from facetrust.model_file import read
from facetrust.records import sha256_of, write_text


def openvino(source: Path, out: Path) -> Path:
    """Returns the path of the .xml file made from one of our .onnx files.

    The weights lie beside it as `<stem>.bin`, in float32, and the card as `<stem>.json`, with the
    SHA-256 of the .bin file. Inputs and outputs keep their names and meaning.

    Raises:
        MissingExtra: openvino is not installed.
        ModelError: the source cannot be read.
        ExportError: OpenVINO cannot convert it, or `out` does not end in .xml.
    """
    try:
        import openvino as library
    except ImportError:
        raise MissingExtra("openvino", "openvino") from None
    source, out = Path(source), Path(out)
    if out.suffix != ".xml":
        raise ExportError(f"{out}: OpenVINO's files end in .xml")
    _, card = read(source)
    weights = out.with_suffix(".bin")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").unlink(missing_ok=True)
    try:
        # Half precision, the library's default, would not pass the parity that the source passed.
        library.save_model(library.convert_model(str(source)), str(out), compress_to_fp16=False)
    except Exception as error:  # OpenVINO raises kinds of its own.
        for part in (out, weights):
            part.unlink(missing_ok=True)
        reason = first_line(error)
        raise ExportError(f"{source}: OpenVINO cannot convert it ({reason})") from None
    card = card.model_copy(update={"weights": weights.name, "sha256": sha256_of(weights)})
    write_text(out.with_suffix(".json"), card.to_json())
    return out
