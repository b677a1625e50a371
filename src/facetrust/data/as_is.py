"""A data set whose faces are known already becomes a manifest: nothing is searched for, nothing is cut."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

from facetrust.data.lists import official_lists, row_name, write_lists
from facetrust.data.manifest import Manifest, check_suffix
from facetrust.data.packs import PACKS, encoded_pictures
from facetrust.data.prepare import Prepared
from facetrust.data.splits import check_split
from facetrust.records import Sample, Split, write_whole
from facetrust.registry import call_with_text, find


def list_as_is(
    source: str,
    root: str | Path,
    out: str | Path,
    *,
    seed: int = 0,
    split: Split | None = None,
    settings: Mapping[str, object] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Writes a manifest of a data set's pictures where they lie, with the boxes and points that it gives.

    Pictures in packs (`.rec`, `.bin`) are written out once, as they are encoded, into
    `<out's stem>-faces`. The makers' lists of pairs, templates and galleries are written beside the manifest
    (`facetrust.data.lists`). A picture is not opened; one that cannot be read is found when it is used.

    Args:
        source: name of the data set's layout, a file of `data/sources`.
        root: the data set's folder.
        out: the manifest to write, .parquet or .csv.
        seed: of the split, where the source does not fix it.
        split: put every row there; the source's own splits if none is given.
        settings: the source's own, such as `aligned`; values may be text.
        progress: called with (pictures done, pictures in all).

    Raises:
        UnknownName: no such source, or no such split.
        ManifestError: the data set is incomplete or damaged.
        UsageError: a setting is out of range.
    """
    root, out = Path(root), Path(out)
    check_suffix(out)
    if split is not None:
        check_split(split)
    settings = settings or {}
    samples: list[Sample] = call_with_text(
        find("data.sources", source), source, root, **{"seed": seed, **settings}
    )
    lists = official_lists(source, root, settings)
    rows: dict[str, Sample] = {}
    for done, (sample, path) in enumerate(_placed(samples, root, out), start=1):
        update: dict[str, object] = {"path": path, "frame": None if _is_packed(sample) else sample.frame}
        rows[row_name(sample)] = sample.model_copy(update=update | ({"split": split} if split else {}))
        if progress is not None:
            progress(done, len(samples))
    Manifest.write(list(rows.values()), out)
    notes = write_lists(lists, out, {name: row.path for name, row in rows.items()})
    return Prepared(out, len(rows), 0, None, tuple(notes))


def _is_packed(sample: Sample) -> bool:
    return Path(sample.path).suffix.lower() in PACKS


def _placed(samples: list[Sample], root: Path, out: Path) -> Iterator[tuple[Sample, str]]:
    """Yields each row with the path of its picture from the manifest's folder."""
    way = Path(os.path.relpath(root.resolve(), out.parent.resolve()))
    for pack, rows in groupby(samples, key=lambda row: row.path if _is_packed(row) else ""):
        if not pack:
            yield from ((row, (way / row.path).as_posix()) for row in rows)
            continue
        numbered = {row.frame or 0: row for row in rows}
        for number, picture in encoded_pictures(root / pack, list(numbered)):
            path = f"{out.stem}-faces/{pack}/{number // 1000:05d}/{number:08d}.{_suffix(picture)}"
            if not (out.parent / path).is_file():
                write_whole(out.parent / path, picture)
            yield numbered[number], path


def _suffix(picture: bytes) -> str:
    return "png" if picture.startswith(b"\x89PNG") else "jpg"
