"""Any timm backbone with a one-logit head that keeps the spatial map."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from facetrust.errors import ModelError, UnknownName, UsageError, first_line
from facetrust.models._cosine import Cosine
from facetrust.models._efficientnet_names import timm_name
from facetrust.models._output import Score
from facetrust.models._pretrained import fill, read_weights
from facetrust.models._torchvision import make_torchvision_importable

make_torchvision_importable()
import timm as library  # noqa: E402


def timm(
    backbone: str,
    *,
    image_size: tuple[int, int] = (224, 224),
    stage: int | None = None,
    block: int | None = None,
    dropout: float = 0.0,
    embedding: int | None = None,
    pretrained: bool | str = False,
    freeze: int = 0,
    layout: dict[str, Any] | None = None,
) -> Mapped:
    """Returns the backbone `backbone` with a 1x1 linear head, or a cosine head, on its feature map.

    Args:
        backbone: a name of `timm.list_models()`.
        image_size: (height, width) in pixels; matters to backbones of fixed size (ViT, Swin).
        stage: cut after this feature map (`feature_info` of a CNN, block of a ViT), the rest is
            left out; negative counts from the end; none keeps the whole backbone.
        block: cut after this many groups of blocks of an EfficientNet or MobileNet instead, a finer choice.
        dropout: probability that a channel of the feature map is dropped in training.
        embedding: project every cell to this many numbers, and compare their mean with two class
            embeddings, as CLIP does; none for the linear head.
        pretrained: a weight file in timm's names, or an EfficientNet's in efficientnet_pytorch's; true
            fetches timm's over the network.
        freeze: leave the stem and this many groups of blocks of an EfficientNet or MobileNet as they are,
            their batch normalisation too.
        layout: further arguments of timm's own constructor, such as a ViT's `patch_size` and `depth`.

    Raises:
        UnknownName: timm has no such backbone.
        UsageError: the stage or block does not exist, both are given, or the backbone gives no spatial map.
        ModelError: pretrained weights cannot be fetched or read, or do not fit; or the backbone takes no such
            layout.
    """
    if stage is not None and block is not None:
        raise UsageError(f"stage {stage} and block {block}: give one of them")
    features = _Features(backbone_of(backbone, image_size, pretrained, layout), stage, block, freeze)
    return Mapped(features, image_size, dropout=dropout, embedding=embedding)


class Mapped(nn.Module):
    """Features (B, c, gh, gw), then the same linear classifier in every cell, then the mean over cells.

    As the classifier is linear, the logit is exactly that of global average pooling + linear, and
    each cell holds its own share of it: the class activation map, bias included. For a ViT the
    cells are its patch tokens. With an embedding of d numbers, every cell is projected first and the
    classifier is the cosine of the cells' mean with two class embeddings.
    """

    def __init__(
        self,
        features: _Features,
        image_size: tuple[int, int],
        *,
        dropout: float = 0.0,
        embedding: int | None = None,
    ) -> None:
        super().__init__()
        self.features = features
        self.dropout = nn.Dropout2d(dropout)
        width = _width(features, image_size)
        self.head: nn.Conv2d | Cosine
        if embedding is None:
            self.head = nn.Conv2d(width, 1, 1)
            nn.init.normal_(self.head.weight, std=0.01)
            nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]
        else:
            self.project = nn.Conv2d(width, embedding, 1)
            self.head = Cosine(embedding)

    def forward(self, images: Tensor) -> Score:
        """Returns logits (B,) and evidence (B, gh, gw) for images (B, 3, h, w)."""
        return self.answer(images)[0]

    def answer(self, images: Tensor) -> tuple[Score, Tensor]:
        """Returns the answer, and what it is made from: the mean over all cells (B, d), not normalised."""
        features = self.dropout(self.features(images))
        if isinstance(self.head, Cosine):
            return self.head.over(self.project(features).permute(0, 2, 3, 1))
        evidence = self.head(features)[:, 0]
        return Score(evidence.mean((1, 2)), evidence), features.mean((2, 3))

    def class_embeddings(self) -> Tensor:
        """Returns (2, d), not normalised: what stands for an attack, and what for a live face.

        Raises:
            UsageError: the network was built without an embedding.
        """
        return self._cosine().classes

    def take_classes(self, embeddings: Tensor) -> None:
        """Sets the class embeddings (2, d), [spoof, live], such as a teacher's.

        Raises:
            UsageError: they are not of this network's width, or it was built without an embedding.
        """
        self._cosine().take_classes(embeddings)

    @property
    def evidence_means(self) -> str:
        """What a cell of the evidence is, for the card."""
        cell = "patch token" if self.features.tokens else "cell of the last feature map"
        if isinstance(self.head, Cosine):
            return f"what each {cell} adds to the logit, which is their mean"
        return f"the classifier applied to each {cell}; the mean over all is the logit"

    def _cosine(self) -> Cosine:
        if not isinstance(self.head, Cosine):
            raise UsageError("this network has no class embeddings; set embedding, such as 512")
        return self.head


class _Features(nn.Module):
    """A backbone's spatial map, channels first, whatever layout the backbone has inside."""

    def __init__(self, backbone: nn.Module, stage: int | None, block: int | None, freeze: int = 0) -> None:
        super().__init__()
        self.tokens = hasattr(backbone, "num_prefix_tokens")
        self.prefix = int(getattr(backbone, "num_prefix_tokens", 0))
        self.channels_last = getattr(backbone, "output_fmt", "NCHW") == "NHWC"
        self.stage = None if stage is None else _cut(backbone, stage, keep_norm=self.tokens)
        if block is not None:
            cut_blocks(backbone, block)
        elif stage is None and hasattr(backbone, "prune_intermediate_layers"):
            backbone.prune_intermediate_layers(1, prune_norm=False, prune_head=True)  # type: ignore[operator]
        self.backbone = backbone
        # In a tuple, so that the state names them once.
        self._frozen = (_front(backbone, freeze),) if freeze else ()
        for front in self._frozen:
            front.requires_grad_(False)
            front.eval()

    def train(self, mode: bool = True) -> _Features:
        super().train(mode)
        for front in self._frozen:
            front.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        if self.stage is not None:
            maps = self.backbone.forward_intermediates(  # type: ignore[operator]
                images, indices=[self.stage], norm=self.tokens, stop_early=True, intermediates_only=True
            )
            return maps[0]  # type: ignore[no-any-return]
        out: Tensor = self.backbone.forward_features(images)  # type: ignore[operator]
        if self.tokens and out.ndim == 3:
            grid = self.backbone.patch_embed.dynamic_feat_size(images.shape[-2:])  # type: ignore[union-attr,operator]
            return out[:, self.prefix :].transpose(1, 2).reshape(out.shape[0], -1, *grid)
        return out.permute(0, 3, 1, 2) if self.channels_last else out


