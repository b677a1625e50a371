"""The benchmark that trains an autoencoder: its size, and a few steps on planted pictures."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from facetrust.data.manifest import Manifest
from facetrust.data.simulate.decoder import Decoder
from facetrust.records import Sample

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")


@pytest.fixture(scope="module")
def autoencoder(benchmark) -> ModuleType:
    return benchmark("autoencoder")


@pytest.mark.parametrize(("up", "parameters"), [("transposed", 50_159), ("subpixel", 91_263)])
def test_it_is_small_and_downscales_by_four(autoencoder, up, parameters):
    network = autoencoder.Autoencoder(up)
    assert sum(value.numel() for value in network.parameters()) == parameters < 100_000
    shown = torch.rand(1, 3, 24, 32)
    assert network.down(shown).shape == (1, 12, 6, 8)
    assert network(shown).shape == shown.shape


def test_it_learns_is_written_and_answers_as_the_network(autoencoder, tmp_path, monkeypatch, capsys):
    rows = []
    for n, split in enumerate(("train", "train", "dev", "dev")):
        pixels = np.full((70, 80, 3), 60 + 40 * n, np.uint8)
        pixels[20:50, 20 + 5 * n :] = 200
        Image.fromarray(pixels).save(tmp_path / f"{n}.png")
        rows.append(Sample(path=f"{n}.png", label=0, split=split))
    Manifest.write(rows, tmp_path / "m.csv")
    out = tmp_path / "weights" / "decoder.onnx"
    monkeypatch.setattr(
        sys, "argv", ["x", str(tmp_path / "m.csv"), "--out", str(out), "--steps", "3", "--side", "32"]
    )
    autoencoder.main()
    said = capsys.readouterr().out
    assert "transposed: 50,159 parameters, 2 pictures" in said
    assert "PSNR, dB" in said
    image = np.asarray(Image.open(tmp_path / "3.png"))
    network = autoencoder.train([image], up="transposed", steps=1, side=64, seed=1)
    autoencoder.write(network, tmp_path / "other.onnx", side=64)
    with torch.no_grad():
        shown = torch.from_numpy(image[:68].transpose(2, 0, 1)[None].copy()).float() / 255
        wanted = (network(shown)[0].permute(1, 2, 0) * 255).round().clip(0, 255).numpy()
    assert np.abs(Decoder(tmp_path / "other.onnx")(image[:68]).astype(int) - wanted).max() <= 1
