"""What every model's forward returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Output(NamedTuple):
    """A batch's answer: `logit` (B,), and `evidence` (B, gh, gw), whose mean per image is the logit."""

    logit: Tensor
    evidence: Tensor
