"""What a way to train is worth on cameras that it never saw: trains without some domains, and reports them.

    facetrust data split leave-domains-out data/padmix.parquet data/nuaa.parquet --out data/folds
    python benchmarks/leave_domains_out.py data/folds --out runs/domains --jobs 2
    python benchmarks/leave_domains_out.py data/folds --out runs/domains --table

Each way of `WAYS` is trained on each fold under each seed and scored on the fold's test domains as they are,
neutralised (light and tint drawn anew) and matched (live and attack of one sharpness). The threshold is the
one that 5 % of the genuine dev faces exceed, each domain with equal weight; it saw none of the test domains.
With --genuine those of further manifests count too, such as photographs of the web.
The table gives means over domains and seeds, with the 95 % interval of a bootstrap over domains. What is done
is kept: started again, it goes on. Published models (--peer) and trivial baselines are scored beside. With
--limits only the faces count, of dev and test, that a card's limits of quality leave judged as they are.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

CNN = "losses={binary-cross-entropy: 0.5, %s}"
# The networks and what they learn from: overrides of a recipe, the teacher a way of the same fold and seed.
WAYS: dict[str, tuple[str, tuple[str, ...], str | None]] = {
    "small": ("antispoof/small", (), None),
    "none": ("antispoof/tiny-plain", (), None),
    "logit": ("antispoof/tiny", (CNN % "logit-distillation: {weight: 0.5, temperature: 3.0}",), "small"),
    "fd": ("antispoof/tiny", (CNN % "feature-distillation: {weight: 100}",), "small"),
    "rkd": (
        "antispoof/tiny",
        (CNN % "relational-distance: {weight: 10}, relational-angle: {weight: 20}",),
        "small",
    ),
    "attention": ("antispoof/tiny", (CNN % "spatial-attention: {weight: 3}",), "small"),
}
VIEWS = ("as is", "neutral", "matched")
FEWEST = 20


def main() -> None:
    """Trains, scores and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folds", type=Path, help="folder of the folds' manifests")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--way", action="append", choices=list(WAYS), help="default: all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], help="override of every recipe")
    parser.add_argument("--extra", action="append", type=Path, default=[], help="manifest of training rows")
    parser.add_argument(
        "--genuine", action="append", default=[], type=Path, help="manifest of genuine dev faces"
    )
    parser.add_argument("--peer", action="append", default=[], help="a published model; several joined by +")
    parser.add_argument(
        "--until", type=float, default=float("inf"), help="start no job after so many seconds"
    )
    parser.add_argument("--limits", help="count only faces that this model's card leaves judged")
    parser.add_argument("--table", action="store_true", help="print the table of what is done")
    parser.add_argument("--one", nargs=3, metavar=("WAY", "FOLD", "SEED"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    folds = sorted(given.folds.glob("*.parquet"))
    if given.one:
        way, fold, seed = given.one
        run = run_of(given.out, way, fold, int(seed))
        train_one(way, given.folds / f"{fold}.parquet", int(seed), given.out, given.extra, given.set)
        score_genuine(run, run / "scores", given.genuine)
        (run / "scored").touch()
        return
    if not given.table:
        run_all(given, folds)
        score_peers(given.peer, folds, given.out, given.genuine)
    judged = {}
    if given.limits:
        others = [judged_of(manifest, given.limits) for manifest in given.genuine]
        judged = {fold.stem: judged_of(fold, given.limits).union(*others) for fold in folds}
    print_table(folds, given.out, given.seeds, judged)


def run_all(given: argparse.Namespace, folds: list[Path]) -> None:
    """Trains what is not there yet, teachers first, so many at once as --jobs says."""
    ways = given.way or list(WAYS)
    waiting = [
        (way, fold.stem, seed)
        for way in sorted(ways, key=lambda way: WAYS[way][2] is not None)
        for seed in range(given.seeds)
        for fold in folds
        if not done(given.out, way, fold.stem, seed)
    ]
    running: dict[tuple[str, str, int], subprocess.Popen[bytes]] = {}
    began, total = time.monotonic(), len(waiting)
    while waiting or running:
        for job, process in list(running.items()):
            if process.poll() is not None:
                del running[job]
                state = "done" if process.returncode == 0 else f"FAILED, see {log_of(given.out, *job)}"
                spent = time.monotonic() - began
                print(f"{spent:6.0f} s  {' '.join(map(str, job))}: {state}", file=sys.stderr, flush=True)
        if time.monotonic() - began > given.until:
            waiting.clear()
        ready = [job for job in waiting if (of := WAYS[job[0]][2]) is None or done(given.out, of, *job[1:])]
        for job in ready[: given.jobs - len(running)]:
            waiting.remove(job)
            running[job] = start(given, job)
        if waiting and not ready and not running:
            print(f"{len(waiting)} of {total} wait for a teacher that is not there", file=sys.stderr)
            return
        time.sleep(0.2)


def start(given: argparse.Namespace, job: tuple[str, str, int]) -> subprocess.Popen[bytes]:
    """Starts a job in a process of its own, which writes a log."""
    log = log_of(given.out, *job)
    log.parent.mkdir(parents=True, exist_ok=True)
    settings = [part for each in given.set for part in ("--set", each)]
    settings += [part for each in given.extra for part in ("--extra", str(each))]
    settings += [part for each in given.genuine for part in ("--genuine", str(each))]
    command = [sys.executable, __file__, str(given.folds), "--out", str(given.out), *settings, "--one"]
    # One thread each, and memory that is kept: small tensors on many cores cost more than they save.
    kept = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(10**11)}
    with log.open("wb") as file:
        return subprocess.Popen(
            [*command, *map(str, job)], stdout=file, stderr=file, env={**os.environ, **kept}
        )


def train_one(way: str, fold: Path, seed: int, out: Path, extra: list[Path], settings: list[str]) -> None:
    """Trains one way without one fold's domains, and scores what it was kept from."""
    import cv2
    import torch

    from facetrust.evaluation.evaluate import evaluate
    from facetrust.training.train import train

    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    recipe, overrides, teacher = WAYS[way]
    run = run_of(out, way, fold.stem, seed)
    taught = [] if teacher is None else [f"teachers=[{{path: {run_of(out, teacher, fold.stem, seed)}}}]"]
    if teacher is not None and "logit" not in " ".join(overrides):
        taught = [f"teachers=[{{path: {run_of(out, teacher, fold.stem, seed)}, sees: student}}]"]
    with_extra = f"data.extra=[{', '.join(map(str, extra))}]"
    data = [f"data.manifests=[{fold}]", with_extra, f"seed={seed}", "cache=none"]
    quiet = ["trainer.flags.enable_progress_bar=false"]
    train(recipe, out=run, resume=True, overrides=[*overrides, *data, *taught, *quiet, *settings])
    evaluate(run, fold, split="dev", out=run / "scores", baselines=False)
    evaluate(run, fold, split="test", out=run / "scores", baselines=False, controls=True)


def score_genuine(model: str | Path, out: Path, manifests: list[Path]) -> None:
    """Scores the genuine dev faces of further manifests."""
    from facetrust.evaluation.evaluate import evaluate

    for manifest in manifests:
        evaluate(model, manifest, split="dev", out=out / "genuine" / manifest.stem, baselines=False)


def score_peers(peers: list[str], folds: list[Path], out: Path, genuine: list[Path]) -> None:
    """Scores published models, and the trivial baselines, on every fold's dev and test."""
    from facetrust.evaluation.evaluate import evaluate

    for peer in peers:
        models = peer.split("+")
        for fold in folds:
            place = out / "+".join(Path(model).stem for model in models) / f"{fold.stem}-0"
            if (place / "scored").is_file():
                continue
            parts = [place / "scores" if len(models) == 1 else place / Path(model).stem for model in models]
            for model, part in zip(models, parts, strict=True):
                first = peer == peers[0] and model == models[0]
                evaluate(model, fold, split="dev", out=part, baselines=first)
                evaluate(model, fold, split="test", out=part, baselines=first, controls=True)
                score_genuine(model, part, genuine)
            if len(models) > 1:
                average(parts, place / "scores")
            (place / "scored").touch()


def average(parts: list[Path], out: Path) -> None:
    """Writes the mean of several models' scores, file by file, as a pair of nets is used."""
    import polars as pl

    from facetrust.records import Scores

    for file in sorted(parts[0].rglob("scores-*.parquet")):
        tables = [Scores.read(part / file.relative_to(parts[0])) for part in parts]
        mean = np.mean([table.scores for table in tables], axis=0)
        rows = tables[0].rows.with_columns(pl.Series("score", mean))
        target = out / file.relative_to(parts[0])
        target.parent.mkdir(parents=True, exist_ok=True)
        Scores(rows, tables[0].made_by).write(target)
    for file in sorted(parts[0].rglob("baseline-*.parquet")):
        target = out / file.relative_to(parts[0])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())


