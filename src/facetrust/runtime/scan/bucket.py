"""Buckets and other places that fsspec opens by an address, such as s3:// or gs://."""

from __future__ import annotations

from types import ModuleType
from typing import Any, BinaryIO, cast

from facetrust.errors import InputError, MissingExtra, first_line
from facetrust.imaging.inputs import picture_suffixes
from facetrust.imaging.video import VIDEOS


def listed(address: str) -> list[str]:
    """Returns the addresses of pictures and videos below an address, sorted; of tar shards if it has none.

    Raises:
        InputError: it cannot be listed, or holds nothing to be judged.
        MissingExtra: fsspec is not installed.
    """
    if address.lower().endswith(".tar"):
        return [address]
    system, path = _system(address)
    try:
        found = sorted(str(system.unstrip_protocol(each)) for each in system.find(path))
    except Exception as error:  # Every bucket has errors of its own.
        raise InputError(f"{address}: cannot be listed ({first_line(error)})") from None
    for endings in ((*picture_suffixes(), *VIDEOS), (".tar",)):
        if chosen := [each for each in found if each.lower().endswith(endings)]:
            return chosen
    raise InputError(f"{address}: no picture in it, nor a video or a tar shard")


def open_address(address: str) -> BinaryIO:
    """Returns what lies at an address, open for bytes.

    Raises:
        OSError: it cannot be opened.
        InputError: its kind of address is not known.
        MissingExtra: fsspec is not installed.
    """
    system, path = _system(address)
    return cast("BinaryIO", system.open(path, "rb"))


def _system(address: str) -> tuple[Any, str]:
    """What opens an address, and the address as it knows it."""
    try:
        return _fsspec().core.url_to_fs(address)  # type: ignore[no-any-return]
    except (ImportError, ValueError) as error:  # The package for its kind is missing, or there is none.
        raise InputError(f"{address}: cannot be opened ({first_line(error)})") from None


def _fsspec() -> ModuleType:
    try:
        import fsspec
    except ModuleNotFoundError:
        raise MissingExtra("fsspec", "scan") from None
    return cast("ModuleType", fsspec)
