"""A finished run becomes the file that is shipped: exported, proven on real crops, int8 only if it pays."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facetrust.data.manifest import Manifest
from facetrust.errors import UsageError
from facetrust.export.file import read, save
from facetrust.export.int8 import Choice, choose
from facetrust.export.onnx import export
from facetrust.export.openvino import openvino
from facetrust.export.parity import FLOAT_TOLERANCE, INT8_TOLERANCE, Parity, parity
from facetrust.imaging import crop_face, read_image
from facetrust.records import Preprocessing, Record, Split, write_text


class Shipped(Record):
    """What was written, how far it is from the network and on which faces, and the figures of int8."""

    path: str
    bytes: int
    faces: str
    parity: Parity
    choice: Choice | None = None


def ship(
    run: str | Path,
    out: str | Path,
    *,
    manifest: str | Path | None = None,
    int8: bool = False,
    name: str | None = None,
    faces: int = 200,
    rounds: int = 50,
) -> Shipped:
    """Returns what it wrote: `out`, its card beside it, and `<stem>.export.json`, which is this record.

    Args:
        run: the folder of a finished run.
        out: an .onnx file, or an .xml file for OpenVINO, made from the .onnx file that was proven.
        manifest: parity is measured on at most `faces` of its dev crops, else on noise.
        int8: also try both int8 forms, scaled by train crops, and keep the fastest that ranks dev
            faces as well; needs the manifest.
        name: the name in the card, if it is to be another.
        rounds: timed calls of each form.

    Raises:
        UsageError: int8 without a manifest, or `out` ends neither in .onnx nor in .xml.
        ModelError: the run is unfinished or altered.
        ManifestError: the manifest cannot be used, or lacks dev or train rows.
        ImageError: one of its pictures cannot be read.
        ExportError: the file does not answer as the network does; nothing is left of it.
    """
    from facetrust.models import load_checkpoint

    out = Path(out)
    if out.suffix not in (".onnx", ".xml"):
        raise UsageError(f"{out}: give a name that ends in .onnx, or in .xml for OpenVINO")
    if int8 and manifest is None:
        raise UsageError("int8 is chosen by measuring it on faces: give a manifest")
    model, card = load_checkpoint(run)
    card = card.model_copy(update={"name": name or card.name})
    how = card.preprocessing
    dev, labels, told = _noise(how), np.zeros(0), "noise"
    train = dev
    if manifest is not None:
        whole = Manifest.read(manifest)
        dev, labels = _crops(whole, how, "dev", faces)
        train, _ = _crops(whole, how, "train", faces) if int8 else (train, labels)
        told = f"{len(dev)} dev faces of manifest {whole.hash}"
    choice = None
    with tempfile.TemporaryDirectory() as scratch:
        made = export(model, card, Path(scratch) / out.name, crops=dev)
        if int8:
            choice = choose(made, dev, labels, calibration=train, rounds=rounds)
            made = Path(choice.path)
        limit = FLOAT_TOLERANCE if choice is None or choice.kept == "float" else INT8_TOLERANCE
        figures = parity(model, card, made, dev, tolerance=limit)
        if out.suffix == ".xml":
            openvino(made, out)
        else:
            save(*read(made), out)
    shipped = Shipped(path=str(out), bytes=out.stat().st_size, faces=told, parity=figures, choice=choice)
    write_text(out.with_suffix(".export.json"), shipped.model_dump_json(indent=2) + "\n")
    return shipped


def _crops(
    manifest: Manifest, how: Preprocessing, split: Split, count: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Crops (N, M, h, w, 3) and labels (N,) of at most `count` rows of a split, evenly spread over it."""
    part = manifest.only(split)
    samples = part.samples()
    chosen = [samples[i] for i in np.unique(np.linspace(0, len(samples) - 1, count).astype(int))]
    made = []
    for sample in chosen:
        image = read_image(part.path_of(sample))
        box = sample.x, sample.y, sample.w, sample.h
        x, y, w, h = (v for v in box if v is not None) if None not in box else (0, 0, *image.shape[1::-1])
        made.append([crop_face(image, (x, y, w, h), how, margin=margin) for margin in how.margins])
    return np.asarray(made), np.array([sample.label for sample in chosen], float)


def _noise(how: Preprocessing) -> NDArray[np.uint8]:
    shape = (8, len(how.margins), *how.size, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
