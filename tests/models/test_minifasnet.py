from __future__ import annotations

import pytest
import torch

from facetrust.errors import UnknownName
from facetrust.models import create_model


@pytest.mark.parametrize(("variant", "parameters"), [("v2", 434_560), ("v1se", 433_586)])
def test_it_has_the_published_number_of_parameters(variant: str, parameters: int) -> None:
    model = create_model(f"minifasnet-{variant}")
    assert sum(p.numel() for p in model.parameters()) == parameters


def test_the_logit_is_that_of_not_live() -> None:
    """With the last layer set by hand, the three class scores are known: 0, 2 and 0."""
    model = create_model("minifasnet-v2").eval()
    with torch.no_grad():
        model.bn.weight.zero_()
        model.bn.bias.fill_(1.0)
        model.prob.weight.zero_()
        model.prob.weight[1].fill_(2.0 / 128)
        out = model(torch.rand(2, 3, 80, 80) * 255)
    chances = torch.softmax(torch.tensor([0.0, 2.0, 0.0]), dim=0)
    expected = torch.log((chances[0] + chances[2]) / chances[1]).expand(2)
    assert torch.allclose(out.logit, expected, atol=1e-5)
    assert torch.equal(out.evidence.mean((1, 2)), out.logit)


def test_only_the_second_variant_squeezes() -> None:
    names = {v: dict(create_model(f"minifasnet-{v}").named_parameters()) for v in ("v2", "v1se")}
    assert not any("se_module" in name for name in names["v2"])
    assert {name.split(".se_module")[0] for name in names["v1se"] if "se_module" in name} == {
        "conv_3.model.3",
        "conv_4.model.5",
        "conv_5.model.1",
    }


def test_an_unknown_variant_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="v1se"):
        create_model("minifasnet-v1s")
