"""What goes on inside a network during one forward pass: what distillation compares."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from facetrust.errors import UsageError
from facetrust.models._output import Embedding, Score
from facetrust.models._torchvision import make_torchvision_importable
from facetrust.models._transformer import Attention as PlainAttention

_Heads = tuple[Tensor, Tensor, Tensor]


class Inside(NamedTuple):
    """One forward pass: the answer (a `Score`, say), the embedding (B, d) it comes from, all blocks' tokens.

    `hidden` are the outputs (B, N, c) of the L transformer blocks, the others (B, H, N, e) what their
    attention compares and sums, scale not yet applied. N counts the prefix tokens (CLS) first, then
    the patches row by row. The tuples are empty where the network is no plain transformer. `map` is the last
    feature map (B, c, h, w), where the network keeps one.
    """

    output: Any
    embedding: Tensor
    hidden: tuple[Tensor, ...]
    queries: tuple[Tensor, ...]
    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    map: Tensor | None = None


class Embeds(Protocol):
    """A network that says what its answer is made from; `image_tower` only where there is another one."""

    def answer(self, images: Tensor) -> tuple[Score | Embedding, Tensor]:
        """Returns the answer to images (B, 3, h, w), and the embedding (B, d)."""


def look_inside(model: nn.Module, images: Tensor) -> Inside:
    """Returns the `Inside` of one forward pass over images (B, 3, h, w); gradients flow through all of it.

    Seen are self-attentions without position bias or mask: ViTs of timm and of open_clip, Face Transformer.
    Queries, keys and values are computed a second time from what each attention is given, as the fused
    kernels do not hand them out. The network is left as it was.

    Raises:
        UsageError: the network does not say what it embeds.
    """
    if not hasattr(model, "answer"):
        raise UsageError(f"{type(model).__name__} gives answers only; nothing inside it can be compared")
    maps: list[Tensor] = []
    with (
        _watching(_column(getattr(model, "image_tower", model))) as (hidden, heads),
        _keeping(getattr(model, "features", None), maps),
    ):
        output, embedding = cast(Embeds, model).answer(images)
    last = next((each for each in maps if each.ndim == 4), None)
    if not heads or len(hidden[0]) != len(images):  # Some networks attend within windows, as if batches.
        return Inside(output, embedding, (), (), (), (), last)
    queries, keys, values = zip(*heads, strict=True)
    return Inside(output, embedding, tuple(hidden), queries, keys, values, last)


def attention_of(inside: Inside) -> Tensor:
    """Returns the attention maps (B, L, H, N, N), softmax(q k^T / sqrt(e)); rows sum to one.

    Raises:
        UsageError: the network has no attention that `look_inside` sees.
    """
    if not inside.queries:
        raise UsageError("this network has no attention maps; leave the attention loss out or take a ViT")
    pairs = zip(inside.queries, inside.keys, strict=True)
    return torch.stack([attention_map(query, key) for query, key in pairs], dim=1)


def attention_map(query: Tensor, key: Tensor) -> Tensor:
    """Returns softmax(q k^T / sqrt(e)) (B, H, M, N) for queries (B, H, M, e) and keys (B, H, N, e)."""
    likeness: Tensor = query @ key.mT * query.shape[-1] ** -0.5
    return likeness.softmax(-1)


def heads_of(attention: nn.Module, tokens: Tensor) -> _Heads:
    """Returns queries, keys and values (B, H, N, e) that an attention makes of tokens (B, N, c)."""
    if isinstance(attention, nn.MultiheadAttention):
        made = functional.linear(tokens, cast(Tensor, attention.in_proj_weight), attention.in_proj_bias)
        query, key, value = _split(made, attention.num_heads)
        return query, key, value
    if isinstance(attention, PlainAttention):
        return attention.inside(tokens)
    module = cast(Any, attention)
    query, key, value = _split(module.qkv(tokens), module.num_heads)
    return module.q_norm(query), module.k_norm(key), value


def _split(made: Tensor, heads: int) -> Tensor:
    batch, count, width = made.shape
    return made.reshape(batch, count, 3, heads, width // 3 // heads).permute(2, 0, 3, 1, 4)


def _column(tower: nn.Module) -> list[nn.Module]:
    """The blocks of a plain transformer; none where there are several columns of them, or no attention."""
    columns = [list(part) for part in tower.modules() if isinstance(part, nn.ModuleList | nn.Sequential)]
    found = [blocks for blocks in columns if blocks and all(_is_attention(block) for block in blocks)]
    return found[0] if len(found) == 1 else []


def _is_attention(block: nn.Module) -> bool:
    # A subclass, or another class of this name, may add a bias that the maps would lack.
    return type(getattr(block, "attn", None)) in (nn.MultiheadAttention, PlainAttention, _timm_attention())


def _timm_attention() -> type[nn.Module]:
    make_torchvision_importable()
    from timm.layers.attention import Attention

    return Attention


@contextmanager
def _keeping(features: nn.Module | None, maps: list[Tensor]) -> Iterator[None]:
    """Keeps what the part named `features` gives, if there is one."""
    if not isinstance(features, nn.Module):
        yield
        return
    hook = features.register_forward_hook(lambda module, args, out: maps.append(out))
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def _watching(blocks: list[nn.Module]) -> Iterator[tuple[list[Tensor], list[_Heads]]]:
    hidden: list[Tensor] = []
    heads: list[_Heads] = []

    def attended(module: nn.Module, args: tuple[Any, ...], settings: dict[str, Any]) -> None:
        heads.append(heads_of(module, args[0]))

    def passed(module: nn.Module, args: tuple[Any, ...], out: Tensor) -> None:
        hidden.append(out)

    hooks = []
    try:
        for block in blocks:
            hooks.append(cast(nn.Module, block.attn).register_forward_pre_hook(attended, with_kwargs=True))
            hooks.append(block.register_forward_hook(passed))
        yield hidden, heads
    finally:
        for hook in hooks:
            hook.remove()
