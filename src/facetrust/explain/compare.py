"""Teacher and students look at the same faces: pictures side by side, and figures of how alike they look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from facetrust.data.manifest import SUFFIXES, Manifest
from facetrust.errors import InputError, UsageError
from facetrust.explain.agreement import agreement, map_agreement, matched
from facetrust.explain.attribution import SPATIAL, attribute, crops_of, has_sign
from facetrust.explain.figure import Panel, Row, draw_side_by_side
from facetrust.explain.methods.spatial_attention import energy_of
from facetrust.faces.detector import find_faces, open_detector
from facetrust.imaging import Pixels, box_of, crop_face, read_image
from facetrust.models import load_checkpoint, look_inside, mean_logits
from facetrust.records import Box, ModelCard, Record, write_text
from facetrust.tasks import task_named

_CAPTIONS = {
    "attention": "how much the last layer attends to each place",
    SPATIAL: "how strongly the last feature map answers in each place",
    "rollout": "how much of each place is in the last layer, by attention through all layers",
}


class Agreement(Record):
    """How alike a student and the teacher look: 1 is identical, 0 has nothing in common.

    1 - the Jensen-Shannon divergence in bits between the rows of both attention maps (mean over
    heads), averaged over rows and pictures; `values` per pair of layers, which count from 1. By spatial
    attention, that of the two maps' shares of every cell, of the last layer alone.
    """

    student: str
    teacher_layers: tuple[int, ...]
    student_layers: tuple[int, ...]
    values: tuple[float, ...]
    mean: float


class Comparison(Record):
    """What was compared, over which pictures, with which agreements.

    `even` is how far the teacher agrees with attention that is the same everywhere: flat maps agree
    well with each other, so that a student's figure says something only where it is above this one.
    """

    schema_name: Literal["facetrust.comparison/1"] = Field("facetrust.comparison/1", alias="schema")
    teacher: str
    method: str
    pictures: tuple[str, ...]
    agreements: tuple[Agreement, ...]
    even: Agreement

    def to_json(self) -> str:
        """Returns the comparison as indented JSON."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


class _Network(NamedTuple):
    path: str
    model: nn.Module
    card: ModelCard


class _Face(NamedTuple):
    name: str
    title: str
    image: Pixels
    box: Box


def compare(
    teacher: str | Path,
    pictures: Sequence[str | Path],
    *,
    against: Sequence[str | Path],
    out: str | Path,
    method: str | None = None,
    rows: int = 6,
    detector: str | Path | None = None,
) -> Comparison:
    """Returns how alike students and teacher look; writes `out/comparison.png` and `out/comparison.json`.

    The drawing has a row per face and a column for the input, the teacher and each student.

    Args:
        teacher: run folder of a network, and so are those of `against`, the students; by attention or rollout
            all must have attention between tokens.
        pictures: images, of which the largest face is taken, or manifests.
        method: `rollout`, `attention` for the last layer, or `spatial-attention` for the last feature map,
            which a convolutional network has too; if none is given, what the teacher has.
        rows: how many rows of a manifest's test split are taken, evenly spread over it.
        detector: YuNet's .onnx file; MTCNN without it.

    Raises:
        ModelError: a run folder is not whole.
        ImageError: a picture cannot be read.
        InputError: there is no face in one, or a manifest has no test rows.
        UsageError: a network lacks what the method needs, or two cut faces differently or into other patches.
        MissingExtra: matplotlib is not installed.
    """
    if method is not None and has_sign(method):
        raise UsageError(f"{method}: is not made from attention; compare by attention, rollout or {SPATIAL}")
    if not against or not pictures or rows < 1:
        raise UsageError("a comparison needs a student and a picture, or a row of a manifest, at least")
    networks = [_Network(str(path), *load_checkpoint(path)) for path in (teacher, *against)]
    _need_same_window(networks)
    method = method or _usual_method(networks[0])
    drawn: list[Row] = []
    names: list[str] = []
    alike: list[list[Tensor]] = [[] for _ in networks]
    for face in _faces(pictures, rows, detector, networks[0].card):
        seen = [_seen(network, face, method) for network in networks]
        theirs = seen[0][1]
        for values, maps in zip(alike, [_even(theirs), *(maps for _, maps in seen[1:])], strict=True):
            alike_by = map_agreement if method == SPATIAL else agreement
            values.append(alike_by(theirs, maps)[0])
        drawn.append(Row(face.title, [panel for panel, _ in seen]))
        names.append(face.name)
    depths = [1 if method == SPATIAL else maps.shape[1] for _, maps in seen]
    called = ["even attention", *(network.path for network in networks[1:])]
    even, *students = (
        _agreement(name, depths[0], depth, torch.stack(values).mean(0))
        for name, depth, values in zip(called, depths, alike, strict=True)
    )
    found = Comparison(
        schema="facetrust.comparison/1",
        teacher=networks[0].path,
        method=method,
        pictures=tuple(names),
        agreements=tuple(students),
        even=even,
    )
    _write(Path(out), found, drawn)
    return found


