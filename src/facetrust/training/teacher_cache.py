"""The teacher cache: what teachers say of a picture is asked once and replayed from disk, in float16."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from facetrust.data.batches import collate
from facetrust.data.dataset import FaceData
from facetrust.errors import UsageError
from facetrust.records import write_text
from facetrust.records.files import named
from facetrust.training.distillation import Distill

Progress = Callable[[int, int], None]


class TeacherCache:
    """What teachers said, by key: `cache[key]` is a dict of (…) float16 arrays.

    One sparse file a part and one of flags: a row that was never asked takes no room on the disk. The
    files are mapped into memory, so that loader processes share them.

    Args:
        folder: holds the files.
        rows: number of different keys; a key stands for the row `key % rows`.
    """

    def __init__(self, folder: Path, rows: int) -> None:
        self.folder = folder
        self.rows = rows
        self._parts: dict[str, NDArray[Any]] = {}

    def __getitem__(self, key: int) -> dict[str, NDArray[np.float16]]:
        return {name: part[key % self.rows] for name, part in self._open().items() if name != "asked"}

    def __getstate__(self) -> dict[str, Any]:
        # A mapped file would be copied whole to a loader's process; it opens its own.
        return {**self.__dict__, "_parts": {}}

    def missing(self, keys: Sequence[int]) -> list[int]:
        """Returns the rows among the keys that were not asked yet, in order."""
        wanted = np.unique(np.asarray(keys, np.int64) % self.rows)
        asked = self._open().get("asked")
        return [int(row) for row in (wanted if asked is None else wanted[~np.asarray(asked[wanted])])]

    def write(self, keys: NDArray[np.int64], found: Mapping[str, torch.Tensor]) -> None:
        """Keeps what the teachers said of the keys; the flags are set last."""
        parts = self._open()
        if not parts:
            self.folder.mkdir(parents=True, exist_ok=True)
            shapes = {name: (np.float16, value.shape[1:]) for name, value in found.items()}
            # The flags' file is made last: a folder that has it has all.
            for name, (kind, shape) in {**shapes, "asked": (np.bool_, ())}.items():
                file = self.folder / f"{name}.npy"
                with named(file):
                    parts[name] = open_memmap(file, "w+", dtype=kind, shape=(self.rows, *shape))
        for name, value in found.items():
            _put(parts[name], keys % self.rows, value.cpu().numpy())
        _put(parts["asked"], keys % self.rows, np.ones(len(keys), np.bool_))

    def _open(self) -> dict[str, NDArray[Any]]:
        if not self._parts and (self.folder / "asked.npy").is_file():
            self._parts = {
                file.stem: np.load(file, mmap_mode="r", allow_pickle=False)
                for file in sorted(self.folder.glob("*.npy"))
            }
            if wrong := [name for name, part in self._parts.items() if len(part) != self.rows]:
                raise UsageError(f"{self.folder / wrong[0]}.npy: is of another run; remove the folder")
        return self._parts


def _put(part: NDArray[Any], rows: NDArray[np.int64], values: NDArray[Any]) -> None:
    """Writes rows into a mapped file, past the mapping: there a full disk is an error and not a signal."""
    mapped = cast("np.memmap[Any, Any]", part)
    file = Path(str(mapped.filename))
    with named(file), file.open("r+b") as stream:
        for row, value in zip(rows, values.astype(part.dtype), strict=True):
            stream.seek(mapped.offset + int(row) * value.nbytes)
            stream.write(value.tobytes())


def cache_in(folder: Path, rows: int, facts: Mapping[str, Any]) -> TeacherCache:
    """Returns the cache kept in `folder` for these facts, in a folder of their own, empty at first.

    Args:
        rows: number of different keys.
        facts: all that the cache depend on (teachers, data, views, seed …), JSON values.
    """
    text = json.dumps(facts, sort_keys=True, default=str)
    home = folder / hashlib.sha256(text.encode()).hexdigest()[:16]
    if not home.exists():
        write_text(home / "facts.json", json.dumps(facts, indent=2, sort_keys=True, default=str) + "\n")
    return TeacherCache(home, rows)


def fill(
    task: Distill,
    data: FaceData,
    keys: Sequence[int],
    cache: TeacherCache,
    *,
    batch_size: int = 64,
    workers: int = 0,
    progress: Progress | None = None,
) -> None:
    """Asks the teachers about those keys that `cache` does not hold yet.

    A picture that cannot be read gets no answer; it will be passed over in training too. Stopped at
    any time, it goes on where it was.

    Args:
        task: holds the teachers.
        data: gives the teachers' views for a key.
        keys: all keys that training will draw.
        progress: called with (keys done, keys in all).
    """
    rows = cache.missing(keys)
    loader = DataLoader(data, batch_size, sampler=rows, num_workers=workers, collate_fn=collate)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for done, batch in enumerate(loader, start=1):
        if len(batch["key"]):
            views = {name: batch["views"][name].to(device) for name in task.teachers}
            cache.write(batch["key"].numpy(), task.ask(views))
        if progress is not None:
            progress(min(done * batch_size, len(rows)), len(rows))
