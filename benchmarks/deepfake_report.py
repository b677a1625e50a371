"""Deepfake models side by side: real manipulations and blends by difficulty and part, and false alarms.

    python benchmarks/deepfake_report.py MODEL… --out scores/deepfake [--split dev]
        --real composites=data/composites.parquet --real ffpp=data/ffpp.parquet
        --blends lfw=data/lfw-blends.parquet --genuine nuaa=data/nuaa.parquet
        --fit data/train-blends.parquet [--most 150] [--as-is] [--json out.json]

Every MODEL (a bundled name, an .onnx file or a run folder) is scored on each set's split as `facetrust
evaluate --controls` does it, kept in `--out` for `facetrust report`; trivial baselines, fitted on the train
rows of `--fit`, stand beside them. A set without rows in the split is left out, so that test is looked at
only with `--split test`. *matched*: genuine and manipulated pictures are blurred to one sharpness. Where rows
are frames of videos, a video's score is the trimmed mean of its frames'. Intervals are 95 % bootstraps by
subject, else video, else picture. False alarms are at the threshold of each model's card, on at most `--most`
genuine faces of each pack outside train, under every harmless change. At last it is said which models may
decide: those whose interval on every `--real` set lies above every baseline, as is and matched, baselines
also taken the other way round. `--as-is` leaves the matched pictures out, and then nothing is said of that.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from json import dumps
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetrust.data.manifest import Manifest
from facetrust.errors import MetricError
from facetrust.evaluation.evaluate import evaluate
from facetrust.evaluation.groups import grouped
from facetrust.evaluation.invariance import AS_IS, Held, battery
from facetrust.evaluation.scorers import open_scorer
from facetrust.metrics import interval
from facetrust.metrics.auc import auc
from facetrust.protocols import by_media, clusters_of
from facetrust.records import ModelCard, Scores, write_text

MATCHED = "matched"
RULE = "trimmed-mean"
ALARMS = (0.03, 0.08)  # Aimed at: as is, and under every harmless change.
BASELINE = "baseline:"


class Figure(NamedTuple):
    """A value with its interval, where there is one."""

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


Tests = dict[str, dict[str, Scores]]  # `as is` or `matched` → model → scores.


def main() -> None:
    """Scores, measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--out", type=Path, required=True, help="folder of the scores; kept ones are used")
    for name in ("real", "blends", "genuine"):
        parser.add_argument(f"--{name}", action="append", default=[], metavar="NAME=MANIFEST")
    parser.add_argument("--fit", type=Path, help="manifest with both labels in train, for the baselines")
    parser.add_argument("--split", choices=("dev", "test"), default="dev")
    parser.add_argument("--as-is", action="store_true", help="no matched pictures: faster, no verdict")
    parser.add_argument("--most", type=int, default=150, help="genuine faces of each pack")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    given = parser.parse_args()

    figures: dict[str, Any] = {"split": given.split}
    above: dict[str, list[str]] = {}
    for kind in ("real", "blends"):
        for name, manifest in pairs(getattr(given, kind)):
            tests = scored(given.models, name, Manifest.read(manifest), given)
            if not tests:
                print(f"\n{name}: no rows in {given.split}; left out")
                continue
            figures[name] = set_tables(name, tests, given.split)
            if kind == "real" and not given.as_is:
                above[name] = winners(figures[name])
    if given.genuine:
        figures["genuine"] = alarm_table(given.models, pairs(given.genuine), given.most)
    if not given.as_is:
        print_verdicts(given.models, above, given.split)
    if given.json:
        write_text(given.json, dumps(figures, indent=2) + "\n")


def print_verdicts(models: Sequence[str], above: dict[str, list[str]], split: str) -> None:
    """Prints which models stand above the baselines on every set; `above` has those that do, by set."""
    names = [title_of(open_scorer(model)[0]) for model in models]
    print(f"\nMay decide ({split}), above every baseline on {', '.join(above) or 'nothing'}:")
    for name in dict.fromkeys(names):
        short = [data for data, winning in above.items() if name not in winning]
        said = f"no, not on {', '.join(short)}" if short else "yes" if above else "not measured"
        print(f"  {name}: {said}")


def pairs(given: Iterable[str]) -> list[tuple[str, Path]]:
    """Returns names and paths of `NAME=PATH`; a path without a name is named as its file."""
    found = []
    for each in given:
        name, _, path = each.rpartition("=")
        found.append((name or Path(path).stem, Path(path)))
    return found


