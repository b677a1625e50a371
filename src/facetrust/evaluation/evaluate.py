"""A model and a manifest become scores files, the trivial baselines beside them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np

from facetrust.data.audit.probes import PROBES, Logistic, fit_logistic
from facetrust.data.augment.disturb import KINDS, Disturbed, check_kinds
from facetrust.data.manifest import Manifest
from facetrust.errors import ImageError, ManifestError, ScoresError, UsageError
from facetrust.imaging import Pixels, box_of, cut_out, read_image
from facetrust.records import Disturbance, ModelCard, Provenance, Sample, Scores, Split, write_unreadable

_log = logging.getLogger("facetrust")
Answer = float | ImageError
Reader = Callable[[str], Pixels]
Scorer = Callable[[list[Sample], Reader], Iterator[Answer]]


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
    progress: bool = False,
) -> Path:
    """Returns the scores file `out/scores-<split>.parquet` of a model on one split.

    Beside it: `baseline-<probe>-<split>.parquet` for each probe of `facetrust.data.probes`, a
    logistic regression on that measure of the face's box at the picture's own size, so that they are
    not weakened by a model's crop; and `errors-<split>.csv` with one row
    per picture that could not be read, where there is any. Such a picture has no score.

    Args:
        model: a run folder (runs in torch), an `.onnx` file or a bundled model's name (run by the
            runtime, as when serving).
        batch: faces at once, and `workers` processes that read them; for a run folder.
        fit: manifest whose train rows the baselines are fitted on; the same one if none is given.
            Where it has not both labels in train, no baselines are written.
        every_epoch: also score each epoch's weights, in `out/epochs`, for the figures that a report
            shows as published; the run must have kept them (`trainer.keep: all`).
        robustness: also score the same pictures disturbed, each kind of `facetrust.data.disturb` at each
            strength, in `out/robustness`; the baselines too, fitted on undisturbed pictures. Files of the
            same model and manifest that lie there are kept, so that a sweep goes on where it stopped.
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
    part = whole.only(split)
    rows, names = _absolute(part), part.samples()
    card, scorer = _open(model, batch=batch, workers=workers)
    answers = list(_shown(scorer(rows, read_image), len(rows), progress, f"{card.name} on {split}"))
    out = Path(out)
    made_by = Provenance(
        model=card.name,
        version="+".join(filter(None, (str(card.version), card.sha256[:8]))),
        task=card.task,
        manifest=whole.hash,
        split=split,
        seed=card.seed,
    )
    _write_scores(_path(out, "scores", made_by), names, answers, made_by)
    _write_errors(out / f"errors-{split}.csv", names, answers)
    if every_epoch:
        _write_epochs(Path(model), rows, names, out / "epochs", made_by, batch=batch, workers=workers)
    learning = fit if isinstance(fit, Manifest) or fit is None else Manifest.read(fit)
    fitted = _fitted(learning or whole) if baselines else {}
    _write_baselines(out, part, fitted=fitted, made_by=made_by)
    if robustness:
        where = out / "robustness"
        _write_disturbed(where, part, scorer=scorer, fitted=fitted, made_by=made_by, progress=progress)
    return out / f"scores-{split}.parquet"


def _open(model: str | Path, *, batch: int, workers: int) -> tuple[ModelCard, Scorer]:
    path = Path(model)
    if path.is_dir():
        return _torch_scorer(path, batch, workers)
    from facetrust.runtime.model import load_model

    served = load_model(str(model))

    def score(rows: list[Sample], read: Reader) -> Iterator[Answer]:
        for row in rows:
            try:
                image = read(row.path)
            except ImageError as error:
                yield error
            else:
                yield float(served.score(image, [box_of(row, image)])[0])

    return served.card, score


def _write_epochs(
    run: Path, rows: list[Sample], names: list[Sample], out: Path, made_by: Provenance, **how: int
) -> None:
    """Writes the scores of every epoch that a run kept, the epoch in the version's place."""
    kept = sorted((run / "checkpoints").glob("epoch-*.safetensors"))
    if not kept:
        raise UsageError(f"{run}: kept the best epoch only; train it with --set trainer.keep=all")
    for weights in kept:
        _, scorer = _torch_scorer(run, **how, weights=weights)
        named = made_by.model_copy(update={"version": f"{made_by.version.split('+')[0]}+{weights.stem}"})
        path = out / f"scores-{weights.stem}-{made_by.split}.parquet"
        _write_scores(path, names, list(scorer(rows, read_image)), named)


def _torch_scorer(
    folder: Path, batch: int, workers: int, *, weights: Path | None = None
) -> tuple[ModelCard, Scorer]:
    import torch
    from safetensors.torch import load_file
    from torch.utils.data import DataLoader

    from facetrust.data.dataset import FaceData, collate
    from facetrust.models import load_checkpoint, mean_logits

    model, card = load_checkpoint(folder)
    if weights is not None:
        model.load_state_dict(load_file(weights))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.to(device)

    def score(rows: list[Sample], read: Reader) -> Iterator[Answer]:
        data = FaceData(rows, views={"student": card.preprocessing}, read=read)
        waiting = iter(rows)
        for faces in DataLoader(data, batch, num_workers=workers, collate_fn=collate):
            failed = {entry.path: entry.reason for entry in faces["failed"]}
            found: Iterator[float] = iter(())
            if len(faces["target"]):
                with torch.no_grad():
                    logits = mean_logits(model, faces["views"]["student"].to(device))
                found = iter(logits.double().sigmoid().tolist())
            for _ in range(len(faces["target"]) + len(faces["failed"])):
                path = next(waiting).path
                yield ImageError(failed[path]) if path in failed else next(found)

    return card, score


