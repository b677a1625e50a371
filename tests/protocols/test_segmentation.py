"""The protocol of class masks: what is counted together, and what its notes say."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from facetrust.errors import MetricError
from facetrust.metrics.mean_f1 import mean_f1
from facetrust.metrics.mean_iou import mean_iou
from facetrust.protocols.segmentation import segmentation
from facetrust.records import Confusions, Provenance

CLASSES = ("background", "skin", "hair", "hat", "ear_r")


def confusions(
    matrices: list[np.ndarray], boundaries: dict[tuple[int, int], float] | None = None, **made_by: object
) -> Confusions:
    cells = [
        {"sample": f"{n}.png", "subject": None, "domain": None, "truth": t, "answer": a, "pixels": int(p)}
        | {"boundary": (boundaries or {}).get((n, t)) if t == a else None}
        for n, matrix in enumerate(matrices)
        for (t, a), p in np.ndenumerate(matrix)
        if p or (t == a and (n, t) in (boundaries or {}))
    ]
    schema = {name: getattr(pl, kind) for name, kind in Confusions.kinds.items()}
    facts = {"model": "m", "version": "1", "task": "parsing", "manifest": "a", "split": "test"}
    return Confusions(
        pl.DataFrame(cells, schema=schema),
        Provenance(**facts, classes=CLASSES, size=(64, 96), **made_by),
    )


def picture(*, hair: int = 8, wrong: int = 2, ear: int = 0) -> np.ndarray:
    """20 pixels of background and skin, and hair of which some are taken for skin; falsely answered ears."""
    matrix = np.diag([20, 20, hair, 0, 0])
    matrix[2, 1] = wrong
    matrix[1, 4] = ear
    return matrix


def test_all_pictures_are_counted_together():
    matrices = [picture(), picture(hair=30, wrong=0), picture(wrong=5)]
    level = segmentation(confusions(matrices), rounds=20).levels[0]
    whole = sum(matrices)
    assert level.figure("mean-f1").value == mean_f1(whole)
    assert level.figure("mean-iou").value == mean_iou(whole)
    assert level.figure("f1:hair").value == pytest.approx(2 * 46 / (2 * 46 + 7))
    assert level.figure("f1:skin").value == pytest.approx(2 * 60 / (2 * 60 + 7))
    assert (level.count, level.clusters, level.clustered_by) == (3, 3, "sample")
    assert level.threshold is None


def test_a_class_that_is_nowhere_has_no_figure_and_one_only_answered_has_zero():
    level = segmentation(confusions([picture(ear=3), picture()]), rounds=20).levels[0]
    assert level.figure("f1:hat").value is None
    assert level.figure("f1:ear_r").value == 0
    f1 = [level.figure(f"f1:{name}").value for name in ("skin", "hair", "ear_r")]
    assert level.figure("mean-f1").value == pytest.approx(np.mean(f1))


def test_the_notes_name_size_classes_and_what_is_rare():
    notes = " ".join(segmentation(confusions([picture(ear=3), picture()]), rounds=20).notes)
    assert "64x96 pixels" in notes
    assert "background, skin, hair, hat, ear_r" in notes
    assert "without F1: hat." in notes
    assert "with F1 0: ear_r." in notes
    assert "hair (2)" in notes


def test_intervals_are_by_picture_and_the_same_under_a_seed():
    test = confusions([picture(), picture(wrong=8), picture(hair=1, wrong=9), picture(wrong=0)])
    one, two = (segmentation(test, seed=3, rounds=50) for _ in range(2))
    assert one == two
    figure = one.levels[0].figure("mean-f1")
    assert figure.low < figure.value < figure.high


def test_every_figure_has_a_column_that_says_what_it_means():
    judgement = segmentation(confusions([picture(), picture()]), rounds=5)
    assert [each.metric for each in judgement.columns] == [
        each.metric for each in judgement.levels[0].figures
    ]
    assert all(each.meaning and each.title for each in judgement.columns)
    assert [each.title for each in judgement.columns[:4]] == ["mean F1", "mean IoU", "PQ", "boundary F1"]


def test_boundary_f1_is_a_mean_of_pictures_and_the_background_has_none():
    found = {(0, 0): 0.0, (0, 1): 0.5, (0, 2): 1.0, (1, 1): 0.25, (1, 3): 0.0}  # (picture, class): F1.
    level = segmentation(confusions([picture(), picture(), picture()], found), rounds=20).levels[0]
    assert level.figure("boundary-f1").value == ((0.5 + 1.0) / 2 + (0.25 + 0.0) / 2) / 2
    each = {name: level.figure(f"boundary-f1:{name}").value for name in CLASSES[1:]}
    assert each == {"skin": (0.5 + 0.25) / 2, "hair": 1.0, "hat": 0.0, "ear_r": None}


def test_a_cell_for_a_boundary_alone_changes_neither_counts_nor_the_truth():
    plain, with_hat = confusions([picture()]), confusions([picture()], {(0, 3): 0.0})
    assert len(with_hat) == len(plain) + 1
    assert np.array_equal(plain.counts()[1], with_hat.counts()[1])
    assert plain.same_rows(with_hat)


def test_the_notes_say_what_was_merged_and_left_out():
    made = {"merged": {"skin": ("face", "neck"), "ignored": ("beard",)}}
    notes = segmentation(confusions([picture(), picture()], **made), rounds=5).notes
    assert "Measured as one class, skin: face, neck." in notes
    assert "Pixels of beard were left out." in notes
    assert len(notes) == 2 + len(segmentation(confusions([picture(), picture()]), rounds=5).notes)


def test_a_single_picture_has_no_interval_and_none_is_an_error():
    assert segmentation(confusions([picture()]), rounds=5).levels[0].figure("mean-f1").low is None
    with pytest.raises(MetricError, match="no rows"):
        segmentation(confusions([]))


def test_panoptic_quality_by_hand():
    """Hair: 8 of 10 found (matched, IoU 0.8), then 2 of 10 (missed; what is answered is another's), then all.
    Skin: IoU 20/22, then 20/28, then 1. An ear that is nowhere is answered twice: no quality at all."""
    matrices = [picture(ear=1), picture(hair=2, wrong=8, ear=1), picture(wrong=0)]
    skin = (20 / 23 + 20 / 29 + 1) / 3
    hair = (0.8 + 1.0) / (2 + 2 / 2)
    level = segmentation(confusions(matrices), rounds=20).levels[0]
    assert level.figure("panoptic-quality").value == pytest.approx((skin + hair + 0) / 3)


def test_panoptic_quality_is_the_rewards_where_each_class_is_one_piece():
    torch = pytest.importorskip("torch")
    from facetrust.protocols._segments import panoptic_quality, segment_sums
    from facetrust.training.rewards import panoptic_rewards

    truth, said = torch.zeros(1, 8, 8, dtype=torch.long), torch.zeros(1, 8, 8, dtype=torch.long)
    truth[0, :4, :4], truth[0, 5:, 5:] = 1, 2
    said[0, 1:4, :4], said[0, :3, 6:] = 1, 2
    counts = np.zeros((1, 3, 3), np.int64)
    np.add.at(counts[0], (truth.ravel().numpy(), said.ravel().numpy()), 1)
    wanted = panoptic_rewards(said, truth, 3).per_picture()
    assert panoptic_quality(segment_sums(counts)[0]) == pytest.approx(float(wanted[0]))
