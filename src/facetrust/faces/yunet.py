"""YuNet through OpenCV, when its file is given: faster than MTCNN, and finds turned faces too."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np

from facetrust.errors import ModelError
from facetrust.imaging import Pixels, fit_within
from facetrust.records import Face

# Pixels: the net's coarsest stride is 32; OpenCV fails below it, and 4.13 finds faces in any strip of 32.
_LEAST = 33
_MOST = 5000  # Finds before those of one face are merged.


class YuNet:
    """The detector in `face_detection_yunet_*.onnx` of OpenCV's model zoo.

    OpenCV's net holds the size of the picture that it is looking at, so that threads wait for each other.

    Args:
        path: the .onnx file.
        longest: pictures are resized to this longest side in pixels before detection.
        threshold: least confidence of a face.

    Raises:
        ModelError: the file is missing or is not a YuNet that this OpenCV can run.
    """

    name = "yunet"
    sure = 0.92
    likely = 0.8
    finest = 1 / 12

    def __init__(self, path: str | Path, *, longest: int = 320, threshold: float = 0.6) -> None:
        self._longest = longest
        self._lock = threading.Lock()
        path = Path(path)
        if not path.is_file():
            raise ModelError(f"{path}: no such detector file")
        # OpenCV 5 warns on each start that it ignores the default target.
        level = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        try:
            self._net = cv2.FaceDetectorYN.create(str(path), "", (longest, longest), threshold, 0.3, _MOST)
            self._net.detect(np.zeros((longest, longest, 3), np.uint8))
        except cv2.error as error:
            raise ModelError(
                f"{path}: is not a YuNet file that OpenCV can run ({error.err or error})"
            ) from None
        finally:
            cv2.utils.logging.setLogLevel(level)

    def detect(self, image: Pixels) -> list[Face]:
        """Returns the faces in a picture (H, W, 3) uint8 RGB, the most confident first.

        Boxes may reach outside the picture.
        """
        small, factor = fit_within(image, self._longest)
        if (lack := [max(0, _LEAST - side) for side in small.shape[:2]]) != [0, 0]:
            small = np.asarray(
                cv2.copyMakeBorder(small, 0, lack[0], 0, lack[1], cv2.BORDER_CONSTANT), np.uint8
            )
        pixels = np.ascontiguousarray(small[:, :, ::-1])
        with self._lock:  # The size of its input is a state of the net, so that one thread at a time may ask.
            self._net.setInputSize((small.shape[1], small.shape[0]))
            _, rows = self._net.detect(pixels)
        faces = [_as_face(row, factor) for row in ([] if rows is None else rows)]
        return sorted(faces, key=lambda face: -face.confidence)


def _as_face(row: np.ndarray, factor: float) -> Face:
    """A row is x, y, w, h, five points, confidence."""
    x, y, w, h, *points = (row[:14] / factor).tolist()
    return Face(
        box=(x, y, w, h),
        points=tuple(zip(points[0::2], points[1::2], strict=True)),
        confidence=float(row[14]),
    )
