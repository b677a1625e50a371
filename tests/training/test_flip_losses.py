from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from facetrust.errors import UsageError
from facetrust.losses.nt_xent import nt_xent
from facetrust.losses.view_consistency import view_consistency
from facetrust.models import Score
from facetrust.tasks.antispoof.objective import objective as antispoof
from facetrust.training.flip_losses import _sample_prompts, flip


class Sentences(nn.Module):
    """Embeds the mean colour; six fixed sentences a class."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = nn.Parameter(torch.eye(3))
        self.texts = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(1))

    def embed(self, images: Tensor) -> Tensor:
        return images.mean((2, 3)) @ self.turn

    def project(self, embedding: Tensor) -> Tensor:
        return embedding * torch.tensor([1.0, 2.0, 3.0])

    def text_embeddings(self) -> Tensor:
        return self.texts

    def forward(self, images: Tensor) -> Score:
        logit = self.embed(images).sum(1)
        return Score(logit, logit[:, None, None])


@pytest.fixture
def batch() -> dict[str, Any]:
    draw = torch.Generator().manual_seed(0)
    names = ("student", "contrast-0", "contrast-1")
    views = {name: torch.randn(5, 1, 3, 4, 4, generator=draw) for name in names}
    return {"views": views, "target": torch.tensor([0.0, 1.0, 0.0, 1.0, 1.0])}


def test_loss_is_the_weighted_sum_of_the_three(batch: dict[str, Any]) -> None:
    model = Sentences()
    task = flip(
        antispoof(model, {"binary-cross-entropy": {"weight": 0.5}}),
        {"nt-xent": {"weight": 2.0}, "view-consistency": {"weight": 3.0}},
    )
    torch.manual_seed(4)
    parts = task(batch)
    torch.manual_seed(4)
    texts = _sample_prompts(model.texts, batch["target"], "split")
    first, second = (model.embed(batch["views"][f"contrast-{n}"][:, 0]) for n in (0, 1))
    contrastive = nt_xent(model.project(first), model.project(second), temperature=0.1)
    consistency = view_consistency(first, second, *texts)
    assert parts["nt-xent"].item() == pytest.approx(contrastive.item())
    assert parts["view-consistency"].item() == pytest.approx(consistency.item())
    expected = 0.5 * parts["binary-cross-entropy"] + 2 * contrastive + 3 * consistency
    assert parts["loss"].item() == pytest.approx(expected.item())
    assert task.weights == {"binary-cross-entropy": 0.5, "nt-xent": 2.0, "view-consistency": 3.0}
    parts["loss"].backward()
    assert model.turn.grad is not None


def sets_of(pair: tuple[Tensor, Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Returns the shares of six one-hot sentences in both means, sample by sample."""
    return list(zip(*pair, strict=True))


# One-hot sentences: a class's mean embedding shows which of them it was made of.
ONE_HOT = torch.stack([torch.eye(12)[:6], torch.eye(12)[6:]])


def test_a_split_is_two_halves_of_the_samples_own_class() -> None:
    torch.manual_seed(0)
    labels = torch.tensor([1.0, 0.0] * 50)
    for (first, second), label in zip(
        sets_of(_sample_prompts(ONE_HOT, labels, "split")), labels, strict=True
    ):
        own = slice(0, 6) if label == 1 else slice(6, 12)
        assert first.sum().item() == pytest.approx(1)
        assert first[own].sum().item() == pytest.approx(1)
        # Three sentences a side, none on both.
        torch.testing.assert_close(
            first + second, torch.zeros(12).index_fill(0, torch.arange(12)[own], 1 / 3)
        )


def test_every_sentence_is_sample_prompts_equally_often() -> None:
    torch.manual_seed(0)
    first, _ = _sample_prompts(ONE_HOT, torch.ones(6000), "split")
    torch.testing.assert_close(first[:, :6].mean(0), torch.full((6,), 1 / 6), atol=0.01, rtol=0)


def test_with_replacement_the_rest_are_those_that_were_not_sample_prompts() -> None:
    torch.manual_seed(0)

    def sizes(share: Tensor) -> int:
        return int((share > 0).sum())

    seen = set()
    for first, second in sets_of(_sample_prompts(ONE_HOT, torch.ones(400), "with-replacement")):
        assert not ((first > 0) & (second > 0)).any()
        assert sizes(first) + sizes(second) == 6
        assert second[second > 0].unique().tolist() == pytest.approx([1 / sizes(second)])
        seen.add((sizes(first), sizes(second)))
    assert seen == {(1, 5), (2, 4), (3, 3)}


def test_a_model_without_sentences_is_refused() -> None:
    class Plain(nn.Module):
        pass

    with pytest.raises(UsageError, match="Plain has no project; the FLIP losses need flip-mcl"):
        flip(antispoof(Plain()), {})
