"""A finished run becomes an exported file: proven on real crops, its card fitted on dev, int8 if it pays."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from facetrust.data.manifest import Manifest
from facetrust.errors import UnknownName, UsageError
from facetrust.export.crops import crops_of_rows, noise
from facetrust.export.fit import Calibrated, DevErrors, Fitted, fit_card
from facetrust.export.int8 import Choice, choose
from facetrust.export.onnx import export
from facetrust.export.parity import (
    FLOAT_TOLERANCE,
    INT8_TOLERANCE,
    Parity,
    parity,
)
from facetrust.export.runtimes import suffixes
from facetrust.model_file import locate, names, open_model, read, save
from facetrust.protocols import FittedLimit, check_threshold_rule
from facetrust.records import ModelCard, QualityLimits, Record, Result, write_text
from facetrust.tasks import task_named

if TYPE_CHECKING:
    import onnx
    from torch import nn


class Exported(Record):
    """What was written, how far it is from the network and on which faces, and what was fitted and chosen.

    parity: none where an exported file was given a new card. fitted_on: those of the `labelled` dev faces
    that the card's limits leave judged. errors: what each threshold costs on them.
    """

    path: str
    bytes: int
    faces: str = "none"
    parity: Parity | None = None
    choice: Choice | None = None
    fitted_on: int = 0
    labelled: int = 0
    errors: tuple[DevErrors, ...] = ()
    calibrated: Calibrated | None = None
    limits: tuple[FittedLimit, ...] = ()


def export_run(
    run: str | Path,
    out: str | Path,
    *,
    manifest: str | Path | Sequence[Path] | None = None,
    margins: Sequence[float] = (),
    rules: Sequence[str] = (),
    int8: bool = False,
    name: str | None = None,
    proof: str | Path | None = None,
    limits: str | Path | None = None,
    risk: float | None = None,
    limit: Mapping[str, str | float] = MappingProxyType({}),
    faces: int = 200,
    rounds: int = 50,
) -> Exported:
    """Returns what it wrote: `out`, its card beside it, and `<stem>.export.json`, which is this record.

    Args:
        run: the folder of a finished run; or an exported file, or a bundled model's name, whose graph stays
            and whose card is fitted anew.
        out: an .onnx file, or another runtime's (.xml for OpenVINO), made of the .onnx file that was proven.
        manifest: parity is measured on at most `faces` of its dev crops (of each of several), else on noise.
        margins: crops to take instead of the run's; the threshold is then fitted anew.
        rules: how thresholds are chosen (`fit_threshold`), anew and on all dev faces; the first one decides
            when serving. The equal error rate, if none is given and margins are. A calibration is fitted
            with them.
        int8: also try both int8 forms, scaled by train crops, and keep the fastest that ranks dev
            faces as well; needs the manifest.
        name: the name in the card, if it is to be another; `NAME@2` says its version too.
        proof: the JSON file of a report on test faces of this run. Its figures go into the card, and its
            verdicts decide from then on if the interval of its AUC lies above every trivial baseline there;
            without, they are advisory.
        limits: a bundled model's name or an .onnx file; the card takes the qualities of a face from it
            beyond which a face is not judged.
        risk: fit these anew on dev, so that within them at most this share of the decisions is wrong; what
            errors cannot tell stays as `limits` says.
        limit: such qualities by name, beside or instead of those, as in `{"least_size": 112}`.
        rounds: timed calls of each form.

    Raises:
        UnknownName: no such limit.
        UsageError: int8, margins, rules or a risk without a manifest, no such rule, a risk not above 0 and
            below 1, a limit out of range, int8 or margins for an exported file, or `out` ends neither in
            .onnx nor as a runtime's files do.
        ModelError: the run is unfinished or altered, or so is the file.
        ManifestError: the manifest cannot be used, or lacks dev or train rows.
        ImageError: one of its pictures cannot be read.
        ExportError: the file does not answer as the network does; nothing is left of it.
    """
    from facetrust.models import load_checkpoint

    out = Path(out)
    if out.suffix not in (known := (".onnx", *suffixes())):
        raise UsageError(f"{out}: give a name that ends in {' or '.join(known)}")
    paths = [manifest] if isinstance(manifest, str | Path) else list(manifest or ())
    if (int8 or margins or rules or risk is not None) and not paths:
        raise UsageError("int8, margins, thresholds and limits are settled on faces: give a manifest")
    for rule in rules:
        check_threshold_rule(rule)
    if risk is not None and not 0 < risk < 1:
        raise UsageError(f"a risk of {risk:g} is not above 0 and below 1")
    file = None if Path(run).is_dir() else _exported_file(run)
    if file is not None and (int8 or margins):
        raise UsageError(f"{run}: is exported; its graph and crops stay as they are (give the run's folder)")
    if file is None:
        model, card = load_checkpoint(run)
    else:
        card = open_model(file)[1]
    task = task_named(card.task)
    if (int8 or rules) and task.output != "score":
        raise UsageError(f"{run}: answers {card.task} without a score; it has no threshold, nor an int8 form")
    if risk is not None and (task.unit != "face" or task.output == "classes"):
        raise UsageError(f"{run}: answers {card.task}, whose errors are no decision's; no limits are fitted")
    if proof is not None:
        card = proven(card, Path(proof))
    if limits is not None:
        card = card.model_copy(update={"limits": open_model(locate(limits))[1].limits})
    if limit:
        card = _limited(card, limit)
    card = _named(card, name)
    wholes = [Manifest.read(path) for path in paths]
    if margins:
        card = _recut(card, tuple(margins))
        rules = rules or (("eer",) if task.output == "score" else ())
    if file is None:
        return _network(
            *_folded(model, card), out, wholes, rules=rules, risk=risk, int8=int8, faces=faces, rounds=rounds
        )
    fitted = fit_card(file, card, wholes, rules=rules, risk=risk)
    _save(read(file)[0], fitted.card, out)
    return _written(out, fitted)


def _network(
    model: nn.Module,
    card: ModelCard,
    out: Path,
    manifests: Sequence[Manifest],
    *,
    rules: Sequence[str],
    risk: float | None,
    int8: bool,
    faces: int,
    rounds: int,
) -> Exported:
    """Exports a network, proves it on dev crops, and fits its card."""
    dev, labels, faces_of = noise(card.preprocessing), np.zeros(0), "noise"
    train = dev
    if manifests:
        dev, labels = crops_of_rows(manifests, card.preprocessing, "dev", faces)
        train = crops_of_rows(manifests, card.preprocessing, "train", faces)[0] if int8 else train
        faces_of = f"{len(dev)} dev faces of manifest {'+'.join(each.hash for each in manifests)}"
    choice = None
    with tempfile.TemporaryDirectory() as scratch:
        made = export(model, card, Path(scratch) / out.name, crops=dev)
        if int8:
            choice = choose(made, dev, labels, calibration=train, rounds=rounds)
            made = Path(choice.path)
        is_float = choice is None or choice.kept == "float"
        allowed = FLOAT_TOLERANCE if is_float else INT8_TOLERANCE
        figures = parity(model, card, made, dev, tolerance=allowed)
        graph, inside = read(made)
        # An int8 form has thresholds of its own, by the rules of the float form's.
        rules = rules or (() if is_float else _rules_of(card))
        fitted = fit_card(made, inside, manifests, rules=rules, risk=risk)
        _save(graph, fitted.card, out)
    return _written(out, fitted, faces=faces_of, parity=figures, choice=choice)


def _folded(model: nn.Module, card: ModelCard) -> tuple[nn.Module, ModelCard]:
    """A network without its text side, which says the same of every face, where it has one."""
    if not hasattr(model, "fold"):
        return model, card
    model = model.fold()  # type: ignore[operator]
    size = sum(value.numel() for value in model.parameters())
    return model, card.model_copy(
        update={"architecture": f"{card.architecture}, text folded", "parameters": size}
    )


def _exported_file(name: str | Path) -> Path | None:
    """The file of a model's name or of a path that ends in .onnx; None of anything else."""
    given = Path(name)
    if given.suffix == ".onnx" or str(name) in names():
        return locate(str(name) if str(name) in names() else given)
    return None


