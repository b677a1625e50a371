"""CLIP's two towers: an image and a sentence each become a vector, and alike ones lie close together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from facetrust.errors import MissingExtra, UnknownName, UsageError
from facetrust.models._pretrained import activation, load_pretrained
from facetrust.models._torchvision import make_torchvision_importable

if TYPE_CHECKING:
    from open_clip.model import CLIP

PATCH = 16
_HEAD = 64


class Shape(NamedTuple):
    """Widths of the towers, heads of the text tower; both have twelve blocks and end in `embed` numbers."""

    width: int
    text_width: int
    text_heads: int
    embed: int = 512
    layers: int = 12


SHAPES = {
    "vit-b16": Shape(768, 512, 8),
    "vit-s16": Shape(384, 384, 6),
    "vit-t16": Shape(192, 384, 6),
}


def shape_of(variant: str, layers: int | None = None) -> Shape:
    """Returns a variant's shape, with as many blocks in each tower as `layers` says, if it says so.

    Raises:
        UnknownName: no such variant.
    """
    if variant not in SHAPES:
        raise UnknownName("CLIP", variant, SHAPES)
    return SHAPES[variant] if layers is None else SHAPES[variant]._replace(layers=layers)


def towers(
    variant: str,
    *,
    image_size: tuple[int, int],
    layers: int | None = None,
    quick_gelu: bool | None = None,
    pretrained: str | bool | None = None,
) -> tuple[CLIP, bool]:
    """Returns both towers as `open_clip.model.CLIP`, and whether they use the quick GELU.

    Args:
        variant: `vit-b16` (Radford et al. 2021, arXiv 2103.00020), `vit-t16` (Yang et al. 2023,
            arXiv 2307.12732) or `vit-s16`, which lies between.
        image_size: (height, width) in pixels, multiples of 16; position embeddings follow it.
        layers: blocks in each tower; none for the variant's own.
        quick_gelu: x * sigmoid(1.702 x) instead of the exact GELU; none for what the weights need.
        pretrained: an open_clip tag such as `openai`, or a weight file; none for random weights.

    Raises:
        UnknownName: no such variant or tag.
        UsageError: the sizes or the activation do not fit.
        ModelError: weights cannot be fetched or do not fit.
        MissingExtra: open_clip is not installed.
    """
    shape = shape_of(variant, layers)
    grid_of(image_size)
    quick = activation(variant, pretrained, quick_gelu)
    vision = {
        "image_size": tuple(image_size),
        "patch_size": PATCH,
        "width": shape.width,
        "head_width": _HEAD,
        "layers": shape.layers,
    }
    text = {"width": shape.text_width, "heads": shape.text_heads, "layers": shape.layers}
    configs = _open_clip()
    model: CLIP = configs.CLIP(
        shape.embed, configs.CLIPVisionCfg(**vision), configs.CLIPTextCfg(**text), quick_gelu=quick
    )
    if pretrained:
        load_pretrained(model, variant, str(pretrained), grid=grid_of(image_size))
    return model, quick


def image_tower(
    variant: str, *, image_size: tuple[int, int], layers: int | None = None, quick_gelu: bool = False
) -> nn.Module:
    """Returns the image tower alone, freshly initialised; arguments and errors as in `towers`."""
    shape = shape_of(variant, layers)
    grid_of(image_size)
    library = _open_clip()
    tower: nn.Module = library.VisionTransformer(
        image_size=tuple(image_size),
        patch_size=PATCH,
        width=shape.width,
        layers=shape.layers,
        heads=shape.width // _HEAD,
        mlp_ratio=4.0,
        output_dim=shape.embed,
        act_layer=library.QuickGELU if quick_gelu else nn.GELU,
    )
    return tower


def grid_of(image_size: tuple[int, int]) -> tuple[int, int]:
    """Returns how many patches (rows, columns) tile an image of this (height, width) in pixels.

    Raises:
        UsageError: they do not tile it.
    """
    height, width = image_size
    if min(height, width) < PATCH or height % PATCH or width % PATCH:
        raise UsageError(f"image size {(height, width)}: height and width must be multiples of {PATCH}")
    return height // PATCH, width // PATCH


def encode_prompts(model: CLIP, tokens: Tensor) -> Tensor:
    """Returns the embeddings (2, n, d), not normalised, of the sentences (2, n, t) of both classes."""
    return encode_text(model, tokens.flatten(0, 1)).reshape(*tokens.shape[:2], -1)


def encode_text(model: CLIP, tokens: Tensor) -> Tensor:
    """Returns the embeddings (n, d), not normalised, of token sequences (n, t), t at most 77.

    The mask is causal, so that what follows a sequence's end mark changes nothing and may be cut off.
    """
    length = tokens.shape[1]
    x = model.token_embedding(tokens) + model.positional_embedding[:length]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:length, :length]))
    # The end mark is the greatest id.
    ends: Tensor = x[torch.arange(len(x), device=x.device), tokens.argmax(1)]
    return ends @ cast(Tensor, model.text_projection)


def _open_clip() -> Any:
    make_torchvision_importable()
    try:
        from open_clip import model as library
    except ImportError:
        raise MissingExtra("open-clip-torch", "train") from None
    return library
