"""What check, report and training answered before the house was rebuilt; it must stay the same.

`python tests/test_frozen.py WORK OUT` writes the answers of the facetrust that is importable there.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import pytest

FROZEN = Path(__file__).parent / "frozen"
RECIPE = """
name: frozen
task: antispoof
model: {name: timm/test_convnext, settings: {}}
preprocessing: {margins: [1.2], size: [32, 32], mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25]}
data: {manifests: [faces.csv], length: 8, augment: {simulate: 0.3, tight: 0.2}}
LOSSES
optimizer: {lr: 0.01}
trainer: {epochs: 1, batch_size: 4, workers: 0, flags: {enable_progress_bar: false}}
seed: 3
"""
LOSSES = (
    "losses: {binary-cross-entropy: {weight: 0.7, smoothing: 0.1}, evidence-cross-entropy: {weight: 0.5}}"
)


def run(*arguments: object) -> str:
    """Runs the command line and returns what it printed."""
    from facetrust.cli import main

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        status = main([str(each) for each in arguments])
    return json.dumps({"status": status}) + "\n" + printed.getvalue()


def checks(work: Path) -> list[Any]:
    """Checks a portrait as it is, tinted, turned and small, a picture without a face, and a video."""
    from skimage.data import astronaut

    face = astronaut()
    pictures = {
        "a.png": face,
        "b.png": (face * np.array([0.85, 1.0, 0.7])).astype(np.uint8),
        "c.png": np.ascontiguousarray(np.rot90(face)),
        "d.png": np.ascontiguousarray(face[40:190, 150:300]),
        "e.png": np.full((200, 300, 3), 127, np.uint8),
    }
    for name, pixels in pictures.items():
        cv2.imwrite(str(work / name), pixels[:, :, ::-1])
    video = cv2.VideoWriter(
        str(work / "f.avi"), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"MJPG"), 25.0, (512, 512)
    )
    for shift in range(20):
        video.write(np.roll(face, 2 * shift, axis=1)[:, :, ::-1])
    video.release()
    lines = run("check", *(work / name for name in pictures), work / "f.avi", "--json").splitlines()
    return [json.loads(line) for line in lines]


def reported(work: Path) -> dict[str, Any]:
    """Reports a model and a baseline from scores files that were drawn, with species, subjects and videos."""
    rng = np.random.default_rng(5)
    for split, model in ((s, m) for s in ("dev", "test") for m in ("made", "baseline: sharpness")):
        labels = np.repeat([0, 1], 60)
        scores = 1 / (1 + np.exp(-(rng.normal(size=120) + (1.5 if model == "made" else 0.5) * labels)))
        rows = pl.DataFrame(
            {
                "sample": [f"{split}{n}.png" for n in range(120)],
                "media": [f"{split}-clip{n // 4}" for n in range(120)],
                "subject": [f"{split}-s{n % 10}" for n in range(120)],
                "domain": ["one"] * 120,
                "attack": [
                    None if not label else ("print", "replay")[n % 2] for n, label in enumerate(labels)
                ],
                "label": labels,
                "score": scores,
            }
        )
        made_by = {
            "model": model,
            "version": "1",
            "task": "antispoof",
            "manifest": "cafe",
            "split": split,
            "seed": 0,
        }
        name = f"{model.split(':')[0]}-{split}.parquet"
        rows.write_parquet(work / name, metadata={"facetrust": json.dumps(made_by)})
    devs = (part for model in ("made", "baseline") for part in ("--dev", work / f"{model}-dev.parquet"))
    run("report", work / "made-test.parquet", work / "baseline-test.parquet", *devs, "--out", work / "report")
    return json.loads((work / "report" / "report.json").read_text())


def trained(work: Path, losses: str = LOSSES) -> dict[str, Any]:
    """Takes two steps of training and returns the weights' sums, the development figure and the threshold."""
    from safetensors.numpy import load_file

    rng = np.random.default_rng(9)
    lines = ["path,label,split,subject,domain,x,y,w,h"]
    for n in range(24):
        label, split = n % 2, ("train", "dev")[n >= 16]
        pixels = cv2.resize(rng.integers(0, 256, (12, 12, 3), np.uint8), (64, 64)) // (1 + label)
        cv2.imwrite(str(work / f"{n:02d}.png"), pixels)
        lines.append(f"{n:02d}.png,{label},{split},s{n},d{n % 3},16,16,32,32")
    (work / "faces.csv").write_text("\n".join(lines) + "\n")
    recipe = RECIPE.replace("LOSSES", losses).replace("faces.csv", str(work / "faces.csv"))
    (work / "frozen.yaml").write_text(recipe)
    run("train", work / "frozen.yaml", "--out", work / "run")
    card = json.loads((work / "run" / "card.json").read_text())
    weights = load_file(work / "run" / "model.safetensors")
    return {
        "sums": {name: [float(value.sum()), float(np.abs(value).sum())] for name, value in weights.items()},
        "results": card["results"],
        "thresholds": card["thresholds"],
        "preprocessing": card["preprocessing"],
        "score_means": card["score_means"],
    }


def missing(old: Any, new: Any, where: str = "") -> list[str]:
    """Returns where something old is not there in the new; a field may be added, never changed."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [line for key in old for line in missing(old[key], new.get(key, "nothing"), f"{where}.{key}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            line
            for n, (a, b) in enumerate(zip(old, new, strict=True))
            for line in missing(a, b, f"{where}.{n}")
        ]
    if isinstance(old, float) and isinstance(new, int | float):
        return [] if new == pytest.approx(old, rel=1e-3, abs=1e-4) else [f"{where}: {old} is now {new}"]
    return [] if old == new else [f"{where}: {old!r} is now {new!r}"]


def without(values: Any, *names: str) -> Any:
    """Returns the values without the fields of these names."""
    if isinstance(values, list):
        return [without(each, *names) for each in values]
    if isinstance(values, dict):
        return {key: without(each, *names) for key, each in values.items() if key not in names}
    return values


def frozen(name: str) -> Any:
    return json.loads((FROZEN / f"{name}.json").read_text())


def test_check_answers_as_it_did(tmp_path):
    """As it did when the bundled models were last exchanged; the status, older, has no part in it."""
    old, new = without(frozen("check"), "status"), without(checks(tmp_path), "timings", "source")
    assert new[0]["status"] == 3
    assert missing(old, new) == []


def test_training_makes_the_same_network(tmp_path):
    assert missing(frozen("train"), trained(tmp_path)) == []


def test_the_report_is_as_it_was(tmp_path):
    ignored = ("timings", "source", "made_with", "file", "sha256")
    assert missing(frozen("report"), without(reported(tmp_path), *ignored)) == []


if __name__ == "__main__":
    work, out = Path(sys.argv[1]), Path(sys.argv[2])
    work.mkdir(parents=True, exist_ok=True)
    old = "losses: {supervised: 0.7, smoothing: 0.1, evidence: 0.5}"
    answers = {"check": checks(work), "report": reported(work), "train": trained(work, old)}
    for name, answer in answers.items():
        kept = without(answer, "timings", "source", "made_with", "file", "sha256")
        (out / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n")
