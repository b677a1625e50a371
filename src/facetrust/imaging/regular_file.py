"""Files that may be opened: regular, of a bounded size, and of a name that a file can have."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from shlex import quote

from facetrust.errors import ImageError, PastLimit

_ADDRESS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+):/+(?=.)", re.IGNORECASE)  # A path has one slash left.
_FETCHED = ("http", "https", "ftp", "ftps")
_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def size_of(path: str | Path, *, limit: int, kind: str) -> int:
    """Returns the bytes of a regular file, and opens nothing.

    Args:
        limit: the most bytes that it may have.
        kind: what the file should be, as in "give a video file".

    Raises:
        ImageError: missing, a folder, a pipe, a socket or a device, too large, or of an impossible name.
    """
    try:
        about = Path(path).stat()
    except FileNotFoundError:
        raise ImageError(f"{path}: {_missing(str(path))}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL, which no name of a file may have.
        raise ImageError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if stat.S_ISDIR(about.st_mode):
        raise ImageError(f"{path}: is a directory; give {kind} file")
    if not stat.S_ISREG(about.st_mode):
        found = next((name for is_one, name in _KINDS if is_one(about.st_mode)), "something else")
        raise ImageError(f"{path}: is not a regular file but {found}; give {kind} file")
    if about.st_size > limit:
        raise PastLimit(f"{path}: {about.st_size} bytes; the limit is {limit}")
    return about.st_size


def is_address(name: str) -> bool:
    """Whether a name is a URL rather than a path."""
    return _ADDRESS.match(name) is not None


def _missing(name: str) -> str:
    """What is said of a name that no file has."""
    if found := _ADDRESS.match(name):
        scheme = found["scheme"]
        if scheme.lower() not in _FETCHED:
            return f"is an address ({scheme}:), and nothing is fetched; give a file"
        url = f"{scheme}://{name[found.end() :]}"
        return (
            f"is an address, and nothing is fetched; fetch it first: curl -L {quote(url)} | facetrust check -"
        )
    if name.isdecimal():
        return "no such file; cameras are not read yet, so save a picture or a video of one first"
    return "no such file"
