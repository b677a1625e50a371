"""A narrow network begins with the most telling channels of a wide one, each layer refitted to those kept."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from facetrust.data.batches import Failed
from facetrust.data.dataset import FaceData
from facetrust.data.targets import Unasked
from facetrust.errors import UsageError
from facetrust.models.sface import SFace
from facetrust.records import Sample
from facetrust.training.assembly import STUDENT, Assembly
from facetrust.training.distillation import Distill
from facetrust.training.recipe import Recipe

_log = logging.getLogger("facetrust")
FACES = 256  # Pictures that the layers are fitted on.
_CELLS = 49  # Places of every map that are looked at, drawn once for each picture.
_RIDGE = 1e-6  # Of the mean square of a layer's inputs, added to each.
_CHUNK = 16


class _Unit(NamedTuple):
    """A convolution with its normalisation folded in: weight, bias, and the slopes of its PReLU."""

    weight: Tensor
    bias: Tensor
    slopes: Tensor


def begin(recipe: Recipe, model: nn.Module, made: Assembly, rows: Sequence[Sample]) -> None:
    """Gives a recipe's network the weights of the teacher that it is to inherit from, if there is one.

    Raises:
        UsageError: they are not of one layout, or not fed alike.
    """
    for number, teacher in enumerate(recipe.teachers):
        if not teacher.inherit or not isinstance(made.task, Distill):
            continue
        name = f"teacher-{number}"
        if made.views[name] != made.views[STUDENT]:
            raise UsageError(f"inherit: {teacher.path} is fed otherwise; give the recipe its preprocessing")
        _log.info("inheriting from %s", teacher.path)
        model.eval()
        # On the CPU, as the student is; the teacher may have answered on a GPU before.
        inherit(model, made.task.teachers[name].model.cpu(), _faces(recipe, rows))
        model.train()


def _faces(recipe: Recipe, rows: Sequence[Sample]) -> Tensor:
    """Returns images of some training faces, the same under a seed; what cannot be read is passed over."""
    data = FaceData(rows, views={STUDENT: recipe.preprocessing}, target=Unasked())
    chosen = np.random.default_rng(recipe.seed).permutation(len(rows))[:FACES]
    items = [data[int(index)] for index in chosen]
    return torch.cat([item["views"][STUDENT][:1] for item in items if not isinstance(item, Failed)])


def inherit(student: nn.Module, teacher: nn.Module, images: Tensor) -> None:
    """Gives a narrow chain of depthwise-separable blocks the weights of a wide one, both in evaluation mode.

    Layer by layer, those channels are kept from which the next layer of the teacher can best be told by
    least squares, chosen one by one; then the student's next layer is fitted, by least squares too, to what
    the teacher's says, from what the student's own layer before it says, so that errors are made good as far
    as they can be. The last linear layer is the teacher's over the channels that the student has,
    cut down to its `squeeze` by the singular values that matter on these images. Batch normalisations are set
    to what they see, so that training goes on from here. No gradient is computed.
    Sources: weight inheritance as such, Wu et al. 2023 (TinyCLIP, arXiv 2309.12314); channels by their
    reconstruction, He et al. 2017 (arXiv 1707.06168).

    Args:
        student: an `sface` of fewer channels; it is changed.
        teacher: an `sface`.
        images: (N, 3, h, w) training faces, normalised as both expect.

    Raises:
        UsageError: the networks are not of one layout, or a layer of the student is the wider one.
    """
    narrow, wide = _check(student, teacher)
    with torch.no_grad():
        _Inheritance(wide, images).give(narrow)


def _check(student: nn.Module, teacher: nn.Module) -> tuple[SFace, SFace]:
    if not (isinstance(student, SFace) and isinstance(teacher, SFace)):
        raise UsageError(
            "inherit: weights can only be handed on between networks of sface's layout; "
            f"these are {type(teacher).__name__} and {type(student).__name__}"
        )
    if any(mine > wide for mine, wide in zip(student.widths, teacher.widths, strict=True)):
        raise UsageError(
            f"inherit: the student's widths {student.widths} are not all within those of {teacher.widths}"
        )
    return student, teacher


class _Inheritance:
    """What the teacher says of the images at every layer, looked at in a few places."""

    def __init__(self, teacher: SFace, images: Tensor) -> None:
        self.images = images
        self.stem = _folded(teacher.stem)
        pairs = [_units(block) for block in teacher.blocks]
        self.blocks = [(_folded(deep), _folded(point)) for deep, point in pairs]
        self.strides = [deep.conv.stride[0] for deep, _ in pairs]
        self.head = teacher.head
        self._draw = np.random.default_rng(0)
        self.places: list[Tensor] = []
        self.seen: list[Tensor] = []
        self.last = self._walk()

    def _walk(self) -> Tensor:
        """Keeps the inputs of every pointwise layer (N * cells, c); returns the last maps (N, c, h, w)."""
        found: list[list[Tensor]] = [[] for _ in self.blocks]
        last = []
        for images in torch.split(self.images, _CHUNK):
            x = _run(images, self.stem, padding=1)
            for number, (deep, point) in enumerate(self.blocks):
                x = _run(x, deep, stride=self.strides[number], padding=1, groups=x.shape[1])
                found[number].append(_taken(x, self._places_of(number, x)[-len(x) :]))
                x = _run(x, point)
            last.append(x)
        self.seen = [torch.cat(each) for each in found]
        return torch.cat(last)

    def _places_of(self, number: int, maps: Tensor) -> Tensor:
        drawn = self._draw.integers(0, maps.shape[2] * maps.shape[3], (len(maps), _CELLS))
        if number == len(self.places):
            self.places.append(torch.empty(0, _CELLS, dtype=torch.int64))
        self.places[number] = torch.cat([self.places[number], torch.from_numpy(drawn)])
        return self.places[number]

    def give(self, student: SFace) -> None:
        """Sets the student's weights."""
        kept = [self._kept(number, student.widths[number]) for number in range(len(self.blocks))]
        kept.append(self._kept_last(student.widths[-1]))
        chunks = list(torch.split(self.images, _CHUNK))
        stem = _Unit(*(part[kept[0]] for part in self.stem))
        chunks = _set(student.stem, stem, chunks)
        for number, (deep, point) in enumerate(self.blocks):
            mine, after = kept[number], kept[number + 1]
            ours = _units(student.blocks[number])
            chunks = _set(ours[0], _Unit(*(part[mine] for part in deep)), chunks)
            places = torch.split(self.places[number], _CHUNK)
            inputs = torch.cat([_taken(x, at) for x, at in zip(chunks, places, strict=True)])
            wanted = self.seen[number] @ point.weight[after, :, 0, 0].T + point.bias[after]
            weight, bias = _least_squares(inputs, wanted)
            chunks = _set(ours[1], _Unit(weight[:, :, None, None], bias, point.slopes[after]), chunks)
        self._give_head(student, torch.cat(chunks))

    def _kept(self, number: int, count: int) -> Tensor:
        weight = self.blocks[number][1].weight[:, :, 0, 0]
        return _most_telling(_covariance(self.seen[number])[0], weight, count)

    def _kept_last(self, count: int) -> Tensor:
        weight = self._head_by_channel().flatten(0, 1)
        return _most_telling(_covariance(_cells(self.last))[0], weight, count)

    def _head_by_channel(self) -> Tensor:
        """The linear layer's weights (d, h * w, c)."""
        cells = self.last.shape[2] * self.last.shape[3]
        return self.head.weight.reshape(self.head.out_features, -1, cells).mT

    def _give_head(self, student: SFace, maps: Tensor) -> None:
        """The teacher's head reads its last maps as told from the student's, through fewer channels."""
        ours, theirs = _cells(maps), _cells(self.last)
        weight, bias = _least_squares(ours, theirs)
        whole = self._head_by_channel()
        offset = self.head.bias + torch.einsum("opc,c->o", whole, bias)
        mixed = whole @ weight  # (d, cells, channels of the student)
        squeeze = student.squeeze
        if isinstance(squeeze, nn.Conv2d):
            covariance, mean = _covariance(ours)
            ridge = _RIDGE * covariance.diagonal().mean() * torch.eye(len(covariance), dtype=torch.float64)
            root = torch.linalg.cholesky(covariance + ridge)
            flat = mixed.flatten(0, 1).double() @ root
            left, values, right = torch.linalg.svd(flat, full_matrices=False)
            count = squeeze.out_channels
            down = (right[:count] @ torch.linalg.inv(root)).float()
            squeeze.weight.copy_(down[:, :, None, None])
            cast(Tensor, squeeze.bias).copy_(-down @ mean.float())
            offset = offset + torch.einsum("opc,c->o", mixed, mean.float())
            mixed = (left[:, :count] * values[:count]).float().reshape(*mixed.shape[:2], count)
        student.head.weight.copy_(mixed.mT.flatten(1))
        student.head.bias.copy_(offset)


