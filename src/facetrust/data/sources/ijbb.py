"""IJB-B: faces in pictures and videos, compared by templates (Whitelam et al., CVPRW 2017). All bona fide."""

from __future__ import annotations

from pathlib import Path

from facetrust.data.lists import Lists
from facetrust.data.sources._ijb import faces_of, lists_of
from facetrust.records import Sample


def ijbb(root: Path, *, seed: int = 0) -> list[Sample]:
    """Returns all cut faces with their five points, label 0, in the split test; the seed decides nothing.

    Raises:
        ManifestError: the folder, a list or a picture is missing.
    """
    return faces_of(root, "ijbb")


def official_lists(root: Path) -> Lists:
    """Returns the templates, the pairs of the 1:1 protocol and the galleries of the 1:N protocol.

    Raises:
        ManifestError: a list is missing or cannot be read.
    """
    return lists_of(Path(root), "ijbb", ("S1", "S2"))