def backbone_of(
    name: str, image_size: tuple[int, int], pretrained: bool | str, layout: dict[str, Any] | None = None
) -> nn.Module:
    """Returns timm's network of a name without its classifier; raises what `timm` raises."""
    if not library.is_model(name.split(".")[0]):
        raise UnknownName("timm backbone", name, library.list_models())
    settings: dict[str, Any] = {**(layout or {}), "num_classes": 0}
    known = library.get_pretrained_cfg(name)
    if known is not None and known.fixed_input_size:
        settings["img_size"] = tuple(image_size)
    try:
        backbone = library.create_model(name, pretrained=pretrained is True, **settings)
    except Exception as error:  # The hub raises many kinds when it cannot be reached.
        doing = "its pretrained weights cannot be fetched" if pretrained else "it cannot be built"
        hint = "set pretrained=false or connect" if pretrained else f"image_size is {tuple(image_size)}"
        reason = first_line(error)
        raise ModelError(f"timm/{name}: {doing} ({reason}); {hint}") from error
    if isinstance(pretrained, str):
        _fill(backbone, Path(pretrained), name)
    return backbone


def _fill(backbone: nn.Module, path: Path, name: str) -> None:
    """Loads all weights in a file but those of the classifier, which is not there."""
    named = backbone.pretrained_cfg.get("classifier") or ()  # type: ignore[operator,union-attr]
    heads = (named,) if isinstance(named, str) else named
    blocks = [len(stage) for stage in getattr(backbone, "blocks", ()) if isinstance(stage, nn.Sequential)]
    found = {timm_name(key, blocks): value for key, value in read_weights(path).items()}
    kept = {key: value for key, value in found.items() if key.rpartition(".")[0] not in heads}
    fill(backbone, kept, f"{path}: is not a timm/{name}")


def _cut(backbone: nn.Module, stage: int, *, keep_norm: bool) -> int:
    """Removes what lies behind a stage and returns the stage counted from the front."""
    name = type(backbone).__name__
    if not hasattr(backbone, "prune_intermediate_layers"):
        raise UsageError(f"stage: timm cannot cut {name}; leave the setting out")
    try:
        last: int = backbone.prune_intermediate_layers(  # type: ignore[operator]
            [stage], prune_norm=not keep_norm, prune_head=True
        )[0]
    except (AssertionError, IndexError, ValueError):
        count = len(backbone.feature_info)  # type: ignore[arg-type]
        raise UsageError(f"stage {stage}: {name} has stages 0 to {count - 1}") from None
    return last


def cut_blocks(backbone: nn.Module, block: int) -> None:
    """Removes all behind the groups of blocks 1 to `block`, so that the map is what is left's answer."""
    name = type(backbone).__name__
    cut = getattr(backbone, "prune_intermediate_layers", None)
    if cut is None or "extra_blocks" not in inspect.signature(cut).parameters:
        raise UsageError(f"block: timm cannot cut {name} there; set stage or leave the setting out")
    count = len(backbone.blocks)  # type: ignore[arg-type]
    if not 1 <= block <= count:
        raise UsageError(f"block {block}: {name} has blocks 1 to {count}")
    cut([block], extra_blocks=True)


def _front(backbone: nn.Module, groups: int) -> nn.Module:
    """Returns the stem and the first groups of blocks, as one module."""
    name, blocks = type(backbone).__name__, getattr(backbone, "blocks", None)
    if not isinstance(blocks, nn.Sequential) or not hasattr(backbone, "conv_stem"):
        raise UsageError(f"freeze: {name} has no stem and groups of blocks; leave the setting out")
    if not 1 <= groups <= len(blocks):
        raise UsageError(f"freeze {groups}: {name} has groups of blocks 1 to {len(blocks)}")
    stem = [getattr(backbone, part) for part in ("conv_stem", "bn1") if hasattr(backbone, part)]
    return nn.ModuleList([*stem, *list(blocks)[:groups]])


def _width(features: _Features, image_size: tuple[int, int]) -> int:
    training = features.training
    features.eval()
    with torch.no_grad():
        out = features(torch.zeros(1, 3, *image_size))
    features.train(training)
    if out.ndim != 4:
        raise UsageError(
            f"{type(features.backbone).__name__} gives no spatial map, {tuple(out.shape)} instead"
        )
    return int(out.shape[1])
