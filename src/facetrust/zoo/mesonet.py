"""MesoNet's published weights, Keras's HDF5 files, under our names."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetrust.errors import MissingExtra, ModelError, first_line

if TYPE_CHECKING:
    import h5py
    from torch import Tensor

# Keras numbers the layers of a kind in the order in which they were made.
_LAYER = re.compile(r"(?:.*/)?(conv2d|batch_normalization|dense)(?:_(\d+))?/(\w+)(?::0)?")
_WEIGHTS = {
    "conv2d": {"kernel": "weight", "bias": "bias"},
    "dense": {"kernel": "weight", "bias": "bias"},
    "batch_normalization": {
        "gamma": "weight",
        "beta": "bias",
        "moving_mean": "running_mean",
        "moving_variance": "running_var",
    },
}
_MOST = 1 << 20  # Numbers in one tensor; the largest published one has 16,384.
_CONVOLUTIONS = {4: "meso4", 16: "inception4"}
_SIDE, _CHANNELS = 32, 16  # Pixels per cell of the last map, and its channels.

_Layers = dict[str, list[dict[str, Any]]]


def mesonet(file: Path) -> tuple[str, dict[str, Tensor], dict[str, Any]]:
    """Returns the variant of a published MesoNet, its weights under our names, and its settings.

    Layers are told apart by kind and number, as one file numbers from 1 and another from 5. The last layer
    changes its sign: its authors' 1 is a genuine face, ours a manipulated one.

    Args:
        file: HDF5 as Keras's `save_weights` or `save` writes it.

    Raises:
        ModelError: the file is no such HDF5, or its layers are not those of a MesoNet.
        MissingExtra: h5py is not installed.
    """
    try:
        import torch
    except ImportError:
        raise MissingExtra("torch", "train") from None
    from facetrust.models import create_model

    layers = _layers(file)
    counts = {kind: len(each) for kind, each in layers.items()}
    variant = _CONVOLUTIONS.get(counts["conv2d"])
    if variant is None or counts["dense"] != 2 or "weight" not in layers["dense"][0]:
        raise ModelError(
            f"{file}: is no MesoNet; it has {counts['conv2d']} convolutions and {counts['dense']} dense "
            "layers, expected are 4 or 16, and 2"
        )
    cells = layers["dense"][0]["weight"].shape[-1] / _CHANNELS
    side = _SIDE * max(1, round(cells**0.5))
    settings: dict[str, Any] = {"image_size": (side, side)}
    model = create_model(f"mesonet-{variant}", **settings)
    kinds: dict[str, type[torch.nn.Module]] = {
        "conv2d": torch.nn.Conv2d,
        "batch_normalization": torch.nn.BatchNorm2d,
        "dense": torch.nn.Linear,
    }
    weights: dict[str, Tensor] = {}
    for kind, module in kinds.items():
        names = [name for name, part in model.named_modules() if isinstance(part, module)]
        if len(names) != counts[kind]:
            raise ModelError(f"{file}: is no MesoNet; it has {counts[kind]} layers {kind}, not {len(names)}")
        for name, values in zip(names, layers[kind], strict=True):
            weights |= {f"{name}.{key}": torch.from_numpy(value) for key, value in values.items()}
            if kind == "batch_normalization":
                weights[f"{name}.num_batches_tracked"] = torch.tensor(0)
    for key in ("head.weight", "head.bias"):
        if key in weights:
            weights[key] = -weights[key]
    return variant, weights, settings


def _layers(file: Path) -> _Layers:
    """Returns the tensors of an HDF5 file in torch's layout and under torch's names, by kind and number.

    Only what lies in the file itself is read: links and storage in other files are passed over.
    """
    try:
        import h5py
    except ImportError:
        raise MissingExtra("h5py", "keras") from None
    found: dict[str, dict[int, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))

    def visit(name: str, entry: h5py.Dataset | h5py.Group) -> None:
        at = _LAYER.fullmatch(name)
        if at is None or not isinstance(entry, h5py.Dataset):
            return
        kind, number, weight = at[1], int(at[2] or 0), _WEIGHTS[at[1]].get(at[3])
        if weight is not None:
            found[kind][number][weight] = _read(file, name, entry)

    try:
        with h5py.File(file, "r") as opened:
            inside = isinstance(opened.get("model_weights", getlink=True), h5py.HardLink)
            (opened["model_weights"] if inside else opened).visititems(visit)
    except ModelError:
        raise
    except Exception as error:  # h5py raises unrelated kinds for a damaged file.
        raise ModelError(f"{file}: is not an HDF5 file of weights ({first_line(error)})") from None
    return {kind: [found[kind][number] for number in sorted(found[kind])] for kind in _WEIGHTS}


def _read(file: Path, name: str, entry: h5py.Dataset) -> Any:
    import numpy as np

    if entry.external or entry.is_virtual or entry.dtype.kind != "f" or entry.size > _MOST:
        raise ModelError(f"{file}: {name} is no plain tensor of a MesoNet")
    values = np.asarray(entry[()], dtype=np.float32)
    axes = {4: (3, 2, 0, 1), 2: (1, 0)}.get(values.ndim)
    return np.ascontiguousarray(values if axes is None else values.transpose(axes))
