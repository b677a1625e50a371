"""A run becomes a file: proven on real crops, int8 only if it pays, nothing left when it fails."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from facetrust.data.manifest import Manifest
from facetrust.errors import ExportError, ManifestError, MetricError, ModelError, UsageError
from facetrust.evaluation.invariance import battery
from facetrust.export.run import export_run
from facetrust.imaging import box_of, crop_face, read_image
from facetrust.model_file import locate, open_model
from facetrust.models import create_model, load_checkpoint, mean_logits, save_checkpoint
from facetrust.records import POLICIES, ModelCard, Preprocessing, QualityLimits, Sample, Threshold
from facetrust.runtime.model import load_model

HOW = Preprocessing(size=(64, 64), margins=(1.0, 1.4))
THRESHOLD = Threshold(value=0.5, rule="by hand", manifest="none", split="dev")
LIMITS = QualityLimits(least_size=24)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with an untrained network, and a manifest of noise beside it."""
    root = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    rows = []
    for n in range(24):
        label = n % 2
        pixels = rng.integers(0, 256 if label else 120, (70, 70, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{n}.png")
        split = "train" if n < 12 else "dev"
        box = {"x": 15, "y": 15, "w": 40, "h": 40} if n % 3 else {}
        rows.append(Sample(path=f"{n}.png", label=label, split=split, **box))
    Manifest.write(rows, root / "m.parquet")
    settings = {"image_size": (64, 64), "stage": 2}
    name = "timm/mobilenetv3_small_050"
    card = ModelCard(
        name="student",
        task="antispoof",
        architecture=name,
        preprocessing=HOW,
        score_means="any",
        thresholds=(THRESHOLD,),
        limits=LIMITS,
    )
    torch.manual_seed(0)
    save_checkpoint(create_model(name, **settings), card, root / "run", settings=settings)
    return root


def test_the_file_answers_as_the_network_and_says_how_it_was_proven(run, tmp_path):
    made = export_run(run / "run", tmp_path / "out.onnx", manifest=run / "m.parquet", name="tiny")
    assert made.faces == f"12 dev faces of manifest {Manifest.read(run / 'm.parquet').hash}"
    assert made.parity.faces == 12
    assert made.parity.scores <= 1e-4
    assert made.bytes == (tmp_path / "out.onnx").stat().st_size
    assert (made.choice, made.calibrated, made.fitted_on) == (None, None, 0)
    card = load_model(tmp_path / "out.onnx").card
    assert (card.limits, card.thresholds, card.calibration) == (LIMITS, (THRESHOLD,), None)
    assert json.loads((tmp_path / "out.export.json").read_text()) == json.loads(made.model_dump_json())
    served = load_model(tmp_path / "out.onnx")
    assert served.name == "tiny@1"
    network, _ = load_checkpoint(run / "run")
    image, box = read_image(run / "1.png"), (15, 15, 40, 40)
    crops = [crop_face(image, box, HOW, margin=margin) for margin in HOW.margins]
    inputs = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)[None].float() / 255
    with torch.no_grad():
        wanted = mean_logits(network, inputs).sigmoid().item()
    assert served.score(image, [box])[0] == pytest.approx(wanted, abs=1e-4)


def test_without_a_manifest_it_is_proven_on_noise(run, tmp_path):
    made = export_run(run / "run", tmp_path / "out.onnx")
    assert made.faces == "noise"
    assert load_model(tmp_path / "out.onnx").card.name == "student"


def test_int8_is_measured_and_the_better_form_is_kept(run, tmp_path):
    made = export_run(run / "run", tmp_path / "out.onnx", manifest=run / "m.parquet", int8=True, rounds=3)
    assert made.choice is not None
    assert {each.name for each in made.choice.variants} == {"float", "dynamic", "static"}
    kept = next(each for each in made.choice.variants if each.name == made.choice.kept)
    assert made.bytes == pytest.approx(kept.bytes, rel=0.02)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.export.json", "out.json", "out.onnx"]
    assert load_model(tmp_path / "out.onnx").threshold > 0  # Whichever was kept can decide.


def test_an_int8_form_has_thresholds_of_its_own(run, tmp_path, monkeypatch):
    """Kept though it is slow, with the rules of the float form's card."""
    from facetrust.export import int8
    from facetrust.export import run as module

    monkeypatch.setattr(int8, "_decide", lambda variants, auc_loss, faster: (variants[1], "for this test"))
    made = module.export_run(
        run / "run",
        tmp_path / "out.onnx",
        manifest=run / "m.parquet",
        rules=["bpcer@20%", "eer"],
        int8=True,
        rounds=3,
    )
    assert made.choice is not None
    card = load_model(tmp_path / "out.onnx").card
    assert [each.rule for each in card.thresholds] == ["bpcer@20%", "eer"]
    module.export_run(run / "run", tmp_path / "b.onnx", manifest=run / "m.parquet", int8=True, rounds=3)
    assert [each.rule for each in load_model(tmp_path / "b.onnx").card.thresholds] == ["eer"]


def test_at_most_so_many_faces_are_looked_at(run, tmp_path):
    assert (
        export_run(run / "run", tmp_path / "out.onnx", manifest=run / "m.parquet", faces=5).parity.faces == 5
    )


def test_what_fails_leaves_nothing(run, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=r"ends in \.onnx"):
        export_run(run / "run", tmp_path / "out.pt")
    with pytest.raises(UsageError, match="give a manifest"):
        export_run(run / "run", tmp_path / "out.onnx", int8=True)
    with pytest.raises(ModelError, match=r"no card\.json"):
        export_run(run, tmp_path / "out.onnx")
    with pytest.raises(ManifestError, match="no such manifest"):
        export_run(run / "run", tmp_path / "out.onnx", manifest=run / "none.csv")

    def unlike(*_args, **_settings):
        raise ExportError("out.onnx: scores differ")

    monkeypatch.setattr("facetrust.export.run.parity", unlike)
    with pytest.raises(ExportError, match="scores differ"):
        export_run(run / "run", tmp_path / "out.onnx")
    assert list(tmp_path.iterdir()) == []


def test_other_margins_get_their_own_threshold(run, tmp_path):
    export_run(run / "run", tmp_path / "out.onnx", manifest=[run / "m.parquet"], margins=[1.0, 2.0])
    model = load_model(tmp_path / "out.onnx")
    assert model.card.preprocessing.margins == (1.0, 2.0)
    (threshold,) = model.card.thresholds
    manifest = Manifest.read(run / "m.parquet")
    assert threshold.split == "dev"
    assert threshold.manifest == manifest.hash
    part = manifest.only("dev")
    rows = []
    for row in part.samples():
        image = read_image(part.path_of(row))
        rows.append((row.label, model.score(image, [box_of(row, image)])[0]))
    apcer = np.mean([score < threshold.value for label, score in rows if label])
    bpcer = np.mean([score >= threshold.value for label, score in rows if not label])
    best = min(
        abs(np.mean([s < t for y, s in rows if y]) - np.mean([s >= t for y, s in rows if not y]))
        for t in [*(s for _, s in rows), 1.1]
    )
    assert abs(apcer - bpcer) == pytest.approx(best)
    with pytest.raises(UsageError, match="give a manifest"):
        export_run(run / "run", tmp_path / "out.onnx", margins=[1.0])


def test_the_first_of_the_rules_decides(run, tmp_path):
    export_run(run / "run", tmp_path / "out.onnx", manifest=run / "m.parquet", rules=["bpcer@20%", "eer"])
    model = load_model(tmp_path / "out.onnx")
    assert model.card.preprocessing == HOW
    assert [each.rule for each in model.card.thresholds] == ["bpcer@20%", "eer"]
    assert model.threshold == model.card.thresholds[0].value
    part = Manifest.read(run / "m.parquet").only("dev")
    genuine = [row for row in part.samples() if row.label == 0]
    images = [read_image(part.path_of(row)) for row in genuine]
    scores = [model.score(i, [box_of(r, i)])[0] for r, i in zip(genuine, images, strict=True)]
    assert np.mean(np.array(scores) >= model.threshold) <= 0.2
    # One more genuine face would be called an attack below the next score.
    below = max(score for score in scores if score < model.threshold)
    assert np.mean(np.array(scores) >= below) > 0.2
    with pytest.raises(UsageError, match="rule 'best'"):
        export_run(run / "run", tmp_path / "no.onnx", manifest=run / "m.parquet", rules=["best"])
    with pytest.raises(UsageError, match="give a manifest"):
        export_run(run / "run", tmp_path / "no.onnx", rules=["eer"])
    assert not (tmp_path / "no.onnx").exists()


def test_of_two_towers_only_the_image_side_is_shipped(tmp_path):
    settings = {"clip": "vit-t16", "layers": 1, "image_size": (32, 32)}
    card = ModelCard(
        name="flip",
        task="antispoof",
        architecture="flip-it",
        preprocessing=Preprocessing(size=(32, 32)),
        score_means="any",
        thresholds=(THRESHOLD,),
    )
    torch.manual_seed(0)
    network = create_model("flip-it", **settings)
    save_checkpoint(network, card, tmp_path / "run", settings=settings)
    export_run(tmp_path / "run", tmp_path / "out.onnx")
    served = load_model(tmp_path / "out.onnx")
    assert served.card.architecture == "flip-it, text folded"
    text = sum(p.numel() for name, p in network.model.named_parameters() if not name.startswith("visual."))
    whole = sum(p.numel() for p in network.parameters())
    # The two class embeddings and the scale stand for the text tower.
    assert served.card.parameters == whole - text + 2 * 512 + 1
    assert (tmp_path / "out.onnx").stat().st_size < 4.5 * served.card.parameters


def proof(path, run, *, low, baseline, split="test"):
    card = json.loads((run / "card.json").read_text())
    made_by = {"version": f"1+{card['sha256'][:8]}", "manifest": "feed", "split": split}

    def entry(model, value, low, *, is_baseline):
        figures = [{"metric": "auc", "value": value, "low": low, "high": 0.99}]
        return {
            "baseline": is_baseline,
            "made_by": {**made_by, "model": model},
            "levels": [{"figures": figures}],
        }

    models = [entry("student", 0.95, low, is_baseline=False), entry("b", baseline, 0.0, is_baseline=True)]
    path.write_text(json.dumps({"models": models}))
    return path


@pytest.mark.parametrize(
    ("low", "baseline", "advisory"),
    [(0.9, 0.85, False), (0.8, 0.85, True), (0.8, 0.1, True), (0.8, 0.3, False)],
)
def test_verdicts_decide_where_a_report_proves_them_above_the_baselines(
    run, tmp_path, low, baseline, advisory
):
    report = proof(tmp_path / "report.json", run / "run", low=low, baseline=baseline)
    export_run(run / "run", tmp_path / "out.onnx", proof=report)
    card = load_model(tmp_path / "out.onnx").card
    assert card.advisory is advisory
    assert (card.results[-1].split, card.results[-1].low) == ("test", low)


def test_a_report_of_something_else_proves_nothing(run, tmp_path):
    (tmp_path / "r.json").write_text("{}")
    with pytest.raises(UsageError, match="is no report"):
        export_run(run / "run", tmp_path / "out.onnx", proof=tmp_path / "r.json")
    dev = proof(tmp_path / "report.json", run / "run", low=0.9, baseline=0.6, split="dev")
    with pytest.raises(UsageError, match="must measure the test split"):
        export_run(run / "run", tmp_path / "out.onnx", proof=dev)
    assert not (tmp_path / "out.onnx").exists()


def test_limits_of_quality_are_taken_from_another_card(run, tmp_path):
    export_run(run / "run", tmp_path / "m.onnx", limits="antispoof-tiny")
    _, card = open_model(tmp_path / "m.onnx")
    _, bundled = open_model(locate("antispoof-tiny"))
    assert card.limits == bundled.limits
    assert card.limits is not None


def test_a_limit_may_be_said_by_name(run, tmp_path):
    export_run(run / "run", tmp_path / "m.onnx", limits="antispoof-tiny", limit={"least_size": "112"})
    _, card = open_model(tmp_path / "m.onnx")
    _, bundled = open_model(locate("antispoof-tiny"))
    assert card.limits == bundled.limits.model_copy(update={"least_size": 112.0})
    export_run(run / "run", tmp_path / "n.onnx", limit={"most_dark": 0.25})
    assert open_model(tmp_path / "n.onnx")[1].limits == LIMITS.model_copy(update={"most_dark": 0.25})
    for wrong, why in (
        ({"least_siz": "1"}, "did you mean 'least_size'"),
        ({"most_dark": "2"}, "most_dark: "),
    ):
        with pytest.raises(UsageError, match=why):
            export_run(run / "run", tmp_path / "w.onnx", limit=wrong)
    assert not (tmp_path / "w.onnx").exists()


def test_a_name_may_say_its_version(run, tmp_path):
    export_run(run / "run", tmp_path / "m.onnx", name="other@7")
    assert open_model(tmp_path / "m.onnx")[1].title == "other@7"
    for wrong in ("@2", "other@", "other@new"):
        with pytest.raises(UsageError, match="write NAME or NAME@VERSION"):
            export_run(run / "run", tmp_path / "w.onnx", name=wrong)


@pytest.fixture
def bright(tmp_path, write_model) -> Path:
    """An exported file whose score is the brightness, and a manifest beside it of dark and bright faces."""
    rng = np.random.default_rng(0)
    rows = []
    for n in range(40):
        level = rng.normal(110 if n % 2 else 70, 15)
        pixels = np.clip(rng.normal(level, 9, (60, 60, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{n}.png")
        rows.append(Sample(path=f"{n}.png", label=n % 2, split="dev", domain="ab"[n // 2 % 2]))
    Manifest.write(rows, tmp_path / "bright.parquet")
    return write_model("bright")


def test_an_exported_file_gets_a_new_card_and_keeps_its_graph(bright, tmp_path):
    out = tmp_path / "new.onnx"
    rules = ["bpcer@5%/domain", "apcer@5%/domain"]
    made = export_run(bright, out, manifest=tmp_path / "bright.parquet", rules=rules, name="new@3", risk=0.2)
    assert (made.parity, made.fitted_on) == (None, 40)
    before, after = load_model(bright), load_model(out)
    assert after.name == "new@3"
    assert [each.rule for each in after.card.thresholds] == rules
    assert after.card.thresholds[0].manifest == Manifest.read(tmp_path / "bright.parquet").hash
    assert [after.card.threshold_for(each) for each in POLICIES]
    calibration = after.card.calibration
    assert calibration is not None
    assert after.judge(0.6).probability == calibration.probability(0.6)
    assert before.judge(0.6).probability is None
    assert made.calibrated is not None
    assert made.calibrated.after < made.calibrated.before
    assert calibration.slope > 1  # A logit of 4 x mean - 2 is too timid.
    limits = {each.limit: each.value for each in made.limits}
    assert after.card.limits == QualityLimits(**limits)
    image = read_image(tmp_path / "1.png")
    np.testing.assert_array_equal(before.score(image, [(0, 0, 60, 60)]), after.score(image, [(0, 0, 60, 60)]))
    assert load_model(bright).card == before.card


def test_thresholds_are_of_the_faces_that_the_limits_leave(bright, tmp_path):
    """Means of 0.3 of the scale and more are judged; the others, however many, move no threshold."""
    manifest, out = tmp_path / "bright.parquet", tmp_path / "new.onnx"
    made = export_run(bright, out, manifest=manifest, rules=["bpcer@10%"], limit={"least_luminance": 0.3})
    rows = [
        (read_image(tmp_path / row.path).mean() / 255, row.label) for row in Manifest.read(manifest).samples()
    ]
    judged = [(level, label) for level, label in rows if level >= 0.3]
    assert made.fitted_on == len(judged) < made.labelled - 5 == len(rows) - 5
    genuine = sorted((level for level, label in judged if not label), reverse=True)
    wanted = 1 / (1 + np.exp(2 - 4 * genuine[len(genuine) // 10]))
    assert load_model(out).card.threshold == pytest.approx(wanted, abs=0.03)
    (errors,) = made.errors
    assert (errors.rule, errors.threshold) == ("bpcer@10%", load_model(out).card.threshold)
    score = load_model(out).score
    found = [
        (float(score(read_image(tmp_path / row.path), [(0, 0, 60, 60)])[0]), row.label)
        for row in Manifest.read(manifest).samples()
        if read_image(tmp_path / row.path).mean() / 255 >= 0.3
    ]
    missed = [value < errors.threshold for value, label in found if label]
    assert errors.apcer == pytest.approx(sum(missed) / len(missed))
    assert errors.bpcer == sum(value >= errors.threshold for value, label in found if not label) / len(
        genuine
    )
    with pytest.raises(MetricError, match="of its 40 labelled dev faces 0 are within the card's limits"):
        export_run(bright, tmp_path / "no.onnx", manifest=manifest, rules=["eer"], limit={"least_size": 61})
    everything = export_run(bright, tmp_path / "all.onnx", manifest=manifest, rules=["bpcer@10%"])
    assert everything.fitted_on == len(rows)
    assert load_model(tmp_path / "all.onnx").card.threshold < load_model(out).card.threshold + 1e-9


def test_a_threshold_holds_under_every_harmless_change(bright, tmp_path):
    """The score is the brightness: more light makes attacks of genuine faces, unless that is bounded."""
    manifest, out = tmp_path / "bright.parquet", tmp_path / "new.onnx"
    rules = ["bpcer@10%/change", "bpcer@10%"]
    export_run(bright, out, manifest=manifest, rules=rules)
    bounded, plain = load_model(out).card.thresholds
    assert bounded.value > plain.value
    assert max(each.false_alarms for each in battery([out], [manifest], split="dev")) <= 0.1
    export_run(bright, tmp_path / "plain.onnx", manifest=manifest, rules=rules[1:])
    held = {each.change: each for each in battery([tmp_path / "plain.onnx"], [manifest], split="dev")}
    assert held["as is"].false_alarms <= 0.1 < held["brightness 1.8 times"].false_alarms
    rules = ["apcer@10%/change", "apcer@10%"]
    export_run(bright, tmp_path / "dark.onnx", manifest=manifest, rules=rules)
    bounded, plain = load_model(tmp_path / "dark.onnx").card.thresholds
    assert bounded.value < plain.value
    attacks = [row for row in Manifest.read(manifest).samples() if row.label]
    turned = [row.model_copy(update={"label": 0}) for row in attacks]
    Manifest.write(turned, tmp_path / "turned.parquet")
    found = {each.change: each for each in battery([tmp_path / "dark.onnx"], [tmp_path / "turned.parquet"])}
    assert min(each.false_alarms + each.not_judged for each in found.values()) >= 0.9


def test_limits_that_errors_cannot_tell_stay(bright, tmp_path):
    manifest = tmp_path / "bright.parquet"
    export_run(bright, tmp_path / "n.onnx", manifest=manifest, limits="antispoof-tiny", risk=0.2)
    card, copied = load_model(tmp_path / "n.onnx").card, load_model("antispoof-tiny").card
    assert card.limits is not None
    assert copied.limits is not None
    for name in ("most_sharpness", "least_tones", "least_shading", "most_framed"):
        assert getattr(card.limits, name) == getattr(copied.limits, name)
    assert card.limits.least_size != copied.limits.least_size
    assert [each.rule for each in card.thresholds] == ["by hand"]


def test_what_cannot_be_fitted(run, bright, tmp_path):
    manifest = tmp_path / "bright.parquet"
    for settings, message in (
        ({"risk": 0.1}, "give a manifest"),
        ({"risk": 1.0, "manifest": manifest}, "a risk of 1 is not above 0 and below 1"),
        ({"int8": True, "manifest": manifest}, "is exported; its graph and crops stay"),
        ({"margins": [1.0], "manifest": manifest}, "is exported; its graph and crops stay"),
    ):
        with pytest.raises(UsageError, match=message):
            export_run(bright, tmp_path / "no.onnx", **settings)
    genuine = [row for row in Manifest.read(manifest).samples() if not row.label]
    Manifest.write(genuine, tmp_path / "genuine.parquet")
    with pytest.raises(MetricError, match="of one class"):
        export_run(bright, tmp_path / "no.onnx", manifest=tmp_path / "genuine.parquet", rules=["eer"])
    assert not (tmp_path / "no.onnx").exists()
