"""Every loss: a function and a module of its name that agree, with sound shapes and gradients."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
import torch

from facetrust import registry
from facetrust.errors import UnknownName, UsageError
from facetrust.losses import loss_module

NAMES = registry.names("losses")
BATCH = 6
Input = torch.Tensor | list[torch.Tensor]

# The last word of an argument's name says what it is: the shape of one sample, and of how many layers.
SHAPES: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("labels", "logits"), ()),
    **dict.fromkeys(("first", "second", "embedding", "text"), (4,)),
    "norms": (),
    "identities": (),
    "cosines": (4,),
    "attention": (2, 3, 3, 3),
    "evidence": (3, 2),
    "map": (2, 3, 4),
    "masks": (6, 4),
    "classes": (3, 5, 4),
    "truth": (5, 4),
    "hidden": (3, 4),
    **dict.fromkeys(("queries", "keys", "values"), (2, 3, 6)),
}
PER_LAYER = {"hidden": 2, "queries": 2, "keys": 2, "values": 2}

# What these say of a sample depends on the others in its batch.
COMPARE_SAMPLES = {
    "adaface",
    "affinity-mimicking",
    "contrastive-relational",
    "interactive-contrastive",
    "neighbour-distillation",
    "nt-xent",
    "relational-angle",
    "relational-distance",
    "similarity-distillation",
}
# What says who is who, or how good a picture is, is not learnt from.
GIVEN = {"labels", "truth", "identities", "norms"}


def test_all_were_seen():
    assert len(NAMES) >= 14
    assert {"attention-distillation", "binary-cross-entropy", "logit-distillation"} <= set(NAMES)
    assert set(NAMES) >= COMPARE_SAMPLES


def arguments_of(loss: Callable[..., torch.Tensor]) -> list[str]:
    """Returns the names of a loss's required arguments, all of them positional."""
    parameters = inspect.signature(loss).parameters.values()
    required = [p for p in parameters if p.default is inspect.Parameter.empty]
    assert not [p.name for p in required if p.kind is p.KEYWORD_ONLY], "a setting needs a default"
    return [p.name for p in required]


def inputs_of(
    loss: Callable[..., torch.Tensor], *, scale: float = 1, dtype: torch.dtype = torch.float64
) -> list[Input]:
    """Returns random inputs as a loss asks: labels and masks of 0 and 1, attention that sums to one."""
    generator = torch.Generator().manual_seed(0)

    def draw(kind: str) -> torch.Tensor:
        values = torch.randn(BATCH, *SHAPES[kind], generator=generator, dtype=torch.float64) * scale
        if kind == "identities":
            return (values > 0).long()
        values = (values > 0).double() if kind in ("labels", "masks", "truth") else values
        values = values.tanh() if kind == "cosines" else values.abs() if kind == "norms" else values
        return (values.softmax(-1) if kind == "attention" else values).to(dtype)

    kinds = [name.rsplit("_", 1)[-1] for name in arguments_of(loss)]
    return [[draw(k) for _ in range(PER_LAYER[k])] if k in PER_LAYER else draw(k) for k in kinds]


def tensors_of(given: Input) -> list[torch.Tensor]:
    return [given] if isinstance(given, torch.Tensor) else given


def taken(inputs: list[Input], index: torch.Tensor | slice) -> list[Input]:
    """Returns the inputs of some samples of the batch."""
    return [x[index] if isinstance(x, torch.Tensor) else [layer[index] for layer in x] for x in inputs]


def one_by_one(loss: Callable[..., torch.Tensor], inputs: list[Input]) -> torch.Tensor:
    return torch.stack([loss(*taken(inputs, slice(i, i + 1))) for i in range(BATCH)])


