"""The preview of DFDC: two methods, and who is in each video (Dolhansky et al., arXiv 1910.08854).

Read as released: `dataset.json` names the videos below `original_videos`, `method_A` and `method_B`,
each with label (real or fake), set (train or test), target_id (whose video) and swapped_id (whose face).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from facetrust.data.sources._files import file_at, json_at
from facetrust.data.sources._identities import Shown, apart_from_test
from facetrust.errors import ManifestError
from facetrust.records import Sample

_LABELS = {"real": 0, "fake": 1}


def preview(root: Path, *, seed: int) -> list[Sample]:
    """Returns the preview's videos by path, without train videos of people of the test; a fifth is dev.

    Raises:
        ManifestError: the list or a video is missing, or the list cannot be used.
    """
    listed = root / "dataset.json"
    entries = json_at(listed, "the list of the videos")
    if not isinstance(entries, dict) or not entries:
        raise ManifestError(f"{listed}: names no videos; unpack the data set again")
    return apart_from_test([_shown(root, path, entries[path]) for path in sorted(entries)], seed=seed)


def _shown(root: Path, path: str, entry: Any) -> Shown:
    facts = entry if isinstance(entry, dict) else {}
    label, part, target = (facts.get(key) for key in ("label", "set", "target_id"))
    if label not in _LABELS or part not in ("train", "test") or not target:
        where = f"{root / 'dataset.json'}: {path}"
        raise ManifestError(f"{where}: needs label (real, fake), set (train, test) and target_id")
    file_at(root / path, "a video of the list")
    people = dict.fromkeys(str(who) for who in (target, facts.get("swapped_id")) if who)
    video = Sample(
        path=path,
        label=_LABELS[label],
        split="test",
        subject=f"dfdc-preview-{target}",
        domain="dfdc",
        attack=path.partition("/")[0] if label == "fake" else None,
        media=f"dfdc-preview/{path.removesuffix('.mp4')}",
    )
    return Shown(video, tuple(people), "test" if part == "test" else None)
