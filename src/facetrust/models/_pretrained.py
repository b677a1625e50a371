"""CLIP weights from a file or an open_clip tag, read as data and fitted to the image size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile, is_zipfile

import torch
from torch import Tensor, nn
from torch.nn import functional

from facetrust.errors import MissingExtra, ModelError, UnknownName, UsageError
from facetrust.models._torchvision import make_torchvision_importable

_ENDINGS = (".safetensors", ".pt", ".pth", ".bin")
_ARCHITECTURES = {"vit-b16": "ViT-B-16"}
# Sizes that OpenAI's files keep among the weights.
_SIZES = {"input_resolution", "context_length", "vocab_size"}
POSITIONS = "visual.positional_embedding"


def activation(variant: str, pretrained: str | bool | None, quick_gelu: bool | None) -> bool:
    """Returns whether the weights need the quick GELU, x * sigmoid(1.702 x), as OpenAI's do.

    Raises:
        UnknownName: no such tag for this variant.
        UsageError: the tag's weights were trained with the other activation than was asked for.
    """
    if not pretrained or _is_file(pretrained):
        return bool(quick_gelu)
    needed = bool(_tag(variant, str(pretrained)).get("quick_gelu", False))
    if quick_gelu not in (None, needed):
        raise UsageError(
            f"quick_gelu {quick_gelu}: {pretrained} was trained with {needed}; leave the setting out"
        )
    return needed


def load_pretrained(model: nn.Module, variant: str, pretrained: str, *, grid: tuple[int, int]) -> None:
    """Fills both towers from a weight file, or from an open_clip tag that open_clip fetches and keeps.

    Position embeddings are resized to `grid` (rows, columns) bicubically.

    Raises:
        ModelError: weights cannot be fetched or read, or do not fit.
    """
    path = Path(pretrained) if _is_file(pretrained) else _fetch(variant, pretrained)
    weights = {key.removeprefix("module."): value for key, value in read_weights(path).items()}
    weights = {key: value for key, value in weights.items() if key not in _SIZES}
    if POSITIONS in weights:
        weights[POSITIONS] = resized(weights[POSITIONS], grid)
    fill(model, weights, f"{path}: is not a CLIP {variant}")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Returns the tensors in a .safetensors file or in a plain pickle, inside its `state_dict` if it has one.

    Raises:
        ModelError: missing, a program (TorchScript), or not plain weights.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such weight file")
    if _is_program(path):
        raise ModelError(f"{path}: is a program (TorchScript), which is not run; give its safetensors form")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        found = torch.load(path, map_location="cpu", weights_only=True)
        return {str(key): torch.as_tensor(value) for key, value in found.get("state_dict", found).items()}
    except Exception as error:  # A file that is no pickle makes the unpickler raise whatever it stumbles on.
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise ModelError(f"{path}: cannot be read as plain weights ({reason})") from None


def resized(positions: Tensor, grid: tuple[int, int]) -> Tensor:
    """Returns position embeddings (1 + rows * columns, c) for a grid, from those of a square one.

    The class token's is kept; those of the patches are resampled as a picture, bicubically.
    """
    side = round((len(positions) - 1) ** 0.5)
    if positions.ndim != 2 or side * side != len(positions) - 1 or (side, side) == grid:
        return positions
    patches = positions[1:].float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
    made = functional.interpolate(patches, grid, mode="bicubic", antialias=True)
    return torch.cat([positions[:1].float(), made[0].flatten(1).mT])


def fill(model: nn.Module, weights: Mapping[str, Tensor], complaint: str) -> None:
    """Loads weights that must fit tensor by tensor.

    Raises:
        ModelError: `complaint`, with how many tensors are missing, unknown or misshapen, and the first.
    """
    expected = model.state_dict()
    wrong = {
        "missing": sorted(set(expected).difference(weights)),
        "unknown": sorted(set(weights).difference(expected)),
        "misshapen": sorted(
            key for key in expected if key in weights and weights[key].shape != expected[key].shape
        ),
    }
    if any(wrong.values()):
        told = [f"{len(keys)} {how}, first {keys[0]}" for how, keys in wrong.items() if keys]
        raise ModelError(f"{complaint}; tensors: {'; '.join(told)}")
    model.load_state_dict(dict(weights))


def _is_program(path: Path) -> bool:
    if not is_zipfile(path):
        return False
    with ZipFile(path) as archive:
        return any(Path(name).name == "constants.pkl" for name in archive.namelist())


def _is_file(pretrained: str | bool) -> bool:
    return Path(str(pretrained)).suffix in _ENDINGS


def _tag(variant: str, tag: str) -> dict[str, Any]:
    make_torchvision_importable()
    try:
        from open_clip import pretrained as library
    except ImportError:
        raise MissingExtra("open-clip-torch", "train") from None
    architecture = _ARCHITECTURES.get(variant, "")
    found: dict[str, Any] = library.get_pretrained_cfg(architecture, tag)
    if not found:
        known = [*library.list_pretrained_tags_by_model(architecture), f"a file ending in {_ENDINGS[0]}"]
        raise UnknownName(f"weights for {variant}", tag, known)
    return found


def _fetch(variant: str, tag: str) -> Path:
    from open_clip import pretrained as library

    try:
        return Path(library.download_pretrained(_tag(variant, tag)))
    except Exception as error:  # The hub raises many kinds when it cannot be reached.
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise ModelError(
            f"{tag}: the weights cannot be fetched ({reason}); give a file's path or connect"
        ) from None
