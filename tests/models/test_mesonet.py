from __future__ import annotations

import pytest
import torch

from facetrust.errors import UnknownName, UsageError
from facetrust.models import create_model


@pytest.mark.parametrize(("variant", "parameters"), [("meso4", 27_977), ("inception4", 28_615)])
def test_it_has_the_published_number_of_parameters(variant: str, parameters: int) -> None:
    model = create_model(f"mesonet-{variant}")
    assert sum(p.numel() for p in model.parameters()) == parameters


def test_a_cell_of_the_map_is_what_it_adds_to_the_logit() -> None:
    """With the dense layers set by hand: two hidden values, one above zero and one that leaks."""
    torch.manual_seed(0)
    model = create_model("mesonet", image_size=(64, 32)).eval()
    with torch.no_grad():
        model.features[-1].norm.bias.fill_(
            1.0
        )  # What the last ReLU leaves is 0 or more, and so above 0 here.
        for part in (model.dense, model.head):
            part.weight.zero_()
            part.bias.zero_()
        weights = model.dense.weight.unflatten(1, (2, 1, 16))
        weights[0, 0, 0, 3], weights[1, 1, 0, 5] = 1.0, -1.0
        model.head.weight[0, :2] = torch.tensor([2.0, 30.0])
        model.head.bias.fill_(0.5)
        images = torch.rand(4, 3, 64, 32)
        upper, lower = (model.features(images)[:, channel, row, 0] for channel, row in ((3, 0), (5, 1)))
        output = model(images)
    torch.testing.assert_close(output.logit, 2 * upper - 0.1 * 30 * lower + 0.5)
    torch.testing.assert_close(output.evidence[:, 0, 0], 2 * 2 * upper + 0.5)
    torch.testing.assert_close(output.evidence[:, 1, 0], -2 * 3 * lower + 0.5)


def test_the_map_gives_the_logit_while_values_are_dropped_too() -> None:
    torch.manual_seed(0)
    output = create_model("mesonet-inception4", image_size=(64, 64)).train()(torch.rand(3, 3, 64, 64))
    torch.testing.assert_close(output.evidence.mean((1, 2)), output.logit, atol=1e-5, rtol=1e-5)


def test_bad_settings_are_named() -> None:
    with pytest.raises(UnknownName, match="inception4"):
        create_model("mesonet-inception")
    with pytest.raises(UsageError, match="multiples of 32"):
        create_model("mesonet", image_size=(100, 64))
