"""Your own pictures and videos: a folder a label, or a list of them in `labels.csv` or `manifest.csv`."""

from __future__ import annotations

from pathlib import Path

from facetrust.data.manifest import Manifest
from facetrust.data.sources._files import PICTURES, folder_at, folders, pictures
from facetrust.data.sources._videos import Frames, spread_rows
from facetrust.data.splits import assign
from facetrust.data.targets import label_number
from facetrust.errors import ManifestError
from facetrust.imaging.video import VIDEOS
from facetrust.records import Sample, Split

_HOLDS = "a folder a label (live/, attack/ …) or labels.csv"
_LISTS = ("labels.csv", "manifest.csv")
_SPLITS: dict[str, Split] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("dev", "val", "valid", "validation"), "dev"),
    **dict.fromkeys(("test", "testing"), "test"),
}


def folder(root: Path, *, seed: int = 0, frames: Frames = 10) -> list[Sample]:
    """Returns all pictures and of all videos evenly spread frames by path, in one of three layouts.

    - `labels.csv` or `manifest.csv`: columns path and label; split, subject, domain, media, attack, box and
      so on if known.
    - `<label>/…`: split under the seed.
    - `<split>/<label>/…`: split as the folders say (`val` is dev).

    A label is any known name (`live`, `spoof`, `real`, `fake`, `0` …). Below it, an attack's first
    folder names its species; further folders name the subject: `attack/print/anna/1.jpg`,
    `live/anna/1.jpg`. A fake is split with its original only if both name one subject.
    `_videos.spread` says which frames of a video are taken; a list may name one (`frame`) instead.
    A video is its own media.

    Args:
        root: the folder.
        seed: seed of the split where none is given.
        frames: how many of each video, or (of a genuine one, of a manipulated one).

    Raises:
        ManifestError: the folder is missing or empty, a label is not known, a listed picture is missing.
        UsageError: `frames` is below 1.
    """
    root = folder_at(root, _HOLDS)
    listed = next((root / name for name in _LISTS if (root / name).is_file()), None)
    samples = _laid(root, seed=seed) if listed is None else _listed(listed, seed=seed)
    return [row for sample in samples for row in _rows(root, sample, frames)]


def _rows(root: Path, sample: Sample, frames: Frames) -> list[Sample]:
    if Path(sample.path).suffix.lower() not in VIDEOS:
        return [sample]
    video = sample.model_copy(update={"media": sample.media or sample.path})
    return [video] if video.frame is not None else spread_rows(root, [video], frames)


def _laid(root: Path, *, seed: int) -> list[Sample]:
    parts = folders(root)
    by_split = bool(parts) and all(part.name.lower() in _SPLITS for part in parts)
    samples: list[Sample] = []
    for part in parts:
        split = _SPLITS[part.name.lower()] if by_split else "train"
        for label in folders(part) if by_split else [part]:
            samples += _below(label, root, split)
    if not samples:
        raise ManifestError(f"{root}: holds no pictures or videos; give a folder that holds {_HOLDS}")
    samples.sort(key=lambda sample: sample.path)
    return samples if by_split else assign(samples, seed=seed)


def _below(folder: Path, root: Path, split: Split) -> list[Sample]:
    try:
        label = label_number(folder.name)
    except ManifestError as error:
        raise ManifestError(f"{folder}: {error}") from None
    samples = []
    for path in pictures(folder, kinds=(*PICTURES, *VIDEOS)):
        between = path.relative_to(folder).parts[:-1]
        species = between[0] if label and between else None
        person = "/".join(between[1:] if label else between)
        samples.append(
            Sample(
                path=path.relative_to(root).as_posix(),
                label=label,
                split=split,
                subject=person or None,
                domain=root.resolve().name or None,
                attack=species,
            )
        )
    return samples


def _listed(listed: Path, *, seed: int) -> list[Sample]:
    import polars as pl

    try:
        rows = pl.read_csv(listed, infer_schema=False)
    except Exception as error:  # Polars raises many kinds for a damaged file.
        raise ManifestError(f"{listed}: is not a readable CSV file ({type(error).__name__})") from None
    given = "split" in rows.columns
    rows = rows if given else rows.with_columns(pl.lit("train").alias("split"))
    if "subject" in rows.columns:
        # Who is not known is not one person.
        unknown = pl.col("subject").str.to_lowercase() == "unknown"
        rows = rows.with_columns(pl.when(unknown).then(None).otherwise(pl.col("subject")).alias("subject"))
    manifest = Manifest(rows, listed.parent, source=str(listed))
    manifest.verify_files()
    return manifest.samples() if given else assign(manifest.samples(), seed=seed)
