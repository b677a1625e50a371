"""Mean intersection over union of class masks."""

from __future__ import annotations

from numpy.typing import ArrayLike

from facetrust.metrics._counts import checked_counts, class_ratios, foreground_mean


def mean_iou(counts: ArrayLike) -> float:
    """Returns the mean over the foreground classes of n_cc / (n_c. + n_.c - n_cc), in [0, 1].

    Counted as `mean_f1`: all pixels together, background and classes that occur nowhere left out.

    Raises:
        MetricError: counts are no confusion matrix, or hold no foreground.

    Source: Everingham et al., The PASCAL visual object classes challenge (IJCV 88, 2010), section 4.
    """
    return foreground_mean(class_ratios(checked_counts(counts), twice=False))
