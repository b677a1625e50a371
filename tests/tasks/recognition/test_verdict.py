"""An embedding becomes a record of unit length, or is refused."""

from __future__ import annotations

import numpy as np
import pytest

from facetrust.errors import ModelError
from facetrust.records import ModelCard, Preprocessing
from facetrust.tasks import task_named
from facetrust.tasks.recognition.verdict import judge

CARD = ModelCard(
    name="any", task="recognition", architecture="any", preprocessing=Preprocessing(), score_means="any"
)


def test_it_is_brought_to_unit_length():
    found = judge(np.array([3.0, 4.0]), CARD)
    assert found.vector == pytest.approx((0.6, 0.8))
    assert (found.dimensions, found.task, found.model) == (2, "recognition", "any@1")


@pytest.mark.parametrize("vector", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_what_cannot_be_compared_is_refused(vector):
    with pytest.raises(ModelError, match="embedding of length"):
        judge(vector, CARD)


def test_its_facts():
    task = task_named("recognition")
    assert (task.target, task.output, task.decisions) == ("identity", "embedding", ("different", "same"))
    assert not task.distrusts