def _save(graph: onnx.ModelProto, card: ModelCard, out: Path) -> None:
    if out.suffix == ".onnx":
        save(graph, card, out)
        return
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / f"{out.stem}.onnx"
        save(graph, card, source)
        suffixes()[out.suffix].convert(source, out)


def _written(out: Path, fitted: Fitted, **facts: Any) -> Exported:
    """Writes the record of what was exported beside it, and returns it."""
    exported = Exported(
        path=str(out),
        bytes=out.stat().st_size,
        fitted_on=fitted.faces,
        labelled=fitted.labelled,
        errors=fitted.errors,
        calibrated=fitted.calibrated,
        limits=fitted.limits,
        **facts,
    )
    write_text(out.with_suffix(".export.json"), exported.model_dump_json(indent=2) + "\n")
    return exported


def _recut(card: ModelCard, margins: tuple[float, ...]) -> ModelCard:
    """Returns the card with other crops, and without what was fitted and measured on those before."""
    how = card.preprocessing.model_copy(update={"margins": margins})
    results = card.results if how == card.preprocessing else ()
    return card.model_copy(update={"preprocessing": how, "thresholds": (), "results": results})


def _rules_of(card: ModelCard) -> tuple[str, ...]:
    """The rules of a card's thresholds that can be fitted anew; the equal error rate if there are none."""
    known = []
    for each in card.thresholds:
        try:
            check_threshold_rule(each.rule)
        except UsageError:  # Set by hand, or by another project.
            continue
        known.append(each.rule)
    return tuple(known) or ("eer",)


