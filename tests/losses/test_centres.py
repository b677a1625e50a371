"""Class centres: cosines with all of them, or with a sample that holds the batch's own."""

from __future__ import annotations

import pytest
import torch

from facetrust.errors import UsageError
from facetrust.losses import ClassCentres
from facetrust.losses.arcface import arcface


def test_cosines_with_every_centre():
    torch.manual_seed(0)
    centres = ClassCentres(5, 3)
    faces, who = torch.randn(4, 3), torch.tensor([4, 0, 0, 2])
    cosines, own = centres(faces, who)
    for row in range(4):
        for column in range(5):
            a, b = faces[row], centres.weight[column]
            assert cosines[row, column].item() == pytest.approx(
                (a @ b / a.norm() / b.norm()).item(), abs=1e-6
            )
    assert torch.equal(own, who)
    assert cosines.abs().max() <= 1 + 1e-6


def test_a_sample_holds_the_own_centres_and_is_as_large_as_asked():
    torch.manual_seed(0)
    centres = ClassCentres(50, 4, share=0.2)
    who = torch.tensor([7, 49, 7, 0])
    faces = torch.randn(4, 4)
    drawn = [tuple(centres.drawn(who).tolist()) for _ in range(20)]
    assert {len(each) for each in drawn} == {10}
    assert all(set(who.tolist()) <= set(each) for each in drawn)
    assert all(list(each) == sorted(set(each)) for each in drawn)
    assert len(set(drawn)) > 15
    cosines, own = centres(faces, who)
    assert cosines.shape == (4, 10)
    whole, _ = centres.eval()(faces, who)
    torch.testing.assert_close(cosines.gather(1, own[:, None]), whole.gather(1, who[:, None]))
    assert whole.shape == (4, 50)


def test_more_people_in_a_batch_than_the_share_are_all_there():
    centres = ClassCentres(20, 4, share=0.1)
    assert centres.drawn(torch.arange(9)).tolist() == list(range(9))


def test_a_sampled_loss_is_that_of_the_drawn_centres_alone():
    torch.manual_seed(1)
    centres = ClassCentres(30, 4, share=0.3)
    faces, who = torch.randn(3, 4), torch.tensor([3, 8, 29])
    torch.manual_seed(2)
    chosen = centres.drawn(who)
    torch.manual_seed(2)
    value = arcface(*centres(faces, who))
    small = ClassCentres(len(chosen), 4)
    with torch.no_grad():
        small.weight.copy_(centres.weight[chosen])
    torch.testing.assert_close(value, arcface(*small(faces, torch.searchsorted(chosen, who))))
    value.backward()
    untouched = sorted(set(range(30)) - set(chosen.tolist()))
    assert not centres.weight.grad[untouched].any()
    assert centres.weight.grad[chosen].any()


@pytest.mark.parametrize(("count", "share"), [(1, 1.0), (5, 0.0), (5, 1.5)])
def test_what_cannot_be_told_apart_is_refused(count, share):
    with pytest.raises(UsageError):
        ClassCentres(count, 3, share=share)
