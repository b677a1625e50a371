"""What the audit wants to know of each picture, found in one look at its file."""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import get_sampling

from facetrust.data.audit._near import look_hash, thumbnail
from facetrust.data.audit.probes import probe_values
from facetrust.imaging import box_of, decode_image, read_bytes
from facetrust.records import Sample


class Facts(NamedTuple):
    """A picture's bytes, looks, encoding and probe values.

    `tables` names the JPEG quantisation tables and chroma sampling (`none` for other formats); `pattern` is
    the file's name with numbers wiped out; `probes` maps each probe to its values (d,).
    """

    digest: str
    look: int
    thumb: NDArray[np.float32]
    height: int
    width: int
    kind: str
    tables: str
    pattern: str
    probes: dict[str, NDArray[np.float64]]


def facts_of(sample: Sample, path: Path) -> Facts:
    """Returns the facts of a picture; probes look at the face where the row has a box, else at all of it.

    Raises:
        ImageError: the picture cannot be read.
    """
    data = read_bytes(path)
    image = decode_image(data, str(path))
    with Image.open(io.BytesIO(data)) as picture:
        kind = str(picture.format)
        tables = jpeg_signature(picture)
    return Facts(
        digest=hashlib.sha256(data).hexdigest(),
        look=look_hash(image),
        thumb=thumbnail(image),
        height=image.shape[0],
        width=image.shape[1],
        kind=kind,
        tables=tables,
        pattern=name_pattern(path.name),
        probes=probe_values(image, box_of(sample, image)),
    )


def jpeg_signature(picture: Image.Image) -> str:
    """Returns 8 digits that name a JPEG's quantisation tables and chroma, `none` for other formats."""
    tables: dict[int, Any] = getattr(picture, "quantization", None) or {}
    if not tables:
        return "none"
    text = repr([get_sampling(picture), *(list(tables[number]) for number in sorted(tables))])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def name_pattern(name: str) -> str:
    """Returns a file's name with each run of digits as `#`, in lower case."""
    return re.sub(r"\d+", "#", name.lower())
