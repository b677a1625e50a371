"""The report: one self-contained HTML page, and the same figures as JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from facetrust import __version__, registry
from facetrust.errors import FacetrustError, MissingExtra, ProtocolError, ScoresError, UsageError
from facetrust.evaluation.charts import Line, curves, histogram
from facetrust.evaluation.robustness import check_undisturbed, drawn, sweeps
from facetrust.metrics import interval
from facetrust.metrics.auc import auc
from facetrust.protocols import (
    CHOSEN,
    AsPublished,
    Figure,
    Judgement,
    Level,
    as_published,
    by_media,
    clusters_of,
    over_seeds,
    published_for,
)
from facetrust.records import Scores, sha256_of, write_text
from facetrust.tasks import task_named

_BASELINE = "baseline:"
# Okabe and Ito's colours, told apart by colour-blind readers; baselines are grey and dashed.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_GREYS = ("#6b7280", "#9ca3af", "#4b5563")
_COLUMNS = (
    ("auc", "AUC"),
    ("eer", "EER"),
    ("hter", "HTER"),
    ("apcer", "APCER worst"),
    ("bpcer", "BPCER"),
    ("acer", "ACER"),
    ("tpr@fpr=1%", "TPR @ FPR 1\N{NO-BREAK SPACE}%"),
    ("bpcer@apcer=1%", "BPCER @ APCER 1\N{NO-BREAK SPACE}%"),
    ("bpcer@apcer=5%", "BPCER @ APCER 5\N{NO-BREAK SPACE}%"),
    ("ece", "ECE"),
)
_TITLES = {"tpr@fpr=1% (live)": "TPR @ FPR 1\N{NO-BREAK SPACE}% (live positive)", "far": "FAR", "frr": "FRR"}
_HIGHER = {"auc", "tpr@fpr=1%"}
_PLAIN = {"auc", "ece"}


class Entry(NamedTuple):
    """One model of the report: its files, its scores and what the protocol says of it."""

    name: str
    path: Path
    dev_path: Path
    test: Scores
    judgement: Judgement
    published: AsPublished | None
    color: str

    @property
    def is_baseline(self) -> bool:
        """Whether the scores come from a trivial baseline."""
        return self.test.made_by.model.startswith(_BASELINE)


def report(
    test: Sequence[str | Path],
    *,
    dev: Sequence[str | Path],
    out: str | Path,
    protocol: str = "dev-threshold",
    rule: str = "eer",
    video_rule: str = "dev",
    seed: int = 0,
    rounds: int = 1000,
    title: str = "",
    epochs: Sequence[str | Path] = (),
    robustness: Sequence[str | Path] = (),
) -> Path:
    """Returns the path of the HTML page written from scores files; a JSON file lies beside it.

    Every test file needs the dev file of the same model, version and seed, in any order. All test
    files must hold the same rows of the same split. A model whose name begins with `baseline:` is
    shown as a trivial baseline. `out` is a folder (`report.html` in it) or a path ending in .html.

    Where the task is antispoof, each model's figures as published works measure them stand beside the
    honest ones, labelled as chosen on test; `epochs` are scores files of the same test rows by other
    checkpoints of the models' runs, and serve nothing else. Test files of one model that differ in
    the seed are also put together: mean, standard deviation and number of each figure.

    Where rows share a medium, each medium is scored by `video_rule` (see `facetrust.fusion`), or by the
    rule that is best on each model's own dev; all rules' dev and test AUC are shown.

    `robustness` are scores files of the same rows with disturbed pictures (`evaluate --robustness`);
    the page then shows how each model's AUC falls with the strength.

    Raises:
        ScoresError: a file cannot be read, the test files do not hold the same rows, or a file of
            `epochs` or `robustness` belongs to none of the models.
        ProtocolError: a dev file is missing, or a threshold was fitted on the reported rows.
        MetricError: a file lacks a class or has NaN scores.
        UsageError: no file given, or a rule is not known.
        MissingExtra: matplotlib or Jinja is not installed.
    """
    _check_extras()
    page = Path(out) if Path(out).suffix == ".html" else Path(out) / "report.html"
    how = {"rule": rule, "video_rule": video_rule, "seed": seed, "rounds": rounds}
    entries = _entries(test, dev, how, protocol)
    entries = _beside_published(entries, epochs)
    tests = {entry.name: entry.test for entry in entries}
    swept = sweeps(tests, robustness, seed=seed, rounds=rounds)
    judgements, published = [each.judgement for each in entries], [each.published for each in entries]
    facts = {
        "schema": "facetrust.evaluation.report/1",
        "title": title or _title(entries[0].test),
        "made_with": f"facetrust {__version__}",
        "models": [_as_json(entry) for entry in entries],
        "differences": _differences(entries, seed=seed, rounds=rounds),
        "over_seeds": [each.model_dump(mode="json") for each in over_seeds(judgements, published=published)],
        "robustness": [each.model_dump(mode="json") for each in swept],
        "published": [each.model_dump() for each in published_for(entries[0].test.column("domain"))],
        "warnings": _warnings(entries),
    }
    html = _page(
        entries, facts, drawn(swept, {each.name: (each.color, each.is_baseline) for each in entries})
    )
    write_text(page.with_suffix(".json"), json.dumps(facts, indent=2, allow_nan=False) + "\n")
    write_text(page, html)
    return page


def _check_extras() -> None:
    for package in ("matplotlib", "jinja2"):
        try:
            __import__(package)
        except ImportError:
            raise MissingExtra(package, "report") from None


def _entries(
    test: Sequence[str | Path], dev: Sequence[str | Path], settings: dict[str, Any], protocol: str
) -> list[Entry]:
    """Returns the models in the order given, baselines after them."""
    if not test or not dev:
        raise UsageError("a report needs at least one test and one dev scores file")
    tests = [(Path(path), Scores.read(path)) for path in test]
    devs = [(Path(path), Scores.read(path)) for path in dev]
    for path, scores in (*tests, *devs):
        check_undisturbed(scores, path)
    _check_same_rows(tests)
    tests.sort(key=lambda pair: pair[1].made_by.model.startswith(_BASELINE))
    entries: list[Entry] = []
    for path, scores in tests:
        dev_path, dev_scores = _dev_of(path, scores, devs)
        try:
            judgement = registry.build("protocols", protocol, scores, dev_scores, **settings)
        except UsageError:
            raise
        except FacetrustError as error:
            raise type(error)(f"{path}: {error}") from None
        alike = sum(scores.made_by.model.startswith(_BASELINE) == entry.is_baseline for entry in entries)
        colors = _GREYS if scores.made_by.model.startswith(_BASELINE) else _COLORS
        name = _name(scores, [other for _, other in tests])
        entries.append(Entry(name, path, dev_path, scores, judgement, None, colors[alike % len(colors)]))
    return entries


def _beside_published(entries: list[Entry], epochs: Sequence[str | Path]) -> list[Entry]:
    """Returns the entries with their figures as published works measure; those need probabilities."""
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
    found = []
    for entry in entries:
        values = entry.test.scores
        fits = entry.test.made_by.task == "antispoof" and values.min() >= 0 and values.max() <= 1
        said = as_published(entry.test, epochs=further[entry.name]) if fits else None
        found.append(entry._replace(published=said))
    return found


def _check_same_rows(tests: list[tuple[Path, Scores]]) -> None:
    first_path, first = tests[0]
    seen: dict[tuple[object, ...], Path] = {}
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
        if key in seen:
            raise ScoresError(f"{path}: scores of the same model, version and seed as {seen[key]}; give one")
        seen[key] = path


def _key(scores: Scores) -> tuple[object, ...]:
    return scores.made_by.model, scores.made_by.version, scores.made_by.seed


def _dev_of(path: Path, scores: Scores, devs: list[tuple[Path, Scores]]) -> tuple[Path, Scores]:
    fitting = [pair for pair in devs if _key(pair[1]) == _key(scores)]
    if len(fitting) != 1:
        name = f"{scores.made_by.model}@{scores.made_by.version}"
        raise ProtocolError(
            f"{path}: {len(fitting)} dev scores files of {name} (seed {scores.made_by.seed}) were given; "
            "one is needed to fit its threshold"
        )
    return fitting[0]


def _name(scores: Scores, among: list[Scores]) -> str:
    """Returns the model and its version, with the seed where runs of one model stand side by side."""
    made_by = scores.made_by
    name = f"{made_by.model.removeprefix(_BASELINE).strip()}@{made_by.version}"
    runs = sum((made_by.model, made_by.version) == _key(other)[:2] for other in among)
    return name if runs == 1 else f"{name} (seed {made_by.seed})"


def _title(scores: Scores) -> str:
    domains = sorted({name for name in scores.column("domain") if name})
    where = ", ".join(domains) or "manifest " + scores.made_by.manifest[:12]
    return f"{scores.made_by.task} on {where}, {scores.made_by.split} split"


def _as_json(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "baseline": entry.is_baseline,
        "scores": {"file": entry.path.name, "sha256": sha256_of(entry.path), "rows": len(entry.test)},
        "dev": {"file": entry.dev_path.name, "sha256": sha256_of(entry.dev_path)},
        "as_published": entry.published and entry.published.model_dump(mode="json"),
        **entry.judgement.model_dump(mode="json"),
    }


def _differences(entries: list[Entry], *, seed: int, rounds: int) -> list[dict[str, Any]]:
    """Returns the first model's AUC minus each other's, on the same draws, so that chance cancels out."""
    first, *others = entries
    base = first.test.rows.sort("sample", "label", "attack")
    names, _ = clusters_of(Scores(base, first.test.made_by))
    found = []
    for other in others:
        rival = other.test.rows.sort("sample", "label", "attack")["score"].to_numpy()
        labels, scores = base["label"].to_numpy(), base["score"].to_numpy()
        figure = Figure(metric="auc", value=_ahead(labels, scores, rival=rival))
        if first.judgement.levels[0].figures[0].low is not None:
            low, high = interval(
                _ahead, labels, scores, rival=rival, clusters=names, seed=seed, rounds=rounds
            )
            figure = Figure(metric="auc", value=figure.value, low=low, high=high)
        found.append({"first": first.name, "other": other.name, **figure.model_dump()})
    return found


def _ahead(labels: Any, scores: Any, *, rival: Any) -> float:
    return auc(labels, scores) - auc(labels, rival)


def _warnings(entries: list[Entry]) -> list[str]:
    found = []
    models = [entry for entry in entries if not entry.is_baseline]
    baselines = [entry for entry in entries if entry.is_baseline]
    if not baselines:
        found.append("No trivial baseline was given, so nothing shows how far a shortcut alone would come.")
    for model in models:
        for baseline in baselines:
            # A shortcut works as well the other way round.
            if max(_auc_of(baseline), 1 - _auc_of(baseline)) >= _auc_of(model):
                found.append(f"{model.name} does no better (AUC) than the trivial baseline {baseline.name}.")
    if len({entry.judgement.fitted_on.manifest for entry in entries}) > 1:
        found.append(
            "The thresholds were fitted on different dev manifests; compare rates at them with care."
        )
    notes = dict.fromkeys(note for entry in entries for note in entry.judgement.notes)
    return found + list(notes)


def _auc_of(entry: Entry) -> float:
    return entry.judgement.levels[0].figure("auc").value or 0.0


def _page(entries: list[Entry], facts: dict[str, Any], falls: list[str]) -> str:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["shown"] = _shown
    environment.filters["number"] = _text
    environment.filters["percent"] = lambda value: f"{100 * value:.1f}\N{NO-BREAK SPACE}%"
    template = environment.from_string(
        files("facetrust.evaluation").joinpath("report.html.j2").read_text("utf-8")
    )
    return template.render(
        facts=facts,
        entries=entries,
        falls=falls,
        columns=_COLUMNS,
        titles=dict(_COLUMNS) | _TITLES,
        chosen=CHOSEN,
        sections=[_section(entries, index) for index in range(len(entries[0].judgement.levels))],
        words=task_named(entries[0].test.made_by.task).decisions,
    )


def _section(entries: list[Entry], index: int) -> dict[str, Any]:
    levels = [entry.judgement.levels[index] for entry in entries]
    lines = [
        Line(
            entry.name,
            entry.color,
            entry.is_baseline,
            level.threshold.value,
            by_media(entry.test, level.video_rule.name) if level.video_rule else entry.test,
        )
        for entry, level in zip(entries, levels, strict=True)
    ]
    return {
        "level": levels[0],
        "rows": list(zip(entries, levels, strict=True)),
        "best": _best([level for entry, level in zip(entries, levels, strict=True) if not entry.is_baseline]),
        "roc": curves(lines, det=False),
        "det": curves(lines, det=True),
        "histograms": [histogram(line) for line in lines],
    }


def _best(levels: list[Level]) -> dict[str, float]:
    """Returns the best value of each metric over the models; nothing where there is one model."""
    best = {}
    for metric, _ in _COLUMNS if len(levels) > 1 else ():
        values = [value for level in levels if (value := level.figure(metric).value) is not None]
        if values:
            best[metric] = max(values) if metric in _HIGHER else min(values)
    return best


def _shown(figure: Figure, part: str = "value") -> str:
    """Returns a figure's value or its interval as text; rates in percent, AUC and ECE as they are."""
    values = (figure.value,) if part == "value" else (figure.low, figure.high)
    if any(value is None for value in values):
        return "–" if part == "value" else ""
    return "–".join(_text(value, figure.metric) for value in values)


def _text(value: float | None, metric: str, digits: int = 1) -> str:
    """Returns a value as text: rates in percent, AUC and ECE as they are, a dash for none."""
    if value is None:
        return "–"
    return f"{value:.4f}" if metric in _PLAIN else f"{100 * value:.{digits}f}"
