"""Pictures without a face as patches at their own resolution: the texture of a medium, nothing to lean on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from facetrust.data.manifest import Manifest, check_suffix
from facetrust.data.sources.folder import folder
from facetrust.errors import UsageError
from facetrust.imaging import Pixels, read_image
from facetrust.records import Sample, write_whole
from facetrust.records.settings import require_same_settings


def patches(root: str | Path, out: str | Path, *, side: int = 128, margin: float = 1.3) -> Manifest:
    """Writes the square patches that fit side by side into each picture of a folder, and a manifest of them.

    They are taken for faces from there on: a row has a box whose crop with `margin` is the patch, so that a
    network of that input size sees native pixels. They lie around the picture's middle; a picture that is
    smaller is one patch. Patches of a picture have one `media`. Files that are there are kept.

    Args:
        root: the pictures, in a layout that `sources.folder` knows.
        out: the manifest to write, .parquet or .csv; the patches go into the folder of its name beside it.
        side: of a patch, pixels; what the network takes.
        margin: side of the network's crop over side of the box.

    Raises:
        ManifestError: the folder is missing or empty, or a label is not known.
        ImageError: a picture cannot be read.
        UsageError: `side` is below 16, or `margin` below 1; or patches made by another call lie there.
    """
    root, out = Path(root), Path(out)
    check_suffix(out)
    if side < 16 or not margin >= 1:
        raise UsageError(f"a patch needs 16 pixels a side and a margin of 1; got {side} and {margin}")
    found = folder(root)
    require_same_settings(
        out.parent / out.stem / "patches.json", {"root": str(root.resolve()), "side": side, "margin": margin}
    )
    rows = []
    for row in found:
        for number, patch in enumerate(cut(read_image(root / row.path), side)):
            rows.append(_written(out, row, number, patch, margin))
    return Manifest.write(rows, out)


def cut(image: Pixels, side: int) -> list[Pixels]:
    """Returns the patches (side, side, 3) that fit into a picture (H, W, 3), row by row; smaller if it is."""
    height, width = image.shape[:2]
    side = min(side, height, width)
    top, left = (height % side) // 2, (width % side) // 2
    return [
        image[y : y + side, x : x + side]
        for y in range(top, height - side + 1, side)
        for x in range(left, width - side + 1, side)
    ]


def _written(out: Path, row: Sample, number: int, patch: Pixels, margin: float) -> Sample:
    name = f"{out.stem}/{row.path}-{number}.png"
    path = out.parent / name
    if not path.is_file():
        _, content = cv2.imencode(".png", np.ascontiguousarray(patch[:, :, ::-1]))
        write_whole(path, content.tobytes())
    size = patch.shape[0] / margin
    corner = (patch.shape[0] - size) / 2
    changes = {"path": name, "media": row.path, "x": corner, "y": corner, "w": size, "h": size, "mask": None}
    return row.model_copy(update=changes)
