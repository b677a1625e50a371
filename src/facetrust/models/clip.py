"""CLIP's image tower with folded class embeddings: what FLIP is once its sentences are settled."""

from __future__ import annotations

from torch import Tensor, nn

from facetrust.errors import UnknownName
from facetrust.models._cosine import Cosine
from facetrust.models._output import Score
from facetrust.models._prompts import LONGEST, prompt_tokens
from facetrust.models._tokens import LOOKS, spread, tokens_of
from facetrust.models._towers import encode_prompts, image_tower, shape_of, towers

POOLS = ("cls", "mean")


def clip(
    variant: str,
    *,
    image_size: tuple[int, int] = (224, 224),
    pool: str = "cls",
    layers: int | None = None,
    quick_gelu: bool | None = None,
    pretrained: str | bool | None = None,
) -> Clip:
    """Returns CLIP's image tower `vit-b16`, `vit-s16` or `vit-t16` with a cosine head.

    Args:
        image_size: (height, width) in pixels, multiples of 16.
        pool: `cls` embeds the class token, `mean` the mean over the patch tokens; then the evidence
            is what each patch adds to the logit.
        layers: transformer blocks; none for the variant's twelve.
        quick_gelu: CLIP's first activation; none for what the weights need.
        pretrained: an open_clip tag such as `openai`, or the file of both towers; the class
            embeddings are then those of FLIP's prompts. None: random weights.

    Raises:
        UnknownName: no such variant, pooling or tag.
        UsageError: the sizes or the activation do not fit.
        ModelError: weights cannot be fetched or do not fit.
        MissingExtra: open_clip is not installed.
    """
    if pool not in POOLS:
        raise UnknownName("pooling", pool, POOLS)
    if not pretrained:
        tower = image_tower(variant, image_size=image_size, layers=layers, quick_gelu=bool(quick_gelu))
        return Clip(tower, shape_of(variant).embed, pool=pool, quick_gelu=bool(quick_gelu))
    both, quick = towers(
        variant, image_size=image_size, layers=layers, quick_gelu=quick_gelu, pretrained=pretrained
    )
    model = Clip(both.visual, shape_of(variant).embed, pool=pool, quick_gelu=quick)
    classes = encode_prompts(both, prompt_tokens(LONGEST)).mean(1)
    model.head.take_classes(classes, both.logit_scale)
    return model


class Clip(nn.Module):
    """An image tower `visual`, with the keys of CLIP's own, and a head that holds the class embeddings."""

    def __init__(self, visual: nn.Module, width: int, *, pool: str = "cls", quick_gelu: bool = False) -> None:
        super().__init__()
        self.visual = visual
        self.head = Cosine(width)
        self.pool = pool
        self.made_with = {"quick_gelu": quick_gelu}

    def forward(self, images: Tensor) -> Score:
        """Returns logits (B,) and evidence (B, gh, gw) for images (B, 3, h, w)."""
        return self.answer(images)[0]

    def answer(self, images: Tensor) -> tuple[Score, Tensor]:
        """Returns the answer, and the embedding (B, d), not normalised, that it is made from."""
        tokens, share = tokens_of(self.visual, images)
        if self.pool == "mean":
            parts = self._embedded(tokens[:, 1:])
            return self.head.over(parts.reshape(*share.shape, parts.shape[-1]))
        embedding = self._embedded(tokens[:, 0])
        return spread(self.head(embedding), share), embedding

    def embed(self, images: Tensor) -> Tensor:
        """Returns the embeddings (B, d), not normalised, of images (B, 3, h, w)."""
        return self.answer(images)[1]

    def class_embeddings(self) -> Tensor:
        """Returns (2, d), not normalised: what stands for an attack, and what for a live face."""
        return self.head.classes

    def take_classes(self, embeddings: Tensor) -> None:
        """Sets the class embeddings (2, d), [spoof, live], such as a teacher's.

        Raises:
            UsageError: they are not of this network's width.
        """
        self.head.take_classes(embeddings)

    @property
    def evidence_means(self) -> str:
        """What a cell of the evidence is, for the card."""
        if self.pool == "mean":
            return "what each patch token adds to the logit, which is their mean"
        return LOOKS

    def _embedded(self, tokens: Tensor) -> Tensor:
        made: Tensor = self.visual.ln_post(tokens) @ self.visual.proj  # type: ignore[operator]
        return made