def run_of(out: Path, way: str, fold: str, seed: int) -> Path:
    """The folder of a run."""
    return out / way / f"{fold}-{seed}"


def log_of(out: Path, way: str, fold: str, seed: int) -> Path:
    """The log of a run."""
    return out / "logs" / f"{way}-{fold}-{seed}.log"


def done(out: Path, way: str, fold: str, seed: int) -> bool:
    """Whether a run was trained and scored."""
    return (run_of(out, way, fold, seed) / "scored").is_file()


def judged_of(manifest_file: Path, model: str) -> frozenset[str]:
    """The dev and test faces of a manifest that the limits of a model's card leave judged."""
    from facetrust.data.manifest import Manifest, absolute
    from facetrust.evaluation.invariance import qualities_of
    from facetrust.evaluation.scorers import open_scorer
    from facetrust.imaging import read_sample
    from facetrust.records import QualityLimits

    manifest, (card, _) = Manifest.read(manifest_file), open_scorer(model)
    limits = card.limits or QualityLimits()
    rows = [row for row in manifest.samples() if row.split != "train"]
    qualities = qualities_of(absolute(rows, manifest.root), read_sample)
    return frozenset(
        row.path
        for row, quality in zip(rows, qualities, strict=True)
        if quality is not None and limits.reason(quality) is None
    )


