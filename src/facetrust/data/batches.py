"""Items become batches, without the pictures that could not be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Failed(NamedTuple):
    """Stands in a batch for a picture that could not be read; `collate` puts it aside."""

    path: str
    reason: str


def collate(items: Sequence[dict[str, Any] | Failed]) -> dict[str, Any]:
    """Returns a batch: `key`, `index`, `target`, `simulated` (B, ...), `views`, `failed`.

    `views` maps names to (B, M, 3, h, w). `mask` (B, M, h, w) and `taught`, name to (B, ...) float32, are
    there where the items have them.

    Unreadable pictures are left out of every tensor and listed in `failed`; a batch may come out
    smaller, or with empty tensors, but a label never meets another's picture.
    """
    good = [item for item in items if not isinstance(item, Failed)]
    names = good[0]["views"] if good else {}
    taught = [item["taught"] for item in good if "taught" in item]
    answers = {name: _floats([said[name] for said in taught]) for name in (taught[0] if taught else {})}
    return {
        "key": torch.tensor([item["key"] for item in good], dtype=torch.int64),
        "index": torch.tensor([item["index"] for item in good], dtype=torch.int64),
        "target": _targets([item["target"] for item in good]),
        "simulated": torch.tensor([item["simulated"] for item in good], dtype=torch.bool),
        "views": {name: torch.stack([item["views"][name] for item in good]) for name in names},
        "failed": [item for item in items if isinstance(item, Failed)],
        **({"mask": torch.stack([item["mask"] for item in good])} if good and "mask" in good[0] else {}),
        **({"taught": answers} if taught else {}),
    }


def _targets(values: Sequence[Any]) -> Tensor:
    if values and isinstance(values[0], Tensor):
        return torch.stack(list(values))
    whole = bool(values) and isinstance(values[0], int)
    return torch.tensor(values, dtype=torch.int64 if whole else torch.float32)


def _floats(arrays: Sequence[NDArray[Any]]) -> Tensor:
    return torch.from_numpy(np.stack(arrays).astype(np.float32))