def _named(card: ModelCard, name: str | None) -> ModelCard:
    if not name:
        return card
    title, at, version = name.partition("@")
    if not title or (at and not version.isdecimal()):
        raise UsageError(f"{name}: write NAME or NAME@VERSION, the version a whole number")
    return card.model_copy(update={"name": title, "version": int(version or card.version)})


def _limited(card: ModelCard, limit: Mapping[str, str | float]) -> ModelCard:
    known = card.limits.model_dump() if card.limits else {}
    for name in limit:
        if name not in QualityLimits.model_fields:
            raise UnknownName("limit of quality", name, QualityLimits.model_fields)
    try:
        limits = QualityLimits.model_validate({**known, **limit})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "limits"
        raise UsageError(f"{where}: {first['msg']}") from None
    return card.model_copy(update={"limits": limits})


def proven(card: ModelCard, report: Path) -> ModelCard:
    """Returns a run's card with what a report on test measured; advisory unless it beats every baseline.

    Raises:
        UsageError: no report that measured exactly this run on its test split beside a trivial baseline.
    """
    try:
        facts = json.loads(report.read_text(encoding="utf-8"))
        models = [each for each in facts["models"] if not each["baseline"]]
        (mine,) = [each for each in models if _is_of(card, each["made_by"])]
        level = mine["levels"][0]
        auc = next(each for each in level["figures"] if each["metric"] == "auc")
        rivals = [_auc(each) for each in facts["models"] if each["baseline"]]
        split, manifest = mine["made_by"]["split"], mine["made_by"]["manifest"]
        low, high = auc["low"], auc["high"]
    except (OSError, ValueError, RecursionError, KeyError, TypeError, IndexError, StopIteration):
        raise UsageError(
            f"{report}: is no report (JSON) that measured {card.title} once by its AUC"
        ) from None
    if split != "test" or not rivals:
        raise UsageError(
            f"{report}: proves nothing; it must measure the test split, beside trivial baselines"
        )
    # A shortcut works as well the other way round.
    bar = max(max(each, 1 - each) for each in rivals)
    command = f"facetrust report; trivial baselines reach {bar:.3f}"
    result = Result(
        metric="auc", value=auc["value"], low=low, high=high, data=manifest, split="test", command=command
    )
    beats = low is not None and low > bar
    return card.model_copy(update={"results": (*card.results, result), "advisory": not beats})


def _is_of(card: ModelCard, made_by: dict[str, Any]) -> bool:
    return bool(made_by["model"] == card.name and made_by["version"].endswith(card.sha256[:8]))


def _auc(model: dict[str, Any]) -> float:
    return float(next(each["value"] for each in model["levels"][0]["figures"] if each["metric"] == "auc"))
