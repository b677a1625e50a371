"""FLIP: a face is compared with sentences that say "attack" or "live", by CLIP's two towers."""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import TYPE_CHECKING, cast

from torch import Tensor, nn

from facetrust.errors import UnknownName
from facetrust.models._cosine import logit_of
from facetrust.models._flip_v import FlipV
from facetrust.models._output import Score
from facetrust.models._prompts import LONGEST, prompt_tokens
from facetrust.models._tokens import LOOKS, spread, tokens_of
from facetrust.models._towers import encode_prompts, shape_of, towers
from facetrust.models.clip import Clip

if TYPE_CHECKING:
    from open_clip.model import CLIP

VARIANTS = ("v", "it", "mcl")
_HIDDEN, _PROJECTED = 4096, 256


def flip(
    variant: str,
    *,
    clip: str = "vit-b16",
    image_size: tuple[int, int] = (224, 224),
    layers: int | None = None,
    quick_gelu: bool | None = None,
    pretrained: str | bool | None = None,
) -> Flip | FlipV:
    """Returns FLIP-V (`v`), FLIP-IT (`it`) or FLIP-MCL (`mcl`); parameter names are the published ones.

    Args:
        clip: the two towers, `vit-b16` as published, `vit-s16` or `vit-t16`.
        image_size: (height, width) in pixels, multiples of 16.
        layers: blocks in each tower; none for the twelve of `clip`.
        quick_gelu: CLIP's first activation, which the published weights need; none for what
            `pretrained` needs.
        pretrained: an open_clip tag such as `openai`, or the file of both towers; none for random.

    Raises:
        UnknownName: no such variant, towers or tag.
        UsageError: the sizes or the activation do not fit.
        ModelError: weights cannot be fetched or do not fit.
        MissingExtra: open_clip is not installed.

    Source: Srivatsan et al. 2023, arXiv 2309.16649, section 3.
    """
    if variant not in VARIANTS:
        raise UnknownName("FLIP variant", variant, VARIANTS)
    model, quick = towers(
        clip, image_size=image_size, layers=layers, quick_gelu=quick_gelu, pretrained=pretrained
    )
    if variant == "v":
        return FlipV(model.visual, shape_of(clip).width, quick_gelu=quick)
    kind = FlipMcl if variant == "mcl" else Flip
    return kind(model, shape_of(clip).embed, quick_gelu=quick)


class Flip(nn.Module):
    """FLIP-IT: both towers as `model`.

    A class is the mean of its six sentences' embeddings, which are not normalised before. The
    sentences are encoded at every call, as the text tower is trained too; `fold` is for serving.
    """

    prompts: Tensor

    def __init__(self, model: CLIP, width: int, *, quick_gelu: bool = False) -> None:
        super().__init__()
        self.model = model
        self.width = width
        self.register_buffer("prompts", prompt_tokens(LONGEST), persistent=False)
        self.made_with = {"quick_gelu": quick_gelu}

    def forward(self, images: Tensor) -> Score:
        """Returns logits (B,) and evidence (B, gh, gw) for images (B, 3, h, w)."""
        return self.answer(images)[0]

    def answer(self, images: Tensor) -> tuple[Score, Tensor]:
        """Returns the answer, and the image's embedding (B, d), not normalised, that it is made from."""
        embedding, share = self._see(images)
        logit = logit_of(embedding, self.class_embeddings(), self.model.logit_scale)
        return spread(logit, share), embedding

    def embed(self, images: Tensor) -> Tensor:
        """Returns the embeddings (B, d), not normalised, of images (B, 3, h, w)."""
        return self._see(images)[0]

    def text_embeddings(self) -> Tensor:
        """Returns the sentences' embeddings (2, 6, d), not normalised: those of an attack first."""
        return encode_prompts(self.model, self.prompts)

    def class_embeddings(self) -> Tensor:
        """Returns (2, d), not normalised: what stands for an attack, and what for a live face."""
        return self.text_embeddings().mean(1)

    def fold(self) -> Clip:
        """Returns the image tower with the class embeddings as they are now, in evaluation mode.

        It gives the same logits; the text tower is no longer needed.
        """
        quick = self.made_with["quick_gelu"]
        folded = Clip(copy.deepcopy(self.image_tower), self.width, quick_gelu=quick)
        folded.to(self.model.logit_scale)
        folded.head.take_classes(self.class_embeddings().detach(), self.model.logit_scale)
        return folded.eval()

    @property
    def image_tower(self) -> nn.Module:
        """The tower that sees the image."""
        return cast(nn.Module, self.model.visual)

    @property
    def evidence_means(self) -> str:
        """What a cell of the evidence is, for the card."""
        return LOOKS

    def _see(self, images: Tensor) -> tuple[Tensor, Tensor]:
        visual = self.image_tower
        tokens, share = tokens_of(visual, images)
        return visual.ln_post(tokens[:, 0]) @ visual.proj, share  # type: ignore[operator]


class FlipMcl(Flip):
    """FLIP-IT with `image_mlp`, the head of a contrast between two views, needed in training only."""

    def __init__(self, model: CLIP, width: int, *, quick_gelu: bool = False) -> None:
        super().__init__(model, width, quick_gelu=quick_gelu)
        self.image_mlp = _projector(width)

    def project(self, embedding: Tensor) -> Tensor:
        """Returns (B, 256) for embeddings (B, d), not normalised before or after."""
        projected: Tensor = self.image_mlp(embedding)
        return projected


def _projector(width: int) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["layer1"] = nn.Linear(width, _HIDDEN)
    layers["bn1"] = nn.BatchNorm1d(_HIDDEN)
    layers["relu1"] = nn.ReLU(inplace=True)
    layers["layer2"] = nn.Linear(_HIDDEN, _HIDDEN)
    layers["bn2"] = nn.BatchNorm1d(_HIDDEN)
    layers["relu2"] = nn.ReLU(inplace=True)
    layers["layer3"] = nn.Linear(_HIDDEN, _PROJECTED)
    return nn.Sequential(layers)
