"""Published MesoNets, made up layer by layer as Keras's `save_weights` lays them out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from facetrust.errors import MissingExtra, ModelError
from facetrust.models import load_checkpoint
from facetrust.zoo import import_checkpoint

h5py = pytest.importorskip("h5py", reason="needs the extra keras")

Array = NDArray[np.float64]
# Kernel, channels in and out of every convolution in the order in which the authors' code makes them.
MESO4 = [(3, 3, 8), (5, 8, 8), (5, 8, 16), (5, 16, 16)]
INCEPTION4 = [
    *((1, 3, 1), (1, 3, 4), (3, 4, 4), (1, 3, 4), (3, 4, 4), (1, 3, 2), (3, 2, 2)),
    *((1, 11, 2), (1, 11, 4), (3, 4, 4), (1, 11, 4), (3, 4, 4), (1, 11, 2), (3, 2, 2)),
    *((5, 12, 16), (5, 16, 16)),
]
NORMS = {"meso4": (8, 8, 16, 16), "inception4": (11, 12, 16, 16)}


def layers_of(variant: str, *, cells: int = 4, first: int = 5) -> dict[str, dict[str, Array]]:
    """Random weights under Keras's names, numbered from `first` as a second network of a process is."""
    rng = np.random.default_rng(0)
    found: dict[str, dict[str, Array]] = {}
    for index, (side, channels, width) in enumerate(MESO4 if variant == "meso4" else INCEPTION4):
        kernel = rng.normal(size=(side, side, channels, width)) / (side * channels**0.5)
        found[f"conv2d_{first + index}"] = {"kernel:0": kernel, "bias:0": 0.1 * rng.normal(size=width)}
    for index, width in enumerate(NORMS[variant]):
        found[f"batch_normalization_{first + index}"] = {
            "gamma:0": 1 + 0.2 * rng.normal(size=width),
            "beta:0": 0.2 * rng.normal(size=width),
            "moving_mean:0": 0.2 * rng.normal(size=width),
            "moving_variance:0": 0.001 + rng.random(width),
        }
    for index, (many, width) in enumerate(((16 * cells, 16), (16, 1))):
        kernel = rng.normal(size=(many, width)) / many**0.5
        found[f"dense_{first + index}"] = {"kernel:0": kernel, "bias:0": rng.normal(size=width)}
    return found


def write(path: Path, layers: dict[str, dict[str, Array]], *, at: str = "") -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in layers]
        for name, weights in layers.items():
            group = file.create_group(f"{at}{name}/{name}")
            for key, value in weights.items():
                group.create_dataset(key, data=value.astype(np.float32))
    return path


def ordered(layers: dict[str, dict[str, Array]], kind: str) -> Iterator[dict[str, Array]]:
    names = sorted((name for name in layers if name.startswith(kind)), key=lambda n: int(n.rsplit("_", 1)[1]))
    return iter([layers[name] for name in names])


