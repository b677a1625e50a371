from __future__ import annotations

import pytest

from facetrust import models  # Makes torchvision importable before timm asks for it.
from facetrust.models._efficientnet_names import B0, timm_name

assert models
import timm  # noqa: E402

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
# Blocks of each stage as the paper scales them (arXiv 1905.11946): depth 1, 1.1 and 1.8, rounded up; Lite0
# is B0 without squeeze-and-excitation.
DEPTHS = {
    "efficientnet_b0": B0,
    "efficientnet_lite0": B0,
    "efficientnet_b1": (2, 3, 3, 4, 4, 5, 2),
    "efficientnet_b4": (2, 4, 4, 6, 6, 8, 2),
}


def published(blocks: tuple[int, ...], *, squeeze: bool) -> set[str]:
    """efficientnet_pytorch's names: blocks numbered through; those of the first stage do not expand."""
    names = {"_conv_stem.weight", "_conv_head.weight", "_fc.weight", "_fc.bias"}
    names |= {f"{norm}.{part}" for norm in ("_bn0", "_bn1") for part in NORM}
    for block in range(sum(blocks)):
        expands = block >= blocks[0]
        layers = ["_depthwise_conv", "_project_conv", *(["_expand_conv"] if expands else [])]
        names |= {f"_blocks.{block}.{layer}.weight" for layer in layers}
        norms = ["_bn1", "_bn2", *(["_bn0"] if expands else [])]
        names |= {f"_blocks.{block}.{norm}.{part}" for norm in norms for part in NORM}
        if squeeze:
            names |= {
                f"_blocks.{block}.{layer}.{part}"
                for layer in ("_se_reduce", "_se_expand")
                for part in ("weight", "bias")
            }
    return names


@pytest.mark.parametrize("name", DEPTHS)
def test_every_published_name_is_one_of_timm_s_and_none_is_left(name: str) -> None:
    names = published(DEPTHS[name], squeeze="lite" not in name)
    found = {timm_name(each, DEPTHS[name]) for each in names}
    assert len(found) == len(names)
    assert found == set(timm.create_model(name).state_dict())


def test_other_names_stay_as_they_are() -> None:
    for name in timm.create_model("efficientnet_b0").state_dict():
        assert timm_name(name) == name
    assert timm_name("_blocks.16._bn1.weight") == "_blocks.16._bn1.weight"
    assert timm_name("_other.weight") == "_other.weight"
