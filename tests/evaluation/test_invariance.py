from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from facetrust.data.augment.harmless import CONTROLS, HARMLESS, Changed
from facetrust.data.manifest import Manifest, absolute
from facetrust.errors import ManifestError, ScoresError, UsageError
from facetrust.evaluation.evaluate import evaluate
from facetrust.evaluation.invariance import AS_IS, battery, held_in
from facetrust.evaluation.scorers import open_scorer
from facetrust.metrics.auc import auc
from facetrust.records import Disturbance, Provenance, Scores

FACTS = {"version": "1", "task": "antispoof", "manifest": "feed", "split": "test"}


def scores(values: list[float], labels: list[int], step: Disturbance | None = None) -> Scores:
    count = len(values)
    rows = pl.DataFrame(
        {
            "sample": [f"{row}.png" for row in range(count)],
            "media": [None] * count,
            "subject": [f"person {row // 2}" for row in range(count)],
            "domain": ["d"] * count,
            "attack": [None] * count,
            "label": labels,
            "score": values,
        }
    )
    return Scores(rows, Provenance(model="m", disturbance=step, **FACTS))  # type: ignore[arg-type]


def test_false_alarms_are_counted_at_the_threshold_of_the_plain_pictures(tmp_path: Path) -> None:
    labels = [0, 0, 0, 0, 1, 1, 1, 1]
    plain = scores([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9], labels)
    dark = scores(
        [0.1, 0.5, 0.6, 0.4, 0.6, 0.3, 0.8, 0.9], labels, Disturbance(kind="brightness", strength=0.25)
    )
    dark.write(tmp_path / "dark.parquet")
    found = held_in({"m": plain}, {"m": 0.5}, [tmp_path / "dark.parquet"])
    assert [each.change for each in found] == [AS_IS, "brightness 0.25 times"]
    assert [each.false_alarms for each in found] == [0.0, 0.5]
    assert found[1].median == pytest.approx(0.45)
    assert found[1].auc == auc(dark.labels, dark.scores)
    assert found[1].low == 0.5 == found[1].high  # Each of the two people has one of two.
    assert found[0].faces == 4


def test_nothing_is_said_where_nothing_was_changed() -> None:
    assert held_in({"m": scores([0.1, 0.9], [0, 1])}, {"m": 0.5}, []) == []


def test_what_is_no_harmless_change_is_refused(tmp_path: Path) -> None:
    plain = scores([0.1, 0.9], [0, 1])
    for number, step in enumerate((None, Disturbance(kind="noise", strength=40))):
        path = tmp_path / f"{number}.parquet"
        scores([0.1, 0.9], [0, 1], step).write(path)
        with pytest.raises(ScoresError, match="is of no harmless change"):
            held_in({"m": plain}, {"m": 0.5}, [path])
    twice = tmp_path / "twice.parquet"
    scores([0.1, 0.9], [0, 1], Disturbance(kind="mirror", strength=1)).write(twice)
    with pytest.raises(ScoresError, match="come twice"):
        held_in({"m": plain}, {"m": 0.5}, [twice, twice])


def test_every_change_and_control_has_a_file_that_a_report_takes(
    bright_model: Path, manifest: Path, tmp_path: Path
) -> None:
    evaluate(bright_model, manifest, out=tmp_path, baselines=False, invariance=True, controls=True)
    changed = sorted((tmp_path / "invariance").iterdir()) + sorted((tmp_path / "controls").iterdir())
    assert len(changed) == len(HARMLESS) + len(CONTROLS)
    plain = Scores.read(tmp_path / "scores-test.parquet")
    found = held_in({plain.made_by.model: plain}, {plain.made_by.model: 0.5}, changed)
    assert [each.change for each in found] == [AS_IS, *(each.title for each in HARMLESS), *CONTROLS]
    by_change = {each.change: each for each in found}
    # The model reads brightness, so light moves it and the mirror does not.
    assert by_change["mirror 1"].median == pytest.approx(by_change[AS_IS].median, abs=1e-6)
    assert by_change["brightness 0.5 times"].median < by_change[AS_IS].median / 10


def test_the_battery_is_a_slow_loop_over_genuine_faces(bright_model: Path, manifest: Path) -> None:
    found = battery([bright_model, bright_model], [manifest])
    assert len(found) == 2 * (1 + len(HARMLESS))
    assert found[: 1 + len(HARMLESS)] == found[1 + len(HARMLESS) :]
    whole = Manifest.read(manifest)
    rows = absolute([row for row in whole.samples() if row.split != "train" and row.label == 0], whole.root)
    card, scorer = open_scorer(bright_model)
    for held, change in zip(found[1:], HARMLESS, strict=False):
        assert held.change == change.title
        values = np.array(list(scorer(rows, Changed(change.kind, change.strength))))
        assert held.faces == len(rows)
        assert held.false_alarms == pytest.approx((values >= card.threshold).mean())
        assert held.low <= held.false_alarms <= held.high
        assert held.not_judged == 0  # The card has no limits.