def _units(block: nn.Module) -> tuple[Any, Any]:
    """Returns a block's depthwise and pointwise unit: each a `conv`, a `bn` and a `prelu`."""
    deep, point = cast(nn.Sequential, block)
    return deep, point


def _folded(unit: Any) -> _Unit:
    norm = unit.bn
    factor = norm.weight / (norm.running_var + norm.eps).sqrt()
    weight = unit.conv.weight * factor[:, None, None, None]
    bias = norm.bias - norm.running_mean * factor
    return _Unit(weight.detach(), bias.detach(), unit.prelu.weight.detach())


def _run(x: Tensor, unit: _Unit, *, stride: int = 1, padding: int = 0, groups: int = 1) -> Tensor:
    made = functional.conv2d(x, unit.weight, unit.bias, stride, padding, 1, groups)
    return functional.prelu(made, unit.slopes)


def _set(unit: Any, wanted: _Unit, chunks: list[Tensor]) -> list[Tensor]:
    """Sets a unit, its normalisation to what it sees in these maps; returns the maps behind it."""
    conv, norm = unit.conv, unit.bn
    conv.weight.copy_(wanted.weight)
    unit.prelu.weight.copy_(wanted.slopes)
    made = [conv(x) for x in chunks]
    count = sum(x.numel() // x.shape[1] for x in made)
    mean = sum(x.sum((0, 2, 3)) for x in made) / count
    variance = sum((x - mean[:, None, None]).square().sum((0, 2, 3)) for x in made) / count
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_((variance + norm.eps).sqrt())
    norm.bias.copy_(mean + wanted.bias)
    return [unit.prelu(norm(x)) for x in made]


def _taken(maps: Tensor, places: Tensor) -> Tensor:
    """Returns what maps (N, c, h, w) hold at places (N, k), as (N * k, c)."""
    wanted = places[:, None].expand(-1, maps.shape[1], -1)
    return maps.flatten(2).gather(2, wanted).mT.flatten(0, 1)


def _cells(maps: Tensor) -> Tensor:
    return maps.permute(0, 2, 3, 1).flatten(0, 2)


def _covariance(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the covariance (c, c) and the mean (c,) of rows (n, c), float64."""
    mean = rows.double().mean(0)
    centred = rows.double() - mean
    return centred.T @ centred / len(rows), mean


def _least_squares(inputs: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the weight (o, i) and bias (o,) that tell wanted (n, o) from inputs (n, i) best."""
    covariance, mean = _covariance(inputs)
    ridge = _RIDGE * covariance.diagonal().mean() * torch.eye(len(covariance), dtype=torch.float64)
    target = wanted.double().mean(0)
    crossed = (inputs.double() - mean).T @ (wanted.double() - target) / len(inputs)
    weight = torch.linalg.solve(covariance + ridge, crossed).T
    return weight.float(), (target - weight @ mean).float()


def _most_telling(covariance: Tensor, weight: Tensor, count: int) -> Tensor:
    """Returns the sorted numbers of `count` inputs from which weight (o, c) times all can best be told.

    One by one, each time the one that explains most of what is left (orthogonal matching pursuit).
    """
    if count == len(covariance):
        return torch.arange(count)
    rest = covariance.clone()
    target = weight.double() @ covariance
    if len(target) > target.shape[1]:
        target = torch.linalg.qr(target, mode="r").R
    chosen: list[int] = []
    floor = 1e-9 * float(covariance.diagonal().mean())
    for _ in range(count):
        gain = target.square().sum(0) / rest.diagonal().clamp_min(floor)
        gain[chosen] = -1
        best = int(gain.argmax())
        chosen.append(best)
        share = rest[best] / rest[best, best].clamp_min(floor)
        target = target - target[:, best, None] * share
        rest = rest - torch.outer(rest[:, best], share)
    return torch.tensor(sorted(chosen))
