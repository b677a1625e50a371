"""The report: one self-contained HTML page, and the same figures as JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facetrust import __version__
from facetrust.errors import MissingExtra
from facetrust.evaluation.entries import Entry, read_entries
from facetrust.evaluation.groups import grouped
from facetrust.evaluation.invariance import held_in
from facetrust.evaluation.page import page
from facetrust.evaluation.robustness import draw_sweeps, sweeps
from facetrust.metrics import interval
from facetrust.metrics.auc import auc
from facetrust.protocols import Figure, draws_of, over_seeds, published_for
from facetrust.records import Scores, Table, sha256_of, write_text


def report(
    test: Sequence[str | Path],
    *,
    dev: Sequence[str | Path],
    out: str | Path,
    protocol: str = "",
    rule: str = "",
    video_rule: str = "dev",
    seed: int = 0,
    rounds: int = 1000,
    title: str = "",
    epochs: Sequence[str | Path] = (),
    robustness: Sequence[str | Path] = (),
    invariance: Sequence[str | Path] = (),
) -> Path:
    """Returns the path of the HTML page written from scores files; a JSON file lies beside it.

    Every test file needs the dev file of the same model, version and seed, in any order, unless the
    protocol takes none. All test files must hold the same rows of the same split. A model whose name
    begins with `baseline:` is shown as a trivial baseline. `out` is a folder (`report.html` in it) or a
    path ending in .html. What the tables show is the protocol's to say (`Judgement.columns`).

    Where the protocol lets them be compared, each model's figures as published works measure them stand
    beside the honest ones, labelled as chosen on test; `epochs` are scores files of the same test rows by
    other checkpoints of the models' runs, and serve nothing else. Test files of one model that differ in
    the seed are also put together: mean, standard deviation and number of each figure.

    Where rows share a medium, each medium is scored by `video_rule` (see `facetrust.fusion`), or by the
    rule that is best on each model's own dev; all rules' dev and test AUC are shown. Where attacks' names
    hold several words (`mid:eyes+nose`), each word's attacks are shown against all bona fide.

    `protocol` is the one that the task of the scores names if none is given, `rule` the protocol's own.

    `robustness` are scores files of the same rows with disturbed pictures (`evaluate --robustness`);
    the page then shows how each model's AUC falls with the strength. `invariance` are those with pictures
    changed harmlessly or controlled (`evaluate --invariance`, `--controls`): false alarms at the models'
    thresholds, and AUC.

    Raises:
        ScoresError: a file cannot be read, the test files do not hold the same rows, or a file of
            `epochs` or `robustness` belongs to none of the models.
        ProtocolError: a dev file is missing, or a threshold was fitted on the reported rows.
        MetricError: a file lacks a class or has NaN scores.
        UsageError: no file given, or a rule is not known.
        MissingExtra: matplotlib is not installed.
    """
    _check_extras()
    path = Path(out) if Path(out).suffix == ".html" else Path(out) / "report.html"
    settings = {"rule": rule, "video_rule": video_rule, "seed": seed, "rounds": rounds}
    entries = read_entries(test, dev, protocol=protocol, settings=settings, epochs=epochs)
    scored = {each.name: each.test for each in entries if isinstance(each.test, Scores)}
    swept = sweeps(scored, robustness, seed=seed, rounds=rounds)
    thresholds = {
        each.name: level.threshold.value
        for each in entries
        if (level := each.judgement.levels[0]).threshold is not None
    }
    held = held_in(scored, thresholds, invariance)
    judgements, published = [each.judgement for each in entries], [each.published for each in entries]
    facts = {
        "schema": "facetrust.report/1",
        "title": title or _title(entries[0].test),
        "made_with": f"facetrust {__version__}",
        "models": [_as_json(entry) for entry in entries],
        "differences": _differences(entries, seed=seed, rounds=rounds),
        "over_seeds": [each.model_dump(mode="json") for each in over_seeds(judgements, published=published)],
        "robustness": [each.model_dump(mode="json") for each in swept],
        "groups": [each.model_dump() for each in grouped(scored, seed=seed, rounds=rounds)],
        "invariance": [each.model_dump(mode="json") for each in held],
        "published": [each.model_dump() for each in published_for(entries[0].test.column("domain"))],
        "warnings": _warnings(entries),
    }
    styles = {each.name: (each.color, each.is_baseline) for each in entries}
    html = page(entries, facts, draw_sweeps(swept, styles))
    write_text(path.with_suffix(".json"), json.dumps(facts, indent=2, allow_nan=False) + "\n")
    write_text(path, html)
    return path


def _check_extras() -> None:
    try:
        __import__("matplotlib")
    except ImportError:
        raise MissingExtra("matplotlib", "report") from None


def _title(scores: Table) -> str:
    domains = sorted({name for name in scores.column("domain") if name})
    where = ", ".join(domains) or "manifest " + scores.made_by.manifest[:12]
    return f"{scores.made_by.task} on {where}, {scores.made_by.split} split"


def _as_json(entry: Entry) -> dict[str, Any]:
    dev = entry.dev_path
    return {
        "name": entry.name,
        "baseline": entry.is_baseline,
        "scores": {"file": entry.path.name, "sha256": sha256_of(entry.path), "rows": len(entry.test)},
        "dev": dev and {"file": dev.name, "sha256": sha256_of(dev)},
        "as_published": entry.published and entry.published.model_dump(mode="json"),
        **entry.judgement.model_dump(mode="json"),
    }


def _differences(entries: Sequence[Entry], *, seed: int, rounds: int) -> list[dict[str, Any]]:
    """Returns the first model's AUC minus each other's, on the same draws, so that chance cancels out."""
    first, *others = entries
    if _auc_of(first) is None or not isinstance(first.test, Scores):
        return []
    base = first.test.rows.sort("sample", "label", "attack")
    draws = draws_of(type(first.test)(base, first.test.made_by))
    differences = []
    for other in others:
        rival = other.test.rows.sort("sample", "label", "attack")["score"].to_numpy()
        labels, scores = base["label"].to_numpy(), base["score"].to_numpy()
        figure = Figure(metric="auc", value=_lead(labels, scores, rival=rival))
        if first.judgement.levels[0].figure("auc").low is not None:
            low, high = interval(_lead, labels, scores, rival=rival, **draws, seed=seed, rounds=rounds)
            figure = Figure(metric="auc", value=figure.value, low=low, high=high)
        differences.append({"first": first.name, "other": other.name, **figure.model_dump()})
    return differences


def _lead(labels: NDArray[np.int64], scores: NDArray[np.float64], *, rival: NDArray[np.float64]) -> float:
    return auc(labels, scores) - auc(labels, rival)


def _warnings(entries: Sequence[Entry]) -> list[str]:
    manifests = {entry.judgement.fitted_on.manifest for entry in entries if entry.judgement.fitted_on}
    warnings = _baseline_warnings(entries)
    if len(manifests) > 1:
        warnings.append(
            "The thresholds were fitted on different dev manifests; compare rates at them with care."
        )
    return warnings + list(dict.fromkeys(note for entry in entries for note in entry.judgement.notes))


def _baseline_warnings(entries: Sequence[Entry]) -> list[str]:
    """Returns which models trivial baselines reach by AUC; nothing of a protocol without an AUC."""
    areas = [(entry, area) for entry in entries if (area := _auc_of(entry)) is not None]
    if not areas:
        return []
    baselines = [(entry.name, area) for entry, area in areas if entry.is_baseline]
    if not baselines:
        return ["No trivial baseline was given, so nothing shows how far a shortcut alone would come."]
    return [
        f"{entry.name} does no better (AUC) than the trivial baseline {name}."
        for entry, area in areas
        if not entry.is_baseline
        for name, shortcut in baselines
        # A shortcut works as well the other way round.
        if max(shortcut, 1 - shortcut) >= area
    ]


def _auc_of(entry: Entry) -> float | None:
    return entry.judgement.levels[0].figure("auc").value
