"""What a request brings: its body within the limits, as bytes in memory; nothing is written to a disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import NamedTuple

from PIL import Image
from starlette.requests import ClientDisconnect, Request

from facetrust.imaging.heic import is_heic
from facetrust.imaging.inputs import Encoded, is_video
from facetrust.imaging.pixels import open_picture
from facetrust.serve.forms import FormReader
from facetrust.serve.refusal import Refusal
from facetrust.serve.settings import Limits

_FORM = "multipart/form-data"
_RAW = ("image/", "video/", "application/octet-stream")


class Upload(NamedTuple):
    """The pictures or videos of a request, encoded, and the other fields of its form: name → values."""

    files: list[bytes]
    fields: dict[str, list[str]]


async def read_upload(request: Request, limits: Limits, *, fewest: int = 1, most: int = 1) -> Upload:
    """Returns what a request brings: one file as its body, or a form (multipart) of files and fields.

    File names that a client gives are not looked at.

    Args:
        fewest, most: how many files there must be.

    Raises:
        Refusal: no length or form that can be read, too few or too many files (400), too slow (408), too
            many bytes (413), or a kind that is not taken (415).
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    _check_kind(request, kind)
    try:
        async with asyncio.timeout(limits.body_seconds):
            if kind == _FORM:
                upload = await _form(request, limits, most=most)
            else:
                upload = Upload([b"".join([part async for part in _within(request, limits)])], {})
    except TimeoutError:
        raise Refusal(408, f"the body did not arrive within {limits.body_seconds:g} seconds") from None
    except ClientDisconnect:
        raise Refusal(400, "the body was cut off") from None
    if not fewest <= len(upload.files) <= most:
        wanted = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        raise Refusal(400, f"{wanted} files are needed; this request brings {len(upload.files)}")
    if not all(upload.files):
        raise Refusal(400, "a file is empty; send the bytes of a picture or video")
    return upload


def admitted(data: bytes, limits: Limits, name: str = "upload", *, videos: bool = True) -> Encoded:
    """Returns a file as a source for the checks, by what its first bytes say, before it is decoded.

    Raises:
        Refusal: neither a picture nor, where they are taken, a video (415), or too many pixels (413).
    """
    source = Encoded(name, data)
    if is_video(source):
        if not videos:
            raise Refusal(415, f"{name}: is a video, or has several frames; a picture is needed")
        if data[4:8] == b"ftyp" or not _is_picture(data):
            return source  # Of a video, the decoder holds the limits.
    if not is_heic(data):  # Whose decoder holds them.
        _check_pixels(data, limits, name)
    return source


def _check_kind(request: Request, kind: str) -> None:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(415, "a compressed body is not taken; send the file as it is")
    if kind != _FORM and not kind.startswith(_RAW):
        raise Refusal(
            415,
            f"send {_FORM}, or a file as image/…, video/… or application/octet-stream; no path and no URL",
        )


async def _within(request: Request, limits: Limits) -> AsyncGenerator[bytes, None]:
    """The parts of a body as they come; refused as soon as it says or shows that it is too long."""
    told = request.headers.get("content-length", "0")
    if not (told.isascii() and told.isdigit()):
        raise Refusal(400, "Content-Length is not a number")
    if int(told) > limits.most_bytes:
        raise _too_long(limits)
    count = 0
    async for part in request.stream():
        count += len(part)
        if count > limits.most_bytes:
            raise _too_long(limits)
        yield part


async def _form(request: Request, limits: Limits, *, most: int) -> Upload:
    reader = FormReader(request.headers["content-type"], most=most)
    async for part in _within(request, limits):
        reader.write(part)
    reader.finish()
    return Upload(reader.files, reader.fields)


def _too_long(limits: Limits) -> Refusal:
    return Refusal(413, f"the body is longer than {limits.most_bytes} bytes, which is the limit")


def _is_picture(data: bytes) -> bool:
    try:
        with open_picture(data):
            return True
    except Exception:  # Pillow's plugins raise whatever they meet.
        return False


def _check_pixels(data: bytes, limits: Limits, name: str) -> None:
    try:
        with open_picture(data) as picture:
            width, height = picture.size
    except Image.DecompressionBombError:
        raise _too_large(limits, name) from None
    except Exception:  # Pillow's plugins raise whatever they meet.
        raise Refusal(415, f"{name}: is neither a picture nor a video of a known format") from None
    if width * height > limits.most_pixels:
        raise _too_large(limits, name)


def _too_large(limits: Limits, name: str) -> Refusal:
    return Refusal(413, f"{name}: has more than {limits.most_pixels} pixels, which is the limit")
