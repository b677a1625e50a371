"""Files over HTTP, as large as was promised, from the host that was named; what was cut off goes on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, Any, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from facetrust.errors import ModelError, first_line
from facetrust.records.files import named

Moved = Callable[[int, int], None]  # Is told (bytes that are there, of how many).

SECONDS = 30.0  # That a server may say nothing.
_CHUNK = 1 << 18
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)$")


def is_url(place: str) -> bool:
    """Whether a place is a URL of any kind, and no path."""
    return "://" in place


def checked(url: str) -> str:
    """Returns a URL that may be asked for.

    Raises:
        ModelError: not http or https, without a host, or with a password.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ModelError(f"{url}: is no URL ({first_line(error)})") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ModelError(f"{url}: only http:// and https:// are fetched")
    if "@" in parts.netloc:
        raise ModelError(f"{parts.hostname}: a URL with a user or a password is not taken")
    if re.search(r"[^\x21-\x7e]", url):
        raise ModelError(f"{url}: a URL has no blanks and no letters beyond ASCII; write them as %20")
    return url


def fetch(url: str, most: int) -> bytes:
    """Returns what is at a URL, at most so many bytes.

    Raises:
        ModelError: it cannot be had, or is larger.
    """
    with _opened(url) as answer, _network(url):
        content = answer.read(most + 1)
    if len(content) > most:
        raise ModelError(f"{url}: is larger than {most:,} bytes")
    if answer.length:  # What was announced and never came.
        raise ModelError(f"{url}: was cut off after {len(content):,} bytes; try again")
    return content


def download(url: str, part: Path, *, size: int, progress: Moved | None = None) -> None:
    """Brings what is at a URL to the file `part`, which then has `size` bytes.

    What an earlier try left in `part` is kept and only the rest asked for. Its content is not checked here.

    Raises:
        ModelError: it cannot be had, is not of that size, or was cut off; then `part` keeps what came.
    """
    done = part.stat().st_size if part.is_file() else 0
    if done == size:
        return
    with _opened(url, start=done if done < size else 0) as answer, named(part):
        done = _start(answer, url, asked=done if done < size else 0, size=size)
        with part.open("r+b" if done else "wb") as file:
            file.seek(done)
            for chunk in _chunks(answer, url):
                if done + len(chunk) > size:
                    part.unlink()
                    raise ModelError(f"{url}: is larger than the {size:,} bytes that the catalogue states")
                file.write(chunk)
                done += len(chunk)
                if progress:
                    progress(done, size)
    if done < size:
        raise ModelError(f"{url}: was cut off after {done:,} of {size:,} bytes; the same command continues")


class _SameHost(HTTPRedirectHandler):
    """Follows a redirect within a host; never to another one, and never from https to http."""

    def http_error_302(self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage) -> Any:
        """Returns the answer from where a redirect leads."""
        target = urljoin(req.full_url, headers.get("Location", ""))
        try:
            _check_redirect(req.full_url, target)
        except ModelError:
            fp.close()
            raise
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _check_redirect(url: str, target: str) -> None:
    old, new = urlsplit(url), urlsplit(checked(target))
    safer = (old.scheme, new.scheme) == ("http", "https") and old.hostname == new.hostname
    if not safer and (old.scheme, old.netloc) != (new.scheme, new.netloc):
        raise ModelError(f"{url}: leads to {target}; only its own host is followed")


@contextmanager
def _opened(url: str, *, start: int = 0) -> Iterator[HTTPResponse]:
    headers = {"User-Agent": "facetrust", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with _network(url):
        answer = build_opener(_SameHost).open(Request(checked(url), headers=headers), timeout=SECONDS)  # noqa: S310
    with answer:
        yield cast("HTTPResponse", answer)


def _start(answer: HTTPResponse, url: str, *, asked: int, size: int) -> int:
    """Where in the file an answer begins: where was asked, or at 0 where a server gives only whole files."""
    found = _RANGE.match(answer.headers.get("Content-Range", ""))
    if answer.status == 206 and (found is None or int(found[1]) != asked):
        raise ModelError(f"{url}: the server answers with another part of the file than was asked for")
    start = asked if answer.status == 206 else 0
    stated = answer.headers.get("Content-Length", "")
    whole = found[2] if answer.status == 206 and found else stated
    if whole.isdecimal() and int(whole) != size:
        raise ModelError(f"{url}: has {int(whole):,} bytes, the catalogue states {size:,}")
    return start


def _chunks(answer: HTTPResponse, url: str) -> Iterator[bytes]:
    while True:
        with _network(url):
            chunk = answer.read(_CHUNK)
        if not chunk:
            return
        yield chunk


@contextmanager
def _network(url: str) -> Iterator[None]:
    """Turns what may go wrong on the way into one line."""
    try:
        yield
    except HTTPError as error:
        error.close()
        reason = str(error.reason).partition("\n")[0]
        raise ModelError(f"{url}: the server answers {error.code} {reason}") from None
    except URLError as error:
        cause = error.reason if isinstance(error.reason, Exception) else error
        raise ModelError(f"{url}: cannot be reached ({_said(cause)})") from None
    except (OSError, HTTPException, ValueError) as error:
        raise ModelError(f"{url}: cannot be read ({_said(error)}); the same command tries again") from None


def _said(error: BaseException) -> str:
    return getattr(error, "strerror", None) or first_line(error)
