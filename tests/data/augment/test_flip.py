from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from facetrust.data.augment import flip as contrast
from facetrust.imaging import Pixels
from facetrust.models._torchvision import make_torchvision_importable

make_torchvision_importable()
transforms = pytest.importorskip("torchvision.transforms")
functional = transforms.functional


@pytest.fixture
def photo() -> Pixels:
    """Smooth and colourful, brighter to the right."""
    y, x = np.mgrid[0:48, 0:40]
    waves = np.stack([np.sin(x / 7 + y / 11), np.cos(x / 9 - y / 5), np.sin(y / 6)], axis=2)
    return (40 + 4 * x[:, :, None] + 30 * (waves + 1)).astype(np.uint8)


def tensor(image: Pixels) -> torch.Tensor:
    return torch.from_numpy(image.transpose(2, 0, 1).copy())


def differs(image: Pixels, other: torch.Tensor) -> int:
    """Returns by how many levels two pictures differ at most."""
    return int(np.abs(image.astype(int) - other.numpy().transpose(1, 2, 0)).max())


@pytest.mark.parametrize("factor", [0.6, 0.85, 1.0, 1.4])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("_brighten", "brightness"), ("_contrast", "contrast"), ("_colour", "saturation")],
)
def test_light_and_colour_are_torchvisions(photo: Pixels, ours: str, theirs: str, factor: float) -> None:
    changed = getattr(contrast, ours)(photo, factor)
    assert differs(changed, getattr(functional, f"adjust_{theirs}")(tensor(photo), factor)) <= 1
    assert np.array_equal(changed, photo) == (factor == 1.0)


@pytest.mark.parametrize("factor", [-0.1, -0.03, 0.07, 0.1])
def test_hue_is_torchvisions(photo: Pixels, factor: float) -> None:
    turned = contrast._turn(photo, factor)
    assert differs(turned, functional.adjust_hue(tensor(photo), factor)) <= 1
    assert not np.array_equal(turned, photo)


@pytest.mark.parametrize("sigma", [0.1, 0.7, 2.0])
def test_grey_and_blur_are_torchvisions(photo: Pixels, sigma: float) -> None:
    assert differs(contrast._grey(photo), functional.rgb_to_grayscale(tensor(photo), 3)) <= 1
    assert (
        differs(contrast._blur(photo, sigma), functional.gaussian_blur(tensor(photo), [15, 15], sigma)) <= 1
    )


@pytest.mark.parametrize(("window", "size"), [((4, 6, 20, 17), (48, 40)), ((0, 0, 48, 40), (24, 20))])
def test_a_resized_window_is_torchvisions(
    photo: Pixels, window: tuple[int, int, int, int], size: tuple[int, int]
) -> None:
    top, left, height, width = window
    ours = contrast._resize(photo[top : top + height, left : left + width], size)
    enlarged = size[0] > height
    theirs = functional.resized_crop(tensor(photo), *window, size, antialias=not enlarged)
    assert differs(ours, theirs) <= (1 if enlarged else 6)  # Shrinking by area is near their filter, not it.


def test_jitter_is_four_steps_in_a_drawn_order(photo: Pixels) -> None:
    names = ("brightness", "contrast", "saturation", "hue")
    for seed in range(20):
        rng, other = np.random.default_rng(seed), tensor(photo) / 255  # In float nothing is rounded between.
        for number in rng.permutation(4):
            factor = rng.uniform(-0.1, 0.1) if names[number] == "hue" else rng.uniform(0.6, 1.4)
            other = getattr(functional, f"adjust_{names[number]}")(other, factor)
        jittered = contrast._jitter(photo, np.random.default_rng(seed))
        assert differs(jittered, (other * 255).round().to(torch.uint8)) <= 3


