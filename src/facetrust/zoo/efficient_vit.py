"""The published Efficient ViTs' weights under our names; their trunks are efficientnet_pytorch's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetrust.errors import ModelError
from facetrust.models import timm_name

if TYPE_CHECKING:
    from torch import Tensor

_HEAD = 64  # Width of an attention head.
# The Efficient ViTs' own names, patterns and ours, applied in this order.
_EFFICIENT = (
    (r"^(efficient_net\.|pos_embedding|cls_token)", r"embedder.\1"),
    (r"^patch_to_embedding\.", "embedder.project."),
    (r"\.fn\.", "."),
)
_CROSS = (
    (r"^sm_image_embedder\.", "small."),
    (r"^lg_image_embedder\.", "large."),
    (r"\.to_patch_embedding\.1\.", ".project."),
    (r"^multi_scale_encoder\.layers\.(\d+)\.0\.", r"rounds.\1.small."),
    (r"^multi_scale_encoder\.layers\.(\d+)\.1\.", r"rounds.\1.large."),
    (r"^multi_scale_encoder\.layers\.(\d+)\.2\.layers\.", r"rounds.\1.across."),
    (r"(across\.\d+\.\d+)\.fn\.(fn\.)?", r"\1.attention."),
    (r"\.fn\.", "."),
    (r"^sm_mlp_head\.", "small_head."),
    (r"^lg_mlp_head\.", "large_head."),
)


def efficient_vit(file: Path, found: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Returns a published Efficient ViT's weights under our names, and the settings read off their shapes.

    Its positions (32, 1, c) are added by an image's place in its batch: both tokens are given the
    first, as the first image of each batch had it. One matrix made queries, keys and values.

    Args:
        file: named in errors.
        found: the file's tensors by name.

    Raises:
        ModelError: what tells the sizes is missing.
    """

    def size(key: str, axis: int) -> int:
        return _size(file, found, key, axis, "Efficient ViT")

    inner = size("transformer.layers.0.0.fn.to_qkv.weight", 0) // 3
    settings = {
        "image_size": _image_size(size("patch_to_embedding.weight", 1)),
        "width": size("pos_embedding", 2),
        "depth": _many(found, r"transformer\.layers\.\d+\.0\.norm\.weight"),
        "heads": max(1, inner // _HEAD),
        "hidden": size("mlp_head.0.weight", 0),
    }
    weights = _renamed(found, _EFFICIENT)
    weights["embedder.pos_embedding"] = weights["embedder.pos_embedding"][:1, :1].expand(1, 2, -1)
    for key in [key for key in weights if ".to_qkv." in key]:
        joined = weights.pop(key)
        weights[key.replace("to_qkv", "to_q")] = joined[:inner]
        weights[key.replace("to_qkv", "to_kv")] = joined[inner:]
    return weights, settings


def cross_efficient_vit(file: Path, found: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Returns a published Cross Efficient ViT's weights under our names, and the settings by their shapes.

    Args:
        file: named in errors.
        found: the file's tensors by name.

    Raises:
        ModelError: what tells the sizes is missing.
    """

    def size(key: str, axis: int) -> int:
        return _size(file, found, key, axis, "Cross Efficient ViT")

    rounds, first = r"multi_scale_encoder\.layers\.", "multi_scale_encoder.layers.0.0.layers.0"
    depths = (r"0\.layers\.\d+\.0\.fn", r"1\.layers\.\d+\.0\.fn", r"2\.layers\.\d+\.0\.fn\.fn")
    settings = {
        "image_size": _image_size(size("sm_image_embedder.to_patch_embedding.1.weight", 1)),
        "widths": (size("sm_image_embedder.cls_token", 2), size("lg_image_embedder.cls_token", 2)),
        "depth": _many(found, rf"{rounds}\d+\.0\.norm\.weight"),
        "depths": tuple(_many(found, rf"{rounds}0\.{each}\.to_q\.weight") for each in depths),
        "heads": max(1, size(f"{first}.0.fn.to_q.weight", 0) // _HEAD),
        "hidden": size(f"{first}.1.fn.net.0.weight", 0),
    }
    return _renamed(found, _CROSS), settings


def _size(file: Path, found: Mapping[str, Tensor], key: str, axis: int, kind: str) -> int:
    if key not in found or found[key].ndim <= axis or not found[key].numel():
        raise ModelError(f"{file}: is no {kind} checkpoint; it lacks {key}")
    return found[key].shape[axis]


def _many(found: Mapping[str, Tensor], pattern: str) -> int:
    return sum(re.fullmatch(pattern, key) is not None for key in found)


def _image_size(numbers: int) -> tuple[int, int]:
    """Returns the square picture whose last map (1280 channels, 32 pixels per cell) has this many numbers."""
    side = 32 * max(1, round((numbers / 1280) ** 0.5))
    return side, side


def _renamed(found: Mapping[str, Tensor], table: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    weights = {}
    for name, value in found.items():
        before, trunk, within = name.rpartition("efficient_net.")
        key = f"{before}{trunk}{timm_name(within)}" if trunk else name
        for pattern, ours in table:
            key = re.sub(pattern, ours, key)
        weights[key] = value
    return weights