def slow(layers: dict[str, dict[str, Array]], image: Array) -> float:
    """The authors' chance of a genuine face for one picture (H, W, 3), as a logit, written out in NumPy."""
    convolutions, norms = ordered(layers, "conv2d"), ordered(layers, "batch_normalization")
    inception = sum(name.startswith("conv2d") for name in layers) == 16

    def convolved(x: Array, reach: int = 1) -> Array:
        weights = next(convolutions)
        kernel = weights["kernel:0"]
        half = reach * (len(kernel) // 2)
        padded = np.pad(x, ((half, half), (half, half), (0, 0)))
        total = np.zeros((*x.shape[:2], kernel.shape[-1])) + weights["bias:0"]
        for down in range(len(kernel)):
            for across in range(len(kernel)):
                there = padded[down * reach :, across * reach :][: x.shape[0], : x.shape[1]]
                total += there @ kernel[down, across]
        return np.maximum(total, 0)

    def wide(x: Array) -> Array:
        parts = [convolved(x)]
        parts += [convolved(convolved(x), reach) for reach in (1, 2, 3)]
        return np.concatenate(parts, axis=-1)

    def closed(x: Array, pool: int) -> Array:
        norm = next(norms)
        scale = norm["gamma:0"] / np.sqrt(norm["moving_variance:0"] + 1e-3)
        x = (x - norm["moving_mean:0"]) * scale + norm["beta:0"]
        return x.reshape(x.shape[0] // pool, pool, x.shape[1] // pool, pool, -1).max((1, 3))

    x = image
    for pool, layer in ((2, 0), (2, 1), (2, 2), (4, 3)):
        x = closed(wide(x) if inception and layer < 2 else convolved(x), pool)
    first, last = ordered(layers, "dense")
    hidden = x.ravel() @ first["kernel:0"] + first["bias:0"]
    hidden = np.where(hidden > 0, hidden, 0.1 * hidden)
    return float((hidden @ last["kernel:0"] + last["bias:0"])[0])


def logits(folder: Path, images: Array) -> tuple[Array, Any]:
    model, card = load_checkpoint(folder)
    with torch.no_grad():
        found = model(torch.from_numpy(images.astype(np.float32)).permute(0, 3, 1, 2)).logit
    return found.numpy(), card


@pytest.mark.parametrize("variant", ["meso4", "inception4"])
@pytest.mark.parametrize(("at", "first"), [("", 5), ("model_weights/", 1), ("", 9)])
def test_a_published_layout_answers_as_its_authors_do_turned_to_our_direction(
    variant: str, at: str, first: int, tmp_path: Path
) -> None:
    layers = layers_of(variant, first=first)
    images = np.random.default_rng(1).random((3, 64, 64, 3))
    file = write(tmp_path / "Meso_DF.h5", layers, at=at)
    found, card = logits(import_checkpoint("mesonet", file, tmp_path / "out"), images)
    np.testing.assert_allclose(found, [-slow(layers, image) for image in images], atol=1e-4)
    assert card.name == "meso-df"
    assert card.architecture == f"mesonet-{variant}"
    assert card.preprocessing.size == (64, 64)
    assert card.advisory


def test_what_is_no_mesonet_is_refused_in_a_line_and_nothing_is_left(tmp_path: Path) -> None:
    whole = layers_of("meso4")
    file = tmp_path / "bad.h5"

    def refused(layers: dict[str, Any], match: str) -> None:
        with pytest.raises(ModelError, match=match) as caught:
            import_checkpoint("mesonet", write(file, layers), tmp_path / "out")
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "out").exists()

    refused({}, "0 convolutions and 0 dense layers")
    refused({key: value for key, value in whole.items() if key != "conv2d_5"}, "3 convolutions and 2 dense")
    refused({k: v for k, v in whole.items() if k != "batch_normalization_5"}, "3 layers batch_normalization")
    refused(whole | {"dense_5": {"bias:0": np.zeros(16)}}, "expected are 4 or 16, and 2")
    refused(whole | {"dense_6": {"bias:0": np.zeros(1)}}, "1 tensors differ, the first is head.weight")
    wide = {"kernel:0": np.zeros((3, 3, 3, 9)), "bias:0": np.zeros(9)}
    refused(whole | {"conv2d_5": wide}, "2 tensors differ")
    refused(whole | {"dense_5": {"kernel:0": np.zeros((1 << 17, 16))}}, "no plain tensor")
    file.write_text("text")
    with pytest.raises(ModelError, match="is not an HDF5 file of weights"):
        import_checkpoint("mesonet", file, tmp_path / "out")


def test_nothing_outside_the_file_is_read(tmp_path: Path) -> None:
    """Links to another file are passed over, and a tensor that is stored in another one is refused."""
    layers = layers_of("meso4")
    other = write(tmp_path / "other.h5", layers)
    with h5py.File(tmp_path / "linked.h5", "w") as file:
        for name in (*layers, "model_weights"):
            file[name] = h5py.ExternalLink(other.name, "/" if name == "model_weights" else name)
    with pytest.raises(ModelError, match="0 convolutions"):
        import_checkpoint("mesonet", tmp_path / "linked.h5", tmp_path / "out")
    (tmp_path / "secret").write_bytes(bytes(64))
    with h5py.File(write(tmp_path / "stored.h5", layers), "a") as file:
        del file["dense_6/dense_6/kernel:0"]
        stored = [(str(tmp_path / "secret"), 0, 64)]
        file.create_dataset("dense_6/dense_6/kernel:0", (16, 1), np.float32, external=stored)
    with pytest.raises(ModelError, match=r"dense_6/kernel:0 is no plain tensor"):
        import_checkpoint("mesonet", tmp_path / "stored.h5", tmp_path / "out")


def test_what_is_lacking_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "meso.h5", layers_of("meso4"))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtra, match=r"h5py is not installed; run: pip install 'facetrust\[keras\]'"):
        import_checkpoint("mesonet", file, tmp_path / "out")


@pytest.mark.real
@pytest.mark.parametrize("name", ["Meso4_DF", "Meso4_F2F", "MesoInception_DF", "MesoInception_F2F"])
def test_the_published_files_answer_as_the_reference(name: str, peers: Path, tmp_path: Path) -> None:
    layers: dict[str, dict[str, Array]] = {}
    with h5py.File(peers / f"{name}.h5") as file:
        for layer in file.attrs["layer_names"]:
            for key in file[layer].attrs["weight_names"]:
                at, weight = key.decode().split("/")
                layers.setdefault(at, {})[weight] = np.asarray(file[layer][key], np.float64)
    image = np.random.default_rng(1).random((1, 256, 256, 3))
    found, card = logits(import_checkpoint("mesonet", peers / f"{name}.h5", tmp_path / "out"), image)
    np.testing.assert_allclose(found, [-slow(layers, image[0])], rtol=1e-4, atol=1e-3)
    assert card.parameters == (27_977 if name.startswith("Meso4") else 28_615)
