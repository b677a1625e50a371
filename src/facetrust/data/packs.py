"""Packs: files that hold many encoded pictures. A row names the pack and, by `frame`, the picture in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from facetrust.data.record_io import RecordFile
from facetrust.data.verification_pack import read_pack
from facetrust.errors import ManifestError

PACKS = (".rec", ".bin")


def encoded_pictures(path: Path, numbers: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """Yields (number, encoded picture) for the wanted pictures of a pack, in their order.

    Raises:
        ManifestError: the pack is missing or damaged, or has no such picture.
    """
    if path.suffix.lower() == ".rec":
        with RecordFile(path) as records:
            for number in numbers:
                yield number, records.read(number).picture
        return
    pictures = read_pack(path).pictures
    for number in numbers:
        if not 0 <= number < len(pictures):
            raise ManifestError(f"{path}: has no picture {number}; there are {len(pictures)}")
        yield number, pictures[number]
