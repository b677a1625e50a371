"""Gathers what a check finds, as one HTML file that needs no other."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from facetrust import __version__
from facetrust.errors import InputError, UsageError
from facetrust.records import CheckReport, ModelCard, Quality, shown, write_text
from facetrust.runtime.checker import Checker
from facetrust.runtime.evidence import Scene
from facetrust.runtime.pictures import Failure
from facetrust.runtime.report.pictures import (
    Shown,
    shown_scene,
    state_of,
    state_of_face,
    without_pixels,
)
from facetrust.runtime.report.timeline import HEIGHT, ROW, WIDTH, Chart, charts
from facetrust.runtime.words import ADVISORY_SAYS, TRUSTED, reason_says, verdict_says
from facetrust.tasks import task_named

ROOM = 48 * 1024 * 1024  # Characters for pictures; those of later inputs are left out, and the page says so.
_UNREAD = "Could not be read"
_QUALITIES = {
    "size": "pixels across",
    "sharpness": "sharpness",
    "luminance": "brightness",
    "dark": "share of black",
    "bright": "share of white",
    "chroma": "colour",
    "tones": "tones",
    "shading": "shading",
    "framed": "straight borders",
    "room": "room around it",
}
_ANGLES = {"yaw": "turned to the picture's right", "pitch": "turned down", "roll": "tilted"}


class Entry(NamedTuple):
    """One input: its report, or why it could not be read; what is shown of it, and its drawings."""

    name: str
    report: CheckReport | None
    failure: str | None
    pictures: tuple[Shown, ...] = ()
    charts: tuple[Chart, ...] = ()


class EvidenceReport:
    """What a check found, gathered input by input and written as one self-contained HTML file.

    `checker.check_many(sources, show=page.show)` hands it the pictures, and its results go through
    `page.recording(...)`. The file holds the pictures, shrunk: it is personal data.

    Args:
        checker: whose models and settings are stated.
        policy: that the models decide by; None where they decide at their cards' first thresholds.
    """

    def __init__(self, checker: Checker, *, policy: str | None = None) -> None:
        self._models = list(checker.models.values())
        self._settings = {"policy": policy or "none: each model's first threshold, or one given by hand"}
        self._settings |= _settings_of(checker)
        self._entries: list[Entry] = []
        self._waiting: list[Shown] = []
        self._room = ROOM
        self._scenes = 0
        self._left_out: list[str] = []

    def show(self, scene: Scene) -> None:
        """Takes a picture, or a video's frame, of the input whose report comes next."""
        self._scenes += 1
        picture = shown_scene(scene, f"picture-{self._scenes}")
        if picture.size > self._room:
            picture = without_pixels(picture)
        self._room -= picture.size
        self._waiting.append(picture)

    def recording(self, results: Iterable[CheckReport | Failure]) -> Iterator[CheckReport | Failure]:
        """Yields results as they come, each kept for the page."""
        for result in results:
            pictures, self._waiting = tuple(self._waiting), []
            if isinstance(result, Failure):
                self._entries.append(Entry(shown(result.source), None, shown(str(result.error))))
            else:
                name = shown(result.source)
                self._entries.append(Entry(name, result, None, pictures, charts(result)))
            yield result

    def leave_out(self, errors: Sequence[InputError], skipped: Sequence[Path]) -> None:
        """Takes what was never looked at: paths with nothing to check, and files that are neither kind."""
        self._left_out += [shown(str(error)) for error in errors]
        self._left_out += [shown(f"{path}: skipped, neither a picture nor a video") for path in skipped]

    def html(self, *, made: datetime | None = None, intro: str = "") -> str:
        """Returns the page.

        Args:
            made: the time that it states, now without.
            intro: a paragraph of plain text before all else.
        """
        script = _beside("report.js")
        return rendered(
            "report.html.j2",
            intro=intro,
            entries=self._entries,
            left_out=self._left_out,
            counts=self._counts(),
            models=self._models,
            settings=self._settings,
            made=(made or datetime.now(UTC)).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z"),
            script=Markup(script),  # noqa: S704 - ours
            may=f"img-src data:; script-src {_hash(script)}",
            **_WORDS,
        )

    def write(self, path: Path, *, intro: str = "") -> None:
        """Writes the page, whole or not at all; `intro` as of `html`.

        Raises:
            UsageError: it cannot be written there.
        """
        try:
            write_text(path, self.html(intro=intro))
        except OSError as error:
            raise _cannot(path, error.strerror or str(error)) from None

    def _counts(self) -> dict[str, int]:
        said = [label(entry) for entry in self._entries]
        order = [*(words for words, _ in TRUSTED.values()), _UNREAD]
        return {words: said.count(words) for words in order if words in said}


