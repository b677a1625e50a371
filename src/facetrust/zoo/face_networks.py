"""Published weights of face embedders under our names: arcface_torch, AdaFace, Face Transformer, EdgeFace."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from facetrust.errors import ModelError
from facetrust.records import ModelCard
from facetrust.zoo.recognition import ALIGNED, embedder

if TYPE_CHECKING:
    from torch import Tensor

_BLOCKS = {8: "18", 16: "34", 24: "50", 49: "100"}  # Residual blocks of an IResNet, and its variant.
_PATCHES = {8: "p8s8", 10: "p10s8", 12: "p12s8"}
_EDGES = {24: "xxs", 32: "xs", 48: "s", 80: "base"}  # Channels of EdgeNeXt's stem.


class Imported(NamedTuple):
    """The card, the weights under our names, and the settings that the network is built with."""

    card: ModelCard
    weights: dict[str, Tensor]
    settings: dict[str, Any]


def arcface_torch(file: Path, found: Mapping[str, Tensor]) -> Imported:
    """Returns an IResNet of insightface's `arcface_torch`, whose names are ours.

    Raises:
        ModelError: it is none, or of a depth that is not known.
    """
    blocks = {match[0] for name in found if (match := re.match(r"layer\d\.\d+\.", name))}
    variant = _of(file, "an arcface_torch IResNet", _BLOCKS, len(blocks))
    terms = "not stated with the weights; insightface's own models are for non-commercial research"
    card = embedder(f"arcface-iresnet-{variant}", f"iresnet-{variant}", terms=terms)
    return Imported(card, dict(found), {"embedding": _rows(file, found, "fc.weight")})


def adaface(file: Path, found: Mapping[str, Tensor]) -> Imported:
    """Returns a network of AdaFace's Lightning checkpoint, without its class centres. It sees BGR.

    Its residual blocks are IResNet's, but for shortcuts that only leave out pixels, and a last normalisation
    that learns nothing.

    Raises:
        ModelError: it is none, or of a depth that is not known.
    """
    import torch

    bare = {name.removeprefix("model."): value for name, value in found.items()}
    bare = {name: value for name, value in bare.items() if not name.startswith("head.")}
    numbers = {int(match[1]) for name in bare if (match := re.match(r"body\.(\d+)\.", name))}
    variant = _of(file, "an AdaFace network", _BLOCKS, len(numbers))
    places: dict[int, str] = {}
    stage, place, before = 0, 0, -1
    for number in sorted(numbers):
        width = _rows(file, bare, f"body.{number}.res_layer.1.weight")
        stage, place = (stage, place + 1) if width == before else (stage + 1, 0)
        before = width
        places[number] = f"layer{stage}.{place}"
    names = {
        "res_layer.0": "bn1", "res_layer.1": "conv1", "res_layer.2": "bn2", "res_layer.3": "prelu",
        "res_layer.4": "conv2", "res_layer.5": "bn3", "shortcut_layer.0": "downsample.0",
        "shortcut_layer.1": "downsample.1",
    }  # fmt: skip
    ends = {
        "input_layer.0": "conv1", "input_layer.1": "bn1", "input_layer.2": "prelu", "output_layer.0": "bn2",
        "output_layer.3": "fc", "output_layer.4": "features",
    }  # fmt: skip
    weights = {}
    for name, value in bare.items():
        part, _, last = name.rpartition(".")
        if match := re.match(r"body\.(\d+)\.(.+)", part):
            part = f"{places[int(match[1])]}.{names.get(match[2], match[2])}"
        weights[f"{ends.get(part, part)}.{last}"] = value
    width = _rows(file, weights, "fc.weight")
    weights |= {"features.weight": torch.ones(width), "features.bias": torch.zeros(width)}
    how = ALIGNED.model_copy(update={"color": "BGR"})
    card = embedder(
        f"adaface-iresnet-{variant}", f"iresnet-{variant}", preprocessing=how, terms="MIT as published"
    )
    return Imported(card, weights, {"embedding": width, "pooled": True})


def face_transformer(file: Path, found: Mapping[str, Tensor]) -> Imported:
    """Returns a Face Transformer, without its class centres. Patches of 8 were flattened channels last.

    Raises:
        ModelError: it is none, or its patches are of a size that is not known.
    """
    import torch

    bare = {name: value for name, value in found.items() if not name.startswith("loss.")}
    width = _rows(file, bare, "patch_to_embedding.weight")
    side = round((bare["patch_to_embedding.weight"].shape[1] / 3) ** 0.5)
    variant = _of(file, "a Face Transformer", _PATCHES, side)
    weights = {}
    for name, value in bare.items():
        key = re.sub(r"^transformer\.layers\.(\d+)\.0\.fn\.(fn\.)?", r"blocks.\1.attn.", name)
        key = re.sub(r"^transformer\.layers\.(\d+)\.1\.fn\.(fn\.)?", r"blocks.\1.feed.", key)
        key = re.sub(r"^mlp_head\.0\.", "norm.", key)
        if "to_qkv" in key:
            third = len(value) // 3
            weights[key.replace("to_qkv", "to_q")] = value[:third]
            weights[key.replace("to_qkv", "to_kv")] = value[third:]
        else:
            weights[key] = value
    if variant == "p8s8":
        patches = weights["patch_to_embedding.weight"].reshape(width, side, side, 3)
        weights["patch_to_embedding.weight"] = patches.permute(0, 3, 1, 2).reshape(width, -1)
    depth = sum(re.fullmatch(r"blocks\.\d+\.attn\.norm\.weight", name) is not None for name in weights)
    count = bare["pos_embedding"].shape[1] - 1 if "pos_embedding" in bare else 196
    settings: dict[str, Any] = {
        "width": width,
        "depth": depth,
        "heads": _rows(file, weights, "blocks.0.attn.to_q.weight") // 64,
        "hidden": _rows(file, weights, "blocks.0.feed.net.0.weight"),
        "image_size": (8 * round(count**0.5),) * 2,
    }
    how = ALIGNED.model_copy(
        update={"mean": (0.0,) * 3, "std": (1.0,) * 3, "top": 255.0, "size": settings["image_size"]}
    )
    data = "MS1M-RetinaFace, as its authors describe"
    card = embedder(
        f"face-transformer-{variant}",
        f"face-transformer-{variant}",
        preprocessing=how,
        training_data=data,
        terms="MIT as published",
    )
    return Imported(card, {name: torch.as_tensor(value) for name, value in weights.items()}, settings)


def edgeface(file: Path, found: Mapping[str, Tensor]) -> Imported:
    """Returns an EdgeFace, whose names are timm's; the rank of its linear layers is read off their shapes.

    Raises:
        ModelError: it is none, or of a size that is not known.
    """
    variant = _of(file, "an EdgeFace", _EDGES, _rows(file, found, "model.stem.0.weight"))
    lowered = sorted(name for name in found if name.endswith("linear1.weight"))
    settings: dict[str, Any] = {}
    if lowered:
        # The widest layer's rank tells the share best; tried is every whole percent.
        widest = max(lowered, key=lambda name: found[name].shape[0])
        rank, into = found[widest].shape
        side = min(into, len(found[widest.replace("linear1", "linear2")]))
        settings["rank"] = next(n / 100 for n in range(1, 101) if max(2, int(side * (n / 100))) == rank)
    last = next(name for name in ("model.head.fc.linear2.weight", "model.head.fc.weight") if name in found)
    settings["embedding"] = len(found[last])
    card = embedder(
        f"edgeface-{variant}", f"edgeface-{variant}", terms="CC BY-NC-SA 4.0, as its authors state"
    )
    return Imported(card, dict(found), settings)


def _of(file: Path, what: str, known: Mapping[int, str], found: int) -> str:
    if found not in known:
        raise ModelError(f"{file}: is not {what}; its size, {found}, is none of {sorted(known)}")
    return known[found]


def _rows(file: Path, found: Mapping[str, Tensor], name: str) -> int:
    if name not in found or not found[name].ndim:
        raise ModelError(f"{file}: is not of this kind; it lacks {name}")
    return len(found[name])
