"""One file per metric, NumPy only: arrays in, one number out, exact and free of the rows' order.

Labels are 1 for an attack and 0 for bona fide; a decision is `score >= threshold`. Besides the
metrics, found by file name, this folder gives what several of them and the protocols share.
"""

from facetrust.metrics._bootstrap import interval
from facetrust.metrics._check import UNNAMED, checked
from facetrust.metrics._curve import highest_threshold, operating_points
from facetrust.metrics._logistic import Logistic, fit_logistic

__all__ = [
    "UNNAMED",
    "Logistic",
    "checked",
    "fit_logistic",
    "highest_threshold",
    "interval",
    "operating_points",
]
