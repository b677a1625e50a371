"""The high-pass front: what it takes away, and that neither contrast nor brightness passes it."""

from __future__ import annotations

import numpy as np
import torch

from facetrust.models import create_model

SIZE = (64, 48)


def slow(image: np.ndarray) -> np.ndarray:
    """The residual of (3, h, w), pixel by pixel."""
    weights = np.outer([1, 2, 1], [1, 2, 1]) / 16
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1)), mode="reflect")
    left = np.empty_like(image)
    for c, y, x in np.ndindex(*image.shape):
        left[c, y, x] = image[c, y, x] - (weights * padded[c, y : y + 3, x : x + 3]).sum()
    return np.clip(left / np.sqrt((left**2).mean()), -4, 4)


def front(images: torch.Tensor) -> torch.Tensor:
    return create_model("residual-mobilenetv3_small_050", image_size=SIZE).residuals(images)


def test_it_is_each_channel_without_its_blur_at_deviation_one():
    image = np.random.default_rng(0).normal(size=(3, 12, 9))
    image[1, 4, 4] = 60.0  # Beyond the limit.
    found = front(torch.tensor(image[None], dtype=torch.float32))[0]
    np.testing.assert_allclose(found.numpy(), slow(image), atol=1e-4)
    assert found.max() == 4


def test_light_and_contrast_do_not_pass():
    image = torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(front(0.4 * image + 0.3), front(image), atol=1e-4, rtol=1e-4)


def test_a_ramp_has_no_residual_but_at_the_edges_and_a_flat_picture_none():
    ramp = torch.arange(SIZE[1], dtype=torch.float32).expand(1, 3, *SIZE)
    assert front(ramp)[..., 1:-1].abs().max() < 1e-3
    assert front(torch.full((1, 3, *SIZE), 0.7)).abs().max() < 1e-3


def test_the_student_is_light():
    model = create_model("residual-tf_efficientnet_lite0", image_size=(128, 128), block=4)
    assert sum(p.numel() for p in model.parameters()) == 254_065
    assert model.evidence_means.startswith("the classifier applied to each cell")
