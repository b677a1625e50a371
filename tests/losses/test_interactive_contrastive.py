from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from facetrust.errors import UsageError
from facetrust.losses.interactive_contrastive import InteractiveContrastive, interactive_contrastive


def logs(anchor: np.ndarray, others: np.ndarray, scale: float) -> list[float]:
    cosines = [float(anchor @ o) / np.linalg.norm(anchor) / np.linalg.norm(o) for o in others]
    total = sum(math.exp(scale * c) for c in cosines)
    return [scale * c - math.log(total) for c in cosines]


def slow(parts: list[np.ndarray], positives: list[list[int]], scale: float) -> list[float]:
    image, text, teacher_image, teacher_text = parts
    found = []
    for i, same in enumerate(positives):
        one, two = logs(image[i], teacher_text, scale), logs(text[i], teacher_image, scale)
        found.append(-sum((one[j] + two[j]) / len(same) for j in same) / 2)
    return found


def parts(seed: int = 0, widths: tuple[int, ...] = (3, 3, 3, 3)) -> list[torch.Tensor]:
    numbers = torch.Generator().manual_seed(seed)
    return [torch.randn(5, d, generator=numbers, dtype=torch.float64) for d in widths]


@pytest.mark.parametrize("scale", [1.0, 1 / 0.07])
def test_agrees_with_the_formula_sample_by_sample(scale: float) -> None:
    given = parts()
    expected = slow([x.numpy() for x in given], [[0], [1], [2], [3], [4]], scale)
    assert interactive_contrastive(*given, scale=scale, reduction="none").tolist() == pytest.approx(expected)
    assert InteractiveContrastive(scale=scale)(*given).item() == pytest.approx(sum(expected) / 5)


def test_samples_of_one_text_are_all_positives() -> None:
    image, text, teacher_image, teacher_text = parts(1)
    rows = torch.tensor([0, 1, 0, 0, 1])
    given = (image, text[rows], teacher_image, teacher_text[rows])
    expected = slow([x.numpy() for x in given], [[0, 2, 3], [1, 4], [0, 2, 3], [0, 2, 3], [1, 4]], 5.0)
    found = interactive_contrastive(*given, scale=5.0, reduction="none")
    assert found.tolist() == pytest.approx(expected)


def test_the_teachers_texts_alone_say_who_is_positive() -> None:
    """The student may have one text for all, or one each, where the teacher has two."""
    image, text, teacher_image, teacher_text = parts(4)
    rows = torch.tensor([0, 1, 0, 0, 1])
    alike = [[0, 2, 3], [1, 4], [0, 2, 3], [0, 2, 3], [1, 4]]
    for texts, positives, taught in (
        (text, alike, teacher_text[rows]),
        (text[rows], [[0], [1], [2], [3], [4]], teacher_text),
        (text[:1].expand(5, -1), alike, teacher_text[rows]),
    ):
        given = (image, texts, teacher_image, taught)
        expected = slow([x.numpy() for x in given], positives, 5.0)
        assert interactive_contrastive(*given, scale=5.0, reduction="none").tolist() == pytest.approx(
            expected
        )


def test_one_text_for_all_costs_its_image_part_the_logarithm_of_the_batch() -> None:
    image, text, teacher_image, teacher_text = (x.requires_grad_() for x in parts(2))
    loss = interactive_contrastive(
        image, torch.zeros_like(text), teacher_image, teacher_text[:1].expand(5, -1)
    )
    assert loss.item() == pytest.approx(math.log(5))
    loss.backward()
    assert image.grad is not None
    assert image.grad.abs().max() < 1e-12


def test_the_module_projects_images_and_texts_where_widths_differ() -> None:
    given = parts(3, (3, 4, 5, 5))
    with pytest.raises(UsageError, match="student is 3 wide, the teacher 5"):
        interactive_contrastive(*given)
    module = InteractiveContrastive()
    module.adapt(*given)
    module.double()
    assert sorted(tuple(p.shape) for p in module.parameters()) == [(5,), (5,), (5, 3), (5, 4)]
    image, text = module.image_projection, module.text_projection
    expected = interactive_contrastive(
        given[0] @ image.weight.T + image.bias, given[1] @ text.weight.T + text.bias, *given[2:]
    )
    assert module(*given).item() == pytest.approx(expected.item())


def test_a_scale_of_zero_is_refused() -> None:
    with pytest.raises(UsageError, match="scale: 0 is not above 0"):
        interactive_contrastive(*parts(), scale=0)
