from __future__ import annotations

import json
import re

import numpy as np
import polars as pl
import pytest

from facetrust import cli
from facetrust.data.augment.disturb import KINDS
from facetrust.errors import MetricError, ScoresError
from facetrust.evaluation.report import report
from facetrust.evaluation.robustness import draw_sweeps, sweeps
from facetrust.metrics import interval
from facetrust.metrics.auc import auc
from facetrust.records import Disturbance, Provenance, Scores


@pytest.fixture
def write(tmp_path):
    """A function that writes a scores file, of disturbed pictures where a kind is named; returns its path."""

    def write(
        kind=None, strength=0.0, *, split="test", power=1.5, model="tiny", rows=80, subjects=10, **other
    ):
        chance = np.random.default_rng(len(model) + 7 * rows)
        marks = np.arange(rows) % 2
        texts = dict.fromkeys(("media", "domain", "attack"), pl.Series([None] * rows, dtype=pl.String))
        table = pl.DataFrame(
            {
                "sample": [f"{split}/{row:03}.png" for row in range(rows)],
                "subject": [f"{split}-{row * subjects // rows}" for row in range(rows)],
                **texts,
                "label": marks,
                "score": 1 / (1 + np.exp(-chance.normal(power * (2 * marks - 1)))),
            }
        )
        disturbance = None if kind is None else Disturbance(kind=kind, strength=strength)
        about = {"model": model, "version": "1", "manifest": "feed" * 4, "split": split, "task": "deepfake"}
        folder = tmp_path / ("scores" if kind is None else "robustness")
        path = folder / f"{model.replace(':', '-')}-{kind}-{strength:g}-{rows}-{split}.parquet"
        Scores(table, Provenance(**about | {"disturbance": disturbance} | other)).write(path)
        return path

    return write


def of(path):
    return {"tiny@1": Scores.read(path)}


def test_the_points_are_the_auc_and_interval_of_each_file_in_the_order_of_strength(write):
    clean = write()
    files = [write("jpeg", 30, power=0.2), write("blur", 4, power=0.1), write("jpeg", 90, power=1.2)]
    jpeg, blur = sweeps(of(clean), files, seed=3, rounds=50)
    assert (jpeg.kind, jpeg.unit, jpeg.split, jpeg.model) == ("jpeg", "JPEG quality", "test", "tiny@1")
    assert [point.strength for point in jpeg.points] == [None, 90, 30]
    assert [point.strength for point in blur.points] == [None, 4]
    assert jpeg.points[0] == blur.points[0]
    for point, path in zip(jpeg.points, (clean, files[2], files[0]), strict=True):
        scores = Scores.read(path)
        subjects = scores.column("subject")
        assert point.value == auc(scores.labels, scores.scores)
        assert (point.low, point.high) == interval(
            auc, scores.labels, scores.scores, clusters=subjects, seed=3, rounds=50
        )
        assert point.file == (None if path == clean else path.name)
    assert jpeg.points[0].value > jpeg.points[1].value > jpeg.points[2].value


def test_one_cluster_has_no_interval(write):
    (sweep,) = sweeps(of(write(subjects=1)), [write("noise", 5, subjects=1)], rounds=20)
    assert [(point.low, point.high) for point in sweep.points] == [(None, None)] * 2
    assert len(draw_sweeps([sweep], {"tiny@1": ("#0072B2", False)})) == 1


