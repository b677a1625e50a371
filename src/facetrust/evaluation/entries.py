"""The models of a report: scores files are read and matched, and a protocol judges each model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from facetrust import registry
from facetrust.errors import FacetrustError, ProtocolError, ScoresError, UsageError
from facetrust.evaluation.robustness import check_undisturbed
from facetrust.protocols import AsPublished, Judgement, as_published
from facetrust.records import Scores, Table, read_table
from facetrust.tasks import task_named

_BASELINE = "baseline:"
# Okabe and Ito's colours, which colour-blind readers can tell apart; baselines are grey and dashed.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_GREYS = ("#6b7280", "#9ca3af", "#4b5563", "#b6bcc6", "#374151")

_File = tuple[Path, Table]


class Entry(NamedTuple):
    """One model of the report: its files, its scores and what the protocol says of it."""

    name: str
    path: Path
    dev_path: Path | None
    test: Table
    judgement: Judgement
    published: AsPublished | None
    color: str

    @property
    def is_baseline(self) -> bool:
        """Whether the scores come from a trivial baseline."""
        return _is_baseline(self.test)


def read_entries(
    test: Sequence[str | Path],
    dev: Sequence[str | Path],
    *,
    protocol: str,
    settings: Mapping[str, Any],
    epochs: Sequence[str | Path] = (),
) -> list[Entry]:
    """Returns the models in the order given, baselines after them.

    Args:
        test: scores files, all of the same rows.
        dev: those that the thresholds are fitted on, one per test file; not read if the protocol takes none.
        settings: what the protocol may be given; those that it does not take are left out.
        epochs: scores of further checkpoints of the same runs, for the figures as published works measure.

    Raises:
        UnknownName: no such protocol.
        UsageError: no files, or a setting that the protocol refuses.
        ScoresError: a file cannot be read, or does not fit the others.
        ProtocolError: a dev file is missing, or the protocol refuses the pair.
        MetricError: a figure is not defined for these scores.
    """
    protocol = protocol or (
        task_named(read_table(test[0]).made_by.task).protocol if test else "dev-threshold"
    )
    judge = registry.find("protocols", protocol)
    accepted = inspect.signature(judge).parameters
    if not test or not (dev or "dev" not in accepted):
        raise UsageError("a report needs at least one test and one dev scores file")
    tests, devs = _read(test), _read(dev if "dev" in accepted else ())
    _check_same_rows(tests)
    tests.sort(key=lambda file: _is_baseline(file[1]))
    taken = {name: value for name, value in settings.items() if name in accepted}
    entries: list[Entry] = []
    for path, scores in tests:
        fitting = [_dev_of(path, scores, devs)] if "dev" in accepted else []
        judgement = _judged(judge, path, [scores, *(dev for _, dev in fitting)], taken)
        alike = sum(_is_baseline(scores) == entry.is_baseline for entry in entries)
        colors = _GREYS if _is_baseline(scores) else _COLORS
        entries.append(
            Entry(
                name=_name(scores, [other for _, other in tests]),
                path=path,
                dev_path=fitting[0][0] if fitting else None,
                test=scores,
                judgement=judgement,
                published=None,
                color=colors[alike % len(colors)],
            )
        )
    return _beside_published(entries, epochs)


def _read(paths: Sequence[str | Path]) -> list[_File]:
    files: list[_File] = [(Path(path), read_table(path)) for path in paths]
    for path, scores in files:
        check_undisturbed(scores, path)
    return files


def _judged(
    judge: Callable[..., Judgement], path: Path, scores: list[Table], settings: dict[str, Any]
) -> Judgement:
    try:
        return judge(*scores, **settings)
    except UsageError:
        raise
    except FacetrustError as error:
        raise type(error)(f"{path}: {error}") from None


def _beside_published(entries: list[Entry], epochs: Sequence[str | Path]) -> list[Entry]:
    """Returns the entries with their figures as published works measure, where these can be compared."""
    further: dict[str, list[Scores]] = {entry.name: [] for entry in entries}
    for path in map(Path, epochs):
        scores = Scores.read(path)
        run = scores.made_by.model, scores.made_by.seed
        mine = [each for each in entries if (each.test.made_by.model, each.test.made_by.seed) == run]
        if len(mine) != 1:
            raise ScoresError(
                f"{path}: scores of a checkpoint of {run[0]} (seed {run[1]}), which fits {len(mine)} of the "
                "reported models; it must fit one"
            )
        if _key(scores) != _key(mine[0].test):
            further[mine[0].name].append(scores)
    return [
        entry._replace(published=as_published(cast(Scores, entry.test), epochs=further[entry.name]))
        if entry.judgement.compare_as_published
        else entry
        for entry in entries
    ]


def _check_same_rows(tests: list[_File]) -> None:
    first_path, first = tests[0]
    paths: dict[tuple[object, ...], Path] = {}
    for path, scores in tests:
        for field in ("task", "manifest", "split"):
            a, b = getattr(first.made_by, field), getattr(scores.made_by, field)
            if a != b:
                raise ScoresError(
                    f"{path}: its {field} is {b!r}, that of {first_path} is {a!r}; report them apart"
                )
        if not scores.same_rows(first):
            raise ScoresError(
                f"{path}: its {len(scores)} rows are not the {len(first)} rows of {first_path}; "
                "evaluate both on the same manifest again"
            )
        key = _key(scores)
        if key in paths:
            raise ScoresError(f"{path}: scores of the same model, version and seed as {paths[key]}; give one")
        paths[key] = path


def _dev_of(path: Path, scores: Table, devs: list[_File]) -> _File:
    fitting = [file for file in devs if _key(file[1]) == _key(scores)]
    if len(fitting) != 1:
        name = f"{scores.made_by.model}@{scores.made_by.version}"
        raise ProtocolError(
            f"{path}: {len(fitting)} dev scores files of {name} (seed {scores.made_by.seed}) were given; "
            "one is needed to fit its threshold"
        )
    return fitting[0]


def _key(scores: Table) -> tuple[object, ...]:
    return scores.made_by.model, scores.made_by.version, scores.made_by.seed


def _is_baseline(scores: Table) -> bool:
    return scores.made_by.model.startswith(_BASELINE)


def _name(scores: Table, among: list[Table]) -> str:
    """Returns the model and its version, with the seed where runs of one model stand side by side."""
    made_by = scores.made_by
    name = f"{made_by.model.removeprefix(_BASELINE).strip()}@{made_by.version}"
    runs = sum((made_by.model, made_by.version) == _key(other)[:2] for other in among)
    return name if runs == 1 else f"{name} (seed {made_by.seed})"
