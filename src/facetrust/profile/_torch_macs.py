"""Multiply-accumulates of a PyTorch network, by fvcore, attention's products included."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from facetrust.errors import MissingExtra, ModelError, first_line

if TYPE_CHECKING:
    from torch import nn

_PRODUCTS = ("conv", "linear", "addmm", "matmul", "bmm", "baddbmm", "einsum", "scaled_dot_product_attention")
_OPAQUE = {"aten::lstm", "aten::gru", "aten::_native_multi_head_attention", "aten::mkldnn_rnn_layer"}


def count_macs(model: nn.Module, image: tuple[int, ...]) -> int:
    """Returns the multiply-accumulates of one image through a network.

    Counted are products: convolutions, linear layers and matrix products. fvcore leaves out the two
    products of a fused attention (queries by keys, weights by values); they are counted here. Norms,
    activations, pooling and additions are not. As in fvcore, a multiplication and its addition are one;
    what others call FLOPs is twice as much.

    Args:
        image: (1, channels, height, width).

    Raises:
        ModelError: it cannot be traced, or has a layer whose products fvcore does not see.
        MissingExtra: fvcore is not installed.
    """
    with warnings.catch_warnings():
        # fvcore uses what torch calls outdated, and the tracer warns of every shape that code looks at.
        warnings.simplefilter("ignore")
        counts, missed = _count(model, image)
    if missed:
        raise ModelError(
            f"{type(model).__name__}: products inside {', '.join(sorted(missed))} cannot be counted"
        )
    return int(sum(counts.get(name, 0) for name in _PRODUCTS))


def _count(model: nn.Module, image: tuple[int, ...]) -> tuple[dict[str, float], set[str]]:
    """Returns counts by operator, and the operators met whose products nobody counts."""
    try:
        import torch
        from fvcore.nn import FlopCountAnalysis
    except ImportError as error:
        raise MissingExtra(error.name or "fvcore", "train") from None
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    with _unfused(), torch.no_grad():
        found = FlopCountAnalysis(model, torch.zeros(image, device=device))
        found.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        for kind, handle in _HANDLES.items():
            found.set_op_handle(f"aten::{kind}", handle)
        try:
            return dict(found.by_operator()), _OPAQUE & set(found.unsupported_ops())
        except Exception as error:  # Tracing runs the network's own code.
            reason = first_line(error)
            raise ModelError(f"{type(model).__name__} cannot be traced for {image} ({reason})") from None


@contextmanager
def _unfused() -> Iterator[None]:
    """Makes nn.MultiheadAttention show its products; its fast path is one operator without insight."""
    import torch

    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _attention(inputs: list[Any], outputs: list[Any]) -> dict[str, int]:
    query, key, value = (_sizes(entry) for entry in inputs[:3])
    products = math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])
    return {"scaled_dot_product_attention": products}


def _baddbmm(inputs: list[Any], outputs: list[Any]) -> dict[str, int]:
    left, right = _sizes(inputs[1]), _sizes(inputs[2])
    return {"baddbmm": math.prod(left) * right[-1]}


def _matmul(inputs: list[Any], outputs: list[Any]) -> dict[str, int]:
    # fvcore's own stops at a product with a vector, and does not see a second batch that is the larger one.
    return {"matmul": math.prod(_sizes(outputs[0])) * _sizes(inputs[0])[-1]}


def _sizes(entry: Any) -> list[int]:
    return list(entry.type().sizes())


_HANDLES = {"scaled_dot_product_attention": _attention, "baddbmm": _baddbmm, "matmul": _matmul}
