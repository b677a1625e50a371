"""One logit, as the package's own questions with two answers have it."""

from facetrust.tasks._binary.objective import objective

__all__ = ["objective"]
