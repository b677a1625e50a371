"""EdgeFace: timm's EdgeNeXt with an embedding for a head, its linear layers of low rank if asked for."""

from __future__ import annotations

from torch import Tensor, nn

from facetrust.errors import UnknownName, UsageError
from facetrust.models._output import Embedding
from facetrust.models._torchvision import make_torchvision_importable

_BACKBONES = {
    "xxs": "edgenext_xx_small",
    "xs": "edgenext_x_small",
    "s": "edgenext_small",
    "base": "edgenext_base",
}


def edgeface(variant: str = "xxs", *, embedding: int = 512, rank: float = 0.0) -> EdgeFace:
    """Returns an EdgeFace (arXiv 2307.01838): `xxs`, `xs`, `s` or `base`.

    Input (B, 3, 112, 112), RGB brought to [-1, 1]. The published ones are xxs and base as they are (1.2 and
    18.2 million parameters), xs with a rank of 0.6 (1.8) and s with 0.5 (3.7).

    Args:
        embedding: numbers of the answer.
        rank: of every linear layer, as a share of its narrower side, at least 2; 0 for whole ones.

    Raises:
        UnknownName: no such variant.
        UsageError: the rank is not in [0, 1].
    """
    if variant not in _BACKBONES:
        raise UnknownName("EdgeFace variant", variant, _BACKBONES)
    if not 0 <= rank <= 1:
        raise UsageError(f"rank: {rank} is not between 0 and 1")
    make_torchvision_importable()
    import timm

    model = timm.create_model(_BACKBONES[variant], num_classes=embedding)
    if rank:
        _lower(model, rank)
    return EdgeFace(model, embedding)


class EdgeFace(nn.Module):
    """The backbone, under the name that published weights have for it."""

    def __init__(self, model: nn.Module, embedding: int) -> None:
        super().__init__()
        self.dimensions = embedding
        self.model = model

    def forward(self, images: Tensor) -> Embedding:
        """Returns embeddings (B, d) of images (B, 3, h, w)."""
        return Embedding(self.model(images))

    def answer(self, images: Tensor) -> tuple[Embedding, Tensor]:
        """Returns the answer, and the embedding in it."""
        output = self(images)
        return output, output.embedding


class _LowRank(nn.Module):
    def __init__(self, whole: nn.Linear, rank: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(whole.in_features, rank, bias=False)
        self.linear2 = nn.Linear(rank, whole.out_features, bias=whole.bias is not None)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear2(self.linear1(x))  # type: ignore[no-any-return]


def _lower(module: nn.Module, share: float) -> None:
    """Puts two narrow layers in the place of every linear one."""
    for name, child in module.named_children():
        if not isinstance(child, nn.Linear):
            _lower(child, share)
        else:
            rank = max(2, int(min(child.in_features, child.out_features) * share))
            setattr(module, name, _LowRank(child, rank))
