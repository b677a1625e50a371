"""What the tests of evaluation share: noisy faces in a manifest, and an untrained network in a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facetrust.data.manifest import Manifest
from facetrust.records import ModelCard, Preprocessing, Sample

PREPROCESSING = Preprocessing(size=(32, 32), margins=(1.0, 1.6), mean=(0.5,) * 3, std=(0.5,) * 3)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise is live, blurred noise an attack; half the rows have a box."""
    folder = tmp_path_factory.mktemp("faces")
    numbers = np.random.default_rng(0)
    samples = []
    for count in range(48):
        label, split = count % 2, ("train", "dev", "test")[count // 2 % 3]
        image = numbers.integers(0, 255, (60, 50, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{count}.png"), cv2.GaussianBlur(image, (0, 0), 1.5) if label else image)
        box: dict[str, Any] = {"x": 12, "y": 14, "w": 20, "h": 24} if count % 4 < 2 else {}
        about = {"media": f"m{count // 4}", "attack": "print" if label else None}
        samples.append(Sample(path=f"{count}.png", label=label, split=split, subject=split, **about, **box))
    Manifest.write(samples, folder / "faces.csv")
    return folder / "faces.csv"


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an untrained network with two crops a face."""
    import torch

    from facetrust.models import create_model, save_checkpoint

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("run")
    card = ModelCard(
        name="tiny",
        task="antispoof",
        architecture="timm/test_vit",
        score_means="",
        preprocessing=PREPROCESSING,
        seed=5,
    )
    model = create_model("timm/test_vit", image_size=(32, 32))
    torch.nn.init.normal_(model.head.weight)
    save_checkpoint(model, card, folder, settings={"image_size": [32, 32]})
    return folder
