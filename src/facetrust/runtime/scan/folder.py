"""The folder of a scan: its settings, its inputs, its parts, and the manifest of those that are finished."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

from facetrust.errors import InputError, UsageError
from facetrust.records.files import hold, named
from facetrust.records.settings import require_same_settings
from facetrust.runtime.scan.judging import BATCH as _BATCH
from facetrust.runtime.scan.judging import STAGED, Judged, Part, file_of
from facetrust.runtime.scan.rows import Form, judged_by
from facetrust.runtime.scan.sources import Input
from facetrust.runtime.scan.tally import Tally, added

SETTINGS, LISTING, MANIFEST, PARTS, LOCK = "scan.json", "inputs.jsonl", "manifest.jsonl", "parts", ".lock"
_KNOWN = {SETTINGS, LISTING, MANIFEST, PARTS, LOCK, "summary.json", "summary.html"}
_LARGEST, _PARTS = 1000, 64  # Inputs of a part, and how many parts a small source makes at least.


class ScanFolder:
    """A scan's folder, held by one process at a time; used in a `with` statement.

    `finished` has the numbers of the parts in the manifest whose files are whole, `total` what was counted of
    them.

    Args:
        inputs: listed anew each time, to see that they are the same.
        settings: what rows hang on.
        forms: in which a part is written.

    Raises:
        UsageError: it holds another scan, or something else; or another process writes to it.
        InputError: there are no inputs.
        OSError: it cannot be written to.
    """

    def __init__(
        self, path: Path, inputs: Iterable[Input], settings: Mapping[str, object], forms: Sequence[Form]
    ) -> None:
        self.path = path
        self.parts_folder = path / PARTS
        self.listing = path / LISTING
        self.finished: set[int] = set()
        self.total = Tally()
        self._form = forms[0]
        self._refuse_strangers()
        with named(path):
            self.parts_folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(path / LOCK)
        try:
            self._clear()
            self.count, self._ends = self._agree(inputs, settings)
            self._manifest = self._open_manifest()
        except BaseException:
            self._lock.close()
            self._leave_no_trace()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._manifest.close()
        self._lock.close()

    def missing(self) -> Iterator[Part]:
        """Yields the parts that are not finished."""
        for number, first in enumerate(range(0, self.count, self._size)):
            if number not in self.finished:
                count = min(self._size, self.count - first)
                yield Part(number, first, count, self._ends[first // _BATCH])

    def judged(self) -> Iterator[tuple[str, int]]:
        """Yields the hashes in finished parts, and which input was judged for each."""
        for number in sorted(self.finished):
            yield from judged_by(self.parts_folder / file_of(number, self._form))

    def finish(self, judged: Judged) -> None:
        """Puts a part's files in their place, then notes in the manifest that it is finished.

        Raises:
            OSError: the manifest cannot be written; the part is judged again by the next scan then.
        """
        sizes = {}
        for last, staged in judged.staged.items():
            source = self.parts_folder / staged
            sizes[last] = source.stat().st_size
            source.replace(self.parts_folder / last)
        line = json.dumps({"part": judged.part, "files": sizes, "tally": judged.tally}) + "\n"
        with named(self.path / MANIFEST):
            self._manifest.write(line.encode())
            self._manifest.flush()
            os.fsync(self._manifest.fileno())
        self._count(judged.part, judged.tally)

    @property
    def _size(self) -> int:
        """Inputs of a part: fewer where there are few, so that every worker has parts to judge."""
        return min(_LARGEST, -(-self.count // (_PARTS * _BATCH)) * _BATCH)

    def _count(self, part: int, tally: dict[str, Any]) -> None:
        self.finished.add(part)
        self.total = added([self.total.to_dict(), tally])

    def _refuse_strangers(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"{self.path}: is no folder; give another --out")
        if self.path.is_dir():
            strangers = [each.name for each in self.path.iterdir() if not self._is_ours(each.name)]
            if strangers:
                raise UsageError(
                    f"{self.path}: holds {min(strangers)}, which is of no scan; give another --out"
                )

    def _is_ours(self, name: str) -> bool:
        return name in _KNOWN or name.startswith(STAGED)

    def _clear(self) -> None:
        """Removes what a scan that was ended left half done."""
        for folder in (self.path, self.parts_folder):
            for each in folder.glob(f"{STAGED}*"):
                if each.name != LOCK:
                    each.unlink(missing_ok=True)

    def _leave_no_trace(self) -> None:
        """Removes what was made for a scan that did not begin."""
        if not (self.path / SETTINGS).exists():
            with suppress(OSError):
                (self.path / LOCK).unlink()
                self.parts_folder.rmdir()
                self.path.rmdir()

    def _agree(self, inputs: Iterable[Input], settings: Mapping[str, object]) -> tuple[int, array[int]]:
        """Lists the inputs, keeps settings and listing or compares them.

        Returns how many there are, and at which bytes of the listing every batch of them begins.
        """
        with named(self.listing):
            handle, name = tempfile.mkstemp(dir=self.path, prefix=f"{STAGED}{LISTING}.")
        digest, count, end, ends = hashlib.sha256(), 0, 0, array("q")
        try:
            with os.fdopen(handle, "wb") as file:
                for count, each in enumerate(inputs, 1):
                    if count % _BATCH == 1:
                        ends.append(end)
                    line = each.to_line().encode()
                    with named(self.listing):
                        file.write(line)
                    digest.update(line)
                    end += len(line)
                with named(self.listing):
                    file.flush()
            if not count:
                raise InputError(f"{settings['source']}: nothing in it to be judged")
            listed = f"{count}, listed as {digest.hexdigest()[:12]}"
            require_same_settings(self.path / SETTINGS, {**settings, "inputs": listed}, what="a scan")
            Path(name).chmod(0o644)
            Path(name).replace(self.listing)
        finally:
            Path(name).unlink(missing_ok=True)
        return count, ends

    def _open_manifest(self) -> IO[bytes]:
        """Reads what is finished, cuts off a line that was not written whole, and opens it for more."""
        path = self.path / MANIFEST
        whole = 0
        with named(path):
            file = path.open("a+b")
            file.seek(0)
            for line in file:
                entry = _entry(line)
                if entry is None:
                    break
                whole += len(line)
                is_whole = all(
                    _size(self.parts_folder / name) == size for name, size in entry["files"].items()
                )
                if is_whole and entry["part"] not in self.finished:  # It may be noted twice.
                    self._count(entry["part"], entry["tally"])
            file.truncate(whole)
        return file


def _entry(line: bytes) -> dict[str, Any] | None:
    """What a line of the manifest says; None of one that is not whole."""
    try:
        entry: dict[str, Any] = json.loads(line)
        added([entry["tally"]])
        return entry if line.endswith(b"\n") and entry["files"].keys() and int(entry["part"]) >= 0 else None
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def _locked(path: Path) -> IO[bytes]:
    """Returns a file that this process alone holds, where the system can say so."""
    try:
        return hold(path, wait=False)
    except BlockingIOError:
        raise UsageError(
            f"{path.parent}: another scan writes to it; wait for it, or give another --out"
        ) from None
