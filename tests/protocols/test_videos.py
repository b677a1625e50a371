from __future__ import annotations

import numpy as np
import pytest

from facetrust.errors import UnknownName
from facetrust.protocols import as_published, by_media, choose_rule
from facetrust.protocols.dev_threshold import dev_threshold

FRAMES = 10


def test_a_medium_scores_the_mean_of_its_rows(make_scores):
    scores = make_scores(rows=12)
    media = by_media(scores)
    assert len(media) == 6
    assert media.scores == pytest.approx(scores.scores.reshape(6, 2).mean(1))
    assert list(media.labels) == [0, 1, 0, 1, 0, 1]
    assert list(media.column("sample")) == list(scores.column("sample")[::2])
    assert media.made_by == scores.made_by


def test_an_attack_made_from_a_photo_stays_apart_from_it(make_scores):
    columns = {
        "media": ["one"] * 8,
        "label": np.repeat([0, 1], 4),
        "attack": [None] * 4 + ["print", "print", "replay", "replay"],
    }
    media = by_media(make_scores(rows=8, columns=columns))
    assert list(media.column("attack")) == [None, "print", "replay"]


def test_rows_without_a_medium_stay_alone(make_scores):
    scores = make_scores(rows=8, columns={"media": [None] * 8})
    assert by_media(scores).scores.tolist() == scores.scores.tolist()


def video(trimmed, mean):
    """Ten frames' scores with this trimmed mean and this mean: two frames on one side make the difference."""
    away = trimmed + (mean - trimmed) * FRAMES / 2
    return [trimmed, away, *[trimmed] * 5, away, *[trimmed] * 2]


@pytest.fixture
def make_videos(make_scores):
    """A function that makes scores of videos, given each label and its frames' scores."""

    def make(split, videos):
        labels = np.repeat([label for label, _ in videos], FRAMES)
        columns = {
            "label": labels,
            "score": [score for _, scores in videos for score in scores],
            "media": [f"{split}-{row // FRAMES}" for row in range(len(labels))],
            "subject": [f"{split}-{row // FRAMES}" for row in range(len(labels))],
            "attack": ["swap" if label else None for label in labels],
        }
        return make_scores(split, rows=len(labels), columns=columns)

    return make


# In two live videos a fifth of the frames flashes: their means pass those of the attacks.
FLASHING = [(0, [0.2] * 10), (0, video(0.2, 0.36)), (1, [0.3] * 10)] * 2
# A fifth of an attack's frames is manipulated, which is what the trimmed mean cuts out.
SHORT = [(0, [0.3] * 10), (1, video(0.2, 0.36))] * 2
SAME = [(0, [0.3] * 10), (1, [0.6] * 10)] * 2