def _seen(network: _Network, face: _Face, method: str) -> tuple[Panel, Tensor]:
    """Returns what a network sees of a face, and its attention (1, L, H, N, N) or energy (1, h, w)."""
    how = network.card.preprocessing
    crops = crops_of(face.image, [face.box], how)
    with torch.no_grad():
        score = float(mean_logits(network.model, crops).sigmoid())
    heat, maps = attribute(network.model, crops[:, 0], method=method)
    if method == SPATIAL:
        maps = energy_of(network.model, crops[:, 0])
    if maps is None:
        raise UsageError(f"{network.path}: has no attention; compare networks that have")
    return Panel(crop_face(face.image, face.box, how), heat[0], score), maps


def _usual_method(teacher: _Network) -> str:
    """Rollout, or spatial attention where the teacher has no attention that can be seen."""
    with torch.no_grad():
        inside = look_inside(teacher.model, torch.zeros(1, 3, *teacher.card.preprocessing.size))
    return "rollout" if inside.queries else SPATIAL


def _even(maps: Tensor) -> Tensor:
    """Attention, or energy, that is the same everywhere."""
    if maps.ndim == 3:
        return torch.ones_like(maps)
    return torch.full_like(maps[:, :, :1], 1 / maps.shape[-1])


def _agreement(student: str, teacher_depth: int, depth: int, values: Tensor) -> Agreement:
    pairs = matched(teacher_depth, depth)
    return Agreement(
        student=student,
        teacher_layers=tuple(a + 1 for a, _ in pairs),
        student_layers=tuple(b + 1 for _, b in pairs),
        values=tuple(values.tolist()),
        mean=float(values.mean()),
    )


def _write(out: Path, found: Comparison, drawn: Sequence[Row]) -> None:
    teacher, *students = (Path(path).name for path in (found.teacher, *(a.student for a in found.agreements)))
    named = [f"{name}\nagrees {a.mean:.3f}" for name, a in zip(students, found.agreements, strict=True)]
    caption = (
        f"{found.method}: {_CAPTIONS.get(found.method, 'by attention')}, 1 the most in the picture. "
        "It says where a network looks, not what speaks for an attack."
    )
    draw_side_by_side(
        out / "comparison.png",
        [f"{teacher}\nteacher, even {found.even.mean:.3f}", *named],
        drawn,
        caption=caption,
    )
    write_text(out / "comparison.json", found.to_json())


def _need_same_window(networks: Sequence[_Network]) -> None:
    """Attention can be compared only where all look at the same part of the picture."""
    ours = [(how.margins[0], how.square, how.fill) for how in (n.card.preprocessing for n in networks)]
    for network, window in zip(networks, ours, strict=True):
        if window != ours[0]:
            raise UsageError(
                f"{network.path}: cuts faces with margin, square and fill {window}, {networks[0].path} with "
                f"{ours[0]}; their attention cannot be compared"
            )


def _faces(
    pictures: Sequence[str | Path], rows: int, detector: str | Path | None, card: ModelCard
) -> Iterator[_Face]:
    opened = None
    for picture in map(Path, pictures):
        if picture.suffix.lower() in SUFFIXES:
            yield from _faces_in(Manifest.read(picture), rows, card)
            continue
        opened = opened or open_detector(detector)
        found = find_faces(read_image(picture), opened)
        if not found.faces:
            raise InputError(f"{picture}: no face found; there is nothing to compare")
        yield _Face(str(picture), picture.stem, found.image, found.faces[0].box)


def _faces_in(manifest: Manifest, rows: int, card: ModelCard) -> Iterator[_Face]:
    samples = manifest.only("test").samples()
    count = min(rows, len(samples))
    # The middles of equal parts: the first rows would be one person's.
    for sample in (samples[(2 * n + 1) * len(samples) // (2 * count)] for n in range(count)):
        image = read_image(manifest.path_of(sample))
        title = f"{Path(sample.path).stem}\n{task_named(card.task).decisions[sample.label or 0]}"
        yield _Face(sample.path, title, image, box_of(sample, image))
