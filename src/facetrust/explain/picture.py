"""Pictures, one model, some methods: where each answer comes from, drawn over the face or the picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from facetrust import registry
from facetrust.errors import InputError, UnknownName, UsageError
from facetrust.explain.figure import draw_pictures
from facetrust.faces.detector import Detector, find_faces, open_detector
from facetrust.imaging import Pixels, read_image
from facetrust.imaging.crop import Points
from facetrust.records import Box, Face, ModelCard, write_whole
from facetrust.runtime.evidence import EvidenceMap, overlay, write_overlay
from facetrust.runtime.model import Model, by_kind, load_model
from facetrust.tasks import judge_of, task_named

EVIDENCE = "evidence"  # The one method of an exported model.
Side = Literal["for", "against"]
Maps = NDArray[np.float32]


class Written(NamedTuple):
    """What was written: per picture and method an overlay (PNG) and the maps (NPY), and one figure of all."""

    overlays: tuple[Path, ...]
    maps: tuple[Path, ...]
    figure: Path


class _Asked(NamedTuple):
    """What is asked about in a picture: its faces, or all of it, which has none."""

    image: Pixels
    faces: tuple[Face, ...]
    boxes: Sequence[Box]
    points: Sequence[Points]


class _Heat(NamedTuple):
    """Maps (N, K, h, w) of the first K crops of each, whether they have a sign, and their unit."""

    maps: Maps
    signed: bool = True
    unit: str = "logits"


class _Opened(Protocol):
    """A model that answers and explains."""

    card: ModelCard

    def values(self, asked: _Asked) -> Any:
        """Returns its answers (N, ...) about what is asked."""

    def maps(self, asked: _Asked, method: str, side: Side | None) -> _Heat:
        """Returns where in the first crops of each its answer comes from."""


def explain(
    model: str | Path,
    images: Sequence[str | Path],
    out: str | Path,
    *,
    methods: Sequence[str] = (),
    decision: str | None = None,
    detector: str | Path | None = None,
) -> Written:
    """Writes `out/<image's name>.<method>.png` and `.npy` for each picture and method, and `out/figure.png`.

    The PNG is the picture with the map laid over it; the NPY holds the maps as the method gives them,
    (N, h, w) float32: one per face, or per window of the picture, row by row. The figure has a row per
    picture and a column per method.

    Args:
        model: a run folder, or a bundled name or .onnx file, which has its own `evidence` alone.
        methods: files of `explain/methods/`; if none, `evidence` of an exported model and `cam` of a run
            folder. Those by attention need a ViT; they and `spatial-attention` say where it looks, not what
            speaks for an answer, and are drawn in a colour of their own.
        decision: one of the question's two, such as `attack`: what speaks for it is drawn, and nothing else.
            If none, both are where a method gives both, and by gradients what speaks for the positive one.

    Raises:
        ModelError: the model is missing or altered.
        ImageError: a picture cannot be read.
        InputError: the question is about faces, and there is none in a picture.
        UnknownName: no such method or decision.
        UsageError: two pictures have one name, the model lacks what a method needs, or gives no fine map.
    """
    opened, methods = _opened(model, list(dict.fromkeys(methods)))
    task = task_named(opened.card.task)
    side = _side(task.decisions, decision)
    out = Path(out)
    stems = [Path(image).stem for image in images]
    if len(set(stems)) < len(stems):
        raise UsageError("two of the pictures have one name, and so would what is written; give them apart")
    seeing = open_detector(detector) if task.unit == "face" else None
    overlays, raws, rows = [], [], []
    for image, stem in zip(images, stems, strict=True):
        asked = _asked(image, seeing)
        values = opened.values(asked)
        found = [opened.maps(asked, method, side) for method in methods]
        drawn = [_drawn(asked, opened.card, values, each) for each in found]
        for method, heat, panel in zip(methods, found, drawn, strict=True):
            overlays.append(out / f"{stem}.{method}.png")
            raws.append(out / f"{stem}.{method}.npy")
            write_overlay(overlays[-1], panel)
            _write_raw(raws[-1], heat.maps.reshape(-1, *heat.maps.shape[2:]))
        rows.append((stem, [asked.image, *drawn]))
    draw_pictures(out / "figure.png", ["picture", *methods], rows)
    return Written(tuple(overlays), tuple(raws), out / "figure.png")


def _opened(model: str | Path, methods: list[str]) -> tuple[_Opened, list[str]]:
    """Returns the model and what it is to be explained by; what it cannot give is refused first."""
    known = registry.names("explain.methods")
    for method in methods:
        if method not in known:
            raise UnknownName("explanation", method, known)
    if not Path(model).is_dir():
        if other := next((method for method in methods if method != EVIDENCE), None):
            raise UsageError(
                f"{model}: an exported model has its own {EVIDENCE} only; give a run folder for {other}"
            )
        return _File(load_model(model)), [EVIDENCE]
    if EVIDENCE in methods:
        raise UsageError(f"{model}: {EVIDENCE} is an exported model's own map; of a run folder take cam")
    return _Network(model), methods or ["cam"]


def _side(decisions: tuple[str, str], decision: str | None) -> Side | None:
    if decision is None:
        return None
    if decision not in decisions:
        raise UnknownName("decision", decision, [each for each in decisions if each])
    return "for" if decision == decisions[1] else "against"


def _asked(path: str | Path, detector: Detector | None) -> _Asked:
    image = read_image(path)
    if detector is None:
        return _Asked(image, (), [(0.0, 0.0, float(image.shape[1]), float(image.shape[0]))], [()])
    found = find_faces(image, detector)
    if not found.faces:
        raise InputError(f"{path}: no face found; there is nothing to explain")
    boxes, points = [face.box for face in found.faces], [face.points for face in found.faces]
    return _Asked(found.image, found.faces, boxes, points)


def _many(card: ModelCard) -> int:
    """How many crops of each are explained: all native windows, else that of the first margin."""
    return len(card.preprocessing.margins) if card.preprocessing.align == "native" else 1


class _File:
    """An exported model."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.card = model.card

    def values(self, asked: _Asked) -> Any:
        return self._model.answer(self._model.crops(asked.image, asked.boxes, asked.points)).values

    def maps(self, asked: _Asked, method: str, side: Side | None) -> _Heat:
        crops = self._model.crops(asked.image, asked.boxes, asked.points)[:, : _many(self.card)]
        heat = registry.build("explain.methods", method, self._model, crops.reshape(-1, *crops.shape[2:]))
        return _Heat(_of_side(heat, side).reshape(*crops.shape[:2], *heat.shape[1:]))