def by_order(trimmed, mean):
    """Videos whose labels, from the lowest score to the highest, are these by either rule."""
    ranks = [
        [at for label in (0, 1) for at, each in enumerate(order) if each == label]
        for order in (trimmed, mean)
    ]
    return [(number // 4, video(a / 10, b / 10)) for number, (a, b) in enumerate(zip(*ranks, strict=True))]


def test_the_rules_differ_over_media(make_videos):
    scores = make_videos("test", [(0, video(0.2, 0.36)), (1, video(0.6, 0.5)), (1, [0.1, 0.2] * 5)])
    assert by_media(scores).scores == pytest.approx([0.36, 0.5, 0.15])
    assert by_media(scores, "trimmed-mean").scores == pytest.approx([0.2, 0.6, 0.15])
    # A medium is one track, so the published rule has one face to look at.
    assert by_media(scores, "efficient-vit").scores.tolist() == by_media(scores).scores.tolist()
    with pytest.raises(UnknownName, match="did you mean 'trimmed-mean'"):
        by_media(scores, "trimmed")


@pytest.mark.parametrize(
    ("dev", "chosen", "areas"),
    [
        (FLASHING, "trimmed-mean", [1.0, 0.5, 0.5]),
        (SHORT, "mean", [0.0, 1.0, 1.0]),
        (SAME, "trimmed-mean", [1.0, 1.0, 1.0]),
    ],
)
@pytest.mark.parametrize("test", [FLASHING, SHORT, SAME])
def test_the_rule_with_the_best_area_on_dev_is_chosen_whatever_test_says(
    make_videos, dev, chosen, areas, test
):
    said = choose_rule(make_videos("test", test), make_videos("dev", dev))
    assert (said.name, said.chosen, said.split, said.manifest) == (chosen, "on dev", "dev", "feed")
    assert (said.bona_fide + said.attacks, said.attacks) == (len(dev), 2)
    assert [each.rule for each in said.tried] == ["trimmed-mean", "mean", "efficient-vit"]
    assert [each.dev_auc for each in said.tried] == areas
    there = {id(FLASHING): [1.0, 0.5, 0.5], id(SHORT): [0.0, 1.0, 1.0], id(SAME): [1.0, 1.0, 1.0]}[id(test)]
    assert [each.test_auc for each in said.tried] == there


def test_of_equal_areas_the_lower_error_on_dev_decides(make_videos):
    # Either order has 12 of 16 pairs right; one live above all attacks costs a quarter, the other a half.
    a_half, a_quarter = (0, 0, 1, 1, 0, 0, 1, 1), (0, 0, 0, 1, 1, 1, 1, 0)
    said = choose_rule(make_videos("test", SAME), make_videos("dev", by_order(a_half, a_quarter)))
    assert [(each.dev_auc, each.dev_eer) for each in said.tried] == [(0.75, 0.5), (0.75, 0.25), (0.75, 0.25)]
    assert said.name == "mean"
    said = choose_rule(make_videos("test", SAME), make_videos("dev", by_order(a_quarter, a_half)))
    assert said.name == "trimmed-mean"


@pytest.mark.parametrize("dev", [SHORT[:3], SHORT[1:], SHORT[:2]])
def test_too_few_dev_media_choose_nothing(make_videos, dev):
    test, dev = make_videos("test", SHORT), make_videos("dev", dev)
    said = choose_rule(test, dev)
    assert (said.name, said.chosen) == ("trimmed-mean", "by default")
    judgement = dev_threshold(test, dev, rounds=5)
    assert judgement.levels[1].figure("auc").value == 0.0
    text = f"Dev has {said.bona_fide} bona fide and {said.attacks} attack media, too few to choose"
    assert judgement.notes[-1].startswith(text)
    assert choose_rule(test, dev, wanted="mean").chosen == "by name"


@pytest.mark.parametrize("name", ["trimmed-mean", "mean", "efficient-vit"])
def test_a_named_rule_is_taken_and_the_others_are_still_told(make_videos, name):
    test, dev = make_videos("test", FLASHING), make_videos("dev", SHORT)
    level = dev_threshold(test, dev, video_rule=name, rounds=5).levels[1]
    assert (level.video_rule.name, level.video_rule.chosen) == (name, "by name")
    assert level.video_rule.tried == choose_rule(test, dev).tried
    assert level.figure("auc").value == (1.0 if name == "trimmed-mean" else 0.5)


def test_the_level_is_measured_by_the_chosen_rule(make_videos):
    dev = make_videos("dev", SHORT)
    rows, media = dev_threshold(make_videos("test", FLASHING), dev, rounds=5).levels
    assert (rows.video_rule, media.video_rule.name) == (None, "mean")
    # Live 0.2, 0.36 twice and attacks 0.3 twice; the threshold lies halfway between dev's 0.3 and 0.36.
    assert media.threshold.value == pytest.approx(0.33)
    values = [media.figure(name).value for name in ("auc", "bpcer", "apcer")]
    assert values == [0.5, 0.5, 1.0]


def test_an_unknown_rule_is_refused_even_where_there_are_no_media(make_scores):
    test, dev = (make_scores(split, columns={"media": [None] * 120}) for split in ("test", "dev"))
    with pytest.raises(UnknownName, match="no rule of a video's score named 'best'"):
        dev_threshold(test, dev, video_rule="best")
    with pytest.raises(UnknownName):
        choose_rule(test, dev, wanted="best")


def test_figures_as_published_keep_the_plain_mean(make_videos):
    assert as_published(make_videos("test", FLASHING)).figure("auc").value == 0.5
    assert as_published(make_videos("test", SHORT)).figure("auc").value == 1.0


def test_rows_and_media_both_have_an_area_with_an_interval(make_scores):
    test, dev = make_scores(), make_scores("dev", seed=1)
    for columns, kind in (({}, "subject"), ({"subject": [None] * 120}, "media")):
        levels = dev_threshold(make_scores(columns=columns), dev, rounds=50).levels
        assert [level.unit for level in levels] == ["row", "medium"]
        assert {level.clustered_by for level in levels} == {kind}
        for level in levels:
            area = level.figure("auc")
            assert area.low < area.value < area.high
    assert levels[0].clusters == levels[1].clusters == len(set(test.column("media")))
