"""Real or generated, by one threshold."""

from facetrust.tasks._binary.verdict import judge

__all__ = ["judge"]
