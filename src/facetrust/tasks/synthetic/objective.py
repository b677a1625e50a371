"""Real or generated, by one logit."""

from facetrust.tasks._binary.objective import objective

__all__ = ["objective"]
