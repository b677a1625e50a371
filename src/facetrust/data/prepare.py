"""Finds the faces of a data set once: crops with room around the face, and a manifest of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, PngImagePlugin

from facetrust.data._resume import settle
from facetrust.data.manifest import Manifest, check_suffix
from facetrust.data.splits import check_split
from facetrust.errors import ImageError, ManifestError, UsageError
from facetrust.faces.detector import Detector, Finding, find_faces
from facetrust.imaging import Pixels, read_image
from facetrust.imaging.video import VIDEOS, iter_frames
from facetrust.records import Box, Sample, Split, write_unreadable, write_whole
from facetrust.registry import call_with_text, find

_BOX = "facetrust.box"
_OVERLAP = 0.3  # A found face that shares less with the given box is another one.
_COMPRESSION = 3  # Of zlib: half the time of the usual 6 for a few per cent of size.


class Prepared(NamedTuple):
    """What `prepare` wrote: the manifest, how many faces it lists, and the list of what was left out."""

    manifest: Path
    faces: int
    failed: int
    errors: Path | None

    def __str__(self) -> str:
        left_out = f", {self.failed} pictures left out: {self.errors}" if self.errors else ""
        return f"{self.manifest}: {self.faces} faces{left_out}"


def prepare(
    source: str,
    root: str | Path,
    out: str | Path,
    *,
    detector: Detector,
    context: float = 4.0,
    longest_face: int = 160,
    seed: int = 0,
    split: Split | None = None,
    settings: Mapping[str, object] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Writes a crop of each picture's face as PNG, and a manifest with the faces' boxes in the crops.

    A crop is the square of `context` times the box's longer side, moved inside the picture and cut
    to it: real pixels only, so that any margin up to `context` gives the same as in the picture. Where
    the source knows the face's box, the found face that overlaps it best is taken, or the box itself
    if none does; else the largest face. A row that names a frame of a video is read from it, one pass
    for the rows of a video that follow each other. Pictures that cannot be read or show no face are listed in
    `<out>.errors.csv` and left out. Crops that are already there are kept, so a run that was stopped
    goes on.

    Args:
        source: name of the data set's layout, a file of `data/sources`.
        root: the data set's folder.
        out: the manifest to write, .parquet or .csv; crops lie beside it in `<out's stem>-faces`.
        detector: finds the faces.
        context: side of the crop over the longer side of the face.
        longest_face: pixels; crops with larger faces are shrunk to it.
        seed: of the split, where the source does not fix it.
        split: put every row there, as `test` for a set that nothing is trained or fitted on; the source's own
            splits if none is given.
        settings: the source's own, such as `frames`; values may be text.
        progress: called with (pictures done, pictures in all).

    Raises:
        UnknownName: no such source, or no such split.
        ManifestError: the data set is incomplete, or no face was found at all.
        UsageError: a setting is out of range, or crops made with other settings lie there.
    """
    root, out = Path(root), Path(out)
    check_suffix(out)
    if not context >= 1 or longest_face < 16:
        raise UsageError(f"context must be at least 1 and longest_face 16; got {context} and {longest_face}")
    if split is not None:
        check_split(split)
    samples: list[Sample] = call_with_text(
        find("data.sources", source), source, root, **{"seed": seed, **(settings or {})}
    )
    folder = out.with_name(f"{out.stem}-faces")
    made_by = {"source": source, "root": str(root.resolve()), "detector": detector.name}
    settle(folder / "prepare.json", {**made_by, "context": float(context), "longest_face": longest_face})
    cutter = _Cutter(root, folder, detector, context, longest_face)
    rows: list[Sample] = []
    failed: list[tuple[str, str]] = []
    for done, (sample, made) in enumerate(cutter.cut(samples), start=1):
        if isinstance(made, ImageError):
            failed.append((sample.path, str(made)))
        else:
            placed = sample if split is None else sample.model_copy(update={"split": split})
            rows.append(_row(placed, f"{folder.name}/{_crop_name(sample)}", made))
        if progress is not None:
            progress(done, len(samples))
    errors = write_unreadable(out.with_name(f"{out.name}.errors.csv"), failed, columns=("path", "error"))
    if not rows:
        raise ManifestError(f"{root}: no face in any of {len(samples)} pictures; reasons: {errors}")
    Manifest.write(rows, out)
    return Prepared(out, len(rows), len(failed), errors)


def _frame(sample: Sample) -> int | None:
    """The number of the row's frame where its file is a video."""
    return sample.frame if Path(sample.path).suffix.lower() in VIDEOS else None


def _crop_name(sample: Sample) -> str:
    """The crop's place: the picture's, its suffix kept so that a.jpg and a.png do not meet.

    A video's name becomes a folder: `a.avi/000006.png`.
    """
    path, frame = Path(sample.path), _frame(sample)
    parts = ["__" if part == ".." else part for part in path.parts if part != path.anchor]
    return "/".join(parts) + (".png" if frame is None else f"/{frame:06d}.png")


def _kept(crop: Path, picture: Path) -> Box | None:
    """Returns the box noted in a crop that is there and not older than its picture."""
    try:
        if crop.stat().st_mtime_ns < picture.stat().st_mtime_ns:
            return None
        with Image.open(crop) as image:
            x, y, w, h = (float(side) for side in str(image.info[_BOX]).split())
    except (OSError, KeyError, ValueError):
        return None
    return x, y, w, h


