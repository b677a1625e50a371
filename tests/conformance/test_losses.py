"""Every loss: a function and a module of its name that agree, with sound shapes and gradients."""

from __future__ import annotations

import inspect
from importlib import import_module

import pytest
import torch

from facetrust import registry

NAMES = registry.names("losses")


def test_all_were_seen():
    assert len(NAMES) >= 2
    assert {"binary-cross-entropy", "logit-distillation"} <= set(NAMES)


def inputs_of(loss, *, batch: int = 6, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    """Returns random tensors for a loss's required arguments: labels are 0 and 1, all else are logits."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for name, parameter in inspect.signature(loss).parameters.items():
        if parameter.default is not inspect.Parameter.empty:
            continue
        assert parameter.kind is not inspect.Parameter.KEYWORD_ONLY, f"{name} needs a default"
        values = torch.randn(batch, generator=generator, dtype=torch.float64)
        made.append((values > 0).to(dtype) if name == "labels" else values.to(dtype))
    return made


def module_of(name: str) -> type[torch.nn.Module]:
    stem = name.replace("-", "_")
    module = import_module(f"facetrust.losses.{stem}")
    return getattr(module, "".join(word.capitalize() for word in stem.split("_")))


@pytest.mark.parametrize("name", NAMES)
class TestEveryLoss:
    def test_says_what_it_returns(self, name):
        assert (registry.find("losses", name).__doc__ or "").startswith("Returns")
        assert module_of(name).__doc__

    def test_reduces_to_the_mean_of_what_it_gives_unreduced(self, name):
        loss = registry.find("losses", name)
        inputs = inputs_of(loss)
        each = loss(*inputs, reduction="none")
        assert each.shape == (6,)
        assert loss(*inputs).shape == ()
        torch.testing.assert_close(loss(*inputs), each.mean())

    def test_is_not_negative_and_finite_for_large_logits(self, name):
        loss = registry.find("losses", name)
        inputs = [x if set(x.tolist()) <= {0.0, 1.0} else x * 1000 for x in inputs_of(loss)]
        each = loss(*inputs, reduction="none")
        assert torch.isfinite(each).all()
        assert (each >= -1e-9).all()

    def test_has_the_gradient_of_its_value(self, name):
        loss = registry.find("losses", name)
        first, *rest = inputs_of(loss)
        assert torch.autograd.gradcheck(lambda x: loss(x, *rest), first.requires_grad_())

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
    def test_keeps_the_dtype(self, name, dtype):
        loss = registry.find("losses", name)
        assert loss(*inputs_of(loss, dtype=dtype)).dtype == dtype

    def test_takes_samples_one_by_one(self, name):
        loss = registry.find("losses", name)
        inputs = inputs_of(loss)
        alone = torch.stack([loss(*(x[i : i + 1] for x in inputs)) for i in range(6)])
        torch.testing.assert_close(alone, loss(*inputs, reduction="none"))

    def test_the_module_is_the_function_with_its_settings_kept(self, name):
        loss, kind = registry.find("losses", name), module_of(name)
        settings = [p.name for p in inspect.signature(loss).parameters.values() if p.kind is p.KEYWORD_ONLY]
        assert list(inspect.signature(kind).parameters) == settings
        inputs = inputs_of(loss)
        torch.testing.assert_close(kind(reduction="none")(*inputs), loss(*inputs, reduction="none"))
