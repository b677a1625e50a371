"""What the OpenAPI document says of bodies that are files, and the answers that it shows."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from facetrust.records import Record

_FILE = Path(__file__).with_name("examples.json")
_BYTES: dict[str, Any] = {"type": "string", "format": "binary"}


def of_files(
    count: int, *, fields: type[Record] | None = None, videos: bool = False, more: bool = False
) -> dict[str, Any]:
    """Returns what a route's entry says of its body: files of a form, or one file as the body itself.

    Args:
        count: files that there must be; a single one may be the body itself.
        fields: what else the form may hold.
        videos: whether a video is taken.
        more: whether further files are taken.
    """
    several = more or count > 1
    files = {"type": "array", "items": _BYTES, "minItems": count} if several else _BYTES
    if several and not more:
        files["maxItems"] = count
    properties = {"file": files}
    if fields is not None:
        properties |= fields.model_json_schema()["properties"]
    form = {"type": "object", "required": ["file"], "properties": properties}
    content: dict[str, Any] = {"multipart/form-data": {"schema": form}}
    if count == 1:
        kinds = ["image/*", *(["video/*"] if videos else []), "application/octet-stream"]
        content |= {kind: {"schema": _BYTES} for kind in kinds}
    return {"requestBody": {"required": True, "content": content}}


def shown(name: str, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Returns the answer that a route's entry shows: what a test gets for a portrait."""
    example = _examples()[name]
    return {status: {"content": {"application/json": {"example": example}}}}


@lru_cache
def _examples() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return found