def scored(models: Sequence[str], name: str, manifest: Manifest, given: argparse.Namespace) -> Tests:
    """Returns the scores of a set by every model and baseline, those that lie there already read again."""
    rows = [row for row in manifest.samples() if row.split == given.split]
    if not rows:
        return {}
    # A simulated face's partner of the same sharpness is a genuine one of the domain that it was made from.
    rows = [
        row.model_copy(update={"domain": row.domain and row.domain.removesuffix("-simulated")})
        for row in rows
    ]
    part = Manifest.of(rows, manifest.root, source=manifest.source)
    tests: Tests = {AS_IS: {}} if given.as_is else {AS_IS: {}, MATCHED: {}}
    for number, model in enumerate(models):
        card, _ = open_scorer(model)
        out = given.out / name / f"{card.name}-{card.sha256[:8]}"
        # The first model's folder has the baselines.
        first = number == 0 and given.fit is not None
        if not all(is_whole(scores_in(out, change, given.split), part, baselines=first) for change in tests):
            fit = given.fit if first else None
            how = {"fit": fit, "baselines": first, "controls": not given.as_is}
            evaluate(model, part, split=given.split, out=out, **how)
        for change, by_name in tests.items():
            for scores in scores_in(out, change, given.split):
                by_name[name_of(scores)] = scores
    for change, by_name in tests.items():
        ordered = sorted(by_name, key=lambda each: each.startswith(BASELINE))
        tests[change] = {each: by_name[each] for each in ordered}
    return tests


def scores_in(folder: Path, change: str, split: str) -> list[Scores]:
    """Returns the scores that lie in a folder of `evaluate`, as is or matched."""
    files = f"*-{split}.parquet" if change == AS_IS else f"controls/*-{MATCHED}-1-{split}.parquet"
    return [Scores.read(path) for path in sorted(folder.glob(files))]


def is_whole(kept: Sequence[Scores], part: Manifest, *, baselines: bool) -> bool:
    """Returns whether scores are of these rows, a model's and, where asked, baselines' too."""
    known = {name_of(each).startswith(BASELINE) for each in kept if each.made_by.manifest == part.hash}
    return known >= ({True, False} if baselines else {False})


def title_of(card: ModelCard) -> str:
    """Returns a model's name as its scores carry it, with its version and the beginning of its hash."""
    return f"{card.name}@{card.version}+{card.sha256[:8]}"


def name_of(scores: Scores) -> str:
    """Returns the model's title, or `baseline:` and the probe."""
    name = scores.made_by.model
    return name if name.startswith(BASELINE) else f"{name}@{scores.made_by.version}"


def area(scores: Scores) -> Figure:
    """Returns the AUC with its interval."""
    labels, values = scores.labels, scores.scores
    try:
        low, high = interval(auc, labels, values, clusters=clusters_of(scores)[0])
    except MetricError:  # Too few to draw from.
        return Figure(auc(labels, values))
    return Figure(auc(labels, values), low, high)


def set_tables(name: str, tests: Tests, split: str) -> dict[str, Any]:
    """Prints a set's tables and returns their figures."""
    first = next(iter(tests[AS_IS].values()))
    genuine = int((first.labels == 0).sum())
    videos = len(by_media(first)) < len(first)
    clusters, kind = clusters_of(first)
    print(
        f"\n## {name}, {split}: {genuine} genuine, {len(first) - genuine} manipulated; "
        f"intervals by {kind} ({len(set(clusters))})"
    )
    columns = {change: {model: area(each) for model, each in tests[change].items()} for change in tests}
    if videos:
        for change in list(tests):
            by_video = {model: area(by_media(each, RULE)) for model, each in tests[change].items()}
            columns[f"{change}, by video"] = by_video
    print_table("AUC", columns)
    groups = {change: grouped(by_name) for change, by_name in tests.items()}
    for change, found in groups.items():
        if found:
            by_word: dict[str, dict[str, Figure]] = {model: {} for model in tests[change]}
            for each in found:
                by_word[each.model][f"{each.word} ({each.rows})"] = Figure(each.auc, each.low, each.high)
            print_table(f"AUC by word of the name, {change}", by_word)
    methods = by_attack(tests[AS_IS])
    if methods and not any(groups.values()):
        print_table("AUC by attack, as is", methods)
    leads = {model: lead(first, each) for model, each in tests[AS_IS].items() if each is not first}
    for model, figure in leads.items():
        print(f"{name_of(first)} less {model}: {figure}")
    return {
        "auc": {
            change: {model: each._asdict() for model, each in of.items()} for change, of in columns.items()
        },
        "words": {change: [each.model_dump() for each in found] for change, found in groups.items()},
        "leads": {model: each._asdict() for model, each in leads.items()},
    }


