"""Finds the faces of a data set once: crops with room around the face, and a manifest of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL import Image, PngImagePlugin

from facetrust.data._processes import by_processes
from facetrust.data.lists import official_lists, row_name, write_lists
from facetrust.data.manifest import Manifest, check_suffix
from facetrust.data.packs import PACKS
from facetrust.data.splits import check_split
from facetrust.errors import ImageError, ManifestError, UsageError, first_line
from facetrust.faces.detector import WHOLE, Detector, Finding, find_faces, open_detector
from facetrust.imaging import Pixels, quarter_turn, read_image, read_mask
from facetrust.imaging.pixels import CLASS_NAMES
from facetrust.imaging.video import VIDEOS, iter_frames
from facetrust.records import Box, Face, Point, Sample, Split, write_unreadable, write_whole
from facetrust.records.settings import require_same_settings
from facetrust.registry import call_with_text, find, module

_BOX = "facetrust.box"
_POINTS = "facetrust.points"
_OVERLAP = 0.3  # A found face that shares less with the given box is another one.
_COMPRESSION = 3  # Of zlib: half the time of the usual 6 for a few per cent of size.


class Prepared(NamedTuple):
    """What was written: the manifest, how many faces it lists, what was left out, and the lists beside it."""

    manifest: Path
    faces: int
    failed: int
    errors: Path | None
    lists: tuple[str, ...] = ()

    def __str__(self) -> str:
        left_out = f", {self.failed} pictures left out: {self.errors}" if self.errors else ""
        return "\n".join([f"{self.manifest}: {self.faces} faces{left_out}", *self.lists])


def prepare(
    source: str,
    root: str | Path,
    out: str | Path,
    *,
    detector: Detector | str | Path | None = None,
    context: float = 4.0,
    longest_face: int = 160,
    seed: int = 0,
    split: Split | None = None,
    annotations: bool = False,
    workers: int = 1,
    settings: Mapping[str, object] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Writes a crop of each picture's face as PNG, and a manifest with the faces' boxes in the crops.

    A crop is the square of `context` times the box's longer side, moved inside the picture and cut
    to it: real pixels only, so that any margin up to `context` gives the same as in the picture. Where
    the source knows the face's box, the found face that overlaps it best is taken, or the box itself
    if none does; else the largest face. A row that names a frame of a video is read from it, one pass
    for the rows of a video that follow each other. Pictures that cannot be read or show no face are listed in
    `<out>.errors.csv` and left out. The makers' lists of pairs are written beside the manifest
    (`data.lists`), without the pairs of such pictures. Crops that are already there are kept, so a run
    that was stopped goes on.

    Args:
        source: name of the data set's layout, a file of `data/sources`.
        root: the data set's folder.
        out: the manifest to write, .parquet or .csv; crops lie beside it in `<out's stem>-faces`.
        detector: finds the faces: an open one, or the file of a YuNet; MTCNN without.
        context: side of the crop over the longer side of the face.
        longest_face: pixels; crops with larger faces are shrunk to it.
        seed: of the split, where the source does not fix it.
        split: put every row there, as `test` for a set that nothing is trained or fitted on; the source's own
            splits if none is given.
        annotations: also keep the five points that the detector found, and the row's mask, cut as the
            picture is: what aligned faces and the parts of a face are learnt from.
        workers: processes that find and cut, if more than one; the detector is given by its file then. What
            is written is the same.
        settings: the source's own, such as `frames`; values may be text.
        progress: called with (pictures done, pictures in all).

    Raises:
        UnknownName: no such source, or no such split.
        ManifestError: the data set is incomplete, or no face was found at all.
        UsageError: a setting is out of range, or crops made with other settings lie there.
        FacetrustError: a worker was ended.
    """
    root, out = Path(root), Path(out)
    check_suffix(out)
    if not context >= 1 or longest_face < 16:
        raise UsageError(f"context must be at least 1 and longest_face 16; got {context} and {longest_face}")
    finder = open_detector(detector) if detector is None or isinstance(detector, str | Path) else detector
    if workers < 1 or (workers > 1 and finder is detector):
        raise UsageError(
            f"workers {workers}: give a number from 1 on, and from 2 on the detector by its file"
        )
    if split is not None:
        check_split(split)
    samples: list[Sample] = call_with_text(
        find("data.sources", source), source, root, **{"seed": seed, **(settings or {})}
    )
    if packed := next((row.path for row in samples if Path(row.path).suffix.lower() in PACKS), None):
        raise UsageError(f"{root / packed}: holds faces that were cut already; use --as-is")
    lists = official_lists(source, root, settings or {})
    folder = out.with_name(f"{out.stem}-faces")
    classes: tuple[str, ...] = getattr(module("data.sources", source), "CLASSES", ()) if annotations else ()
    noted: dict[str, object] = {"annotations": True} if annotations else {}
    noted |= {"classes": list(classes)} if classes else {}
    made_by = {"source": source, "root": str(root.resolve()), "detector": finder.name}
    require_same_settings(
        folder / "prepare.json", {**made_by, "context": float(context), "longest_face": longest_face, **noted}
    )
    cutter = _Cutter(root, folder, finder, context, longest_face, annotations, classes)
    cuts = cutter.cut(samples) if workers == 1 else cutter.cut_by_processes(samples, detector, workers)
    rows: list[Sample] = []
    paths: dict[str, str] = {}
    failed: list[tuple[str, str]] = []
    for done, (sample, made) in enumerate(cuts, start=1):
        if isinstance(made, ImageError):
            failed.append((sample.path, str(made)))
        else:
            placed = sample if split is None else sample.model_copy(update={"split": split})
            paths[row_name(sample)] = f"{folder.name}/{_crop_name(sample)}"
            rows.append(_row(placed, paths[row_name(sample)], made, annotations=annotations))
        if progress is not None:
            progress(done, len(samples))
    errors = write_unreadable(out.with_name(f"{out.name}.errors.csv"), failed, columns=("path", "error"))
    if not rows:
        raise ManifestError(f"{root}: no face in any of {len(samples)} pictures; reasons: {errors}")
    Manifest.write(rows, out)
    return Prepared(out, len(rows), len(failed), errors, tuple(write_lists(lists, out, paths)))


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


