"""A whole picture as a trained decoder makes it: what it shows stays, a generator's traces come."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from facetrust.data.simulate._blending import Blend
from facetrust.errors import ModelError, UsageError
from facetrust.imaging import Pixels
from facetrust.model_file import open_session

DOWNSCALE = 4  # The sides that the network takes are multiples of it.


class Decoder:
    """A trained autoencoder in an .onnx file, opened when it is first used, so that it can go to a worker.

    Its one input is a picture (1, 3, h, w) float32 RGB in [0, 1], h and w multiples of `DOWNSCALE`; its one
    output the same picture as its decoder makes it. `benchmarks/autoencoder.py` trains and writes one.

    Raises:
        UsageError: there is no such file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise UsageError(f"{self.path}: no such decoder; train one with benchmarks/autoencoder.py")

    @cached_property
    def _session(self):  # type: ignore[no-untyped-def]  # ONNX Runtime is loaded when it is used.
        return open_session(self.path, source=str(self.path))

    def __call__(self, image: Pixels) -> Pixels:
        """Returns a picture (H, W, 3) uint8 RGB made anew, of the same size; its edges are mirrored for it.

        Raises:
            ModelError: the file cannot be run, or does not answer with a picture of the same size.
        """
        height, width = image.shape[:2]
        below, right = -height % DOWNSCALE, -width % DOWNSCALE
        whole = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REFLECT)
        shown = np.ascontiguousarray(whole.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
        try:
            (made,) = self._session.run(None, {self._session.get_inputs()[0].name: shown})
        except ModelError:
            raise
        except Exception as error:  # ONNX Runtime raises a class of its own for every kind of fault.
            raise ModelError(f"{self.path}: cannot make a picture ({type(error).__name__})") from None
        if made.shape != shown.shape:
            raise ModelError(f"{self.path}: answers with {made.shape}, not with a picture {shown.shape}")
        pixels = np.clip(np.rint(made[0].transpose(1, 2, 0) * 255), 0, 255)
        return np.ascontiguousarray(pixels[:height, :width], np.uint8)


def decoded(image: Pixels, decoder: Decoder) -> Blend:
    """Returns `(fake, real, mask)`: the picture as a decoder makes it, itself, and a mask of ones."""
    return Blend(decoder(image), image, np.ones(image.shape[:2], np.float32))
