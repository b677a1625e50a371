"""A finished run becomes an exported file: proven on real crops, int8 only if it pays."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from facetrust.data.manifest import Manifest
from facetrust.errors import UnknownName, UsageError
from facetrust.export.int8 import Choice, choose
from facetrust.export.onnx import export
from facetrust.export.openvino import openvino
from facetrust.export.parity import (
    FLOAT_TOLERANCE,
    INT8_TOLERANCE,
    Parity,
    answers_of,
    as_faces,
    inputs_of,
    parity,
)
from facetrust.imaging import box_of, crops_of, read_image, to_tensor
from facetrust.model_file import locate, open_model, open_session, read, save
from facetrust.protocols import fit_threshold
from facetrust.records import ModelCard, Preprocessing, QualityLimits, Record, Result, Split, write_text
from facetrust.tasks import task_named

if TYPE_CHECKING:
    from torch import nn


class Exported(Record):
    """What was written, how far it is from the network and on which faces, and the figures of int8."""

    path: str
    bytes: int
    faces: str
    parity: Parity
    choice: Choice | None = None


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
    limit: Mapping[str, str | float] = MappingProxyType({}),
    faces: int = 200,
    rounds: int = 50,
) -> Exported:
    """Returns what it wrote: `out`, its card beside it, and `<stem>.export.json`, which is this record.

    Args:
        run: the folder of a finished run.
        out: an .onnx file, or an .xml file for OpenVINO, made from the .onnx file that was proven.
        manifest: parity is measured on at most `faces` of its dev crops (of each of several), else on noise.
        margins: crops to take instead of the run's; the threshold is then fitted anew, on all dev faces.
        rules: how thresholds are chosen (`fit_threshold`), anew and on all dev faces; the first one decides
            when serving. The equal error rate, if none is given and margins are.
        int8: also try both int8 forms, scaled by train crops, and keep the fastest that ranks dev
            faces as well; needs the manifest.
        name: the name in the card, if it is to be another; `NAME@2` says its version too.
        proof: the JSON file of a report on test faces of this run. Its figures go into the card, and its
            verdicts decide from then on if the interval of its AUC lies above every trivial baseline there;
            without, they are advisory.
        limits: a bundled model's name or an .onnx file; the card takes the qualities of a face from it
            beyond which a face is not judged.
        limit: such qualities by name, beside or instead of those, as in `{"least_size": 112}`.
        rounds: timed calls of each form.

    Raises:
        UnknownName: no such limit.
        UsageError: int8, margins or rules without a manifest, no such rule, a limit out of range, or `out`
            ends neither in .onnx nor in .xml.
        ModelError: the run is unfinished or altered.
        ManifestError: the manifest cannot be used, or lacks dev or train rows.
        ImageError: one of its pictures cannot be read.
        ExportError: the file does not answer as the network does; nothing is left of it.
    """
    from facetrust.models import load_checkpoint

    out = Path(out)
    if out.suffix not in (".onnx", ".xml"):
        raise UsageError(f"{out}: give a name that ends in .onnx, or in .xml for OpenVINO")
    paths = [manifest] if isinstance(manifest, str | Path) else list(manifest or ())
    if (int8 or margins or rules) and not paths:
        raise UsageError("int8, margins and thresholds are settled on faces: give a manifest")
    model, card = load_checkpoint(run)
    if (int8 or rules) and task_named(card.task).output != "score":
        raise UsageError(f"{run}: answers {card.task} without a score; it has no threshold, nor an int8 form")
    if proof is not None:
        card = proven(card, Path(proof))
    if limits is not None:
        card = card.model_copy(update={"limits": open_model(locate(limits))[1].limits})
    if limit:
        card = _limited(card, limit)
    card = _named(card, name)
    if hasattr(model, "fold"):
        # A text side says the same of every face: its answers are kept, the tower is not.
        model = model.fold()  # type: ignore[operator]
        size = sum(value.numel() for value in model.parameters())
        architecture = f"{card.architecture}, text folded"
        card = card.model_copy(update={"architecture": architecture, "parameters": size})
    wholes = [Manifest.read(path) for path in paths]
    if rules or (margins and task_named(card.task).output == "score"):
        card = _settled(model, card, tuple(margins) or card.preprocessing.margins, rules or ("eer",), wholes)
    how = card.preprocessing
    dev, labels, domains, faces_of = _noise(how), np.zeros(0), [""], "noise"
    train = dev
    if wholes:
        dev, labels, domains = _crops(wholes, how, "dev", faces)
        train = _crops(wholes, how, "train", faces)[0] if int8 else train
        faces_of = f"{len(dev)} dev faces of manifest {_hashes(wholes)}"
    choice = None
    with tempfile.TemporaryDirectory() as scratch:
        made = export(model, card, Path(scratch) / out.name, crops=dev)
        if int8:
            choice = choose(made, dev, labels, calibration=train, rounds=rounds)
            made = Path(choice.path)
        graph, inside = read(made)
        if choice is not None and choice.kept != "float":
            inside = _refitted(made, inside, card, dev, labels, domains, _hashes(wholes))
        allowed = FLOAT_TOLERANCE if choice is None or choice.kept == "float" else INT8_TOLERANCE
        figures = parity(model, card, made, dev, tolerance=allowed)
        if out.suffix == ".xml":
            openvino(made, out)
        else:
            save(graph, inside, out)
    exported = Exported(
        path=str(out), bytes=out.stat().st_size, faces=faces_of, parity=figures, choice=choice
    )
    write_text(out.with_suffix(".export.json"), exported.model_dump_json(indent=2) + "\n")
    return exported


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


def _refitted(
    file: Path,
    inside: ModelCard,
    origin: ModelCard,
    crops: NDArray[np.uint8],
    labels: NDArray[np.float64],
    domains: Sequence[str],
    manifest: str,
) -> ModelCard:
    """The card of an int8 form with thresholds of its own, by the rules of the float form's."""
    inputs = inputs_of(as_faces(crops, inside.preprocessing), inside.preprocessing, str(file))
    scores, _ = answers_of(open_session(file), inputs, margins=len(inside.preprocessing.margins))
    thresholds = []
    how: dict[str, Any] = {"manifest": manifest, "split": "dev", "domains": domains}
    for each in origin.thresholds:
        try:
            thresholds.append(fit_threshold(each.rule, labels, scores, **how))
        except UsageError:  # Set by hand, or by another project.
            continue
    rest = () if thresholds else (fit_threshold("eer", labels, scores, **how),)
    return inside.model_copy(update={"thresholds": (*thresholds, *rest)})


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


