"""What a manifest's row must bring for a task: a label, an identity, or a mask of classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facetrust.data.classes import IGNORED, Merge, converted
from facetrust.errors import ImageError, ManifestError, UsageError
from facetrust.imaging import Pixels, read_mask
from facetrust.records import Sample

_LABELS = {
    **dict.fromkeys(("0", "bona fide", "bonafide", "live", "real", "genuine", "different"), 0),
    **dict.fromkeys(("1", "attack", "spoof", "fake", "manipulated", "generated", "recaptured", "same"), 1),
}
NOBODY = -1  # The number of who is not known.
_SIDES = (("left_", "right_"), ("l_", "r_"))  # How class names say whose side they are on.


def label_number(name: str | int) -> int:
    """Returns 0 (bona fide) or 1 (attack) for a label's name in any task.

    Raises:
        ManifestError: the label is not known.
    """
    try:
        return _LABELS[str(name).strip().lower()]
    except KeyError:
        raise ManifestError(f"label {name!r} is not known; use one of {', '.join(_LABELS)}") from None


class Target(Protocol):
    """Reads from a row what a network is to answer.

    `settings` are handed to the task's objective; `dense` says whether the answer has a place per pixel.
    """

    settings: dict[str, Any]
    dense: bool

    def of(self, sample: Sample, *, faked: bool = False) -> float | int:
        """Returns the target of a row that is not dense; `faked` if a negative was turned into a positive."""

    def example(self, size: tuple[int, int]) -> NDArray[Any]:
        """Returns the targets (2, ...) of two crops of `size`, for layers that are made by example."""


class Labels:
    """The label, as a float: 0 or 1."""

    dense = False

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}

    def of(self, sample: Sample, *, faked: bool = False) -> float:
        """Returns 1.0 for a positive row or one that was made positive, else 0.0.

        Raises:
            ManifestError: the row has no label.
        """
        if sample.label is None:
            raise ManifestError(f"{sample.path}: has no label, which this task learns from")
        return float(sample.label or faked)

    def example(self, size: tuple[int, int]) -> NDArray[Any]:
        """Returns one label of each kind."""
        return np.array([0.0, 1.0], np.float32)


class Unasked:
    """Nothing, where a network is only asked: rows need no target then."""

    dense = False

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}

    def of(self, sample: Sample, *, faked: bool = False) -> float:
        """Returns 0.0."""
        return 0.0

    def example(self, size: tuple[int, int]) -> NDArray[Any]:
        """Returns two zeros."""
        return np.zeros(2, np.float32)


class Identities:
    """The number of the row's subject: first those of the training rows, sorted, then all others.

    A row without a subject has the number `NOBODY`: a teacher can be learnt from on it, and no identity.
    """

    dense = False

    def __init__(self, train: Sequence[Sample], others: Sequence[Sample] = ()) -> None:
        known = sorted({row.subject for row in train if row.subject is not None})
        further = sorted({row.subject for row in others if row.subject is not None} - set(known))
        self._numbers = {name: number for number, name in enumerate([*known, *further])}
        self.settings: dict[str, Any] = {"identities": len(known)}

    def of(self, sample: Sample, *, faked: bool = False) -> int:
        """Returns the subject's number, or `NOBODY`."""
        return NOBODY if sample.subject is None else self._numbers[sample.subject]

    def example(self, size: tuple[int, int]) -> NDArray[Any]:
        """Returns the first identity and, if there is one, the second."""
        return np.arange(2) % max(1, int(self.settings["identities"]))


class Masks:
    """The class of every pixel, by the mask file that a row names.

    Args:
        classes: names in the order of their indices; those that begin with `left_` and `right_` (or `l_`
            and `r_`) and are otherwise alike change places in a mirrored picture.
        merge: the classes of masks that become one of `classes`, where pixels are measured and not learnt.
    """

    dense = True

    def __init__(self, classes: Sequence[str], merge: Merge | None = None) -> None:
        if len(set(classes)) != len(classes) or not classes:
            raise UsageError(
                "data.classes: name every class of the masks once, in the order of their indices"
            )
        self.settings: dict[str, Any] = {"classes": tuple(classes)}
        self._merge = merge or {}
        self._mirrored = np.arange(256, dtype=np.uint8)
        for index, name in enumerate(classes):
            for left, right in _SIDES:
                if name.startswith(left) and (other := right + name.removeprefix(left)) in classes:
                    there = list(classes).index(other)
                    self._mirrored[index], self._mirrored[there] = there, index

    def of(self, sample: Sample, *, faked: bool = False) -> int:
        """Returns 0; the target of a dense task is read from the mask and cut with the picture."""
        return 0

    def example(self, size: tuple[int, int]) -> NDArray[Any]:
        """Returns masks (2, 1, h, w) of the first class."""
        return np.zeros((2, 1, *size), np.int64)

    def read(self, sample: Sample, size: tuple[int, ...]) -> Pixels:
        """Returns a row's mask (H, W, 1) uint8 of class indices.

        A mask that names its classes is converted by these names; one without has the classes in order, and
        cannot be merged. What is not measured is `IGNORED`.

        Args:
            size: (height, width) of the picture, which the mask must have too.

        Raises:
            ImageError: the mask is missing, has another size, or an index or a name that no class has.
        """
        if sample.mask is None:
            raise ImageError(f"{sample.path}: the manifest names no mask for it, which this task learns from")
        mask, names = read_mask(sample.mask)
        if mask.shape != tuple(size[:2]):
            raise ImageError(f"{sample.mask}: is {mask.shape}, its picture {tuple(size[:2])} (height, width)")
        if self._merge and not names:
            raise ImageError(
                f"{sample.mask}: names no classes to merge; write it with facetrust data prepare"
            )
        try:
            mask = converted(mask, names or self.settings["classes"], self.settings["classes"], self._merge)
        except UsageError as error:
            raise ImageError(f"{sample.mask}: {error}") from None
        known = mask if not self._merge else mask[mask != IGNORED]
        if (top := int(known.max(initial=0))) >= len(self.settings["classes"]):
            raise ImageError(
                f"{sample.mask}: holds index {top}; {len(self.settings['classes'])} classes are named"
            )
        return np.ascontiguousarray(mask[:, :, None])

    def mirrored(self, mask: Pixels) -> Pixels:
        """Returns a mask that was turned left to right with left and right classes in each other's place."""
        return self._mirrored[mask]


def target_of(
    kind: str, train: Sequence[Sample], dev: Sequence[Sample] = (), classes: Sequence[str] = ()
) -> Target:
    """Returns the reader of a task's kind of target.

    Raises:
        UsageError: masks without class names.
    """
    if kind == "identity":
        return Identities(train, dev)
    return Masks(classes) if kind == "mask" else Labels()