def _kept(crop: Path, picture: Path) -> _Cut | None:
    """Returns what is noted in a crop that is there and not older than its picture."""
    try:
        if crop.stat().st_mtime_ns < picture.stat().st_mtime_ns:
            return None
        with Image.open(crop) as image:
            x, y, w, h = (float(side) for side in str(image.info[_BOX]).split())
            points = str(image.info.get(_POINTS, "")) or None
    except (OSError, KeyError, ValueError):
        return None
    return _Cut((x, y, w, h), points)


class _Cut(NamedTuple):
    """A face in its crop: its box, and its five points as a manifest writes them, if they were found."""

    box: Box
    points: str | None


class _Cutter(NamedTuple):
    """Makes crops of rows' faces from the pictures below a root into a folder."""

    root: Path
    folder: Path
    detector: Any  # None on its way to another process.
    context: float
    longest_face: int
    annotations: bool
    classes: tuple[str, ...]

    def cut(self, samples: list[Sample]) -> Iterator[tuple[Sample, _Cut | ImageError]]:
        """Yields each row with the face's box in its crop, or with why there is no crop."""
        for path, group in groupby(samples, key=lambda sample: sample.path):
            new = []
            for sample in group:
                cut = _kept(self.folder / _crop_name(sample), self.root / path)
                if cut is None:
                    new.append(sample)
                else:
                    yield sample, cut
            yield from self._cut_file(self.root / path, new)

    def cut_by_processes(
        self, samples: list[Sample], detector: Any, workers: int
    ) -> Iterator[tuple[Sample, _Cut | ImageError]]:
        """Yields what `cut` does, by several processes, of which each opens the detector's file."""
        files = [list(group) for _, group in groupby(samples, key=lambda sample: sample.path)]
        work = partial(_cut, self._replace(detector=None))
        for made in by_processes(work, files, tool=partial(open_detector, detector), workers=workers):
            yield from made

    def _cut_file(self, path: Path, samples: list[Sample]) -> Iterator[tuple[Sample, _Cut | ImageError]]:
        left = list(samples)
        try:
            for sample, image in _pictures(path, samples):
                left.remove(sample)
                yield sample, self._try(sample, image)
        except ImageError as error:
            yield from ((sample, error) for sample in left)

    def _try(self, sample: Sample, image: Pixels) -> _Cut | ImageError:
        frame = _frame(sample)
        where = f"{self.root / sample.path}" + ("" if frame is None else f", frame {frame}")
        try:
            return self._write(sample, image, where)
        except ImageError as error:
            return error

    def _write(self, sample: Sample, image: Pixels, where: str) -> _Cut:
        given = _given(sample)
        try:
            # Where the box is known, the picture is upright and there is nothing to search for.
            finding = find_faces(image, self.detector, search=WHOLE, attempts=given is None)
        except (
            Exception
        ) as error:  # A detector's libraries raise what they like; one picture must not end the run.
            raise ImageError(
                f"{where}: the detector failed ({type(error).__name__}: {first_line(error)})"
            ) from error
        face = _chosen(finding, given)
        if face is None:
            raise ImageError(f"{where}: no face found")
        window = context_window(
            finding.image.shape, face.box, context=self.context, longest_face=self.longest_face
        )
        crop = self.folder / _crop_name(sample)
        if self.annotations and sample.mask is not None:
            mask, names = read_mask(self.root / sample.mask)
            upright = quarter_turn(mask, finding.turns) if finding.turns else mask
            if upright.shape != finding.image.shape[:2]:
                raise ImageError(f"{self.root / sample.mask}: is not of its picture's size")
            # Before the crop, whose presence says that all is there.
            named = ",".join(names or self.classes)
            _save(window.cut(upright, nearest=True), _mask_of(crop), {CLASS_NAMES: named} if named else {})
        points = (
            [number for point in face.points for number in window.place(point)] if self.annotations else []
        )
        noted = _Cut(window.box(face.box), " ".join(f"{number:.2f}" for number in points) or None)
        notes = {_BOX: " ".join(map(repr, noted.box)), **({_POINTS: noted.points} if noted.points else {})}
        _save(window.cut(finding.image), crop, notes)
        return noted


