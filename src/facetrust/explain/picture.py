"""One picture, one model, one method: where the answer comes from, drawn over the face."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from facetrust import registry
from facetrust.errors import InputError, UnknownName, UsageError
from facetrust.faces.detector import find_faces, open_detector
from facetrust.imaging import Pixels, read_image
from facetrust.records import Face, ModelCard
from facetrust.runtime.evidence import EvidenceMap, overlay, write_overlay
from facetrust.runtime.model import by_kind, load_model
from facetrust.tasks import judge_of


def explain_image(
    model: str | Path,
    image: str | Path,
    out: str | Path,
    *,
    method: str = "cam",
    detector: str | Path | None = None,
) -> Path:
    """Returns the picture it wrote, `out/<image's name>.<method>.png`: each face with its map.

    Args:
        model: a run folder, or a bundled name or .onnx file, whose own evidence is the map of `cam`.
        method: a file of `explain/methods/`. Those by attention need a ViT; they and `spatial-attention` say
            where it looks, not what speaks for an attack, and are drawn in a colour of their own.

    Raises:
        ModelError: the model is missing or altered.
        ImageError: the picture cannot be read.
        InputError: there is no face in it.
        UnknownName: no such method.
        UsageError: an exported model was asked for a method that needs the network, or a network
            without attention for its attention.
    """
    if method not in registry.names("explain.methods"):
        raise UnknownName("explanation", method, registry.names("explain.methods"))
    target = Path(out) / f"{Path(image).stem}.{method}.png"
    if Path(model).is_dir():
        _by_network(Path(model), image, target, method, detector)
    elif method == "cam":
        _by_file(model, image, target, detector)
    else:
        raise UsageError(f"{model}: an exported model has its own map only; give a run folder for {method}")
    return target


def _by_file(model: str | Path, image: str | Path, target: Path, detector: str | Path | None) -> None:
    opened = load_model(model)
    found = find_faces(read_image(image), open_detector(detector))
    _need_face(image, found.faces)
    boxes, points = [face.box for face in found.faces], [face.points for face in found.faces]
    scored = opened.answer(opened.crops(found.image, boxes, points), evidence=True)
    maps = [] if scored.evidence is None else [each[0] for each in scored.evidence]
    _draw(target, found.image, found.faces, opened.card, scored.values, maps)


def _by_network(
    folder: Path, image: str | Path, target: Path, method: str, detector: str | Path | None
) -> None:
    import torch

    from facetrust.explain.attribution import attribute, crops_of, has_sign
    from facetrust.models import answers, load_checkpoint

    model, card = load_checkpoint(folder)
    found = find_faces(read_image(image), open_detector(detector))
    _need_face(image, found.faces)
    crops = crops_of(
        found.image,
        [face.box for face in found.faces],
        card.preprocessing,
        [face.points for face in found.faces],
    )
    with torch.no_grad():
        values = answers(model, crops).numpy()
    maps = list(attribute(model, crops[:, 0], method=method).heat)
    _draw(target, found.image, found.faces, card, values, maps, signed=has_sign(method))


def _need_face(image: str | Path, faces: tuple[Face, ...]) -> None:
    if not faces:
        raise InputError(f"{image}: no face found; there is nothing to explain")


def _draw(
    target: Path,
    image: Pixels,
    faces: tuple[Face, ...],
    card: ModelCard,
    values: Any,
    maps: list[Any],
    *,
    signed: bool = True,
) -> None:
    judged = [
        face.model_copy(update=by_kind([judge_of(card.task)(value, card)]))
        for face, value in zip(faces, values, strict=True)
    ]
    heats = [
        EvidenceMap(card.task, face.box, card.preprocessing, heat, face.points)
        for face, heat in zip(faces, maps, strict=bool(maps))
    ]
    write_overlay(target, overlay(image, judged, heats, signed=signed))