@pytest.mark.parametrize("shape", [(64, 64), (90, 60), (20, 200)])
def test_windows_spread_like_torchvisions(shape: tuple[int, int]) -> None:
    """The deciles of area, shape and place; in the last shape most windows fit never."""
    rng, empty = np.random.default_rng(0), torch.empty(1, *shape)
    draw = transforms.RandomResizedCrop.get_params
    ours = np.array([contrast._window(*shape, rng) for _ in range(4000)], dtype=float)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = np.array([draw(empty, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(4000)], dtype=float)
    deciles = np.linspace(0, 1, 11)
    for measure in (
        lambda windows: windows[:, 2] * windows[:, 3] / np.prod(shape),
        lambda windows: np.log(windows[:, 3] / windows[:, 2]),
        lambda windows: (windows[:, 0] + windows[:, 2] / 2) / shape[0],
        lambda windows: (windows[:, 1] + windows[:, 3] / 2) / shape[1],
    ):
        mine, other = (np.quantile(measure(windows), deciles) for windows in (ours, theirs))
        assert np.allclose(mine[1:-1], other[1:-1], atol=0.03)


def test_a_window_that_never_fits_is_the_largest_in_the_middle() -> None:
    assert contrast._window(300, 10, np.random.default_rng(0)) == (143, 0, 13, 10)


def test_steps_of_a_view_come_as_often_as_stated(photo: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, sigmas, rng = Counter[str](), list[float](), np.random.default_rng(0)
    monkeypatch.setattr(contrast, "_jitter", lambda image, _: calls.update(["jitter"]) or image)
    monkeypatch.setattr(contrast, "_blur", lambda image, sigma: sigmas.append(sigma) or image)
    count = 3000
    for _ in range(count):
        seen = contrast.view(photo, (12, 10), rng)
        calls["grey"] += bool((seen == seen[:, :, :1]).all())
        slope = seen.mean((0, 2))
        calls["flip"] += bool(slope[0] > slope[-1])
    assert calls["jitter"] / count == pytest.approx(0.8, abs=0.03)
    assert calls["grey"] / count == pytest.approx(0.2, abs=0.03)
    assert calls["flip"] / count == pytest.approx(0.5, abs=0.03)
    assert len(sigmas) / count == pytest.approx(0.5, abs=0.03)
    assert np.quantile(sigmas, [0.0, 0.25, 0.5, 0.75, 1.0]) == pytest.approx(
        [0.1, 0.575, 1.05, 1.525, 2.0], abs=0.06
    )


def test_a_view_has_the_size_and_repeats_under_a_seed(photo: Pixels) -> None:
    before, seen = photo.copy(), set()
    for seed in range(30):
        first, again = (contrast.view(photo, (32, 24), np.random.default_rng(seed)) for _ in range(2))
        assert (first.shape, first.dtype) == ((32, 24, 3), np.uint8)
        assert first.flags.c_contiguous
        assert np.array_equal(first, again)
        seen.add(first.tobytes())
    assert len(seen) == 30
    assert np.array_equal(photo, before)


def test_base_changes_the_saturation_of_every_other_picture() -> None:
    """With v the highest channel, saturation times k moves a channel c to v - k (v - c)."""
    rng, factors = np.random.default_rng(0), []
    photo = rng.integers(60, 220, (12, 10, 3), dtype=np.uint8)
    top = photo.max(2, keepdims=True).astype(float)
    for _ in range(2000):
        seen = contrast.base(photo, rng)
        if not np.array_equal(seen, photo):
            factor = (top - seen).sum() / (top - photo).sum()
            assert np.abs(seen - (top - factor * (top - photo))).max() <= 1
            factors.append(factor)
    assert len(factors) / 2000 == pytest.approx(0.5, abs=0.03)
    assert np.quantile(factors, [0.0, 0.25, 0.5, 0.75, 1.0]) == pytest.approx(
        [0.8, 0.9, 1.0, 1.1, 1.2], abs=0.02
    )


def test_saturation_stops_at_pure_colours() -> None:
    pure = np.array([[[255, 0, 0], [200, 20, 20], [90, 90, 90]]], np.uint8)
    assert contrast._saturate(pure, 1.2).tolist() == [[[255, 0, 0], [200, 0, 0], [90, 90, 90]]]
