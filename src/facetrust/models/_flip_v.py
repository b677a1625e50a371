"""FLIP-V: CLIP's image tower with a classifier, no sentences."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from facetrust.models._output import Score
from facetrust.models._tokens import LOOKS, spread, tokens_of

_BOTTLENECK = 512
_LEAST = 1e-12


class FlipV(nn.Module):
    """The class token before CLIP's projection, a bottleneck of 512, and two classes, [spoof, live].

    The bottleneck's output f is divided by sqrt(2 |f|), not by its length, and the classifier's
    weight is normalised over the two classes, feature by feature, as in the authors' code. There the
    weight itself is overwritten; here the stored one is left and the gradient passes the normalising.
    """

    def __init__(self, visual: nn.Module, width: int, *, quick_gelu: bool = False) -> None:
        super().__init__()
        visual.proj = None  # type: ignore[assignment]
        self.backbone = nn.ModuleDict({"vit": visual})
        self.embedder = nn.ModuleDict({"bottleneck_layer_fc": nn.Linear(width, _BOTTLENECK)})
        self.dropout = nn.Dropout(0.5)
        self.classifier = nn.ModuleDict({"classifier_layer": nn.Linear(_BOTTLENECK, 2)})
        nn.init.normal_(self.bottleneck.weight, std=0.005)
        nn.init.constant_(self.bottleneck.bias, 0.1)
        nn.init.normal_(self.last.weight, std=0.01)
        nn.init.zeros_(self.last.bias)
        self.made_with = {"quick_gelu": quick_gelu}

    def forward(self, images: Tensor) -> Score:
        """Returns logits (B,) and evidence (B, gh, gw) for images (B, 3, h, w)."""
        return self.answer(images)[0]

    def answer(self, images: Tensor) -> tuple[Score, Tensor]:
        """Returns the answer, and the scaled embedding (B, 512) that the classifier is given."""
        tokens, share = tokens_of(self.image_tower, images)
        pooled = self.image_tower.ln_post(tokens[:, 0])  # type: ignore[operator]
        feature = self.dropout(functional.relu(self.bottleneck(pooled)))
        length = feature.norm(dim=1, keepdim=True).clamp_min(_LEAST)
        embedding = feature / (2 * length).sqrt()
        weight = functional.normalize(self.last.weight, dim=0, eps=_LEAST)
        spoof, live = functional.linear(embedding, weight, self.last.bias).unbind(1)
        return spread(spoof - live, share), embedding

    def embed(self, images: Tensor) -> Tensor:
        """Returns the scaled embeddings (B, 512) of images (B, 3, h, w)."""
        return self.answer(images)[1]

    @property
    def image_tower(self) -> nn.Module:
        """The tower that sees the image."""
        return self.backbone["vit"]

    @property
    def bottleneck(self) -> nn.Linear:
        """The layer between the tower and the classifier."""
        return self.embedder["bottleneck_layer_fc"]  # type: ignore[return-value]

    @property
    def last(self) -> nn.Linear:
        """The classifier."""
        return self.classifier["classifier_layer"]  # type: ignore[return-value]

    @property
    def evidence_means(self) -> str:
        """What a cell of the evidence is, for the card."""
        return LOOKS
