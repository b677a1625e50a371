"""All pictures of a manifest are brought to one size and one coding, so that neither tells the label."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
from PIL import Image

from facetrust.data.manifest import Manifest, check_suffix
from facetrust.data.prepare import Window
from facetrust.errors import ImageError, ManifestError, UnknownName, UsageError
from facetrust.imaging import Pixels, box_of, read_image, read_mask
from facetrust.records import Box, Sample, write_unreadable, write_whole
from facetrust.records.settings import require_same_settings

By = Literal["crop", "shrink"]
_CHROMA = 2  # Pillow's number of 4:2:0.
_LEAST = 16  # Pixels a side.


class Matched(NamedTuple):
    """What was written: the manifest, how many pictures it lists, what was left out and where that stands."""

    manifest: Path
    pictures: int
    failed: int
    errors: Path | None

    def __str__(self) -> str:
        left_out = f", {self.failed} pictures left out: {self.errors}" if self.errors else ""
        return f"{self.manifest}: {self.pictures} pictures{left_out}"


def match_format(
    manifest: str | Path,
    out: str | Path,
    *,
    size: int,
    by: By = "crop",
    quality: int | None = 75,
    progress: Callable[[int, int], None] | None = None,
) -> Matched:
    """Writes every picture of a manifest as a square of one size in one coding, and a manifest of them.

    The rows stay in their order, with box, points and mask moved along; pictures are named by their row's
    number, so that names tell nothing. What was coded before stays in the pixels: a JPEG that is coded again
    keeps traces of its first coding, which a picture that was never a JPEG lacks. Pictures that cannot be
    read or are smaller than the square are listed in `<out>.errors.csv` and left out, for none is enlarged.
    Pictures that are already there are kept, so a run that was stopped goes on.

    Args:
        manifest: a .parquet or .csv manifest.
        out: the manifest to write, .parquet or .csv; pictures lie beside it in `<out's stem>-pictures`.
        size: side of the square in pixels.
        by: `crop` takes it from the middle (of the box, where the row has one) at the picture's own
            resolution; `shrink` shrinks the largest square there by area, which leaves traces of its own.
        quality: of the JPEGs, with the tables that libjpeg scales to it and chroma 4:2:0; none for PNG. At
            the lowest quality among the manifest's own JPEGs, least is left of how each was coded before.
        progress: called with (pictures done, pictures in all).

    Raises:
        ManifestError: the manifest cannot be used, or none of its pictures can.
        UnknownName: no such way to the size.
        UsageError: a setting is out of range, or pictures made otherwise lie there.
    """
    if by not in get_args(By):
        raise UnknownName("way to the size", by, get_args(By))
    if size < _LEAST or (quality is not None and not 1 <= quality <= 100):
        raise UsageError(
            f"size must be at least {_LEAST} and quality from 1 to 100; got {size} and {quality}"
        )
    out = Path(out)
    check_suffix(out)
    source = Manifest.read(manifest)
    samples = source.samples()
    folder = out.with_name(f"{out.stem}-pictures")
    made_by = {"manifest": source.hash, "root": str(source.root.resolve())}
    require_same_settings(folder / "format.json", {**made_by, "size": size, "by": by, "quality": quality})
    rows: list[Sample] = []
    failed: list[tuple[str, str]] = []
    for number, sample in enumerate(samples):
        name = f"{folder.name}/{number:06d}.{'png' if quality is None else 'jpg'}"
        try:
            rows.append(_matched(sample, source.root, out.parent, name, size, by, quality))
        except ImageError as error:
            failed.append((sample.path, str(error)))
        if progress is not None:
            progress(number + 1, len(samples))
    errors = write_unreadable(out.with_name(f"{out.name}.errors.csv"), failed, columns=("path", "error"))
    if not rows:
        raise ManifestError(f"{manifest}: none of {len(samples)} pictures can be used; reasons: {errors}")
    Manifest.write(rows, out)
    return Matched(out, len(rows), len(failed), errors)


def _matched(
    sample: Sample, root: Path, home: Path, name: str, size: int, by: By, quality: int | None
) -> Sample:
    """Writes a row's picture and mask, unless they are there, and returns its new row."""
    target = home / name
    boxed = sample.x is not None
    kept = target.is_file() and target.stat().st_mtime_ns >= _changed(root / sample.path)
    mask = None if sample.mask is None else f"{name.rpartition('.')[0]}.mask.png"
    if kept and not boxed and sample.points is None:
        return sample.model_copy(update={"path": name, "mask": mask})
    image = read_image(root / sample.path)
    box = box_of(sample, image)
    try:
        window = _window(image.shape, box, size, by)
    except ImageError as error:
        raise ImageError(f"{root / sample.path}: {error}") from None
    if not kept:
        if sample.mask is not None and mask is not None:
            classes, _ = read_mask(root / sample.mask)
            if classes.shape != image.shape[:2]:
                raise ImageError(f"{root / sample.mask}: is not of its picture's size")
            _write(window.cut(classes, nearest=True), home / mask, None)
        # Last, as its presence says that all is there.
        _write(window.cut(image), target, quality)
    x, y, w, h = window.box(box) if boxed else (None,) * 4
    points = None if sample.points is None else tuple(window.place(point) for point in sample.points)
    return sample.model_copy(
        update={"path": name, "mask": mask, "x": x, "y": y, "w": w, "h": h, "points": points}
    )


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror or error})") from None


def _window(shape: tuple[int, ...], box: Box, size: int, by: By) -> Window:
    """Returns the square around the middle of a box, moved inside the picture, and what it is resized to."""
    side = size if by == "crop" else min(shape[:2])
    if min(shape[:2]) < size:
        raise ImageError(f"its {shape[1]}x{shape[0]} pixels are fewer than {size}x{size}; none is enlarged")
    left, top = (
        int(np.clip(round(start + length / 2 - side / 2), 0, limit - side))
        for start, length, limit in ((box[0], box[2], shape[1]), (box[1], box[3], shape[0]))
    )
    return Window(left, top, left + side, top + side, (size, size))


def _write(pixels: Pixels, path: Path, quality: int | None) -> None:
    content = io.BytesIO()
    picture = Image.fromarray(pixels)
    if quality is None:
        picture.save(content, "PNG", compress_level=3)
    else:
        picture.save(content, "JPEG", quality=quality, subsampling=_CHROMA)
    write_whole(path, content.getbuffer())