def print_table(folds: list[Path], out: Path, seeds: int, judged: dict[str, frozenset[str]]) -> None:
    """Prints mean AUC and HTER over domains and seeds, with intervals over domains."""
    names = sorted({path.parent.parent.name for path in out.glob("*/*/scored")}, key=order)
    if judged:
        print(f"Within the limits: {counted(folds, judged)}.\n")
    print("| model | seeds | " + " | ".join(f"AUC {view} | HTER {view}" for view in VIEWS) + " |")
    print("|---|---|" + "---|---|" * len(VIEWS))
    for name in names:
        stems = ["scores"]
        scored = sorted(out.glob(f"{name}/*/scores/baseline-*-test.parquet"))
        stems += sorted({path.name.removesuffix("-test.parquet") for path in scored})
        for stem in stems:
            title = name if stem == "scores" else stem.replace("baseline-", "baseline: ")
            figures: dict[str, list[dict[str, tuple[float, float]]]] = {}
            runs = [run_of(out, name, fold.stem, seed) for seed in range(seeds) for fold in folds]
            found = [run / "scores" for run in runs if (run / "scored").is_file()]
            for run in found:
                for domain, values in by_domain(
                    run, stem, judged.get(run.parent.name.rpartition("-")[0])
                ).items():
                    figures.setdefault(domain, []).append(values)
            cells = [shown(figures, view, which) for view in VIEWS for which in (0, 1)]
            count = len(found) / max(1, len(folds))
            print(f"| {title} | {count:g} | " + " | ".join(cells) + " |", flush=True)