def _cut(
    cutter: _Cutter, detector: Detector, samples: list[Sample]
) -> list[tuple[Sample, _Cut | ImageError]]:
    """What is cut of some rows in a process that has a detector of its own."""
    return list(cutter._replace(detector=detector).cut(samples))


def _mask_of(crop: Path) -> Path:
    return crop.with_name(f"{crop.stem}.mask.png")


def _pictures(path: Path, samples: list[Sample]) -> Iterator[tuple[Sample, Pixels]]:
    """Yields the rows of one file with their pixels; a video is decoded once."""
    frames = [frame for sample in samples if (frame := _frame(sample)) is not None]
    for number, image in iter_frames(path, frames) if frames else ():
        yield from ((sample, image) for sample in samples if _frame(sample) == number)
    for sample in samples:
        if _frame(sample) is None:
            yield sample, read_image(path)


def _save(pixels: Pixels, path: Path, notes: Mapping[str, str]) -> None:
    written = PngImagePlugin.PngInfo()
    for key, text in notes.items():
        written.add_text(key, text)
    picture = Image.fromarray(pixels)
    content = io.BytesIO()
    picture.save(content, "PNG", pnginfo=written, compress_level=_COMPRESSION)
    write_whole(path, content.getbuffer())


class Window(NamedTuple):
    """Whole pixels that are cut out of a picture, and the size (height, width) that they are resized to."""

    left: int
    top: int
    right: int
    bottom: int
    size: tuple[int, int]

    def cut(self, image: Pixels, *, nearest: bool = False) -> Pixels:
        """Returns the window of a picture or mask."""
        part = np.ascontiguousarray(image[self.top : self.bottom, self.left : self.right])
        if part.shape[:2] == self.size:
            return part
        method = cv2.INTER_NEAREST if nearest else cv2.INTER_AREA
        return np.asarray(cv2.resize(part, self.size[::-1], interpolation=method), dtype=np.uint8)

    def place(self, point: Point) -> Point:
        """Returns where a point of the picture lies in the window."""
        across, down = self._scale
        return (point[0] - self.left) * across, (point[1] - self.top) * down

    def box(self, box: Box) -> Box:
        """Returns where a box of the picture lies in the window."""
        across, down = self._scale
        x, y, w, h = box
        return (x - self.left) * across, (y - self.top) * down, w * across, h * down

    @property
    def _scale(self) -> tuple[float, float]:
        return self.size[1] / (self.right - self.left), self.size[0] / (self.bottom - self.top)