def test_there_is_a_drawing_per_kind_and_all_have_one_scale(write):
    files = [write(kind, KINDS[kind].strengths[0], power=power) for power, kind in enumerate(KINDS, -1)]
    swept = sweeps(of(write()), files, rounds=20)
    drawings = draw_sweeps(swept, {"tiny@1": ("#0072B2", False)})
    assert len(drawings) == len(KINDS)
    for svg, about in zip(drawings, KINDS.values(), strict=True):
        assert f">{about.unit}<" in svg
        assert all(f">{strength:g}<" in svg for strength in about.strengths)
    # The curves differ in all but their first point, which lies at one height only if the axes are alike.
    curves = [re.findall(r'd="(M [^"]*)"[^>]*fill: none; stroke: #0072b2', svg)[0] for svg in drawings]
    heights = np.array([[line.split()[2] for line in curve.split("\n")[:2]] for curve in curves], dtype=float)
    assert np.ptp(heights[:, 0]) == 0
    assert len(set(heights[:, 1])) == len(KINDS)
    assert draw_sweeps([], {}) == []


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({}, "scores of pictures as they are"),
        ({"kind": "fog", "strength": 1}, "fog 1 is no step of the sweep"),
        ({"kind": "jpeg", "strength": 42}, "jpeg 42 is no step of the sweep"),
        (
            {"kind": "jpeg", "strength": 90, "model": "other"},
            r"other@1 \(seed None\) on test .* is not among",
        ),
        ({"kind": "jpeg", "strength": 90, "version": "2"}, "tiny@2"),
        ({"kind": "jpeg", "strength": 90, "manifest": "beef"}, "manifest beef is not among"),
        ({"kind": "jpeg", "strength": 90, "split": "dev"}, "on dev"),
        ({"kind": "jpeg", "strength": 90, "rows": 40}, "rows are not those reported of tiny@1"),
    ],
)
def test_what_is_not_of_the_reported_scores_is_refused(write, made, message):
    with pytest.raises(ScoresError, match=message):
        sweeps(of(write()), [write(**made)], rounds=20)


def test_a_step_comes_once_and_has_no_nan(write):
    clean, path = write(), write("jpeg", 90)
    with pytest.raises(ScoresError, match="the same model and disturbance"):
        sweeps(of(clean), [path, path], rounds=20)
    scores = Scores.read(path)
    Scores(scores.rows.with_columns(score=pl.lit(float("nan"))), scores.made_by).write(path)
    with pytest.raises(MetricError, match=re.escape(str(path))):
        sweeps(of(clean), [path], rounds=20)


def test_the_report_shows_every_model_that_was_swept(write, tmp_path, capsys):
    models = {"tiny": 1.5, "plain": 1.0, "baseline:laplacian": 0.5}
    tests = [write(model=model, power=power) for model, power in models.items()]
    devs = [write(model=model, split="dev", rows=60) for model in models]
    for model in ("tiny", "baseline:laplacian"):
        for strength in KINDS["h264"].strengths:
            write("h264", strength, model=model, power=10 / strength)
    out = tmp_path / "page.html"
    command = ["report", *tests, "--out", out, "--robustness", tmp_path / "robustness"]
    assert cli.main([str(word) for word in (*command, *(f"--dev={dev}" for dev in devs))]) == 0
    capsys.readouterr()
    facts = json.loads(out.with_suffix(".json").read_text())
    assert [(each["model"], each["kind"]) for each in facts["robustness"]] == [
        ("tiny@1", "h264"),
        ("laplacian@1", "h264"),
    ]
    (tiny, _) = facts["robustness"]
    assert [point["strength"] for point in tiny["points"]] == [None, 23, 29, 35, 41, 47]
    # Undisturbed, the sweep says what the table says.
    area = facts["models"][0]["levels"][0]["figures"][0]
    assert [tiny["points"][0][key] for key in ("value", "low", "high")] == [
        area[key] for key in ("value", "low", "high")
    ]
    text = out.read_text()
    section = text[text.index("<h2>Robustness") : text.index("<h2>Published")]
    assert "on the test split" in section
    assert section.count("<svg") == 1
    assert "tiny@1" in section
    assert "plain@1" not in section


def test_without_a_sweep_there_is_no_such_section(write, tmp_path):
    page = report([write()], dev=[write(split="dev", rows=60)], out=tmp_path / "page.html", rounds=20)
    assert "<h2>Robustness" not in page.read_text()
    assert json.loads(page.with_suffix(".json").read_text())["robustness"] == []


def test_disturbed_scores_never_pass_for_undisturbed_ones(write, tmp_path):
    test, dev = write(), write(split="dev", rows=60)
    bad_test, bad_dev = write("blur", 4), write("blur", 4, split="dev", rows=60)
    for tests, devs in (([bad_test], [dev]), ([test], [bad_dev])):
        with pytest.raises(ScoresError, match=r"disturbed pictures \(blur 4\); give them by --robustness"):
            report(tests, dev=devs, out=tmp_path / "out", rounds=20)
    assert not (tmp_path / "out").exists()
