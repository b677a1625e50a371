"""A model and a manifest become scores files, the trivial baselines beside them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from facetrust.data.augment.disturb import KINDS, Disturbed, check_kinds
from facetrust.data.augment.harmless import HARMLESS, Changed, controlled
from facetrust.data.classes import Merge
from facetrust.data.manifest import Manifest, absolute, whole_pictures
from facetrust.data.splits import people_of
from facetrust.errors import ImageError, ManifestError, ScoresError, UsageError
from facetrust.evaluation.baselines import Baseline, fit_baselines, score_baselines
from facetrust.evaluation.people import MOST_PAIRS, Embedded, Lists, pair_table, search_table
from facetrust.evaluation.pixels import pixel_pairs
from facetrust.evaluation.scorers import Answer, Reader, Scorer, merging, open_run, open_scorer
from facetrust.evaluation.tables import class_table, commonest_classes, score_table
from facetrust.imaging import read_sample
from facetrust.records import (
    Disturbance,
    ModelCard,
    Pairs,
    Preprocessing,
    Provenance,
    Sample,
    Searches,
    Split,
    Table,
    read_table,
    write_unreadable,
)
from facetrust.tasks import task_named

_log = logging.getLogger("facetrust")


def evaluate(
    model: str | Path,
    manifest: str | Path | Manifest,
    *,
    split: Split = "test",
    out: str | Path,
    batch: int = 64,
    workers: int = 0,
    baselines: bool = True,
    fit: str | Path | Manifest | None = None,
    every_epoch: bool = False,
    robustness: bool = False,
    invariance: bool = False,
    controls: bool = False,
    pairs: str | Path | None = None,
    templates: str | Path | None = None,
    gallery: str | Path | None = None,
    flip: bool = False,
    trained_on: Iterable[str | Path] = (),
    merge: Merge | None = None,
    progress: bool = False,
) -> Path:
    """Returns the scores file `out/scores-<split>.parquet` of a model on one split.

    Beside it: `baseline-<probe>-<split>.parquet` for each probe of `facetrust.data.audit.probes`, a
    logistic regression on that measure of the face's box at the picture's own size, so that they are
    not weakened by a model's crop (but for `sharpness`, which is that of the model's own crop); and
    `errors-<split>.csv` with one row per picture that could not be read, where there is any. Such a
    picture has no score. Where the task answers with classes, the rows are confusions (`Confusions`),
    and the baseline `place` is the class that is commonest at each place of the crop in the train rows.

    Where it answers with embeddings, a row is a pair, those of `pairs` or else all, and the baseline is
    `baseline-pixels-<split>.parquet` (`facetrust.evaluation.pixels`). With a gallery,
    `searches-<split>.parquet` has one row per probe; it stands alone, and is what is returned, where no
    pairs are listed and all are more than `MOST_PAIRS`.

    Args:
        model: a run folder, an `.onnx` file or a bundled model's name; see `scorers.open_scorer`.
        batch: faces at once, and `workers` processes that read them; for a run folder.
        fit: manifest whose train rows the baselines are fitted on; the same one if none is given.
            Where it has not both labels in train, no baselines are written.
        every_epoch: also score each epoch's weights, in `out/epochs`, for the figures that a report
            shows as published; the run must have kept them (`trainer.keep: all`).
        robustness: also score the same pictures disturbed, each kind of `facetrust.data.augment.disturb` at
            each strength, in `out/robustness`; the baselines too, fitted on undisturbed pictures. Files of
            the same model and manifest that lie there are kept, so that a sweep goes on where it stopped.
        invariance: also score the same pictures under each change of `facetrust.data.augment.harmless`, in
            `out/invariance`, kept likewise.
        controls: also score them with light and tint drawn anew, and with live and attack of one sharpness
            (`facetrust.data.augment.harmless.CONTROLS`), in `out/controls`, kept likewise.
        pairs, templates, gallery: lists of `facetrust.data.lists`; `<manifest>.pairs.csv` and so on beside
            the manifest if none is named and they are there. With templates, pairs and gallery are of these.
        flip: add the embedding of each face's mirror image to its own.
        trained_on: manifests on whose train rows the model was trained, so that a protocol can refuse figures
            of people whom it knows. A run that was trained on `manifest` itself needs none.
        merge: a class, and those of the model or of the masks that become it before both are compared;
            pixels of those under `ignored` are not measured.
        progress: show a bar.

    Raises:
        MissingExtra: `robustness` without PyAV.
        ModelError: the model is missing, altered or unfinished.
        ManifestError: the split has no rows, or none of its pictures can be read.
    """
    if split not in get_args(Split):
        raise UsageError(f"split {split!r}: use one of {', '.join(get_args(Split))}")
    check_kinds(KINDS if robustness else ())
    whole = manifest if isinstance(manifest, Manifest) else Manifest.read(manifest)
    merge = merge or {}
    card, scorer = merging(*open_scorer(model, batch=batch, workers=workers, flip=flip), merge)
    named = {"pairs": pairs, "templates": templates, "gallery": gallery}
    lists = Lists.beside(
        whole.source, **{kind: None if path is None else Path(path) for kind, path in named.items()}
    )
    part = _Part.of(whole, split, card, lists, progress=progress)
    made_by = Provenance(
        model=card.name,
        version="+".join(filter(None, (str(card.version), card.sha256[:8]))),
        task=card.task,
        manifest=whole.hash,
        split=split,
        seed=card.seed,
        trained_people=_trained_people(whole, split, card, trained_on),
        classes=card.classes,
        size=card.preprocessing.size if card.classes else None,
        merged={name: tuple(members) for name, members in merge.items()},
    )
    out = Path(out)
    answers = part.answers(scorer, read_sample, f"{card.name} on {split}")
    searches = part.lists.gallery is not None and task_named(card.task).output == "embedding"
    searched = part.searches(answers, made_by) if searches else None  # Before anything is written.
    compares = not searches or part.compares
    written = _path(out, "scores" if compares else "searches", made_by)
    if compares:
        part.write(written, answers, made_by)
    part.write_errors(out / f"errors-{split}.csv", answers)
    if searched is not None:
        searched.write(_path(out, "searches", made_by))
    if every_epoch:
        _write_epochs(Path(model), part, out / "epochs", made_by, batch=batch, workers=workers)
    learning = fit if isinstance(fit, Manifest) or fit is None else Manifest.read(fit)
    output = task_named(card.task).output
    if baselines and output == "embedding":
        part.write_pixels(out / f"baseline-pixels-{split}.parquet", learning or whole, made_by)
    if baselines and output == "classes":
        guess = commonest_classes(learning or whole, card, merge)
        source = made_by.model_copy(update={"model": "baseline:place", "version": "1", "seed": None})
        if guess is not None:
            part.write(_path(out, "baseline-place", source), [guess] * len(part.samples), source)
    scored = baselines and output == "score"
    fitted = fit_baselines(learning or whole, card.preprocessing) if scored else {}
    _write_baselines(out, part, fitted, made_by, read_sample)
    if robustness:
        steps = [Disturbance(kind=kind, strength=each) for kind in KINDS for each in KINDS[kind].strengths]
        readers = {step: Disturbed(step.kind, step.strength, part.root) for step in steps}
        _write_disturbed(out / "robustness", part, scorer, fitted, made_by, readers)
    if invariance:
        changes = {
            Disturbance(kind=each.kind, strength=each.strength): Changed(each.kind, each.strength)
            for each in HARMLESS
        }
        _write_disturbed(out / "invariance", part, scorer, fitted, made_by, changes)
    if controls:
        kept = controlled(part.located, part.root)
        by_name = {Disturbance(kind=name, strength=1): read for name, read in kept.items()}
        _write_disturbed(out / "controls", part, scorer, fitted, made_by, by_name)
    return written


@dataclass(frozen=True)
class _Part:
    """The rows that are scored: as the manifest names them, and where their pictures lie."""

    samples: list[Sample]
    located: list[Sample]
    root: Path
    split: Split
    lists: Lists
    elsewhere: frozenset[str]
    preprocessing: Preprocessing
    progress: bool

    @classmethod
    def of(cls, manifest: Manifest, split: Split, card: ModelCard, lists: Lists, *, progress: bool) -> _Part:
        samples = manifest.only(split).samples()
        if task_named(card.task).output == "embedding" and any(lists):
            named, enrolled = lists.names(), lists.enrolled()
            # A gallery may lie in another split than those who are looked for.
            others = [row for row in manifest.samples() if row.split != split and row.path in enrolled]
            samples = [row for row in samples if not named or row.path in named] + others
            if not samples:
                raise ManifestError(
                    f"{manifest.source}: none of its {split} rows is in the list of pairs or gallery"
                )
        located = absolute(samples, manifest.root)
        if task_named(card.task).unit == "picture":
            located = whole_pictures(located)
        return cls(
            samples=samples,
            located=located,
            root=manifest.root,
            split=split,
            lists=lists,
            elsewhere=frozenset(manifest.rows["path"]) - {row.path for row in samples},
            preprocessing=card.preprocessing,
            progress=progress,
        )

    def answers(self, scorer: Scorer, read: Reader, title: str) -> list[Answer]:
        answers: Iterable[Answer] = scorer(self.located, read)
        if self.progress:
            from rich.console import Console
            from rich.progress import track

            console = Console(stderr=True)
            answers = track(answers, description=title, total=len(self.located), console=console)
        return list(answers)

    def write(
        self, path: Path, answers: list[Answer], made_by: Provenance, read: Reader = read_sample
    ) -> None:
        output = task_named(made_by.task).output
        if output == "embedding":
            table: Table = self.pairs(answers, made_by)
        elif output == "classes":
            table = class_table(
                self.samples, self.located, answers, made_by, preprocessing=self.preprocessing, read=read
            )
        else:
            table = score_table(self.samples, answers, made_by)
        table.write(path)

    @property
    def compares(self) -> bool:
        """Whether pairs can be compared: they are listed, or all of them are few enough."""
        asked = sum(row.split == self.split for row in self.samples)
        return self.lists.pairs is not None or asked * (asked - 1) // 2 <= MOST_PAIRS

    def pairs(self, answers: list[Answer], made_by: Provenance) -> Pairs:
        asked = [row for row in self.samples if row.split == self.split]
        return pair_table(self._embedded(answers), made_by, pairs=self.lists.pairs, rows=asked)

    def searches(self, answers: list[Answer], made_by: Provenance) -> Searches:
        if self.lists.gallery is None:
            raise UsageError("a search needs a gallery")
        return search_table(self._embedded(answers), made_by, gallery=self.lists.gallery)

    def write_pixels(self, path: Path, learning: Manifest, made_by: Provenance) -> None:
        """Writes the trivial baseline of a list of pairs, where there is something to fit it on."""
        pairs = self.lists.pairs
        if pairs is None or self.lists.templates is not None:
            return
        found = pixel_pairs(learning, self.samples, self.located, pairs, made_by, self.elsewhere)
        if found is not None:
            found.write(path)

    def _embedded(self, answers: list[Answer]) -> Embedded:
        rows = Embedded.of(self.samples, answers, elsewhere=self.elsewhere)
        return rows if self.lists.templates is None else rows.pooled(self.lists.templates)

    def write_errors(self, path: Path, answers: list[Answer]) -> None:
        pairs = zip(self.samples, answers, strict=True)
        failed = [(row.path, str(answer)) for row, answer in pairs if isinstance(answer, ImageError)]
        if write_unreadable(path, failed):
            _log.warning("%d of %d pictures could not be read; see %s", len(failed), len(self.samples), path)


def _trained_people(
    manifest: Manifest, split: Split, card: ModelCard, trained_on: Iterable[str | Path]
) -> int | None:
    """How many people of the split the model was trained on; none where that cannot be told."""
    learnt = [Manifest.read(path) for path in trained_on]
    learnt += [manifest] if manifest.hash in card.manifest else []
    asked = people_of(row for row in manifest.samples() if row.split == split)
    if not learnt or not asked:
        return None
    trained = people_of(row for each in learnt for row in each.samples() if row.split == "train")
    return len(asked & trained)


def _write_epochs(
    run: Path, part: _Part, out: Path, made_by: Provenance, *, batch: int, workers: int
) -> None:
    """Writes the scores of every epoch that a run kept, the epoch in the version's place."""
    kept = sorted((run / "checkpoints").glob("epoch-*.safetensors"))
    if not kept:
        raise UsageError(f"{run}: kept the best epoch only; train it with --set trainer.keep=all")
    for weights in kept:
        opened = open_run(run, batch=batch, workers=workers, weights=weights)
        _, scorer = merging(*opened, made_by.merged)
        version = f"{made_by.version.split('+')[0]}+{weights.stem}"
        path = out / f"scores-{weights.stem}-{made_by.split}.parquet"
        answers = list(scorer(part.located, read_sample))
        part.write(path, answers, made_by.model_copy(update={"version": version}))


