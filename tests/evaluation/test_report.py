from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest

from facetrust import cli
from facetrust.errors import MetricError, MissingExtra, ProtocolError, ScoresError, UsageError
from facetrust.evaluation.report import report
from facetrust.metrics.auc import auc
from facetrust.protocols import Column, Figure, Judgement, Level, as_published
from facetrust.protocols.dev_threshold import dev_threshold
from facetrust.records import Provenance, Scores, Threshold
from facetrust.tasks import Task


@pytest.fixture
def write(tmp_path):
    """A function that writes a scores file and returns its path."""

    def write(
        model="tiny",
        split="test",
        *,
        power=1.0,
        rows=80,
        labels=None,
        domain="lab",
        seed=None,
        frames=1,
        **made_by,
    ):
        chance = np.random.default_rng(len(model) + (split == "dev") * 100)
        marks = np.arange(rows) // frames % 2 if labels is None else np.array(labels)
        table = pl.DataFrame(
            {
                "sample": [f"{split}/{row:03}.png" for row in range(rows)],
                "media": [f"{split}-{row // frames}" for row in range(rows)],
                "subject": [f"{split}-{row // 8}" for row in range(rows)],
                "domain": [domain] * rows,
                "attack": [
                    ("print", "replay")[row // 4 % 2] if mark else None for row, mark in enumerate(marks)
                ],
                "label": marks,
                "score": 1 / (1 + np.exp(-chance.normal(power * (2 * marks - 1)))),
            }
        )
        path = tmp_path / f"{model.replace(':', '-')}-{split}-{seed}.parquet"
        facts = {
            "model": model,
            "version": "1",
            "task": "antispoof",
            "manifest": "feed" * 4,
            "split": split,
            "seed": seed,
        } | made_by
        Scores(table, Provenance(**facts)).write(path)
        return path

    return write


class _Page(HTMLParser):
    """Collects a page's tags, links and table rows, and what was left open."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.links, self.rows = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in {"meta", "path", "use", "rect", "br"}:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append("")
        self.links += [value for name, value in attrs if name in {"href", "src", "xlink:href"}]

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data):
        if "td" in self.open:
            self.rows[-1] += data + " "


def test_one_page_stands_alone(write, tmp_path):
    names = ("tiny", "plain", "baseline:laplacian")
    page = report(
        [write(name) for name in names],
        dev=[write(name, "dev") for name in names],
        out=tmp_path / "out",
        rounds=20,
    )
    assert page == tmp_path / "out" / "report.html"
    assert sorted(path.name for path in page.parent.iterdir()) == ["report.html", "report.json"]
    text = page.read_text()
    read = _Page(text)
    assert read.open == []
    assert not {"script", "link", "img", "iframe"} & set(read.tags)
    assert all(link.startswith("#") for link in read.links)
    assert "http" not in text
    assert "nan" not in re.sub(r"[a-z-]{4,}", "", text.lower())
    assert read.tags.count("svg") == 2 + 3


def test_the_json_holds_what_the_protocol_says(write, tmp_path):
    test, dev = write(), write(split="dev")
    facts = json.loads(
        report([test], dev=[dev], out=tmp_path / "page.html", rounds=20, title="A & B")
        .with_suffix(".json")
        .read_text()
    )
    (model,) = facts["models"]
    expected = dev_threshold(Scores.read(test), Scores.read(dev), rounds=20).model_dump(mode="json")
    assert {key: model[key] for key in expected} == expected
    assert (facts["schema"], facts["title"], model["scores"]["rows"]) == (
        "facetrust.report/1",
        "A & B",
        80,
    )
    assert "<h1>A &amp; B</h1>" in (tmp_path / "page.html").read_text()


def test_the_table_shows_the_figures(write, tmp_path):
    test, dev = write(power=0.7), write(split="dev", power=0.7)
    page = report([test], dev=[dev], out=tmp_path, rounds=20)
    level = dev_threshold(Scores.read(test), Scores.read(dev), rounds=20).levels[0]
    row = _Page(page.read_text()).rows[1].split()
    assert row[:2] == ["tiny@1", f"{level.figure('auc').value:.4f}"]
    assert row[2] == f"{level.figure('auc').low:.4f}–{level.figure('auc').high:.4f}"
    assert f"{100 * level.figure('bpcer').value:.1f}" in row


def test_baselines_come_last_and_the_best_model_is_bold(write, tmp_path):
    names = {"baseline:laplacian": 3.0, "weak": 0.3, "strong": 1.5}
    page = report(
        [write(name, power=power) for name, power in names.items()],
        dev=[write(name, "dev", power=power) for name, power in reversed(names.items())],
        out=tmp_path,
        rounds=20,
    )
    facts = json.loads(page.with_suffix(".json").read_text())
    assert [model["name"] for model in facts["models"]] == ["weak@1", "strong@1", "laplacian@1"]
    assert [model["baseline"] for model in facts["models"]] == [False, False, True]
    assert "strong@1 does no better (AUC) than the trivial baseline laplacian@1." in facts["warnings"]
    weak, strong, _ = (model["levels"][0]["figures"][0]["value"] for model in facts["models"])
    bold = re.findall(r'class="best">([\d.]+)', page.read_text())
    assert f"{strong:.4f}" in bold
    assert f"{weak:.4f}" not in bold


def test_a_baseline_the_wrong_way_round_is_still_a_shortcut(write, tmp_path):
    powers = {"tiny": 0.5, "baseline:laplacian": -1.5}
    tests = [write(name, power=power) for name, power in powers.items()]
    page = report(
        tests,
        dev=[write(name, "dev", power=power) for name, power in powers.items()],
        out=tmp_path,
        rounds=20,
    )
    warnings = json.loads(page.with_suffix(".json").read_text())["warnings"]
    assert warnings == ["tiny@1 does no better (AUC) than the trivial baseline laplacian@1."]


def test_differences_are_paired_by_sample(write, tmp_path):
    first, second = write("tiny"), write("twin", power=0.5)
    other = Scores.read(second)
    Scores(other.rows.reverse(), other.made_by).write(second)
    page = report([first, second], dev=[write("tiny", "dev"), write("twin", "dev")], out=tmp_path, rounds=200)
    (difference,) = json.loads(page.with_suffix(".json").read_text())["differences"]
    scores = Scores.read(first)
    assert difference["value"] == pytest.approx(
        auc(scores.labels, scores.scores) - auc(other.labels, other.scores)
    )
    assert difference["low"] < difference["value"] < difference["high"]


def test_a_model_is_not_told_apart_from_itself(write, tmp_path):
    first, second = write("tiny"), write("twin")
    scores = Scores.read(first)
    Scores(scores.rows, Scores.read(second).made_by).write(second)
    page = report([first, second], dev=[write("tiny", "dev"), write("twin", "dev")], out=tmp_path, rounds=20)
    (difference,) = json.loads(page.with_suffix(".json").read_text())["differences"]
    assert (difference["value"], difference["low"], difference["high"]) == (0, 0, 0)
    assert "not told apart" in page.read_text()


def test_frames_of_a_medium_get_a_second_section(write, tmp_path):
    page = report([write(frames=4)], dev=[write(split="dev", frames=4)], out=tmp_path, rounds=20)
    assert page.read_text().count("<h2>By ") == 2
    assert [
        level["unit"] for level in json.loads(page.with_suffix(".json").read_text())["models"][0]["levels"]
    ] == ["row", "medium"]


def _flash(path, label):
    """Lets every tenth row of a label's media stand at 1: their means move, their trimmed means do not."""
    scores = Scores.read(path)
    rows = scores.rows.with_row_index("row").with_columns(
        score=pl.when((pl.col("row") % 10 < 1) & (pl.col("label") == label)).then(1.0).otherwise("score")
    )
    Scores(rows, scores.made_by).write(path)


def test_the_rule_of_a_medium_is_chosen_on_dev_and_shown_with_all_others(write, tmp_path):
    names, settings = ("tiny", "baseline:laplacian"), {"frames": 10, "rows": 160, "power": 0.3}
    tests, devs = ([write(name, split, **settings) for name in names] for split in ("test", "dev"))
    _flash(devs[0], 0)
    page = report(tests, dev=devs, out=tmp_path / "out", rounds=20)
    models = json.loads(page.with_suffix(".json").read_text())["models"]
    text = page.read_text()
    rows = _Page(text[text.index("The rule of a medium") :]).rows[1:3]
    for model, row, files in zip(models, rows, zip(tests, devs, strict=True), strict=True):
        expected = dev_threshold(*map(Scores.read, files), rounds=20).levels
        assert model["levels"][0]["video_rule"] is None
        rule = expected[1].video_rule
        assert model["levels"][1]["video_rule"] == rule.model_dump(mode="json")
        best = max(rule.tried, key=lambda each: each.dev_auc)
        assert best.rule == rule.name
        shown = [f"{area:.4f}" for each in rule.tried for area in (each.dev_auc, each.test_auc)]
        assert row.split()[-9:] == [rule.name, "on", "dev", *shown]
    assert len({each["dev_auc"] for each in models[0]["levels"][1]["video_rule"]["tried"]}) == 2


def test_a_named_rule_and_rows_that_are_left_alone(write, tmp_path):
    test, dev = write(frames=10, power=0.3), write(split="dev", frames=10, power=0.3)
    models = {}
    for name in ("dev", "mean", "trimmed-mean"):
        page = report([test], dev=[dev], out=tmp_path / name, rounds=20, video_rule=name)
        (models[name],) = json.loads(page.with_suffix(".json").read_text())["models"]
    one, other = (models[name]["levels"] for name in ("mean", "trimmed-mean"))
    assert one[0] == other[0] == models["dev"]["levels"][0]
    assert one[1]["threshold"]["value"] != other[1]["threshold"]["value"]
    assert [levels[1]["video_rule"]["chosen"] for levels in (one, other)] == ["by name"] * 2
    assert one[1]["video_rule"]["tried"] == models["dev"]["levels"][1]["video_rule"]["tried"]
    assert models["mean"]["as_published"] == models["trimmed-mean"]["as_published"]
    _refused(UsageError, "did you mean 'mean'", [test], [dev], tmp_path / "no", video_rule="means")


def test_too_few_dev_media_are_warned_about(write, tmp_path):
    made = {"frames": 4, "task": "deepfake"}
    page = report([write(**made)], dev=[write(split="dev", rows=12, **made)], out=tmp_path, rounds=20)
    facts = json.loads(page.with_suffix(".json").read_text())
    assert facts["models"][0]["levels"][1]["video_rule"]["name"] == "trimmed-mean"
    note = "Dev has 2 genuine and 1 manipulated media, too few to choose the rule of a video's score there"
    assert any(warning.startswith(note) for warning in facts["warnings"])


def test_rows_and_media_both_show_an_area_with_its_interval(write, tmp_path):
    test, dev = write(frames=4, power=0.7), write(split="dev", frames=4, power=0.7)
    page = report([test], dev=[dev], out=tmp_path, rounds=50)
    (model,) = json.loads(page.with_suffix(".json").read_text())["models"]
    text = page.read_text()
    for level, heading in zip(model["levels"], ("<h2>By image", "<h2>By medium"), strict=True):
        area = level["figures"][0]
        row = _Page(text[text.index(heading) :]).rows[1].split()
        assert row[1:3] == [f"{area['value']:.4f}", f"{area['low']:.4f}–{area['high']:.4f}"]


def test_is_the_same_text_again(write, tmp_path):
    test, dev = [write()], [write(split="dev")]
    first = report(test, dev=dev, out=tmp_path / "1", rounds=20).read_bytes()
    assert report(test, dev=dev, out=tmp_path / "2", rounds=20).read_bytes() == first


def test_published_figures_stand_beside_ours(write, tmp_path):
    page = report([write(domain="casia-fasd")], dev=[write(split="dev")], out=tmp_path, rounds=20)
    assert "FLIP-MCL" in page.read_text()
    page = report([write()], dev=[write(split="dev")], out=tmp_path, rounds=20)
    assert "None are known for this test set." in page.read_text()


def test_the_two_ways_of_measuring_stand_side_by_side(write, tmp_path):
    test, dev = write(domain="msu-mfsd", frames=2), write(split="dev", frames=2)
    page = report([test], dev=[dev], out=tmp_path, rounds=20)
    (model,) = json.loads(page.with_suffix(".json").read_text())["models"]
    published = as_published(Scores.read(test))
    assert model["as_published"] == published.model_dump(mode="json")
    honest = dev_threshold(Scores.read(test), Scores.read(dev), rounds=20).levels[-1]
    text = page.read_text()
    rows = _Page(text[text.index("Honest and as published") :]).rows
    row = next(row for row in rows if row.startswith("tiny@1"))
    cells = row.split()
    assert cells[1:3] == [f"{100 * honest.figure('hter').value:.1f}", f"{honest.figure('auc').value:.4f}"]
    assert cells[4:6] == [
        f"{100 * published.figure('hter').value:.2f}",
        f"{published.figure('auc').value:.4f}",
    ]
    assert cells[-5:] == [f"{published.threshold:.4f}", "1", "best", "of", "1"]
    label = "threshold and checkpoint chosen on test; for comparison with published rows only"
    assert text.count(label) == 2  # Over the columns, and beside the published rows.


def test_further_checkpoints_serve_the_published_way_only(write, tmp_path):
    test, dev = write(power=0.3), write(split="dev", power=0.3)
    plain = json.loads(
        report([test], dev=[dev], out=tmp_path / "1", rounds=20).with_suffix(".json").read_text()
    )
    kept = test.rename(tmp_path / "kept.parquet")
    better = write(power=3.0, version="2")
    page = report([kept], dev=[dev], out=tmp_path / "2", rounds=20, epochs=[better, kept])
    (before,), (after,) = plain["models"], json.loads(page.with_suffix(".json").read_text())["models"]
    assert (before["as_published"]["checkpoint"], before["as_published"]["checkpoints"]) == ("1", 1)
    assert (after["as_published"]["checkpoint"], after["as_published"]["checkpoints"]) == ("2", 2)
    assert after["levels"] == before["levels"]
    assert "best of 2" in page.read_text()


def test_checkpoints_of_no_reported_model_are_refused(write, tmp_path):
    test, dev, other = write(), write(split="dev"), write("other", seed=3)
    _refused(ScoresError, r"other \(seed 3\), which fits 0 of", [test], [dev], tmp_path / "o", epochs=[other])
    first, second, third = (
        write(version=version).rename(tmp_path / f"{version}.parquet") for version in "123"
    )
    devs = [
        write(split="dev", version=version).rename(tmp_path / f"dev{version}.parquet") for version in "12"
    ]
    _refused(ScoresError, "fits 2 of the reported", [first, second], devs, tmp_path / "o", epochs=[third])


@pytest.mark.parametrize("reason", ["task", "scores"])
def test_what_no_published_work_measures_has_no_such_figures(write, tmp_path, reason):
    made = {"task": "deepfake"} if reason == "task" else {}
    paths = [write(**made), write(split="dev", **made)]
    for path in paths if reason == "scores" else ():
        scores = Scores.read(path)
        Scores(scores.rows.with_columns(pl.col("score") * 9), scores.made_by).write(path)
    page = report(paths[:1], dev=paths[1:], out=tmp_path, rounds=20)
    assert json.loads(page.with_suffix(".json").read_text())["models"][0]["as_published"] is None
    assert "chosen on test; for" not in page.read_text()


def test_runs_of_one_model_are_put_together_over_seeds(write, tmp_path):
    seeds = (1, 2, 3)
    tests = [write(seed=seed, version=f"1+{seed}", power=0.5 * seed) for seed in seeds]
    devs = [write(split="dev", seed=seed, version=f"1+{seed}") for seed in seeds]
    page = report([*tests, write("plain")], dev=[*devs, write("plain", "dev")], out=tmp_path, rounds=20)
    facts = json.loads(page.with_suffix(".json").read_text())
    honest, published = facts["over_seeds"]
    assert (honest["model"], honest["seeds"], honest["mode"]) == ("tiny@1", [1, 2, 3], "honest")
    values = [model["levels"][0]["figures"][0]["value"] for model in facts["models"][:3]]
    area = honest["figures"][0]
    assert area == {
        "metric": "auc",
        "mean": pytest.approx(np.mean(values)),
        "deviation": pytest.approx(np.std(values, ddof=1)),
        "count": 3,
    }
    text = page.read_text()
    rows = _Page(text[text.index("<h2>Over seeds") :]).rows
    assert rows[1].split()[:2] == ["mean", f"{area['mean']:.4f}"]
    assert rows[2].split()[:3] == ["standard", "deviation", f"{area['deviation']:.4f}"]
    assert rows[3].split() == ["runs", *["3"] * 10]
    assert published["mode"] == "as-published"
    one = report(tests[:1], dev=devs, out=tmp_path / "one", rounds=20)
    assert "<h2>Over seeds" not in one.read_text()


def test_the_command_takes_checkpoints(write, tmp_path, capsys):
    (tmp_path / "epochs").mkdir()
    write(version="2").rename(tmp_path / "epochs" / "tiny-test.parquet")
    test, dev = write(), write(split="dev")
    out = tmp_path / "page.html"
    command = ["report", test, "--dev", dev, "--out", out, "--epochs", tmp_path / "epochs"]
    assert cli.main([str(word) for word in command]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    (model,) = json.loads(out.with_suffix(".json").read_text())["models"]
    assert model["as_published"]["checkpoints"] == 2


def test_the_command_takes_a_rule_of_videos(write, tmp_path, capsys):
    out = tmp_path / "page.html"
    command = ["report", write(frames=4), "--dev", write(split="dev", frames=4), "--out", out]
    assert cli.main([*map(str, command), "--video-rule", "mean"]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    (model,) = json.loads(out.with_suffix(".json").read_text())["models"]
    assert (model["levels"][1]["video_rule"]["name"], model["levels"][1]["video_rule"]["chosen"]) == (
        "mean",
        "by name",
    )


def test_a_lone_model_is_warned_about(write, tmp_path):
    page = report([write(rows=40)], dev=[write(split="dev", manifest="beef")], out=tmp_path, rounds=20)
    warnings = json.loads(page.with_suffix(".json").read_text())["warnings"]
    assert [text.split()[0:3] for text in warnings] == [
        ["No", "trivial", "baseline"],
        ["Only", "5", "clusters"],
    ]


def test_a_name_is_not_markup(write, tmp_path):
    page = report([write("a<b>")], dev=[write("a<b>", "dev")], out=tmp_path, rounds=20)
    assert "a<b>" not in page.read_text()
    assert "a&lt;b&gt;@1" in page.read_text()


def _refused(error, message, test, dev, out, **settings):
    with pytest.raises(error, match=message):
        report(test, dev=dev, out=out, rounds=20, **settings)
    assert not out.exists()


def test_what_breaks_a_rule_is_refused_and_nothing_written(write, tmp_path):
    out, test, dev = tmp_path / "out", write(), write(split="dev")
    _refused(ProtocolError, "which is reported", [test], [test], out)
    _refused(ProtocolError, "0 dev scores files of tiny@1", [test], [write("other", "dev")], out)
    _refused(ProtocolError, "2 dev scores files", [test], [dev, dev], out)
    _refused(UsageError, "at least one test and one dev", [test], [], out)
    _refused(UsageError, "no threshold rule", [test], [dev], out, rule="best")
    _refused(UsageError, "no protocol named", [test], [dev], out, protocol="dev")
    _refused(ScoresError, "no such scores file", [tmp_path / "gone.parquet"], [dev], out)
    _refused(ScoresError, "same model, version and seed", [test, test], [dev], out)
    _refused(
        MetricError,
        "parquet: test scores of one: all 80 rows",
        [write("one", labels=[1] * 80)],
        [write("one", "dev")],
        out,
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"manifest": "beef"}, "its manifest is 'beef'"),
        ({"split": "train"}, "its split is 'train'"),
        ({"task": "deepfake"}, "its task is 'deepfake'"),
        ({"rows": 72}, "its 72 rows are not the 80 rows"),
        ({"labels": [1, 0] * 40}, "its 80 rows are not the 80 rows"),
    ],
)
def test_models_side_by_side_must_share_their_rows(write, tmp_path, changed, message):
    tests = [write(), write("other", **changed)]
    _refused(ScoresError, message, tests, [write(split="dev"), write("other", "dev")], tmp_path / "out")


