"""Pixels: files are read, faces cut out of them, videos decoded, folders searched."""

from facetrust.imaging.crop import (
    TEMPLATE,
    align_face,
    box_of,
    crop_face,
    crops_of,
    cut_out,
    inputs_of,
    read_sample,
    to_tensor,
)
from facetrust.imaging.pixels import (
    MAX_BYTES,
    MAX_PIXELS,
    MIN_SIDE,
    Pixels,
    decode_image,
    fit_within,
    quarter_turn,
    read_bytes,
    read_image,
    read_mask,
)

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "MIN_SIDE",
    "TEMPLATE",
    "Pixels",
    "align_face",
    "box_of",
    "crop_face",
    "crops_of",
    "cut_out",
    "decode_image",
    "fit_within",
    "inputs_of",
    "quarter_turn",
    "read_bytes",
    "read_image",
    "read_mask",
    "read_sample",
    "to_tensor",
]
