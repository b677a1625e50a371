"""A scan from its source to its summary."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from facetrust.errors import MissingExtra, UsageError
from facetrust.faces.detector import SEARCH, Search
from facetrust.records import Policy, sha256_of
from facetrust.records.tables import imported_polars
from facetrust.runtime.bundled import Thresholds, default_tasks
from facetrust.runtime.checker import Checker
from facetrust.runtime.scan.folder import ScanFolder
from facetrust.runtime.scan.judging import Job, Judged, Part
from facetrust.runtime.scan.ledger import Ledger
from facetrust.runtime.scan.rows import Form
from facetrust.runtime.scan.sources import inputs_of_source
from facetrust.runtime.scan.summary import write_summary
from facetrust.runtime.scan.tally import Tally
from facetrust.runtime.scan.workers import judged_by_workers
from facetrust.runtime.videos import SAMPLING, Sampling

Moved = Callable[[int, int], None]


class Scanned(NamedTuple):
    """What a scan has counted over all its starts, the files of folders that it left out, and its summary."""

    total: Tally
    skipped: list[Path]
    summary: Path


def scan(
    source: str | Path,
    out: str | Path,
    *,
    tasks: Sequence[str] | str | None = None,
    models: Mapping[str, str | Path] | None = None,
    thresholds: Thresholds | None = None,
    policy: Policy | None = None,
    detector: str | Path | None = None,
    sampling: Sampling = SAMPLING,
    search: Search = SEARCH,
    quality_gate: bool = True,
    workers: int = 0,
    jsonl: bool = False,
    ray: str | None = None,
    open_checker: Callable[[], Checker] | None = None,
    moved: Moved | None = None,
) -> Scanned:
    """Judges all pictures and videos of a source by several processes; writes parts of rows and a summary.

    A second call with the same arguments goes on where the first one ended. Processes are spawned, so that a
    script which calls this needs `if __name__ == "__main__":`.

    Args:
        source: a folder, a list, Parquet files, tar shards or an address; see `inputs_of_source`.
        out: folder of the scan.
        tasks: what is asked, as of a `Checker`, and so all up to `quality_gate`; models and the detector are
            given by name or file.
        workers: processes, each with one thread of ONNX Runtime; 0 is one per core.
        jsonl: whether parts are written as JSON lines too. Where polars is not installed, only so.
        ray: `local`, or the address of a Ray cluster whose machines see source and `out` at the same paths.
        open_checker: what a worker opens its checker with, instead of all these; it can be pickled.
        moved: called with (inputs looked at, of how many) as they are.

    Raises:
        UsageError: an argument is wrong, or `out` holds another scan.
        InputError: the source cannot be used.
        ModelError: a model's file cannot be used.
        OSError: something cannot be written.
        MissingExtra: a package that is asked for is not installed.
    """
    forms = _forms(jsonl=jsonl)
    if workers < 0:
        raise UsageError(f"workers {workers}: give a number of processes, or 0 for one per core")
    open_checker = open_checker or partial(
        Checker,
        default_tasks() if tasks is None else tasks,
        models=models,
        thresholds=thresholds,
        policy=policy,
        detector=detector,
        sampling=sampling,
        search=search,
        quality_gate=quality_gate,
    )
    found = inputs_of_source(os.fspath(source))
    checker = open_checker()  # What is wrong with it is said before a worker starts.
    asked = tuple(checker.models)
    settings = {
        "source": os.fspath(source),
        **settings_of(checker, detector),
        "sampling": list(sampling),
        "forms": list(forms),
    }
    with ScanFolder(Path(out), found.inputs, settings, forms) as folder:
        job = Job(open_checker, asked, folder.listing.absolute(), folder.parts_folder.absolute(), forms)
        ledger = Ledger()
        show = partial(_show, folder, ledger, moved)
        show()
        for judged in _judged(job, folder, ledger, workers=workers, ray=ray, moved=show):
            folder.finish(judged)
            show()
        summary = write_summary(folder.path, folder.total, settings, skipped=len(found.skipped))
        return Scanned(folder.total, found.skipped, summary)


def settings_of(checker: Checker, detector: str | Path | None = None) -> dict[str, object]:
    """Returns what the rows of a checker hang on, as plain values.

    Raises:
        UsageError: a task has no scores, so that there is nothing to write in a row.
    """
    from facetrust import __version__

    settings: dict[str, object] = {"schema": "facetrust.scan/1", "version": __version__}
    for task, model in checker.models.items():
        if model.task.output != "score":
            raise UsageError(f"{task}: a scan asks questions whose answers are scores")
        made = f"{model.name} {model.fingerprint[:12]} {model.card.sha256[:12]}"  # Limits are the card's.
        settings[f"model of {task}"] = f"{made}, threshold {model.threshold!r}"
    settings["detector"] = checker.detector.name if checker.detector is not None else "none"
    if detector is not None:
        settings["detector"] = f"{settings['detector']} {sha256_of(Path(detector))[:12]}"
    return settings | {"search": list(checker.search), "quality_gate": checker.quality_gate}


def _forms(*, jsonl: bool) -> tuple[Form, ...]:
    """What parts are written as."""
    try:
        imported_polars()
    except MissingExtra as error:
        if jsonl:
            return ("jsonl",)
        raise UsageError(f"{error}; or give --jsonl, which writes JSON lines alone then") from None
    return ("parquet", "jsonl") if jsonl else ("parquet",)


def _judged(
    job: Job, folder: ScanFolder, ledger: Ledger, *, workers: int, ray: str | None, moved: Callable[[], None]
) -> Iterator[Judged]:
    parts: Iterator[Part] = folder.missing()
    if ray is None:
        ledger.know(folder.judged())
        return judged_by_workers(job, parts, ledger, workers=workers or _cores(), moved=moved)
    from facetrust.runtime.scan.on_ray import judged_on_ray

    return judged_on_ray(job, list(parts), folder.judged(), address=ray, workers=workers)


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _show(folder: ScanFolder, ledger: Ledger, moved: Moved | None) -> None:
    if moved is not None:
        moved(min(folder.count, folder.total.inputs + ledger.looked_at), folder.count)
