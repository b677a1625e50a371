"""The teacher cache: what teachers say of a picture is asked once and replayed from disk, in float16."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from facetrust.data.batches import collate
from facetrust.data.dataset import FaceData
from facetrust.errors import UsageError
from facetrust.records import write_text
from facetrust.records.files import hold, named
from facetrust.training.distillation import Distill

Progress = Callable[[int, int], None]
_log = logging.getLogger("facetrust")


class TeacherCache:
    """What teachers said, by key: `cache[key]` is a dict of (…) float16 arrays.

    One sparse file a part and one of flags: a row that was never asked takes no room on the disk. The
    files are mapped into memory, so that loader processes share them, and those of a training on several
    processes, or of several trainings: `fill` lets one at a time ask.

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
        if not self._open():
            self._make({name: value.shape[1:] for name, value in found.items()})
        parts = self._open()
        for name, value in found.items():
            _put(parts[name], keys % self.rows, value.cpu().numpy())
        _put(parts["asked"], keys % self.rows, np.ones(len(keys), np.bool_))

    def _make(self, shapes: Mapping[str, Sequence[int]]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        # The flags' file is made last: a folder that has it has all.
        for name, shape in {**shapes, "asked": ()}.items():
            file = self.folder / f"{name}.npy"
            kind = np.bool_ if name == "asked" else np.float16
            with named(file):
                part = file.with_suffix(".part")
                open_memmap(part, "w+", dtype=kind, shape=(self.rows, *shape))
                part.replace(file)

    def _open(self) -> dict[str, NDArray[Any]]:
        if not self._parts and (self.folder / "asked.npy").is_file():
            self._parts = {
                file.stem: np.load(file, mmap_mode="r", allow_pickle=False)
                for file in sorted(self.folder.glob("*.npy"))
            }
            if wrong := [name for name, part in self._parts.items() if len(part) != self.rows]:
                raise UsageError(f"{self.folder / wrong[0]}.npy: is of another run; remove the folder")
        return self._parts


def _alone(lock: Path) -> IO[bytes]:
    try:
        return hold(lock, wait=False)
    except BlockingIOError:
        _log.info("%s: another process asks the same teachers; waiting for it", lock.parent)
        return hold(lock)


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
    any time, it goes on where it was. A second process waits until the first is done, and asks what is
    then left.

    Args:
        task: holds the teachers.
        data: gives the teachers' views for a key.
        keys: all keys that training will draw.
        progress: called with (keys done, keys in all).
    """
    if not cache.missing(keys):
        return
    cache.folder.mkdir(parents=True, exist_ok=True)
    with _alone(cache.folder / "lock"):
        rows = cache.missing(keys)
        loader = DataLoader(data, batch_size, sampler=rows, num_workers=workers, collate_fn=collate)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        for done, batch in enumerate(loader, start=1):
            if len(batch["key"]):
                views = {name: batch["views"][name].to(device) for name in task.teachers}
                cache.write(batch["key"].numpy(), task.ask(views))
            if progress is not None:
                progress(min(done * batch_size, len(rows)), len(rows))
