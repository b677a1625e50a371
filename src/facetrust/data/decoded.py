"""Pictures as they were decoded the first time: many a training waits for nothing but its decoder."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np

from facetrust.imaging import Pixels, read_sample
from facetrust.records import Sample, write_whole


class Decoded:
    """Reads a row's picture, and keeps its pixels in a folder, from which they are read from then on.

    One uncompressed file a picture, H x W x 3 bytes, in NumPy's format. Processes and runs can share a
    folder: a file is there when it is whole, and a picture that has changed is another one.

    Args:
        folder: holds the files; made when the first is written.
        read: how a row becomes a picture.
    """

    def __init__(self, folder: Path, read: Callable[[Sample], tuple[Pixels, Sample]] = read_sample) -> None:
        self.folder = folder
        self.read = read

    def __call__(self, sample: Sample) -> tuple[Pixels, Sample]:
        """Returns the picture (H, W, 3) uint8 RGB and the row.

        Raises:
            ImageError: the picture cannot be read; nothing is kept of it.
            OSError: the pixels cannot be kept, as on a full disk; the error names the file.
        """
        try:
            about = Path(sample.path).stat()
        except (OSError, ValueError):
            return self.read(sample)  # Which says what is wrong.
        key = f"{sample.path}\0{about.st_size}\0{about.st_mtime_ns}"
        name = hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()[:32]
        file = self.folder / name[:2] / f"{name}.npy"
        try:
            pixels: Pixels = np.load(file, allow_pickle=False)
            return pixels, sample
        except (OSError, ValueError, EOFError):  # Not there, or damaged.
            pixels, sample = self.read(sample)
            content = io.BytesIO()
            np.save(content, pixels, allow_pickle=False)
            write_whole(file, content.getbuffer())
            return pixels, sample
