from __future__ import annotations

import logging
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from facetrust.data.audit.probes import PROBES, laplacian
from facetrust.data.augment.disturb import KINDS, Disturbed, Kind
from facetrust.data.manifest import Manifest
from facetrust.errors import FacetrustError, ManifestError, MissingExtra, ModelError, UsageError
from facetrust.evaluation.evaluate import evaluate
from facetrust.imaging import crop_face, inputs_of, read_image, to_tensor
from facetrust.metrics.auc import auc
from facetrust.models import load_checkpoint
from facetrust.records import Disturbance, Preprocessing, Sample, Scores


def test_scores_are_those_of_a_slow_loop_in_the_order_of_the_manifest(
    manifest: Path, run: Path, tmp_path: Path
) -> None:
    path = evaluate(run, manifest, split="test", out=tmp_path, batch=5)
    assert path == tmp_path / "scores-test.parquet"
    scores = Scores.read(path)
    model, card = load_checkpoint(run)
    rows = Manifest.read(manifest).only("test").samples()
    assert scores.rows["sample"].to_list() == [row.path for row in rows]
    assert scores.rows["media"].to_list() == [row.media for row in rows]
    assert scores.labels.tolist() == [row.label for row in rows]
    for row, score in zip(rows, scores.scores, strict=True):
        image = read_image(manifest.parent / row.path)
        box = (0, 0, 50, 60) if row.x is None else (row.x, row.y, row.w, row.h)
        logits = []
        for margin in card.preprocessing.margins:
            crop = to_tensor(crop_face(image, box, card.preprocessing, margin=margin), card.preprocessing)  # type: ignore[arg-type]
            logits.append(model(torch.from_numpy(crop)[None]).logit.item())
        assert score == pytest.approx(1 / (1 + np.exp(-np.mean(logits))), abs=1e-5)
    made_by = scores.made_by
    assert (made_by.model, made_by.split, made_by.seed) == ("tiny", "test", 5)
    assert made_by.version == f"1+{card.sha256[:8]}"
    assert made_by.manifest == Manifest.read(manifest).hash


def test_baselines_are_written_beside(manifest: Path, run: Path, tmp_path: Path) -> None:
    evaluate(run, manifest, split="dev", out=tmp_path)
    for probe in PROBES:
        scores = Scores.read(tmp_path / f"baseline-{probe}-dev.parquet")
        assert scores.made_by.model == f"baseline:{probe}"
        assert scores.made_by.version.partition("+")[0] == Manifest.read(manifest).hash
        assert scores.scores.min() >= 0
        assert scores.scores.max() <= 1
    sharp = Scores.read(tmp_path / "baseline-laplacian-dev.parquet")
    rows = Manifest.read(manifest).only("dev").samples()
    pictures = [read_image(manifest.parent / row.path) for row in rows]
    boxes = [(0, 0, 50, 60) if row.x is None else (row.x, row.y, row.w, row.h) for row in rows]
    raw = [
        laplacian(image[int(y) : int(y + h), int(x) : int(x + w)])
        for image, (x, y, w, h) in zip(pictures, boxes, strict=True)
    ]
    # Blur marks the attacks, so the fitted score must rank as the falling sharpness does.
    assert auc(sharp.labels, sharp.scores) == auc(sharp.labels, [-value for value in raw])
    assert auc(sharp.labels, sharp.scores) > 0.9


