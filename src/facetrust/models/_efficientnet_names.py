"""An EfficientNet's weights as efficientnet_pytorch names them, under timm's names."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Blocks of each stage of EfficientNet-B0 and Lite0. There, blocks are numbered through; in timm, by stage.
B0 = (1, 2, 2, 3, 3, 4, 1)
# Outside of the blocks, in those of the first stage, which do not expand, and in the others.
_OUTSIDE = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_SQUEEZE = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
_FIRST = _SQUEEZE | {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_LATER = _SQUEEZE | {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def timm_name(name: str, blocks: Sequence[int] = B0) -> str:
    """Returns timm's name of a tensor, such as `blocks.2.0.bn1.weight` for `_blocks.3._bn0.weight`.

    Any other name, timm's own included, is returned as it is.

    Args:
        name: a tensor's name within the network.
        blocks: number of blocks of each stage.
    """
    places = [(stage, block) for stage, many in enumerate(blocks) for block in range(many)]

    def renamed(found: re.Match[str]) -> str:
        number, part = found.groups()
        if number is None:
            return _OUTSIDE.get(part, part)
        if int(number) >= len(places):
            return found[0]
        stage, block = places[int(number)]
        return f"blocks.{stage}.{block}.{(_LATER if stage else _FIRST).get(part, part)}"

    return re.sub(r"^(?:_blocks\.(\d+)\.)?(_\w+)", renamed, name)