@pytest.mark.parametrize("name", NAMES)
class TestEveryLoss:
    def test_says_what_it_returns(self, name):
        assert (registry.find("losses", name).__doc__ or "").startswith("Returns")

    def test_reduces_to_the_mean_of_what_it_gives_unreduced(self, name):
        loss = registry.find("losses", name)
        inputs = inputs_of(loss)
        each = loss(*inputs, reduction="none")
        assert each.shape == (BATCH,)
        assert loss(*inputs).shape == ()
        torch.testing.assert_close(loss(*inputs), each.mean())

    @pytest.mark.parametrize("scale", [1, 1000])
    def test_is_not_negative_and_finite_for_large_inputs(self, name, scale):
        loss = registry.find("losses", name)
        each = loss(*inputs_of(loss, scale=scale), reduction="none")
        assert torch.isfinite(each).all()
        assert (each >= -1e-9).all()
        assert each.max() > 1e-4

    def test_has_the_gradient_of_its_value(self, name):
        loss = registry.find("losses", name)
        first, *rest = inputs_of(loss)
        alone = isinstance(first, torch.Tensor)
        asked = [x.requires_grad_() for x in tensors_of(first)]
        assert torch.autograd.gradcheck(
            lambda *x: loss(x[0] if alone else x, *rest), asked, fast_mode=not alone
        )

    def test_its_gradient_is_finite_for_large_inputs_and_none_reaches_a_teacher(self, name):
        loss = registry.find("losses", name)
        for scale in (1, 1000):
            inputs = inputs_of(loss, scale=scale)
            for tensor in (tensor for given in inputs for tensor in tensors_of(given)):
                tensor.requires_grad_(tensor.is_floating_point())
            loss(*inputs).backward()
            reached = {}
            for argument, given in zip(arguments_of(loss), inputs, strict=True):
                gradients = [x.grad for x in tensors_of(given) if x.grad is not None]
                reached[argument] = bool(gradients)
                assert all(torch.isfinite(gradient).all() for gradient in gradients)
            wanted = {argument: not argument.startswith("teacher_") for argument in reached}
            given = dict.fromkeys(GIVEN & set(reached))
            assert {**wanted, **given} == {**reached, **given}

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
    def test_keeps_the_dtype(self, name, dtype):
        loss = registry.find("losses", name)
        assert loss(*inputs_of(loss, dtype=dtype)).dtype == dtype

    def test_a_teacher_may_answer_in_another_dtype(self, name):
        loss = registry.find("losses", name)
        full, half = inputs_of(loss), inputs_of(loss, dtype=torch.float32)
        mixed = [
            h if argument.startswith("teacher_") else f
            for argument, f, h in zip(arguments_of(loss), full, half, strict=True)
        ]
        assert loss(*mixed).dtype == torch.float64
        torch.testing.assert_close(loss(*mixed), loss(*full), rtol=1e-4, atol=1e-6)

    @pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
    def test_is_about_right_in_mixed_precision(self, name, half):
        loss = registry.find("losses", name)
        inputs = inputs_of(loss, dtype=torch.float32)
        for tensor in tensors_of(inputs[0]):
            tensor.requires_grad_()
        with torch.autocast("cpu", half):
            mixed = loss(*inputs)
        mixed.backward()
        torch.testing.assert_close(mixed.float(), loss(*inputs), rtol=0.03, atol=0)
        assert all(x.grad is None or torch.isfinite(x.grad).all() for x in tensors_of(inputs[0]))

    def test_takes_samples_one_by_one(self, name):
        loss = registry.find("losses", name)
        inputs = inputs_of(loss)
        alone, together = one_by_one(loss, inputs), loss(*inputs, reduction="none")
        if name in COMPARE_SAMPLES:
            assert torch.isfinite(alone).all()
            assert not torch.allclose(alone, together)
        else:
            torch.testing.assert_close(alone, together)

    def test_the_order_of_the_batch_does_not_matter(self, name):
        loss = registry.find("losses", name)
        inputs, order = inputs_of(loss), torch.tensor([3, 0, 5, 1, 4, 2])
        expected = loss(*inputs, reduction="none")[order]
        torch.testing.assert_close(loss(*taken(inputs, order), reduction="none"), expected)

    def test_the_module_is_the_function_with_its_settings_kept(self, name):
        loss = registry.find("losses", name)
        inputs = inputs_of(loss)
        torch.testing.assert_close(
            loss_module(name, reduction="none")(*inputs), loss(*inputs, reduction="none")
        )
        with pytest.raises(UsageError, match=f"{name}: .*colour"):
            loss_module(name, colour="red")

    def test_the_module_learns_nothing_where_nothing_differs(self, name):
        loss, module = registry.find("losses", name), loss_module(name)
        inputs = inputs_of(loss)
        if hasattr(module, "adapt"):
            assert list(inspect.signature(module.adapt).parameters) == arguments_of(loss)
            module.adapt(*inputs)
        assert not list(module.parameters())
        torch.testing.assert_close(module(*inputs), loss(*inputs))

    def test_an_unknown_reduction_is_refused(self, name):
        loss = registry.find("losses", name)
        with pytest.raises(UnknownName, match="no reduction named 'sum'"):
            loss(*inputs_of(loss), reduction="sum")