def rendered(template: str, *, may: str = "", **values: Any) -> str:
    """Returns a page of this folder's template with our style; it loads nothing but what `may` adds.

    may: directives of a Content-Security-Policy.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("facetrust.runtime.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = _beside("report.css")
    return environment.get_template(template).render(
        version=__version__,
        style=Markup(style),  # noqa: S704 - ours
        policy=f"default-src 'none'; style-src {_hash(style)}" + (f"; {may}" if may else ""),
        **values,
    )


def check_writable(path: Path) -> None:
    """Checks before any work that a file may be written there, as far as can be told.

    Raises:
        UsageError: a folder, or below something that is none.
    """
    if path.is_dir():
        raise _cannot(path, "is a folder")
    nearest = next((each for each in path.absolute().parents if each.exists()), None)
    if nearest is not None and not nearest.is_dir():
        raise _cannot(path, f"{nearest} is not a folder")


def label(entry: Entry) -> str:
    """Returns what is said of an input in a word or two."""
    return _UNREAD if entry.report is None else TRUSTED[entry.report.trusted][0]


def _cannot(path: Path, why: str) -> UsageError:
    return UsageError(f"{path}: cannot be written ({why}); give another file for the report")


def _settings_of(checker: Checker) -> dict[str, str]:
    smallest, most = checker.search
    sampling = checker.sampling
    detector = (
        "none: no question about faces was asked" if checker.detector is None else checker.detector.name
    )
    return {
        "face detector": detector,
        "smallest face looked for": f"{smallest} pixels" if smallest else "a twentieth of the longest side",
        "most faces judged of a picture": f"{most:,}",
        "faces beyond a model's limits": "not judged" if checker.quality_gate else "judged all the same",
        "frames looked at in a video": f"{sampling.per_second:g} a second, at most {sampling.most}",
        "how a video's scores become one": sampling.rule,
    }


def _measured(quality: Quality) -> dict[str, str]:
    """Returns a quality by plain names, with as many digits as tell something."""
    values = {plain: f"{getattr(quality, name):.3g}" for name, plain in _QUALITIES.items()}
    angles = {plain: getattr(quality, name) for name, plain in _ANGLES.items()}
    turned = {plain: f"{math.degrees(each):.0f}°" for plain, each in angles.items() if each is not None}
    return values | turned


def limits_of(card: ModelCard) -> str:
    """Returns the limits of quality between which a model judges a face, as a line."""
    limits = card.limits
    said = {} if limits is None else limits.model_dump(exclude_none=True)
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in said.items()) or "none"


def _beside(name: str) -> str:
    return files("facetrust.runtime.report").joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


_WORDS: dict[str, Any] = {
    "trusted": TRUSTED,
    "label": label,
    "advisory_says": ADVISORY_SAYS,
    "verdict_says": verdict_says,
    "reason_says": reason_says,
    "state_of": state_of,
    "state_of_face": state_of_face,
    "measured": _measured,
    "limits_of": limits_of,
    "task_named": task_named,
    "plot": {"width": WIDTH, "height": HEIGHT, "row": ROW},
}
