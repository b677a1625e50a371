from __future__ import annotations

import numpy as np
import pytest

from facetrust.data.simulate.scene import around, held, reflecting

BOX = (70.0, 60.0, 60.0, 80.0)  # its middle is (100, 100)


@pytest.mark.parametrize("bezel", [True, False])
def test_what_holds_the_medium_stays_outside_the_face_and_is_seen_beyond(bezel: bool) -> None:
    medium, scene = np.ones((200, 200, 3), np.float32), np.zeros((200, 200, 3), np.float32)
    ends = []
    for seed in range(60):
        made = held(medium, scene, BOX, np.random.default_rng(seed), bezel=bezel)
        assert made[36:164, 36:164].min() == 1  # 1.6 sides of 80
        ends.append(made.min() < 0.9)
    assert np.mean(ends) > 0.8


def test_the_scene_is_a_part_of_the_background() -> None:
    green = np.zeros((50, 70, 3), np.uint8)
    green[:, :, 1] = 200
    for seed in range(6):
        scene = around(np.full((40, 30, 3), 255, np.uint8), np.random.default_rng(seed), green)
        assert scene.shape == (40, 30, 3)
        assert scene[:, :, [0, 2]].max() < 0.01
        assert scene[:, :, 1].min() == scene[:, :, 1].max() > 0.35


def test_glass_only_adds_light() -> None:
    medium, scene = np.full((60, 60, 3), 0.4, np.float32), np.full((60, 60, 3), 0.5, np.float32)
    added = [reflecting(medium, scene, np.random.default_rng(seed)) - medium for seed in range(30)]
    assert min(each.min() for each in added) >= -1e-6
    assert 0.01 < np.median([each.max() for each in added]) < 0.5
