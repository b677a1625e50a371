from __future__ import annotations

import numpy as np
import pytest
import torch

from facetrust.errors import UsageError
from facetrust.models._cosine import Cosine


@pytest.fixture
def head() -> Cosine:
    torch.manual_seed(0)
    return Cosine(5).double()


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def test_the_score_is_the_softmaxs_chance_of_spoof(head: Cosine) -> None:
    """CLIP's two logits are scale * cosine, with a scale of 1 / 0.07 at the start."""
    vectors = torch.randn(4, 5, dtype=torch.float64) * 7
    spoof, live = head.classes.detach().numpy()
    for vector, found in zip(vectors.numpy(), head(vectors).sigmoid().tolist(), strict=True):
        raw = np.exp([cosine(vector, spoof) / 0.07, cosine(vector, live) / 0.07])
        assert found == pytest.approx(raw[0] / raw.sum(), abs=1e-6)


def test_neither_lengths_nor_a_vector_of_zeros_matter(head: Cosine) -> None:
    vectors = torch.randn(4, 5, dtype=torch.float64)
    torch.testing.assert_close(head(vectors), head(vectors * 9))
    before = head(vectors).detach()
    head.take_classes(head.classes.detach() * 3)
    torch.testing.assert_close(head(vectors), before)
    assert head(torch.zeros(1, 5, dtype=torch.float64)).item() == 0


def test_every_cell_has_its_exact_share(head: Cosine) -> None:
    parts = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    output, embedding = head.over(parts)
    torch.testing.assert_close(embedding, parts.mean((1, 2)))
    torch.testing.assert_close(output.logit, head(embedding))
    # Without one cell, the others' sum over the same length is short by exactly its share.
    without = parts.clone()
    without[0, 1, 2] = 0
    shorter = head(without.mean((1, 2))) * without.mean((1, 2)).norm(dim=1) / embedding.norm(dim=1)
    torch.testing.assert_close(output.logit[0] - shorter[0], output.evidence[0, 1, 2] / 12)


def test_a_teachers_classes_must_fit(head: Cosine) -> None:
    given = torch.randn(2, 5)
    head.take_classes(given, torch.tensor(4.0))
    torch.testing.assert_close(head.classes.detach(), given.double())
    assert head.logit_scale.item() == 4
    with pytest.raises(UsageError, match=r"\(2, 6\): this head takes \(2, 5\)"):
        head.take_classes(torch.randn(2, 6))
