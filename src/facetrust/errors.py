"""Every error a caller may want to catch. Each is one line: what was wrong, where, and what to do.

FacetrustError              base; the command line prints it and leaves with status 2
├── UsageError              a wrong argument, option or setting
│   ├── UnknownName         a name nobody registered; carries the nearest one
│   └── MissingExtra        an optional package is not installed; names the extra
├── InputError              something handed in cannot be used
│   ├── ImageError          unreadable, empty, or past a stated limit
│   │   └── PastLimit       too many bytes, pixels, frames or seconds
│   ├── GalleryError        a gallery that is missing, damaged, locked or of another model; a wrong key
│   ├── ManifestError       a missing column, file, label or split
│   └── ScoresError         a scores file that cannot be reported on
├── ModelError              weights or card missing, altered or of another task
├── MetricError             a metric is undefined for what it was given
├── ProtocolError           a threshold was fitted on the split that it reports
└── ExportError             an exported file does not answer as its origin does
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # That some libraries put into their messages.


class FacetrustError(Exception):
    """Base of all errors raised on purpose. All of them survive pickling, and so cross process pools."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.args)


class UsageError(FacetrustError):
    """An argument, option or setting is wrong."""


class UnknownName(UsageError):
    """A name is not known; the message gives the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        near = get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"
        super().__init__(f"no {kind} named {name!r}; {hint}")


class MissingExtra(UsageError):
    """An optional package is missing; the message gives the command that installs it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is not installed; run: pip install 'facetrust[{extra}]' "
            f"(in a checkout: pip install '.[{extra}]')"
        )


class InputError(FacetrustError):
    """Something handed in cannot be used."""


class ImageError(InputError):
    """An image cannot be read or is past a limit."""


class PastLimit(ImageError):
    """A picture or video has more bytes, pixels, frames or seconds than are taken."""


class GalleryError(InputError):
    """A gallery of faces cannot be used."""


class ManifestError(InputError):
    """A manifest, or a row of it, cannot be used."""


class ScoresError(InputError):
    """A scores file cannot be used."""


class ModelError(FacetrustError):
    """Weights or their card are missing, altered, or made for another task."""


class MetricError(FacetrustError):
    """A metric is not defined for these labels and scores."""


class ProtocolError(FacetrustError):
    """A protocol's rule is broken."""


class ExportError(FacetrustError):
    """An exported model does not agree with the one it came from."""


def _rebuilt(kind: type[FacetrustError], args: tuple[Any, ...]) -> FacetrustError:
    """An error from its message, past constructors that compose one."""
    error = kind.__new__(kind)
    error.args = args
    return error


def first_line(error: BaseException, *, most: int = 160) -> str:
    """Returns a foreign error's message as one line of at most `most` characters; its kind if empty."""
    lines = _COLOURS.sub("", str(error)).strip().splitlines()
    return lines[0][:most] if lines else type(error).__name__
