"""What sets of photographed and generated pictures share: folders that name split, generator and label."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from facetrust.data.sources._files import folder_at, pictures
from facetrust.data.splits import assign
from facetrust.errors import ManifestError
from facetrust.records import Sample, Split

_DEV = 0.1  # Share of the training pictures that become dev, where the makers give none.

Folders = tuple[str, ...]


def labelled_pictures(
    root: Path,
    what: str,
    *,
    labels: Mapping[str, int],
    splits: Mapping[str, Split],
    domain: Callable[[Folders], str],
    generator: Callable[[Folders], str],
    seed: int,
) -> list[Sample]:
    """Returns the pictures below folders of a label by path, and no others.

    The last folder that is a label's decides, and the first that is a split's; without one a picture is test.
    A tenth of the training pictures of each label becomes dev under the seed where no folder is dev's.

    Args:
        root: the data set's folder.
        what: what it should hold, for errors.
        labels: label by folder name, as it is spelled.
        splits: split by folder name.
        domain, generator: the name of where a picture belongs, and of what generated it, by the folders
            between root and picture.
        seed: of the draw.

    Raises:
        ManifestError: the folder is missing, or holds no pictures in folders of a label.
    """
    root = folder_at(root, what)
    rows = []
    for path in pictures(root):
        where = path.relative_to(root)
        folders = where.parts[:-1]
        label = next((labels[name] for name in reversed(folders) if name in labels), None)
        if label is None:
            continue
        rows.append(
            Sample(
                path=where.as_posix(),
                label=label,
                split=next((splits[name] for name in folders if name in splits), "test"),
                domain=domain(folders),
                attack=generator(folders) if label else None,
            )
        )
    if not rows:
        raise ManifestError(f"{root}: holds no pictures in folders of a label; give the one with {what}")
    return _with_dev(rows, seed)


def _with_dev(rows: list[Sample], seed: int) -> list[Sample]:
    """The rows by path; a part of the training rows is dev if none is."""
    if not any(row.split == "dev" for row in rows):
        train = assign(
            [row for row in rows if row.split == "train"], seed=seed, shares={"train": 1 - _DEV, "dev": _DEV}
        )
        rows = [*train, *(row for row in rows if row.split != "train")]
    return sorted(rows, key=lambda row: row.path)
