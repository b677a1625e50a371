"""One threshold."""

from facetrust.tasks._binary.verdict import judge

__all__ = ["judge"]