class _Network:
    """A run folder, whose network PyTorch runs."""

    def __init__(self, folder: str | Path) -> None:
        from facetrust.models import load_checkpoint

        self._network, self.card = load_checkpoint(folder)

    def values(self, asked: _Asked) -> Any:
        import torch

        from facetrust.models import answers

        with torch.no_grad():
            return answers(self._network, self._crops(asked)).numpy()

    def maps(self, asked: _Asked, method: str, side: Side | None) -> _Heat:
        from facetrust.explain.attribution import attribute, has_sign, one_sided

        signed = has_sign(method)
        if side is not None and not signed:
            raise UsageError(f"{method}: says where a network looks, for no decision; leave the decision out")
        if signed and task_named(self.card.task).output != "score":
            raise UsageError(
                f"{method}: explains a score, and this network gives none; take attention or rollout"
            )
        crops = self._crops(asked)[:, : _many(self.card)]
        heat = attribute(self._network, crops.flatten(0, 1), method=method, against=side == "against").heat
        unit = "(the most in a crop)" if one_sided(method) else "logits"
        return _Heat(_of_side(heat, side).reshape(*crops.shape[:2], *heat.shape[1:]), signed, unit)

    def _crops(self, asked: _Asked) -> Any:
        from facetrust.explain.attribution import crops_of

        return crops_of(asked.image, asked.boxes, self.card.preprocessing, asked.points)


def _of_side(heat: Maps, side: Side | None) -> Maps:
    """Returns what of a map speaks for, or against."""
    if side is None:
        return heat
    return np.maximum(heat, 0) if side == "for" else np.minimum(heat, 0)


def _drawn(asked: _Asked, card: ModelCard, values: Any, heat: _Heat) -> Pixels:
    judged = [by_kind([judge_of(card.task)(value, card)]) for value in values]
    faces = [face.model_copy(update=each) for face, each in zip(asked.faces, judged, strict=False)]
    heats = [
        EvidenceMap(card.task, box, card.preprocessing, cells, points, crop)
        for box, points, of_crops in zip(asked.boxes, asked.points, heat.maps, strict=True)
        for crop, cells in enumerate(of_crops)
    ]
    of_picture = () if faces else judged[0]["verdicts"]
    return overlay(asked.image, faces, heats, signed=heat.signed, unit=heat.unit, verdicts=of_picture)


def _write_raw(path: Path, maps: Maps) -> None:
    content = io.BytesIO()
    np.save(content, np.ascontiguousarray(maps, np.float32), allow_pickle=False)
    write_whole(path, content.getbuffer())
