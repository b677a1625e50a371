"""Three questions of another package, one of each kind, go the whole way by the doors that it may use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import facetrust
from facetrust import cli, registry
from facetrust.data.manifest import Manifest
from facetrust.records import CheckReport, read_table
from facetrust.runtime.checker import Checker
from facetrust.tasks import task_named, task_names

pytestmark = pytest.mark.usefixtures("toy")
CLASSES = ("left_upper", "right_upper", "left_lower", "right_lower")
TINTS = ((220, 60, 60), (60, 60, 220), (60, 220, 60), (200, 200, 40))
RECIPES = {
    "toy-brightness": "model: {name: toy-net}\ndata: {manifests: [MANIFEST], augment: {strength: 0}}",
    "toy-tint": "model: {name: toy-net-embedding}\ndata: {manifests: [MANIFEST], balance: false}\n"
    "losses: {toy-centres: {weight: 2, scale: 4}}",
    "toy-quarters": "model: {name: toy-net-classes}\nlosses: {toy-pixels: 1}\n"
    f"data: {{manifests: [MANIFEST], balance: false, classes: [{', '.join(CLASSES)}]}}",
}
COMMON = """
preprocessing: {margins: [1.0], size: [16, 16], square: false}
optimizer: {lr: 0.05, weight_decay: 0, warmup: 0}
trainer: {epochs: 12, batch_size: 8, workers: 0, ema: 0, flags: {enable_progress_bar: false}}
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen subjects in folders: odd ones are bright, each has a tint, pictures have masks of quarters."""
    root = tmp_path_factory.mktemp("toys")
    rng = np.random.default_rng(0)
    mask = np.zeros((32, 32), np.uint8)
    mask[:, 16:] = 1
    mask[16:] += 2
    for number in range(16):
        folder = root / "set" / f"s{number:02d}"
        folder.mkdir(parents=True)
        tint = np.array(TINTS[(number // 2 + number // 8) % 4]) * (0.4 if number % 2 == 0 else 1.0)
        for n in range(3):
            image = np.clip(tint + rng.normal(0, 8, (32, 32, 3)), 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / f"{n}.png"), image[:, :, ::-1])
            cv2.imwrite(str(folder / f"{n}.mask.png"), mask)
    rows = registry.find("data.sources", "toy-set")(root / "set")

    Manifest.write(
        [row.model_copy(update={"path": f"set/{row.path}", "mask": f"set/{row.mask}"}) for row in rows],
        root / "toys.csv",
    )
    return root


def run(*arguments: object) -> None:
    assert cli.main([str(each) for each in arguments]) == 0


@pytest.fixture(scope="module")
def exported(toy: Path, root: Path) -> dict[str, Path]:
    """Each question trained from a recipe and exported, with its parity proven on dev faces."""
    made = {}
    for task, body in RECIPES.items():
        text = f"name: {task}\ntask: {task}\n{body}{COMMON}".replace("MANIFEST", str(root / "toys.csv"))
        (root / f"{task}.yaml").write_text(text)
        run("train", root / f"{task}.yaml", "--out", root / "runs" / task)
        made[task] = root / f"{task}.onnx"
        run("export", root / "runs" / task, "--out", made[task], "--data", root / "toys.csv")
    return made


def test_they_are_found_beside_our_own():
    assert {"antispoof", "deepfake", *RECIPES} <= set(task_names())
    assert {task_named(name).output for name in RECIPES} == {"score", "embedding", "classes"}
    assert task_named("toy-brightness").unit == "picture"


def test_each_learnt_what_can_be_learnt(root, exported):
    figures = {}
    for task in RECIPES:
        card = json.loads((root / "runs" / task / "card.json").read_text())
        figures |= {(task, each["metric"]): each["value"] for each in card["results"]}
    assert figures["toy-brightness", "auc"] > 0.9
    assert figures["toy-tint", "same-gap"] > 0.05
    assert figures["toy-quarters", "agreement"] > 0.95


def test_the_files_answer_as_the_networks(root, exported):
    for task, path in exported.items():
        parity = json.loads(path.with_suffix(".export.json").read_text())["parity"]
        assert parity["scores"] <= parity["tolerance"]
        assert (parity["agreement"] == 1.0) if task == "toy-quarters" else (parity["agreement"] is None)


@pytest.fixture(scope="module")
def reports(root: Path, exported: dict[str, Path]) -> dict[str, dict[str, Any]]:
    """The report of each question: dev and test scored, the run in torch and the file by the runtime."""
    found = {}
    for task, path in exported.items():
        for model, name in ((root / "runs" / task, "run"), (path, "file")):
            for split in ("dev", "test"):
                out = root / "scores" / task / name
                run("evaluate", model, "--data", root / "toys.csv", "--split", split, "--out", out)
        out = root / "scores" / task
        dev = ("--dev", out / "file" / "scores-dev.parquet")
        run("report", out / "file" / "scores-test.parquet", *dev, "--out", out / "report")
        found[task] = json.loads((out / "report" / "report.json").read_text())
    return found


def test_torch_and_the_runtime_score_alike(root, reports):
    for task in RECIPES:
        ours, files = (
            read_table(root / "scores" / task / name / "scores-test.parquet") for name in ("run", "file")
        )
        assert ours.same_rows(files)
        column = "pixels" if task == "toy-quarters" else "score"
        assert ours.rows[column].to_numpy() == pytest.approx(files.rows[column].to_numpy(), abs=1e-4)


def test_each_is_reported_by_the_protocol_of_its_task(root, reports):
    figures = {
        task: {each["metric"]: each["value"] for each in report["models"][0]["levels"][0]["figures"]}
        for task, report in reports.items()
    }
    assert figures["toy-brightness"]["auc"] > 0.7
    assert {"auc", "gap"} == set(figures["toy-tint"])
    assert figures["toy-tint"]["auc"] > 0.5
    assert set(figures["toy-quarters"]) == {"agreement", *CLASSES}
    assert figures["toy-quarters"]["agreement"] > 0.95
    page = (root / "scores" / "toy-quarters" / "report" / "report.html").read_text()
    assert "left_upper" in page
    assert "APCER" not in page


def test_pairs_may_be_named_in_a_file_beside_the_manifest(root, exported, tmp_path):
    pairs = root / "toys.csv.pairs.csv"
    pairs.write_text("first,second\nset/s06/0.png,set/s06/1.png\nset/s06/0.png,set/s07/0.png\n")
    try:
        run("evaluate", exported["toy-tint"], "--data", root / "toys.csv", "--out", tmp_path)
    finally:
        pairs.unlink()
    assert read_table(tmp_path / "scores-test.parquet").labels.tolist() == [1, 0]


def test_people_are_verified_and_searched_for(root, exported, tmp_path, capsys):
    """Two folds of pairs, a gallery in train, mirror images, pixels as the baseline, and a refusal."""
    people = [f"s{number:02d}" for number in (6, 7, 14, 15)]  # Of test.
    pairs = "first,second,fold\n" + "".join(
        f"set/{who}/0.png,set/{who}/{n}.png,{n}\nset/{who}/0.png,set/{other}/{n}.png,{n}\n"
        for who, other in zip(people, people[1:] + people[:1], strict=True)
        for n in (1, 2)
    )
    (tmp_path / "p.csv").write_text(pairs)
    names = [f"set/{who}/0.png" for who in people[:2]]
    gallery = "name,part\n" + "".join(f"{name},gallery\n" for name in [*names, "set/s00/0.png"])
    (tmp_path / "g.csv").write_text(gallery + "".join(f"set/{who}/2.png,probe\n" for who in people))
    lists = ("--pairs", tmp_path / "p.csv", "--gallery", tmp_path / "g.csv", "--flip")
    run("evaluate", exported["toy-tint"], "--data", root / "toys.csv", "--out", tmp_path, *lists)
    names = ("scores", "baseline-pixels", "searches")
    files = {name: read_table(tmp_path / f"{name}-test.parquet") for name in names}
    assert [type(each).__name__ for each in files.values()] == ["Pairs", "Pairs", "Searches"]
    assert files["scores"].folds.tolist() == [1, 1, 2, 2] * 4
    assert files["baseline-pixels"].made_by.trained_people == 0
    assert files["searches"].labels.tolist() == [1, 1, 0, 0]
    assert set(files["searches"].rows["enrolled"]) == {3}
    verified = [tmp_path / f"{name}-test.parquet" for name in names[:2]]
    run("report", *verified, "--protocol", "verification", "--out", tmp_path / "v")
    model, baseline = json.loads((tmp_path / "v" / "report.json").read_text())["models"]
    assert (model["levels"][0]["unit"], baseline["baseline"]) == ("pair", True)
    assert model["levels"][0]["figures"][0]["metric"] == "accuracy"
    searched = tmp_path / "searches-test.parquet"
    for protocol in ("identification", "open-set"):
        run("report", searched, "--protocol", protocol, "--out", tmp_path / protocol)
    trained = Manifest.read(root / "toys.csv").samples()
    trained = [row.model_copy(update={"path": str(root / row.path), "split": "train"}) for row in trained]
    Manifest.write(trained, tmp_path / "t.csv")
    out = tmp_path / "known"
    run("evaluate", exported["toy-tint"], "--data", root / "toys.csv", "--out", out, *lists, "--trained-on",
        tmp_path / "t.csv")  # fmt: skip
    code = cli.main(["report", str(out / "scores-test.parquet"), "--protocol", "verification", "--out", "x"])
    assert (code, "was trained on 4 of the people of the test split" in capsys.readouterr().err) == (2, True)


def test_a_search_needs_no_pairs_where_they_would_be_too_many(root, exported, tmp_path, monkeypatch):
    from facetrust.evaluation import evaluate as room

    listed = "name,part\nset/s00/0.png,gallery\nset/s06/1.png,probe\nset/s07/2.png,probe\n"
    (tmp_path / "g.csv").write_text(listed)
    given = {"manifest": root / "toys.csv", "gallery": tmp_path / "g.csv", "baselines": False}
    both = room.evaluate(exported["toy-tint"], out=tmp_path / "both", **given)
    assert {each.name for each in both.parent.iterdir()} == {"scores-test.parquet", "searches-test.parquet"}
    monkeypatch.setattr(room, "MOST_PAIRS", 0)
    alone = room.evaluate(exported["toy-tint"], out=tmp_path / "alone", **given)
    assert [each.name for each in alone.parent.iterdir()] == ["searches-test.parquet"]
    assert read_table(alone).rows.equals(read_table(both.with_name(alone.name)).rows)


def test_the_source_is_prepared_with_points_and_masks(root, told, tmp_path):
    from facetrust.data.prepare import prepare

    prepare(
        "toy-set", root / "set", tmp_path / "m.csv", detector=told((4.0, 4.0, 24.0, 24.0)), annotations=True
    )
    rows = Manifest.read(tmp_path / "m.csv").samples()
    assert len(rows) == 48
    assert all(row.points is not None and (tmp_path / str(row.mask)).is_file() for row in rows)
    # So small a picture is enlarged five times before detection.
    assert rows[0].points[0] == pytest.approx(((4 + 0.3 * 24) / 5, (4 + 0.4 * 24) / 5), abs=0.01)


def checked(path: Path, task: str, image: np.ndarray, told) -> CheckReport:
    return Checker(task, models={task: path}, detector=told((4.0, 4.0, 24.0, 24.0))).check(image)


def test_a_score_of_a_picture_is_a_verdict_that_is_advisory_until_it_is_proven(exported, told):
    bright = np.full((32, 32, 3), TINTS[0], np.uint8)
    report = checked(exported["toy-brightness"], "toy-brightness", bright, told)
    assert [verdict.decision for verdict in report.verdicts] == ["bright"]
    assert report.verdicts[0].advisory
    assert (report.trusted, report.faces) == (None, ())


def test_where_a_picture_is_bright_is_drawn_though_it_has_no_face(exported, told, tmp_path):
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, :16] = TINTS[0]
    cv2.imwrite(str(tmp_path / "half.png"), image[:, :, ::-1])
    checker = Checker(
        "toy-brightness", models={"toy-brightness": exported["toy-brightness"]}, detector=told()
    )
    (report,) = checker.check_many([tmp_path / "half.png"], evidence=tmp_path / "out")
    assert report.faces == ()
    drawn = cv2.imread(str(tmp_path / "out" / "half.evidence.png"))[:, :, ::-1].astype(int)
    for column, ours in ((120, TINTS[0]), (360, (0, 0, 0))):
        tint = drawn[360, column] - np.array(ours)  # Of 480 pixels, below the verdict.
        assert (tint[0] - tint[2] > 0) == (column == 120)
    verdict = drawn[:24, :60].reshape(-1, 3)
    colour = (214, 40, 40) if report.verdicts[0].decision == "bright" else (30, 140, 60)
    assert (np.abs(verdict - colour).max(1) < 3).mean() > 0.3


def test_an_embedding_is_returned_and_never_written(exported, told):
    image = np.full((32, 32, 3), TINTS[1], np.uint8)
    report = checked(exported["toy-tint"], "toy-tint", image, told)
    (embedding,) = report.faces[0].embeddings
    assert embedding.dimensions == len(embedding.vector) == 4
    assert np.linalg.norm(embedding.vector) == pytest.approx(1)
    assert "vector" not in report.to_json()
    assert report.trusted is None


def test_classes_are_parts_of_the_face(exported, told):
    image = np.full((32, 32, 3), TINTS[2], np.uint8)
    report = checked(exported["toy-quarters"], "toy-quarters", image, told)
    (parts,) = report.faces[0].parts
    assert set(parts.shares) == set(CLASSES)
    assert parts.classes.shape == (16, 16)
    assert [parts.classes[y, x] for y in (2, 13) for x in (2, 13)] == [0, 1, 2, 3]
    assert sum(json.loads(report.to_json())["faces"][0]["parts"][0]["shares"].values()) == pytest.approx(1)


def test_videos_are_asked_too(exported, told, film, tmp_path):
    frames = [np.full((64, 64, 3), TINTS[0], np.uint8)] * 10
    path = film(tmp_path / "a.avi", frames)
    checker = Checker(list(exported), models=exported, detector=told((4.0, 4.0, 24.0, 24.0)))
    report = checker.check(path)
    assert [verdict.task for verdict in report.verdicts] == ["toy-brightness"]
    assert len(report.faces[0].embeddings) == len(report.faces[0].parts) == 1


def test_classes_are_laid_over_the_picture(exported, told):
    """The box is 8 to 56 of 64 pixels, which are enlarged 2.5 times before detection."""
    image = np.full((64, 64, 3), TINTS[2], np.uint8)
    parsed = facetrust.parse(image, model=exported["toy-quarters"], detector=told((20.0, 20.0, 120.0, 120.0)))
    assert parsed.classes == CLASSES
    assert [parsed.mask[y, x] for y in (16, 48) for x in (16, 48)] == [0, 1, 2, 3]
    assert not parsed.mask[:8].any()
    assert not parsed.mask[:, 56:].any()


def test_classes_are_tuned_by_their_reward(root, exported, tmp_path):
    short = ("--set", "trainer.epochs=1", "--set", "reward.samples=3", "--set", "optimizer.lr=1e-3")
    begun = ("--set", f"model.begin={root / 'runs' / 'toy-quarters'}")
    run("train", root / "toy-quarters.yaml", *short, *begun, "--out", tmp_path / "tuned")
    text = "\n".join(path.read_text() for path in tmp_path.rglob("*.csv"))
    assert "train/reward" in text
    figures = json.loads((tmp_path / "tuned" / "card.json").read_text())["results"]
    assert {each["metric"]: each["value"] for each in figures}["agreement"] > 0.95