def _settled(
    model: nn.Module,
    card: ModelCard,
    margins: tuple[float, ...],
    rules: Sequence[str],
    manifests: Sequence[Manifest],
) -> ModelCard:
    """Returns the card with these margins and the thresholds that go with them."""
    import torch

    from facetrust.models import mean_logits

    how = card.preprocessing.model_copy(update={"margins": margins})
    crops, labels, domains = _crops(manifests, how, "dev", None)
    with torch.no_grad():
        tensors = torch.from_numpy(np.stack([[to_tensor(crop, how) for crop in face] for face in crops]))
        scores = torch.cat([mean_logits(model, part) for part in torch.split(tensors, 64)]).double().sigmoid()
    found = tuple(
        fit_threshold(rule, labels, scores.numpy(), manifest=_hashes(manifests), split="dev", domains=domains)
        for rule in rules
    )
    results = card.results if how == card.preprocessing else ()
    return card.model_copy(update={"preprocessing": how, "thresholds": found, "results": results})


def _hashes(manifests: Sequence[Manifest]) -> str:
    return "+".join(manifest.hash for manifest in manifests)


def _crops(
    manifests: Sequence[Manifest], how: Preprocessing, split: Split, count: int | None
) -> tuple[NDArray[np.uint8], NDArray[np.float64], list[str]]:
    """Crops (N, M, h, w, 3), labels (N,) and domains of a split; at most `count` rows of each manifest."""
    made, labels, domains = [], [], []
    for manifest in manifests:
        part = manifest.only(split)
        samples = part.samples()
        chosen = np.unique(np.linspace(0, len(samples) - 1, count or len(samples)).astype(int))
        for sample in (samples[i] for i in chosen):
            image = read_image(part.path_of(sample))
            box = box_of(sample, image)
            made.append(crops_of(image, box, how, points=sample.points))
            labels.append(float(sample.label or 0))
            domains.append(sample.domain or "")
    return np.asarray(made), np.array(labels), domains


def _noise(how: Preprocessing) -> NDArray[np.uint8]:
    shape = (8, len(how.margins), *how.size, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
