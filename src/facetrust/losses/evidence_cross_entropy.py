"""Cross-entropy of the evidence map: where in the crop a face was manipulated."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from facetrust.losses._reduction import Reduction, reduced


def evidence_cross_entropy(
    evidence: Tensor, masks: Tensor, *, shift: float = 2.0, reduction: Reduction = "mean"
) -> Tensor:
    """Returns the mean over cells of -[t log s(e - shift) + (1 - t) log(1 - s(e - shift))], s the sigmoid.

    t is the share of a cell that the mask covers. The cells' mean is the logit of the whole crop, and a
    manipulation covers less than half of it: a few high cells must outweigh many low ones. So a cell is
    called manipulated at `shift`, not at 0. Learning where, on top of whether, is this project's own;
    Li et al. 2020 (Face X-ray, arXiv 1912.13458) learn where blends meet.

    Args:
        evidence: (B, gh, gw).
        masks: (B, h, w) in [0, 1], 1 where the crop is not genuine; h, w at least gh, gw.
        shift: evidence at which a cell counts as manipulated.
        reduction: `"mean"` gives a scalar, `"none"` (B,).
    """
    rows, columns = evidence.shape[1:]
    covered = functional.adaptive_avg_pool2d(masks[:, None].to(evidence.dtype), (rows, columns))[:, 0]
    each = functional.binary_cross_entropy_with_logits(evidence - shift, covered, reduction="none")
    return reduced(each.mean((1, 2)), reduction)
