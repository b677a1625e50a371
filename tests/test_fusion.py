import math

import numpy as np
import pytest

from facetrust.errors import UnknownName
from facetrust.fusion import (
    MARGIN,
    ROBUST,
    RULES,
    STRETCH,
    WORST_STRETCH,
    first_confident,
    mean,
    rule_named,
    trimmed_mean,
    worst_stretch,
)


@pytest.mark.parametrize("count", [1, 4, 5, 9, 10, 31])
def test_the_trimmed_mean_is_scipys(count):
    stats = pytest.importorskip("scipy.stats")
    scores = np.random.default_rng(count).random(count).tolist()
    assert trimmed_mean(scores) == pytest.approx(stats.trim_mean(scores, 0.2))


def test_an_outlier_does_not_move_the_trimmed_mean():
    assert trimmed_mean([0.1, 1.0, 0.1, 0.1, 0.1]) == pytest.approx(0.1)
    assert mean([0.1, 1.0, 0.1, 0.1, 0.1]) == pytest.approx(0.28)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.2], 0.2),
        ([0.9], 0.9),
        ([0.2, 0.4], 0.3),
        ([0.55, 0.1], 0.325),  # Not above 0.55.
        ([0.1, 0.56, 0.99], 0.56),  # The first, not the highest.
        ([0.1, 0.2, 0.3, 0.99], 0.2),  # Up to three faces.
    ],
)
def test_the_published_rule(scores, expected):
    assert first_confident(scores) == pytest.approx(expected)


def test_rules_by_name():
    tracks = [[0.1, 0.2], [0.6, 0.7]]
    said = {}
    for name in RULES:
        rule = rule_named(name)
        said[name] = rule.of_video([rule.of_track(scores, None) for scores in tracks])
    assert said == pytest.approx(dict.fromkeys(RULES, 0.65))
    worst, first = ([0.6, 0.9], [0.3, 0.2]), rule_named("efficient-vit").of_video
    assert rule_named(ROBUST).of_video(worst[0]) == 0.9
    assert [first(scores) for scores in worst] == pytest.approx([0.6, 0.25])
    with pytest.raises(UnknownName, match="did you mean 'trimmed-mean'"):
        rule_named("trimmed")


# A quarter of a second is one of 1, lowered by a logit: the odds of 1 to 3 over e.
LOWERED = 1 / (1 + 3 * math.e**MARGIN)


def by(name, tracks):
    rule = rule_named(name)
    return rule.of_video([rule.of_track(track, None) for track in tracks])


@pytest.mark.parametrize(
    ("tracks", "expected"),
    [
        # One of ten frames flashes: only the trimmed mean is not moved.
        ([[0.0] * 2 + [1.0] + [0.0] * 7], (0.0, 0.1, 0.1, LOWERED)),
        # A manipulated face beside a live one: the mean of the two would hide it.
        ([[0.5] * 5, [0.1] * 5], (0.5, 0.5, 0.3, 0.5)),
        # The first sure face decides, not the worst.
        ([[0.6] * 5, [0.9] * 5], (0.9, 0.9, 0.6, 0.9)),
    ],
)
def test_the_rules_differ_where_a_frame_flashes_and_where_there_are_two_faces(tracks, expected):
    assert [by(name, tracks) for name in RULES] == pytest.approx(expected)


def slow_worst_stretch(scores, times):
    """Every stretch of successive scores in turn, from the definition."""
    means, previous = [], -1
    for first in range(len(scores)):
        last = first
        while last + 1 < len(scores) and (times[last + 1] < times[first] + STRETCH or last - first < 2):
            last += 1
        if last == previous:
            continue  # A part of the stretch before it.
        previous = last
        means.append(sum(scores[first : last + 1]) / (last + 1 - first))
    odds = max(means) / (1 - max(means))
    return max(trimmed_mean(scores), 1 - 1 / (1 + odds / math.e**MARGIN))


@pytest.mark.parametrize("seed", range(20))
def test_the_worst_stretch_is_the_slow_references(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 40))
    scores = rng.random(count).tolist()
    times = np.cumsum(rng.choice([0.04, 0.25, 0.3, 0.9, 3.0], count)).tolist()
    assert worst_stretch(scores, times) == pytest.approx(slow_worst_stretch(scores, times))


@pytest.mark.parametrize("at", [0, 1, 57, 116])
def test_a_second_in_half_a_minute(at):
    """120 scores a quarter of a second apart: four of 0.95 among 0.1 are found, by closed form."""
    scores = [0.1] * 120
    scores[at : at + 4] = [0.95] * 4
    expected = 1 / (1 + math.e**MARGIN * 0.05 / 0.95)
    times = [0.25 * n for n in range(120)]
    assert worst_stretch(scores, times) == worst_stretch(scores) == pytest.approx(expected)
    assert trimmed_mean(scores) == pytest.approx(0.1)
    assert worst_stretch(scores, times, margin=0.0) == pytest.approx(0.95)
    assert worst_stretch(scores, times, margin=0.0, stretch=2.0) == pytest.approx((4 * 0.95 + 4 * 0.1) / 8)


def test_what_is_an_attack_throughout_is_not_lowered():
    assert worst_stretch([0.8] * 30) == pytest.approx(0.8)
    assert worst_stretch([1.0] * 30) == 1.0
    assert worst_stretch([0.0] * 30) == 0.0


@pytest.mark.parametrize("scores", [[0.7], [0.2, 0.9], [0.1, 0.2, 0.9]])
def test_a_short_track_is_its_mean(scores):
    """The last of a track is no stretch of its own."""
    assert worst_stretch(scores) == pytest.approx(mean(scores))


def test_one_flash_does_not_decide_though_scores_lie_far_apart():
    """Seconds apart, a stretch still holds three scores."""
    times = [5.0 * n for n in range(9)]
    scores = [0.1] * 4 + [1.0] + [0.1] * 4
    assert worst_stretch(scores, times, margin=0.0) == pytest.approx(0.4)


def test_the_default_of_videos_is_a_rule():
    assert rule_named(WORST_STRETCH).of_track is worst_stretch
