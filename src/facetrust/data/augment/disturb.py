"""Pictures made worse by a known strength, to see how far a model can be trusted with them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from facetrust.errors import MissingExtra, UnknownName, UsageError
from facetrust.imaging import Pixels, read_image
from facetrust.records import Sample

_FRAMES = 5  # The last one is predicted from those before it, as most frames of a video are.


class Kind(NamedTuple):
    """A way to make pictures worse: what its strength counts, those swept in order, lowest and highest."""

    unit: str
    strengths: tuple[float, ...]
    low: float
    high: float


KINDS: dict[str, Kind] = {
    "jpeg": Kind("JPEG quality", (90, 70, 50, 30), 1, 100),
    "resize": Kind("size shrunk to, as a factor", (0.75, 0.5, 0.25, 0.125), 0.01, 1),
    "blur": Kind("Gaussian blur, sigma in pixels", (0.5, 1, 2, 4), 0.1, 100),
    "noise": Kind("Gaussian noise, sigma in levels of 255", (5, 10, 20, 40), 0, 255),
    "h264": Kind("H.264 constant rate factor", (23, 29, 35, 41, 47), 0, 51),
}


def disturb(image: Pixels, kind: str, *, strength: float | None, rng: np.random.Generator) -> Pixels:
    """Returns the picture (H, W, 3) uint8 RGB made worse, same size; itself where `strength` is None.

    Everything happens on the picture's own grid: a sigma counts its pixels, so that a small face
    loses more of its detail than a large one, as it does in a camera.

    Args:
        kind: `jpeg` (quality), `resize` (factor; shrunk by area, enlarged linearly), `blur` (Gaussian,
            sigma in pixels), `noise` (Gaussian per pixel and channel, sigma in levels), `h264`
            (x264's constant rate factor: the last of five equal frames, 4:2:0).
        rng: draws the noise; nothing else is drawn.

    Raises:
        UnknownName: no such kind.
        UsageError: the strength is out of the kind's range.
        MissingExtra: `h264`, and PyAV is not installed.
    """
    check_kinds([kind])
    if strength is None:
        return image
    if not KINDS[kind].low <= strength <= KINDS[kind].high:
        raise UsageError(f"{kind} {strength:g}: use {KINDS[kind].low:g} to {KINDS[kind].high:g}")
    return _HOW[kind](np.ascontiguousarray(image), strength, rng)


def check_kinds(kinds: Iterable[str]) -> None:
    """Checks that pictures can be disturbed in these ways here.

    Raises:
        UnknownName: no such kind.
        MissingExtra: `h264` is among them, and PyAV is not installed.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise UnknownName("disturbance", kind, KINDS)
        if kind == "h264":
            _av()


@dataclass(frozen=True)
class Disturbed:
    """Reads pictures and disturbs them; what is drawn depends on the seed and a picture's name alone.

    The name is the path from `root`. Kind and strength have no part in it, so that the noise of a
    picture is the same at every strength but for its size.
    """

    kind: str
    strength: float
    root: Path
    seed: int = 0

    def __call__(self, sample: Sample) -> tuple[Pixels, Sample]:
        """Returns a row's picture, disturbed, and the row; raises what `read_image` and `disturb` raise."""
        rng = drawn(self.root, sample.path, self.seed)
        return disturb(read_image(sample.path), self.kind, strength=self.strength, rng=rng), sample


def drawn(root: Path, path: str | Path, seed: int = 0) -> np.random.Generator:
    """Returns a generator that depends on the seed and the picture's path from `root` alone."""
    name = Path(os.path.relpath(path, root)).as_posix()
    return np.random.default_rng([seed, int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])])


def _jpeg(image: Pixels, quality: float, rng: np.random.Generator) -> Pixels:
    data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, round(quality)])[1]
    return _pixels(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[:, :, ::-1])


def _resize(image: Pixels, factor: float, rng: np.random.Generator) -> Pixels:
    height, width = image.shape[:2]
    small = (max(1, round(width * factor)), max(1, round(height * factor)))
    shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return _pixels(cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_LINEAR))


def _blur(image: Pixels, sigma: float, rng: np.random.Generator) -> Pixels:
    return _pixels(cv2.GaussianBlur(image, (0, 0), sigma))


def _noise(image: Pixels, sigma: float, rng: np.random.Generator) -> Pixels:
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(sigma)
    return _pixels(np.clip(np.rint(image + noise), 0, 255))


def _h264(image: Pixels, factor: float, rng: np.random.Generator) -> Pixels:
    av = _av()
    height, width = image.shape[:2]
    # 4:2:0 halves the colours, so both sides must be even.
    even = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    encoder = av.CodecContext.create("libx264", "w")
    encoder.height, encoder.width = even.shape[:2]
    encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, 25)
    encoder.options = {"crf": f"{factor:g}"}
    decoder = av.CodecContext.create("h264", "r")
    # What threads split a frame into would depend on the machine.
    encoder.thread_count = decoder.thread_count = 1
    packets = []
    for number in range(_FRAMES):
        frame = av.VideoFrame.from_ndarray(even, format="rgb24")
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    frames = [frame for packet in (*packets, None) for frame in decoder.decode(packet)]
    return _pixels(frames[-1].to_ndarray(format="rgb24")[:height, :width])


def _av() -> Any:
    try:
        import av
    except ImportError:
        raise MissingExtra("av", "train") from None
    return av


def _pixels(values: Any) -> Pixels:
    return np.ascontiguousarray(values, dtype=np.uint8)


_HOW: dict[str, Callable[[Pixels, float, np.random.Generator], Pixels]] = {
    "jpeg": _jpeg,
    "resize": _resize,
    "blur": _blur,
    "noise": _noise,
    "h264": _h264,
}