class _Baseline(NamedTuple):
    """A logistic regression on one probe, and the manifest that it was fitted on."""

    model: Logistic
    manifest: str


def _fitted(fit: Manifest) -> dict[str, _Baseline]:
    """Returns a baseline per probe, fitted on the train rows; none where these have one label only."""
    if {row.label for row in fit.samples() if row.split == "train"} != {0, 1}:
        _log.warning("no baselines: %s has not both labels in train; name another to fit them on", fit.source)
        return {}
    rows = _absolute(fit.only("train"))
    learnt = _measured(rows, read_image)
    labels = np.array([row.label for row, values in zip(rows, learnt, strict=True) if values])
    return {
        probe: _Baseline(
            fit_logistic(np.stack([values[probe] for values in learnt if values]), labels), fit.hash
        )
        for probe in PROBES
    }


def _write_baselines(
    out: Path,
    part: Manifest,
    *,
    fitted: dict[str, _Baseline],
    made_by: Provenance,
    read: Reader = read_image,
) -> None:
    """Writes the scores of each baseline, but for those that lie there for disturbed pictures."""
    made = {
        probe: made_by.model_copy(
            update={"model": f"baseline:{probe}", "version": baseline.manifest, "seed": None}
        )
        for probe, baseline in fitted.items()
    }
    paths = {probe: _path(out, f"baseline-{probe}", named) for probe, named in made.items()}
    lacking = [probe for probe in fitted if not _is_kept(paths[probe], made[probe])]
    judged = _measured(_absolute(part), read) if lacking else []
    for probe in lacking:
        answers: list[Answer] = []
        for values in judged:
            found = fitted[probe].model.probability(values[probe][None]) if values else None
            answers.append(ImageError("unreadable") if found is None else float(found[0]))
        _write_scores(paths[probe], part.samples(), answers, made[probe])


def _write_disturbed(
    out: Path,
    part: Manifest,
    *,
    scorer: Scorer,
    fitted: dict[str, _Baseline],
    made_by: Provenance,
    progress: bool,
) -> None:
    """Writes the scores of the pictures under every disturbance, the baselines' beside the model's."""
    for kind, strength in ((kind, each) for kind, about in KINDS.items() for each in about.strengths):
        noted = made_by.model_copy(update={"disturbance": Disturbance(kind=kind, strength=strength)})
        read, path = Disturbed(kind, strength, part.root), _path(out, "scores", noted)
        if not _is_kept(path, noted):
            title = f"{made_by.model} on {made_by.split}, {kind} {strength:g}"
            answers = list(_shown(scorer(_absolute(part), read), len(part), progress, title))
            _write_scores(path, part.samples(), answers, noted)
        _write_baselines(out, part, fitted=fitted, made_by=noted, read=read)


def _path(out: Path, stem: str, made_by: Provenance) -> Path:
    """Returns where scores lie: what they are, the disturbance if there is one, the split."""
    how = made_by.disturbance
    told = [stem, *([how.kind, f"{how.strength:g}"] if how else []), made_by.split]
    return out / f"{'-'.join(told)}.parquet"


def _is_kept(path: Path, made_by: Provenance) -> bool:
    """Whether scores of disturbed pictures need not be made again."""
    if made_by.disturbance is None or not path.is_file():
        return False
    try:
        return Scores.read(path).made_by == made_by
    except ScoresError:
        return False


def _measured(rows: list[Sample], read: Reader) -> list[dict[str, np.ndarray]]:
    """Returns every probe's (d,) values of each row's face, empty for an unreadable picture."""
    found: list[dict[str, np.ndarray]] = []
    for row in rows:
        try:
            image = read(row.path)
        except ImageError:
            found.append({})
            continue
        x, y, w, h = box_of(row, image)
        face = cut_out(image, (x + w / 2, y + h / 2), (h, w), fill="shift")
        found.append({name: np.atleast_1d(probe(face)) for name, probe in PROBES.items()})
    return found


def _write_scores(path: Path, rows: list[Sample], answers: list[Answer], made_by: Provenance) -> None:
    import polars as pl

    scored = [
        {"sample": row.path, "score": answer, **row.model_dump(include=set(Scores.columns))}
        for row, answer in zip(rows, answers, strict=True)
        if not isinstance(answer, ImageError)
    ]
    if not scored:
        raise ManifestError(f"{rows[0].path}: and all other pictures of the split cannot be read")
    texts = dict.fromkeys(("sample", "media", "subject", "domain", "attack"), pl.String)
    table = pl.DataFrame(scored, schema={**texts, "label": pl.Int64, "score": pl.Float64})
    Scores(table, made_by).write(path)


def _write_errors(path: Path, rows: list[Sample], answers: list[Answer]) -> None:
    pairs = zip(rows, answers, strict=True)
    failed = [(row.path, str(answer)) for row, answer in pairs if isinstance(answer, ImageError)]
    if write_unreadable(path, failed):
        _log.warning("%d of %d pictures could not be read; see %s", len(failed), len(rows), path)


def _absolute(manifest: Manifest) -> list[Sample]:
    return [row.model_copy(update={"path": str(manifest.path_of(row))}) for row in manifest.samples()]


def _shown(answers: Iterable[Answer], count: int, progress: bool, title: str) -> Iterable[Answer]:
    if not progress:
        return answers
    from rich.progress import track

    return track(answers, description=title, total=count)