def context_window(
    shape: tuple[int, ...], box: Box, *, context: float = 4.0, longest_face: int = 160
) -> Window:
    """Returns the window of a face's surroundings, real pixels only.

    Args:
        shape: (height, width, ...) of the picture.
        box: x, y, w, h in pixels; may reach outside.
        context: side of the surroundings over the box's longer side; moved inside the picture, cut to it.
        longest_face: pixels that the box's longer side is shrunk to if it is larger.

    Raises:
        ImageError: the box is empty or lies outside the picture.
    """
    x, y, w, h = box
    if not (w > 0 and h > 0 and -w < x < shape[1] and -h < y < shape[0]):
        raise ImageError(f"the face's box {box} is empty or lies outside the picture")
    side = max(w, h)
    left, right = _span(x + w / 2, side * context, shape[1])
    top, bottom = _span(y + h / 2, side * context, shape[0])
    tall, wide = bottom - top, right - left
    if side > longest_face:
        factor = longest_face / side
        tall, wide = max(1, round(tall * factor)), max(1, round(wide * factor))
    return Window(left, top, right, bottom, (tall, wide))


def cut_context(
    image: Pixels, box: Box, *, context: float = 4.0, longest_face: int = 160
) -> tuple[Pixels, Box]:
    """Returns a face's surroundings, real pixels only, and its box in them; see `context_window`."""
    window = context_window(image.shape, box, context=context, longest_face=longest_face)
    return window.cut(image), window.box(box)


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


def _chosen(finding: Finding, given: Box | None) -> Face | None:
    """The face that is meant: the largest, or that which overlaps the known box best, or the box itself."""
    if given is None:
        return max(finding.faces, key=lambda face: face.box[2] * face.box[3], default=None)
    best = max(finding.faces, key=lambda face: _overlap(face.box, given), default=None)
    if best is not None and _overlap(best.box, given) >= _OVERLAP:
        return best
    return Face(box=given, points=(), confidence=0.0)


def _overlap(a: Box, b: Box) -> float:
    """Area that two boxes share over the area that they cover together."""
    wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    tall = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    both = max(wide, 0.0) * max(tall, 0.0)
    return both / (a[2] * a[3] + b[2] * b[3] - both)


def _row(sample: Sample, path: str, cut: _Cut, *, annotations: bool) -> Sample:
    """The sample with the crop in the picture's place, and what lies in it; an uncut mask would not fit."""
    x, y, w, h = cut.box
    mask = _mask_of(Path(path)).as_posix() if annotations and sample.mask is not None else None
    facts = {"path": path, "x": x, "y": y, "w": w, "h": h, "mask": mask, "points": cut.points}
    return Sample(**{**sample.model_dump(), **facts})