def test_baselines_need_both_labels_to_learn_from(
    manifest: Path, run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [row for row in Manifest.read(manifest).samples() if row.split == "test"]
    for row in rows:
        (tmp_path / row.path).write_bytes((manifest.parent / row.path).read_bytes())
    Manifest.write(rows, tmp_path / "m.csv")
    caplog.set_level(logging.WARNING, "facetrust")
    evaluate(run, tmp_path / "m.csv", out=tmp_path / "out")
    assert "no baselines" in caplog.text
    assert not list((tmp_path / "out").glob("baseline-*"))
    evaluate(run, tmp_path / "m.csv", out=tmp_path / "out", fit=manifest)
    assert len(list((tmp_path / "out").glob("baseline-*"))) == len(PROBES)


@pytest.mark.parametrize("broken", [1, 3])
def test_an_unreadable_picture_is_an_error_row_and_no_score(
    manifest: Path, run: Path, tmp_path: Path, broken: int, caplog: pytest.LogCaptureFixture
) -> None:
    rows = Manifest.read(manifest).samples()
    for row in rows:
        (tmp_path / row.path).write_bytes((manifest.parent / row.path).read_bytes())
    names = [row.path for row in rows if row.split == "test"][:broken]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    Manifest.write(rows, tmp_path / "m.csv")
    caplog.set_level(logging.WARNING, "facetrust")
    scores = Scores.read(evaluate(run, tmp_path / "m.csv", out=tmp_path / "out", batch=2))
    whole = Scores.read(evaluate(run, manifest, out=tmp_path / "whole", baselines=False))
    assert len(list((tmp_path / "whole").iterdir())) == 1
    kept = [name not in names for name in whole.rows["sample"]]
    assert scores.scores.tolist() == pytest.approx(whole.scores[kept].tolist(), abs=3e-6)
    assert len(Scores.read(tmp_path / "out" / "baseline-spectrum-test.parquet")) == len(whole) - broken
    lines = (tmp_path / "out" / "errors-test.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["sample", *names]
    assert f"{broken} of {len(whole)} pictures could not be read" in caplog.text


def test_a_split_without_a_readable_picture_is_an_error(manifest: Path, run: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    Manifest.write([Sample(path="a.png", label=0, split="test")], tmp_path / "m.csv")
    with pytest.raises(ManifestError, match="all other pictures"):
        evaluate(run, tmp_path / "m.csv", out=tmp_path / "out", baselines=False)


@pytest.mark.parametrize(
    ("model", "data", "split", "error"),
    [
        ("nothing.onnx", None, "test", ModelError),
        ("no-such-model", None, "test", FacetrustError),
        (None, "nothing.csv", "test", ManifestError),
        (None, None, "validation", UsageError),
    ],
)
def test_wrong_arguments(
    manifest: Path, run: Path, tmp_path: Path, model: Any, data: Any, split: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        evaluate(model or run, data or manifest, split=split, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_every_epoch_is_scored_with_its_own_weights(manifest: Path, run: Path, tmp_path: Path) -> None:
    whole = tmp_path / "run"
    shutil.copytree(run, whole)
    (whole / "checkpoints").mkdir()
    model, _ = load_checkpoint(run)
    for epoch, factor in enumerate((0.0, 1.0)):
        weights = {name: factor * value for name, value in model.state_dict().items()}
        save_file(weights, whole / "checkpoints" / f"epoch-{epoch:03d}.safetensors")
    path = evaluate(whole, manifest, out=tmp_path / "out", baselines=False, every_epoch=True)
    nothing, same = (
        Scores.read(tmp_path / "out" / "epochs" / f"scores-epoch-00{epoch}-test.parquet") for epoch in (0, 1)
    )
    assert set(nothing.scores) == {0.5}
    assert np.array_equal(same.scores, Scores.read(path).scores)
    assert (nothing.made_by.version, same.made_by.version) == ("1+epoch-000", "1+epoch-001")
    assert not list((tmp_path / "out").glob("*epoch*.parquet"))


def test_a_run_that_kept_no_epochs_says_so(manifest: Path, run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"train it with --set trainer\.keep=all"):
        evaluate(run, manifest, out=tmp_path, baselines=False, every_epoch=True)


@pytest.fixture
def two_kinds(monkeypatch: pytest.MonkeyPatch) -> dict[str, Kind]:
    kinds = {name: KINDS[name]._replace(strengths=KINDS[name].strengths[-2:]) for name in ("noise", "jpeg")}
    monkeypatch.setattr("facetrust.evaluation.evaluate.KINDS", kinds)
    return kinds


def test_disturbed_pictures_are_scored_beside(
    manifest: Path, run: Path, tmp_path: Path, two_kinds: dict[str, Kind]
) -> None:
    whole = Scores.read(evaluate(run, manifest, out=tmp_path, batch=5, robustness=True))
    folder = tmp_path / "robustness"
    stems = ["scores", *(f"baseline-{probe}" for probe in PROBES)]
    wanted = {
        f"{stem}-{disturbance}-test.parquet"
        for stem in stems
        for disturbance in ("noise-20", "noise-40", "jpeg-50", "jpeg-30")
    }
    assert {path.name for path in folder.iterdir()} == wanted
    model, card = load_checkpoint(run)
    for kind, strength in (("noise", 40.0), ("jpeg", 50.0)):
        scores = Scores.read(folder / f"scores-{kind}-{strength:g}-test.parquet")
        disturbance = Disturbance(kind=kind, strength=strength)
        assert scores.made_by == whole.made_by.model_copy(update={"disturbance": disturbance})
        assert scores.rows.drop("score").equals(whole.rows.drop("score"))
        read = Disturbed(kind, strength, manifest.parent)
        for row, score in zip(Manifest.read(manifest).only("test").samples(), scores.scores, strict=True):
            image, _ = read(row.model_copy(update={"path": str(manifest.parent / row.path)}))
            box = (0, 0, 50, 60) if row.x is None else (row.x, row.y, row.w, row.h)
            stacked = torch.from_numpy(inputs_of(image, box, card.preprocessing))  # type: ignore[arg-type]
            assert score == pytest.approx(model(stacked).logit.mean().sigmoid().item(), abs=1e-5)
    assert np.abs(scores.scores - whole.scores).max() > 1e-3


def test_a_sweep_disturbs_what_is_judged_and_not_what_baselines_learn_from(
    manifest: Path, run: Path, tmp_path: Path, two_kinds: dict[str, Kind]
) -> None:
    evaluate(run, manifest, split="dev", out=tmp_path, robustness=True)
    clean = Scores.read(tmp_path / "baseline-laplacian-dev.parquet")
    noisy = Scores.read(tmp_path / "robustness" / "baseline-laplacian-noise-40-dev.parquet")
    assert noisy.made_by.model == "baseline:laplacian"
    assert noisy.made_by.version == clean.made_by.version
    # Blur marks the attacks, and noise makes every one of them look sharper.
    attacks = clean.labels == 1
    assert np.all(noisy.scores[attacks] < clean.scores[attacks])


def test_a_sweep_goes_on_where_it_stopped(
    manifest: Path, run: Path, tmp_path: Path, two_kinds: dict[str, Kind]
) -> None:
    def sweep() -> dict[str, int]:
        evaluate(run, manifest, out=tmp_path, robustness=True)
        return {path.name: path.stat().st_mtime_ns for path in (tmp_path / "robustness").iterdir()}

    before = sweep()
    names = ("scores-jpeg-30", "baseline-spectrum-noise-20", "scores-noise-40", "scores-noise-20")
    gone, broken, foreign, other = (tmp_path / "robustness" / f"{name}-test.parquet" for name in names)
    gone.unlink()
    broken.write_bytes(b"cut off")
    for path, change in ((foreign, {"manifest": "feed"}), (other, {"version": "2"})):
        scores = Scores.read(path)
        Scores(scores.rows, scores.made_by.model_copy(update=change)).write(path)
    after = sweep()
    assert {name for name in before if before[name] != after[name]} == {
        path.name for path in (gone, broken, foreign, other)
    }
    assert Scores.read(foreign).made_by.manifest == Manifest.read(manifest).hash


def test_an_onnx_file_is_swept_too(
    bright_model: Path, manifest: Path, tmp_path: Path, two_kinds: dict[str, Kind]
) -> None:
    evaluate(bright_model, manifest, out=tmp_path, baselines=False, robustness=True)
    assert len(list((tmp_path / "robustness").iterdir())) == 4
    scores = Scores.read(tmp_path / "robustness" / "scores-noise-40-test.parquet")
    assert scores.made_by.model == "bright"
    for row, score in zip(Manifest.read(manifest).only("test").samples(), scores.scores, strict=True):
        whole = row.model_copy(update={"path": str(manifest.parent / row.path)})
        image, _ = Disturbed("noise", 40, manifest.parent)(whole)
        box = (0, 0, 50, 60) if row.x is None else (row.x, row.y, row.w, row.h)
        grey = to_tensor(crop_face(image, box, Preprocessing(size=(64, 64))), Preprocessing()).mean()  # type: ignore[arg-type]
        assert score == pytest.approx(1 / (1 + np.exp(-20 * (grey - 0.65))), abs=1e-4)


def test_without_pyav_no_sweep_begins(
    manifest: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtra, match="av is not installed"):
        evaluate(run, manifest, out=tmp_path / "out", robustness=True)
    assert not (tmp_path / "out").exists()
