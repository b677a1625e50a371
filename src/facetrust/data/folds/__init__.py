"""One file per protocol: who trains, who fits the threshold, who is reported.

A function named as its file takes the rows of one or several data sets and returns its folds; each
fold has the split column assigned anew, and rows that take no part in it are left out.
"""

from facetrust.data.folds._fold import Fold

__all__ = ["Fold"]
