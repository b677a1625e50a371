"""A protocol and manifests become one manifest per fold."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from facetrust import registry
from facetrust.data.folds import Fold
from facetrust.data.lists import Lists, row_name, write_lists
from facetrust.data.manifest import Manifest
from facetrust.errors import ProtocolError, UsageError
from facetrust.records import Sample


def split_manifest(
    protocol: str,
    manifests: Sequence[str | Path],
    *,
    out: str | Path,
    seed: int = 0,
    settings: Mapping[str, object] | None = None,
) -> list[Path]:
    """Returns the manifests `<out>/<fold>.parquet` written, one for each fold of a protocol, in its order.

    A fold whose test people are to be named has its gallery's list beside it.

    Pictures stay where they are: paths are made relative to the new files. Nothing is written unless
    every fold can be made.

    Args:
        protocol: a name from `facetrust.data.folds`.
        manifests: `.parquet` or `.csv` files; their rows are put together.
        out: folder for the new manifests.
        seed: seed of what the protocol draws.
        settings: the protocol's own, such as `celeba`; values may be text, as in `registry.settings_of`.

    Raises:
        UnknownName: no such protocol.
        UsageError: no manifest, or a setting that the protocol does not take.
        ManifestError: a manifest cannot be used, or a picture is in two of them.
        ProtocolError: a domain or a label that the protocol needs is not there.
    """
    if not manifests:
        raise UsageError("data split needs at least one manifest")
    build = registry.find("data.folds", protocol)
    out = Path(out)
    rows = [row for path in manifests for row in _rebased(Manifest.read(path), out)]
    whole = Manifest.of(rows, out, source=", ".join(map(str, manifests)))
    given = {"seed": seed, **(settings or {})}
    folds: list[Fold] = registry.call_with_text(build, protocol, whole.samples(), **given)
    files = [out / f"{fold.name}.parquet" for fold in folds]
    if len(set(files)) < len(files):
        raise ProtocolError(f"{protocol}: two folds would have the same name; rename a domain")
    for fold, file in zip(folds, files, strict=True):
        Manifest.write(fold.samples, file)
        if fold.gallery:
            places = {row_name(row): row.path for row in fold.samples}
            write_lists(Lists(galleries={"": _gallery(fold.samples)}), file, places)
    return files


def _gallery(samples: Sequence[Sample]) -> pl.DataFrame:
    """Returns the list by which the people of test are looked for among those of the other splits."""
    parts = ["probe" if row.split == "test" else "gallery" for row in samples]
    return pl.DataFrame({"name": [row_name(row) for row in samples], "part": parts})


def _rebased(manifest: Manifest, out: Path) -> list[Sample]:
    """Returns the rows with their paths relative to `out`."""
    # Both ends are resolved, for ".." from a linked folder leads elsewhere.
    way = Path(os.path.relpath(manifest.root.resolve(), out.resolve()))
    return [
        row.model_copy(
            update={
                "path": (way / row.path).as_posix(),
                "mask": None if row.mask is None else (way / row.mask).as_posix(),
            }
        )
        for row in manifest.samples()
    ]
