"""What every model's forward returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Output(NamedTuple):
    """A model's answer for a batch: `logit` (B,), and `evidence` (B, h, w), whose mean per image is the logit."""

    logit: Tensor
    evidence: Tensor