def by_attack(by_name: dict[str, Scores]) -> dict[str, dict[str, Figure]]:
    """Returns each model's AUC by the attack's whole name, against all genuine; nothing of one name."""
    found: dict[str, dict[str, Figure]] = {}
    for model, scores in by_name.items():
        names = scores.column("attack")
        for name in sorted({each for each in names if each}):
            part = scores.rows.filter((scores.labels == 0) | (names == name))
            own = Scores(part, scores.made_by)
            found.setdefault(model, {})[f"{name} ({int(own.labels.sum())})"] = area(own)
    return found if any(len(each) > 1 for each in found.values()) else {}


def print_table(title: str, columns: dict[str, dict[str, Figure]]) -> None:
    """Prints a column per key, whose figures are the rows."""
    print(f"\n| {title} | " + " | ".join(columns) + " |")
    print("|---" * (1 + len(columns)) + "|")
    for row in next(iter(columns.values())):
        print(f"| {row} | " + " | ".join(str(of.get(row, "")) for of in columns.values()) + " |")


def lead(first: Scores, other: Scores) -> Figure:
    """Returns the first's AUC less the other's on the same draws."""

    def less(labels: NDArray[np.int64], values: NDArray[np.float64], *, rival: NDArray[np.float64]) -> float:
        return auc(labels, values) - auc(labels, rival)

    one, two = (each.rows.sort("sample", "label") for each in (first, other))
    labels, values, rival = one["label"].to_numpy(), one["score"].to_numpy(), two["score"].to_numpy()
    value = less(labels, values, rival=rival)
    try:
        clusters = clusters_of(Scores(one, first.made_by))[0]
        return Figure(value, *interval(less, labels, values, rival=rival, clusters=clusters))
    except MetricError:
        return Figure(value)


def winners(figures: dict[str, Any]) -> list[str]:
    """Returns the models whose interval lies above every baseline, as is and matched."""

    def wins(model: str, change: str) -> bool:
        areas = figures["auc"][change]
        bars = [max(each["value"], 1 - each["value"]) for n, each in areas.items() if n.startswith(BASELINE)]
        low = areas[model]["low"]
        return bool(bars) and low is not None and low > max(bars)

    models = [name for name in figures["auc"][AS_IS] if not name.startswith(BASELINE)]
    return [name for name in models if wins(name, AS_IS) and wins(name, MATCHED)]


def alarm_table(models: Sequence[str], packs: Sequence[tuple[str, Path]], most: int) -> list[dict[str, Any]]:
    """Prints false alarms on genuine faces, as they are and under the worst harmless change; returns all."""
    print("\n| false alarms, % | pack | as is | worst harmless change | not judged, most | aims kept |")
    print("|---|---|---|---|---|---|")
    found: list[dict[str, Any]] = []
    for name, manifest in packs:
        held = battery(models, [manifest], most=most)
        size = len(held) // len(models)
        for start in range(0, len(held), size):
            plain, *changed = held[start : start + size]
            worst = max(changed, key=lambda each: each.false_alarms)
            kept = plain.false_alarms <= ALARMS[0] and worst.false_alarms <= ALARMS[1]
            unjudged = max(each.not_judged for each in (plain, *changed))
            print(
                f"| {plain.model} | {name}, {plain.faces} | {rate(plain)} | {rate(worst)} {worst.change} | "
                f"{100 * unjudged:.0f} | {'yes' if kept else 'no'} |"
            )
        found += [{"pack": name} | each.model_dump() for each in held]
    return found


def rate(held: Held) -> str:
    """Returns false alarms in percent with their interval."""
    return f"{100 * held.false_alarms:.1f} [{100 * held.low:.1f}, {100 * held.high:.1f}]"


if __name__ == "__main__":
    main()