def test_what_hides_an_attack_is_a_slow_loop_too(bright_model: Path, manifest: Path) -> None:
    found = battery([bright_model], [manifest], attacks=True)
    whole = Manifest.read(manifest)
    rows = absolute([row for row in whole.samples() if row.split != "train"], whole.root)
    attacks, genuine = ([row for row in rows if row.label == label] for label in (1, 0))
    card, scorer = open_scorer(bright_model)
    for held, change in zip(found[1:], HARMLESS, strict=True):
        read = Changed(change.kind, change.strength)
        values, others = (np.array(list(scorer(of, read))) for of in (attacks, genuine))
        assert held.attacks is not None
        assert held.attacks.attacks == len(attacks)
        assert held.attacks.passed == pytest.approx((values < card.threshold).mean())
        assert held.attacks.low <= held.attacks.passed <= held.attacks.high
        assert held.attacks.not_judged == 0
        ranked = np.mean([(value > others).mean() + (value == others).mean() / 2 for value in values])
        assert held.auc == pytest.approx(ranked)
    alone = battery([bright_model], [manifest])
    assert [each.false_alarms for each in alone] == [each.false_alarms for each in found]
    assert alone[0].attacks is None
    only = [row for row in whole.samples() if not row.label]
    Manifest.write(only, manifest.parent / "only.csv")
    with pytest.raises(ManifestError, match="no attacks outside the train split"):
        battery([bright_model], [manifest.parent / "only.csv"], attacks=True)


def test_faces_are_drawn_and_never_from_train(bright_model: Path, manifest: Path, tmp_path: Path) -> None:
    assert battery([bright_model], [manifest], most=3)[0].faces == 3
    rows = [row.model_copy(update={"split": "train"}) for row in Manifest.read(manifest).samples()]
    Manifest.write(rows, manifest.parent / "train.csv")
    with pytest.raises(ManifestError, match="no genuine faces outside the train split"):
        battery([bright_model], [manifest.parent / "train.csv"])


def test_one_split_is_tried_alone(bright_model: Path, manifest: Path) -> None:
    rows = [row for row in Manifest.read(manifest).samples() if row.label == 0]
    for split in ("dev", "test"):
        found = battery([bright_model], [manifest], split=split)
        assert found[0].faces == sum(row.split == split for row in rows)
    with pytest.raises(UsageError, match="did not learn from"):
        battery([bright_model], [manifest], split="train")


def test_the_command_prints_a_row_a_change(
    bright_model: Path, manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from facetrust import cli

    assert cli.main(["audit", str(bright_model), "--data", str(manifest), "--most", "4"]) == 0
    said = capsys.readouterr().out
    for each in HARMLESS:
        assert each.title.split(" px")[0] in said
    assert "4 genuine faces;" in said
    assert "pass" not in said
    command = ["audit", str(bright_model), "--data", str(manifest), "--most", "4", "--attacks"]
    assert cli.main(command) == 0
    said = capsys.readouterr().out
    assert "4 genuine faces and 4 attacks;" in said
    assert "attacks that pass" in said
    assert cli.main(["audit", str(bright_model), "--data", str(manifest), "--most", "4", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 1 + len(HARMLESS)


def test_a_report_shows_each_change_beside_the_pictures_as_they_are(
    bright_model: Path, manifest: Path, tmp_path: Path
) -> None:
    from facetrust.evaluation.report import report

    evaluate(bright_model, manifest, split="dev", out=tmp_path, baselines=False)
    evaluate(bright_model, manifest, out=tmp_path, baselines=False, controls=True)
    page = report(
        [tmp_path / "scores-test.parquet"],
        dev=[tmp_path / "scores-dev.parquet"],
        out=tmp_path / "report",
        invariance=sorted((tmp_path / "controls").iterdir()),
        rounds=20,
    )
    facts = json.loads(page.with_suffix(".json").read_text())
    assert [each["change"] for each in facts["invariance"]] == [AS_IS, *CONTROLS]
    threshold = facts["models"][0]["levels"][0]["threshold"]["value"]
    plain = Scores.read(tmp_path / "scores-test.parquet")
    alarms = (plain.scores[plain.labels == 0] >= threshold).mean()
    assert facts["invariance"][0]["false_alarms"] == pytest.approx(alarms)
    text = page.read_text()
    assert "<h2>Invariance</h2>" in text
    assert all(f"<td>{change}</td>" in text for change in (AS_IS, *CONTROLS))