def _write_baselines(
    out: Path, part: _Part, fitted: dict[str, Baseline], made_by: Provenance, read: Reader
) -> None:
    """Writes the scores of each baseline, but for those that lie there for disturbed pictures."""
    sources = {
        probe: made_by.model_copy(
            update={"model": f"baseline:{probe}", "version": baseline.version, "seed": None}
        )
        for probe, baseline in fitted.items()
    }
    paths = {probe: _path(out, f"baseline-{probe}", source) for probe, source in sources.items()}
    lacking = {probe: fitted[probe] for probe in fitted if not _is_kept(paths[probe], sources[probe])}
    if lacking:
        for probe, answers in score_baselines(lacking, part.located, read, part.preprocessing).items():
            part.write(paths[probe], answers, sources[probe])


def _write_disturbed(
    out: Path,
    part: _Part,
    scorer: Scorer,
    fitted: dict[str, Baseline],
    made_by: Provenance,
    readers: Mapping[Disturbance, Reader],
) -> None:
    """Writes the scores of the pictures under every disturbance, the baselines' beside the model's."""
    for step, read in readers.items():
        source = made_by.model_copy(update={"disturbance": step})
        path = _path(out, "scores", source)
        if not _is_kept(path, source):
            title = f"{made_by.model} on {made_by.split}, {step.kind} {step.strength:g}"
            part.write(path, part.answers(scorer, read, title), source, read)
        _write_baselines(out, part, fitted, source, read)


def _path(out: Path, stem: str, made_by: Provenance) -> Path:
    """Returns where scores lie: what they are, the disturbance if there is one, the split."""
    disturbance = made_by.disturbance
    step = [disturbance.kind, f"{disturbance.strength:g}"] if disturbance else []
    return out / f"{'-'.join([stem, *step, made_by.split])}.parquet"


def _is_kept(path: Path, made_by: Provenance) -> bool:
    """Whether scores of disturbed pictures need not be made again."""
    if made_by.disturbance is None or not path.is_file():
        return False
    try:
        return read_table(path).made_by == made_by
    except ScoresError:
        return False
