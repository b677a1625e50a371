"""Mean F1 of class masks."""

from __future__ import annotations

from numpy.typing import ArrayLike

from facetrust.metrics._counts import checked_counts, class_ratios, foreground_mean


def mean_f1(counts: ArrayLike) -> float:
    """Returns the mean over the foreground classes of F1_c = 2 n_cc / (n_c. + n_.c), in [0, 1].

    The counts n (true class, answer) are of all pixels of all pictures together, not the mean of pictures.
    The first class is the background, which is counted in the matrix and left out of the mean. A class
    that occurs neither in the masks nor in the answers has no F1 and is left out as well; one that occurs in
    the answers alone has F1 0.

    Raises:
        MetricError: counts are no confusion matrix, or hold no foreground.

    Source: the scorers of FaRL (Zheng et al., CVPR 2022), SegFace and DML-CSR, which agree.
    """
    return foreground_mean(class_ratios(checked_counts(counts), twice=True))
