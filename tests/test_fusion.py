import numpy as np
import pytest

from facetrust.errors import UnknownName
from facetrust.fusion import ROBUST, RULES, first_confident, mean, rule_named, trimmed_mean


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
        said[name] = rule.of_video([rule.of_track(scores) for scores in tracks])
    assert said == pytest.approx({ROBUST: 0.65, "mean": 0.65, "efficient-vit": 0.65})
    worst, first = ([0.6, 0.9], [0.3, 0.2]), rule_named("efficient-vit").of_video
    assert rule_named(ROBUST).of_video(worst[0]) == 0.9
    assert [first(scores) for scores in worst] == pytest.approx([0.6, 0.25])
    with pytest.raises(UnknownName, match="did you mean 'trimmed-mean'"):
        rule_named("trimmed")


def by(name, tracks):
    rule = rule_named(name)
    return rule.of_video([rule.of_track(track) for track in tracks])


@pytest.mark.parametrize(
    ("tracks", "expected"),
    [
        # One of ten frames flashes: only the trimmed mean is not moved.
        ([[0.0] * 2 + [1.0] + [0.0] * 7], (0.0, 0.1, 0.1)),
        # A manipulated face beside a live one: the mean of the two would hide it.
        ([[0.5] * 5, [0.1] * 5], (0.5, 0.5, 0.3)),
        # The first sure face decides, not the worst.
        ([[0.6] * 5, [0.9] * 5], (0.9, 0.9, 0.6)),
    ],
)
def test_the_rules_differ_where_a_frame_flashes_and_where_there_are_two_faces(tracks, expected):
    assert [by(name, tracks) for name in RULES] == pytest.approx(expected)