def test_seeds_of_one_model_stand_side_by_side(write, tmp_path):
    tests, devs = [write(seed=1), write(seed=2)], [write(split="dev", seed=2), write(split="dev", seed=1)]
    page = report(tests, dev=devs, out=tmp_path, rounds=20)
    models = json.loads(page.with_suffix(".json").read_text())["models"]
    assert [(model["made_by"]["seed"], model["fitted_on"]["seed"]) for model in models] == [(1, 1), (2, 2)]
    assert [model["name"] for model in models] == ["tiny@1 (seed 1)", "tiny@1 (seed 2)"]


def test_a_missing_package_names_its_extra(write, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    _refused(
        MissingExtra,
        r"matplotlib is not installed; run: pip install 'facetrust\[report\]'",
        [write()],
        [write(split="dev")],
        tmp_path / "out",
    )


def _use(monkeypatch, protocol, task):
    """Lets a report find a protocol and a question that are made here."""
    monkeypatch.setattr("facetrust.evaluation.entries.registry.find", lambda room, name: protocol)
    for module in ("page", "charts"):
        monkeypatch.setattr(f"facetrust.evaluation.{module}.task_named", lambda name: task)


def test_a_protocol_without_decisions_brings_its_own_columns(write, tmp_path, monkeypatch):
    """As for class masks: no labels, no threshold, no development scores, a figure per class."""

    def overlap(test, *, seed=0, rounds=1000):
        values = {"iou": float(test.scores.mean()), "pixels": 0.25}
        return Judgement(
            protocol="overlap",
            made_by=test.made_by,
            seed=seed,
            rounds=rounds,
            columns=(
                Column(
                    metric="iou", title="Mean IoU", higher_is_better=True, meaning="Intersection over union."
                ),
                Column(metric="pixels", title="Unlabelled", percent=False),
            ),
            levels=(
                Level(
                    unit="row",
                    count=len(test),
                    clusters=10,
                    clustered_by="subject",
                    figures=tuple(Figure(metric=name, value=value) for name, value in values.items()),
                ),
            ),
            notes=("Eyes are small.",),
        )

    _use(monkeypatch, overlap, Task(name="parsing", question="", output="classes"))
    tests = [write("weak", power=0.1, seed=1), write("strong", seed=1)]
    page = report(tests, dev=[], out=tmp_path, protocol="overlap", rounds=20)
    facts, text = json.loads(page.with_suffix(".json").read_text()), page.read_text()
    read = _Page(text)
    means = [Scores.read(path).scores.mean() for path in tests]
    assert [model["levels"][0]["figures"][0]["value"] for model in facts["models"]] == means
    assert [row.split() for row in read.rows[1:3]] == [
        [name, f"{100 * mean:.1f}", "0.2500"]
        for name, mean in zip(("weak@1", "strong@1"), means, strict=True)
    ]
    # The better figure is bold; where neither direction is better, none is.
    assert re.findall(r'class="best">([\d.]+)', text) == [f"{100 * max(means):.1f}"]
    assert (facts["warnings"], facts["differences"]) == (["Eyes are small."], [])
    assert [model["dev"] for model in facts["models"]] == [None, None]
    assert "80 images; intervals" in text
    assert "Mean IoU</dt><dd>Intersection over union." in text
    assert "svg" not in read.tags
    for absent in ("Threshold", "threshold", "decision", "By attack species", "AUC", "honest", "None"):
        assert absent not in text.replace("None are known", "")


def test_a_protocol_of_pairs_names_its_errors(write, tmp_path, monkeypatch):
    """As for embeddings: a threshold fitted on dev, curves with the field's names, no species."""

    def pairs(test, dev, *, rule="eer", seed=0, rounds=1000):
        threshold = Threshold(value=0.5, rule=rule, manifest=dev.made_by.manifest, split=dev.made_by.split)
        area = Figure(metric="auc", value=auc(test.labels, test.scores), low=0.4, high=1.0)
        return Judgement(
            protocol="pairs",
            rule=rule,
            made_by=test.made_by,
            fitted_on=dev.made_by,
            seed=seed,
            rounds=rounds,
            columns=(Column(metric="auc", title="Area", percent=False, higher_is_better=True),),
            errors=("FNMR", "FMR"),
            levels=(
                Level(
                    unit="pair",
                    count=len(test),
                    bona_fide=40,
                    attacks=40,
                    clusters=10,
                    clustered_by="subject",
                    threshold=threshold,
                    figures=(area,),
                ),
            ),
        )

    words = {"negative": "different", "positive": "same"}
    _use(monkeypatch, pairs, Task(name="recognition", question="", output="embedding", **words))
    test = write()
    page = report([test], dev=[write(split="dev")], out=tmp_path, protocol="pairs", rounds=20)
    text, scores = page.read_text(), Scores.read(test)
    read = _Page(text)
    assert "<h2>By pair</h2>" in text
    assert "40 different, 40 same; intervals" in text
    assert read.tags.count("svg") == 3
    assert all(f">{name}<" in text for name in ("FNMR (%)", "FMR (%)", "1 − FNMR", "same", "different"))
    assert read.rows[1].split()[:2] == ["tiny@1", f"{auc(scores.labels, scores.scores):.4f}"]
    assert "a decision for same" in text
    for absent in ("APCER", "By attack species", "Honest and as published", "worst species", "bona fide"):
        assert absent not in text
