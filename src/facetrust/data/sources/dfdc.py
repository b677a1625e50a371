"""DFDC: actors whose faces were swapped by eight methods (Dolhansky et al., arXiv 2006.07397).

Read as released: folders of videos with a `metadata.json` (label REAL or FAKE, and a fake's original;
in the official test `is_fake`) or a `labels.csv` (1 is fake), at most two folders deep:
`dfdc_train_part_<N>`, `validation`, `test`, or one folder such as `train_sample_videos`. A folder with
`dataset.json` is the preview.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from facetrust.data.sources._dfdc_preview import preview
from facetrust.data.sources._files import file_at, folder_at, json_at
from facetrust.data.sources._identities import Shown, chains, drawn
from facetrust.data.sources._videos import Frames, spread_rows
from facetrust.errors import ManifestError
from facetrust.records import Sample, Split

_HOLDS = "folders with metadata.json of DFDC, or dataset.json of its preview"
_SPLITS: dict[str, Split] = {"validation": "dev", "test": "test"}
_LABELS = {"REAL": 0, "FAKE": 1, "0": 0, "1": 1}
_PART = re.compile(r"dfdc_train_part_(\d+)")
_LAST_TRAIN, _LAST_DEV = 34, 39


def dfdc(root: Path, *, seed: int = 0, frames: Frames = 10) -> list[Sample]:
    """Returns evenly spread frames of the videos by path (`_videos.spread` says which).

    - With `validation` and `test`, these are dev and test, all else is train (Coccomini et al.,
      ICIAP 2022).
    - Without one of them, parts 0 to 34 are train, 35 to 39 dev and 40 to 49 test (Bonettini et al.,
      ICPR 2020); a folder without a number is split under the seed.
    - The preview's train and test are its own; train videos of people of the test are left out, and of
      the others a fifth is dev.

    The lists name no people. The subject stands for an original and all fakes of it, named by the first
    of them; they have the original's split, wherever they lie. In the preview it is the person of the
    video. The attack is "DFDC", as the lists do not tell the method; in the preview it is the method.

    Args:
        root: the folder of the folders, or one of them.
        seed: seed of what is drawn.
        frames: how many of each video, or (of a genuine one, of a manipulated one).

    Raises:
        ManifestError: a folder, a list or a listed video is missing, or a list cannot be used.
        UsageError: `frames` is below 1.
    """
    root = folder_at(root, _HOLDS)
    if (root / "dataset.json").is_file():
        return spread_rows(root, preview(root, seed=seed), frames)
    places = _folders(root)
    if not places:
        raise ManifestError(f"{root}: lacks metadata.json; give the folder that holds {_HOLDS}")
    official = set(_SPLITS) <= {place.name for place in places}
    videos = [shown for place in places for shown in _videos(root, place, official=official)]
    return spread_rows(root, drawn(_together(videos), seed=seed), frames)


def _folders(root: Path) -> list[Path]:
    """The folders with a list; a part without one is known by its videos."""
    lists = {path.parent for depth in ("", "*/", "*/*/") for path in root.glob(f"{depth}metadata.json")}
    lists |= {path.parent for depth in ("", "*/", "*/*/") for path in root.glob(f"{depth}labels.csv")}
    parts = {path for depth in ("", "*/") for path in root.glob(f"{depth}dfdc_train_part_*") if path.is_dir()}
    return sorted(lists | parts)


def _videos(root: Path, place: Path, *, official: bool) -> list[Shown]:
    inner = place.relative_to(root).as_posix()
    split = _split(place.name, official=official)
    found = []
    for name, label, original in sorted(_listed(place)):
        path = name if inner == "." else f"{inner}/{name}"
        video = Sample(
            path=path,
            label=label,
            split="train",
            domain="dfdc",
            attack="DFDC" if label else None,
            media=f"dfdc/{path.removesuffix('.mp4')}",
        )
        found.append(Shown(video, (name, original) if original else (name,), split))
    return found


def _split(folder: str, *, official: bool) -> Split | None:
    if folder in _SPLITS:
        return _SPLITS[folder]
    if official:
        return "train"
    if not (part := _PART.fullmatch(folder)):
        return None
    number = int(part[1])
    return "train" if number <= _LAST_TRAIN else "dev" if number <= _LAST_DEV else "test"


def _listed(place: Path) -> Iterator[tuple[str, int, str]]:
    """Yields a folder's videos with label and original, "" where none is stated."""
    listed = place / "metadata.json"
    if listed.is_file() or not (place / "labels.csv").is_file():
        entries = json_at(listed, "the list of the videos")
    else:
        listed = place / "labels.csv"
        entries = _rows(listed)
    if not isinstance(entries, dict) or not entries:
        raise ManifestError(f"{listed}: names no videos; unpack the data set again")
    for name, entry in entries.items():
        facts = entry if isinstance(entry, dict) else {}
        label = _LABELS.get(str(facts.get("label", facts.get("is_fake"))).upper())
        if label is None or not isinstance(name, str):
            raise ManifestError(f"{listed}: {name}: needs the label REAL or FAKE, or 0 or 1")
        file_at(place / name, "a video of the list")
        yield name, label, str(facts.get("original") or "") if label else ""


def _rows(listed: Path) -> dict[str | None, Any]:
    try:
        with listed.open(newline="", encoding="utf-8", errors="replace") as file:
            return {row.get("filename"): row for row in csv.DictReader(file)}
    except csv.Error:
        raise ManifestError(f"{listed}: is not a CSV file; unpack the data set again") from None


def _together(videos: list[Shown]) -> list[Shown]:
    """The videos with their chain for a subject, and one split a chain: the original's, if it has one."""
    chain = chains(shown.people for shown in videos)
    settled: dict[str, Split] = {}
    for shown in sorted(videos, key=lambda shown: (shown.video.label, shown.video.path)):
        if shown.split is not None:
            settled.setdefault(chain[shown.people[0]], shown.split)
    return [
        Shown(
            shown.video.model_copy(update={"subject": f"dfdc-{chain[shown.people[0]].removesuffix('.mp4')}"}),
            shown.people,
            settled.get(chain[shown.people[0]]),
        )
        for shown in videos
    ]
