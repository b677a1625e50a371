"""Rewards of masks that are worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from facetrust.metrics.mean_f1 import mean_f1
from facetrust.training.rewards import f1_rewards, panoptic_rewards

TRUTH = torch.tensor([[[1, 1, 0, 0], [2, 2, 0, 0]]])
# Class 1: a hit, a miss, a false pixel: 2 / 4. Class 2: two hits and a false pixel: 4 / 5.
ANSWER = torch.tensor([[[1, 0, 0, 1], [2, 2, 2, 0]]])


def test_f1_by_hand():
    made = f1_rewards(ANSWER, TRUTH, 4)
    torch.testing.assert_close(made.values[:, :2], torch.tensor([[0.5, 0.8]]))
    assert made.present.tolist() == [[True, True, False]]
    torch.testing.assert_close(made.per_picture(), torch.tensor([0.65]))
    torch.testing.assert_close(made.per_class(), torch.tensor([[0.5, 0.8, 1.0]]) / 3)


def test_false_pixels_cost_by_their_rate():
    made = f1_rewards(ANSWER, TRUTH, 4, false_positives=0.4)
    torch.testing.assert_close(made.values[:, :2], torch.tensor([[0.5 - 0.4 / 8, 0.8 - 0.4 / 8]]))
    torch.testing.assert_close(made.per_picture(), torch.tensor([0.6]))


def test_stray_pixels_of_classes_that_are_not_in_the_mask_may_cost_their_rate_alone():
    stray = ANSWER.clone()
    stray[0, 0, 2] = 3
    assert f1_rewards(stray, TRUTH, 4).values.tolist()[0][2] == 0
    made = f1_rewards(stray, TRUTH, 4, false_positives=0.4, stray=False)
    torch.testing.assert_close(made.values, torch.tensor([[0.45, 0.75, 1 - 0.4 / 8]]))
    torch.testing.assert_close(made.per_picture(), made.per_class().sum(1))
    torch.testing.assert_close(
        f1_rewards(ANSWER, TRUTH, 4, stray=False).values, torch.tensor([[0.5, 0.8, 1.0]])
    )


@pytest.mark.parametrize("rewards", [f1_rewards, panoptic_rewards])
def test_a_class_that_is_only_answered_is_worth_nothing_and_an_empty_picture_is_right(rewards):
    empty = torch.zeros(1, 2, 4, dtype=torch.long)
    false = empty.clone()
    false[0, 0, 0] = 2
    assert rewards(empty, empty, 3).per_picture().tolist() == [1.0]
    made = rewards(false, empty, 3)
    assert (made.per_picture().tolist(), made.per_class().tolist()) == ([0.0], [[0.5, 0.0]])


def test_each_picture_has_its_own_reward_and_it_is_the_metric_of_that_picture():
    draw = torch.Generator().manual_seed(0)
    truth, answer = torch.randint(0, 5, (2, 6, 9, 7), generator=draw)
    made = f1_rewards(answer, truth, 5).per_picture()
    for picture in range(6):
        cells = truth[picture].flatten() * 5 + answer[picture].flatten()
        assert made[picture].item() == pytest.approx(
            mean_f1(np.bincount(cells.numpy(), minlength=25).reshape(5, 5)), abs=1e-6
        )


def segments() -> tuple[torch.Tensor, torch.Tensor]:
    """Two true squares of four; the answer has one whole, three pixels of the other, and a stray pixel."""
    truth = torch.zeros(1, 6, 8, dtype=torch.long)
    truth[0, 0:2, 0:2] = truth[0, 3:5, 3:5] = 1
    answer = truth.clone()
    answer[0, 4, 4] = 0
    answer[0, 0, 7] = 1
    return answer, truth


def test_panoptic_quality_by_hand():
    made = panoptic_rewards(*segments(), 2)
    assert made.values.item() == pytest.approx((1 + 0.75) / (2 + 0.5))
    costly = panoptic_rewards(*segments(), 2, false_positives=0.3)
    assert costly.values.item() == pytest.approx(0.7 - 0.3 / 3)


def test_half_an_overlap_is_no_match_and_touching_corners_are_one_segment():
    truth, answer = torch.zeros(2, 1, 4, 8, dtype=torch.long)
    truth[0, 0, 0:4], answer[0, 0, 0:2] = 1, 1  # Exactly one half.
    assert panoptic_rewards(answer, truth, 2).values.item() == 0
    truth[:], answer[:] = 0, 0
    for mask in (truth, answer):
        mask[0, 0, 0] = mask[0, 1, 1] = 1
    answer[0, 2, 2] = 1
    assert panoptic_rewards(answer, truth, 2).values.item() == pytest.approx(2 / 3)