class _Cutter(NamedTuple):
    """Makes crops of rows' faces from the pictures below a root into a folder."""

    root: Path
    folder: Path
    detector: Detector
    context: float
    longest_face: int

    def cut(self, samples: list[Sample]) -> Iterator[tuple[Sample, Box | ImageError]]:
        """Yields each row with the face's box in its crop, or with why there is no crop."""
        for path, group in groupby(samples, key=lambda sample: sample.path):
            new = []
            for sample in group:
                box = _kept(self.folder / _crop_name(sample), self.root / path)
                if box is None:
                    new.append(sample)
                else:
                    yield sample, box
            yield from self._cut_file(self.root / path, new)

    def _cut_file(self, path: Path, samples: list[Sample]) -> Iterator[tuple[Sample, Box | ImageError]]:
        left = list(samples)
        try:
            for sample, image in _pictures(path, samples):
                left.remove(sample)
                yield sample, self._try(sample, image)
        except ImageError as error:
            yield from ((sample, error) for sample in left)

    def _try(self, sample: Sample, image: Pixels) -> Box | ImageError:
        frame = _frame(sample)
        where = f"{self.root / sample.path}" + ("" if frame is None else f", frame {frame}")
        try:
            return self._write(sample, image, where)
        except ImageError as error:
            return error

    def _write(self, sample: Sample, image: Pixels, where: str) -> Box:
        given = _given(sample)
        try:
            # Where the box is known, the picture is upright and there is nothing to search for.
            finding = find_faces(image, self.detector, search=given is None, background=0.0)
        except (
            Exception
        ) as error:  # A detector's libraries raise what they like; one picture must not end the run.
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise ImageError(f"{where}: the detector failed ({reason})") from error
        box = _chosen(finding, given)
        if box is None:
            raise ImageError(f"{where}: no face found")
        pixels, inside = cut_context(finding.image, box, context=self.context, longest_face=self.longest_face)
        _save(pixels, inside, self.folder / _crop_name(sample))
        return inside


def _pictures(path: Path, samples: list[Sample]) -> Iterator[tuple[Sample, Pixels]]:
    """Yields the rows of one file with their pixels; a video is decoded once."""
    frames = [frame for sample in samples if (frame := _frame(sample)) is not None]
    for number, image in iter_frames(path, frames) if frames else ():
        yield from ((sample, image) for sample in samples if _frame(sample) == number)
    for sample in samples:
        if _frame(sample) is None:
            yield sample, read_image(path)


def _save(pixels: Pixels, box: Box, crop: Path) -> None:
    note = PngImagePlugin.PngInfo()
    note.add_text(_BOX, " ".join(repr(side) for side in box))
    picture = Image.fromarray(pixels)
    write_whole(
        crop, lambda part: picture.save(part, format="PNG", pnginfo=note, compress_level=_COMPRESSION)
    )


def cut_context(
    image: Pixels, box: Box, *, context: float = 4.0, longest_face: int = 160
) -> tuple[Pixels, Box]:
    """Returns the surroundings of a face, real pixels only, and the face's box in them.

    Args:
        image: (H, W, 3) uint8 RGB.
        box: x, y, w, h in pixels; may reach outside.
        context: side of the surroundings over the box's longer side; moved inside the picture, cut to it.
        longest_face: pixels that the box's longer side is shrunk to if it is larger.

    Raises:
        ImageError: the box is empty or lies outside the picture.
    """
    x, y, w, h = box
    if not (w > 0 and h > 0 and -w < x < image.shape[1] and -h < y < image.shape[0]):
        raise ImageError(f"the face's box {box} is empty or lies outside the picture")
    side = max(w, h)
    left, right = _span(x + w / 2, side * context, image.shape[1])
    top, bottom = _span(y + h / 2, side * context, image.shape[0])
    cut = np.ascontiguousarray(image[top:bottom, left:right])
    tall, wide = cut.shape[:2]
    if side > longest_face:
        factor = longest_face / side
        size = (max(1, round(wide * factor)), max(1, round(tall * factor)))
        cut = np.asarray(cv2.resize(cut, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    across, down = cut.shape[1] / wide, cut.shape[0] / tall
    return cut, ((x - left) * across, (y - top) * down, w * across, h * down)


def _span(centre: float, length: float, limit: int) -> tuple[int, int]:
    """The whole pixels of a window around a centre, moved inside [0, limit] and cut to it."""
    length = min(length, limit)
    start = min(max(centre - length / 2, 0.0), limit - length)
    # An even start: rounding to even, when a margin is cut later, then falls as it does in the picture.
    return int(start // 2) * 2, min(limit, int(np.ceil(start + length)))


def _given(sample: Sample) -> Box | None:
    if sample.x is None or sample.y is None or sample.w is None or sample.h is None:
        return None
    return sample.x, sample.y, sample.w, sample.h


def _chosen(finding: Finding, given: Box | None) -> Box | None:
    boxes = [face.box for face in finding.faces]
    if given is None:
        return max(boxes, key=lambda box: box[2] * box[3], default=None)
    best = max(boxes, key=lambda box: _overlap(box, given), default=given)
    return best if _overlap(best, given) >= _OVERLAP else given


def _overlap(a: Box, b: Box) -> float:
    """Area that two boxes share over the area that they cover together."""
    wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    tall = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    both = max(wide, 0.0) * max(tall, 0.0)
    return both / (a[2] * a[3] + b[2] * b[3] - both)


def _row(sample: Sample, path: str, box: Box) -> Sample:
    """The sample with the crop for the picture; a mask would no longer fit."""
    x, y, w, h = box
    return sample.model_copy(update={"path": path, "x": x, "y": y, "w": w, "h": h, "mask": None})