def order(name: str) -> tuple[int, str]:
    """Ways in their order, then the published models by name."""
    return (list(WAYS).index(name) if name in WAYS else len(WAYS), name)


def counted(folds: list[Path], judged: dict[str, frozenset[str]]) -> str:
    """How many genuine faces and attacks of each test domain are judged."""
    from facetrust.data.manifest import Manifest

    found = []
    for fold in folds:
        rows = [row for row in Manifest.read(fold).samples() if row.split == "test"]
        for domain in sorted({row.domain for row in rows}):
            mine = [row for row in rows if row.domain == domain]
            inside = [
                sum(row.label == label and row.path in judged[fold.stem] for row in mine) for label in (0, 1)
            ]
            found.append(f"{domain} {inside[0]} + {inside[1]} of {len(mine)}")
    return ", ".join(found)


def by_domain(
    run: Path, stem: str, judged: frozenset[str] | None = None
) -> dict[str, dict[str, tuple[float, float]]]:
    """AUC and HTER of each test domain in each view, at the threshold that dev gives.

    A domain without a judged face of either label is left out.
    """
    from facetrust.metrics.auc import auc
    from facetrust.records import Scores

    def inside(scores: Scores) -> np.ndarray:
        return np.array(
            [judged is None or sample in judged for sample in scores.column("sample")], dtype=bool
        )

    dev = [Scores.read(run / f"{stem}-dev.parquet")]
    dev += [Scores.read(file) for file in sorted(run.glob(f"genuine/*/{stem}-dev.parquet"))]
    threshold = genuine_threshold(
        np.concatenate([each.labels[inside(each)] for each in dev]),
        np.concatenate([each.scores[inside(each)] for each in dev]),
        np.concatenate([each.column("domain")[inside(each)] for each in dev]),
    )
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for view in VIEWS:
        file = (
            run / f"{stem}-test.parquet"
            if view == "as is"
            else run / "controls" / f"{stem}-{view}-1-test.parquet"
        )
        if not file.is_file():
            continue
        test = Scores.read(file)
        for domain in sorted(set(test.column("domain"))):
            mine = (test.column("domain") == domain) & inside(test)
            labels, scores = test.labels[mine], test.scores[mine]
            if set(labels.tolist()) != {0, 1}:
                continue
            alarms, misses = (
                (scores[labels == 0] >= threshold).mean(),
                (scores[labels == 1] < threshold).mean(),
            )
            found.setdefault(domain, {})[view] = (auc(labels, scores), float(alarms + misses) / 2)
    return found


def genuine_threshold(
    labels: np.ndarray, scores: np.ndarray, domains: np.ndarray, share: float = 0.05
) -> float:
    """The lowest score that at most `share` of the genuine faces reach, every domain with equal weight.

    A domain counts from FEWEST genuine faces on: within limits few may be left.
    """
    genuine = labels == 0
    weight = np.zeros(len(scores))
    for domain in set(domains[genuine]):
        mine = genuine & (domains == domain)
        if mine.sum() < FEWEST:
            genuine = genuine & ~mine
        else:
            weight[mine] = 1 / mine.sum()
    order = np.argsort(-scores[genuine], kind="stable")
    ranked, above = scores[genuine][order], np.cumsum(weight[genuine][order]) / weight.sum()
    allowed = int(np.searchsorted(above, share, side="right"))
    return float(np.nextafter(ranked[min(allowed, len(ranked) - 1)], np.inf))


def shown(figures: dict[str, list[dict[str, tuple[float, float]]]], view: str, which: int) -> str:
    """Mean over domains of the mean over seeds, and the interval when domains are drawn anew."""
    means = np.array(
        [
            np.mean([run[view][which] for run in runs])
            for runs in figures.values()
            if all(view in run for run in runs)
        ]
    )
    if not means.size:
        return "–"
    rng = np.random.default_rng(0)
    drawn = means[rng.integers(len(means), size=(2000, len(means)))].mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return f"{means.mean():.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    main()
