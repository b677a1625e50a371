"""What an evidence report shows of a source: its picture as a data URI, its frames, and its maps."""

from __future__ import annotations

import base64
import io
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image

from facetrust.imaging import Pixels, fit_within
from facetrust.records import Box, Face, Verdict
from facetrust.runtime.evidence import Scene, layers
from facetrust.runtime.quality_gate import reason_of
from facetrust.runtime.trust import trust
from facetrust.tasks import task_named

State = Literal["good", "bad", "open"]

LONGEST = 960  # Sides in pixels of a picture, and of a map, whose cells are coarse.
LONGEST_MAP = 320
_QUALITY = 82  # Of a JPEG.


class Frame(NamedTuple):
    """A face's box in pixels of the shown picture, its number, and what is to be thought of it."""

    number: int
    box: Box
    state: State


class Map(NamedTuple):
    """One task's map: a PNG as data URI, to be laid over the picture; `strength` of full colour in logits."""

    task: str
    uri: str
    strength: float


class Shown(NamedTuple):
    """A picture as it is shown; `uri` is None where the report has no room for it.

    name: unique in the page. track: of a video's frame.
    """

    name: str
    uri: str | None
    width: int
    height: int
    frames: tuple[Frame, ...]
    maps: tuple[Map, ...]
    track: int | None

    @property
    def size(self) -> int:
        """Characters that its data URIs take."""
        return len(self.uri or "") + sum(len(each.uri) for each in self.maps)


def shown_scene(scene: Scene, name: str) -> Shown:
    """Returns a scene shrunk and encoded; its faces are numbered from 1, that of a track by its track."""
    small, factor = fit_within(scene.image, LONGEST)
    height, width = small.shape[:2]
    first = 1 if scene.track is None else scene.track
    frames = tuple(
        Frame(number, _scaled(face.box, factor), state_of_face(face))
        for number, face in enumerate(scene.faces, first)
    )
    maps = tuple(
        Map(each.task, _uri(each.pixels, "PNG"), each.strength) for each in layers(scene, longest=LONGEST_MAP)
    )
    return Shown(name, _uri(small, "JPEG"), width, height, frames, maps, scene.track)


def without_pixels(picture: Shown) -> Shown:
    """Returns the picture without its data URIs."""
    return picture._replace(uri=None, maps=())


def state_of_face(face: Face) -> State:
    """Returns what the verdicts about a face say together: good only where all was judged by what counts."""
    return _STATES[trust(face.verdicts, lacking=reason_of([face]))[0]]


def state_of(verdict: Verdict) -> State:
    """Returns what one verdict says: nothing where it is advisory or its task distrusts nothing."""
    task = task_named(verdict.task)
    if verdict.advisory or not task.distrusts:
        return "open"
    return "bad" if verdict.decision == task.positive else "good"


_STATES: dict[bool | None, State] = {True: "good", False: "bad", None: "open"}


def _scaled(box: Box, factor: float) -> Box:
    x, y, w, h = (round(value * factor, 1) for value in box)
    return x, y, w, h


def _uri(pixels: Pixels, kind: Literal["JPEG", "PNG"]) -> str:
    """An array (h, w, 3) or (h, w, 4) as a data URI; nothing of the file it came from is in it."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, kind, quality=_QUALITY, optimize=True)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"
