import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from facetrust import model_file
from facetrust.errors import ModelError, UnknownName
from facetrust.imaging import crop_face
from facetrust.records import ModelCard, Preprocessing, QualityLimits, Threshold, sha256_of
from facetrust.runtime.model import load_model


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)


BOXES = [(10.0, 10.0, 32.0, 32.0), (30.0, 5.0, 16.0, 16.0), (40.0, 20.0, 24.0, 30.0)]


def test_scores_are_those_of_the_network_by_hand(write_model, image):
    model = load_model(write_model())
    how = model.card.preprocessing
    expected = [sigmoid(4 * crop_face(image, box, how).mean() / 255 - 2) for box in BOXES]
    np.testing.assert_allclose(model.score(image, BOXES), expected, atol=1e-5)


def test_evidence_averages_to_the_logit(write_model, image):
    scores, evidence = load_model(write_model()).score_with_evidence(image, BOXES)
    assert evidence.shape == (3, 1, 4, 4)
    np.testing.assert_allclose(sigmoid(evidence.mean(axis=(1, 2, 3))), scores, atol=1e-6)


def test_several_margins_are_pooled_by_their_mean_logit(write_model, image):
    how = Preprocessing(margins=(1.0, 1.5), size=(16, 16))
    model = load_model(write_model(preprocessing=how))
    logits = [4 * np.mean([crop_face(image, BOXES[0], how, margin=m).mean() / 255 for m in how.margins]) - 2]
    np.testing.assert_allclose(model.score(image, BOXES[:1]), sigmoid(np.array(logits)), atol=1e-5)
    assert model.score_with_evidence(image, BOXES).evidence.shape == (3, 2, 4, 4)


def test_batches_change_nothing(write_model, image):
    path = write_model()
    one, many = (load_model(path, batch=size).score(image, BOXES) for size in (1, 32))
    np.testing.assert_allclose(one, many, atol=1e-7)


def test_crops_may_come_without_the_margin_axis(write_model, image):
    model = load_model(write_model())
    crops = model.crops(image, BOXES)
    assert crops.shape == (3, 1, 3, 16, 16)
    np.testing.assert_array_equal(model.answer(crops[:, 0]).values, model.answer(crops).values)


def test_no_boxes_no_scores(write_model, image):
    assert load_model(write_model()).score(image, []).shape == (0,)


def test_the_threshold_is_the_cards(write_model):
    fitted = Threshold(value=0.42, rule="eer", manifest="m", split="dev")
    assert load_model(write_model(thresholds=(fitted,))).threshold == 0.42
    assert load_model(write_model("plain")).threshold == 0.5


def test_the_card_beside_wins(write_model):
    path = write_model()
    beside = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**beside, "version": 7}))
    assert load_model(path).name == "tiny@7"


def test_the_card_inside_is_enough(write_model):
    assert load_model(write_model(beside=False)).name == "tiny@1"


def test_a_bundled_model_by_name(write_model, monkeypatch, tmp_path):
    path = write_model()
    monkeypatch.setattr(model_file, "_assets", lambda: path.parent)
    (tmp_path / "elsewhere" / "tiny").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere")  # A folder of that name does not hide it.
    assert load_model("tiny").card.name == "tiny"
    with pytest.raises(UnknownName, match="no model named 'tinny'; did you mean 'tiny'"):
        load_model("tinny")


def altered(path):
    path.write_bytes(path.read_bytes() + b"\0")


def without_hash(path):
    card = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**card, "sha256": ""}))


def rename_input(path):
    model = onnx.load(path)
    model.graph.input[0].name = model.graph.node[0].input[0] = "data"
    onnx.save(model, path)


def rename_score(path):
    model = onnx.load(path)
    model.graph.output[0].name = model.graph.node[-1].output[0] = "prob"
    onnx.save(model, path)


def other_size(path):
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 20
    onnx.save(model, path)


def truncated(path):
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize(
    ("spoil", "cards", "message"),
    [
        (altered, {}, "SHA-256 is .* its card says"),
        (without_hash, {}, "its card says nothing"),
        (lambda path: path.with_suffix(".json").write_text("{}"), {}, "tiny.json: name: Field required"),
        (lambda path: path.with_suffix(".json").write_text("{"), {}, "tiny.json: the card: Invalid JSON"),
        (lambda path: path.unlink(), {}, "weight file of tiny is missing|no such model file"),
        (lambda path: None, {"beside": False, "inside": False}, "has no card.*facetrust import-checkpoint"),
        (rename_input, {"beside": False}, "needed are 'image' and 'score'"),
        (rename_score, {"beside": False}, "needed are 'image' and 'score'"),
        (other_size, {"beside": False}, r"takes images of \[3, 20, 16\], its card says \[3, 16, 16\]"),
        (truncated, {"beside": False}, "cannot be run by ONNX Runtime"),
        (lambda path: path.write_bytes(b""), {"beside": False}, "cannot be run by ONNX Runtime"),
    ],
)
def test_a_bad_model_is_one_line(write_model, spoil, cards, message):
    path = write_model(**cards)
    spoil(path)
    with pytest.raises(ModelError, match=message) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)
    assert str(path.stem) in str(caught.value)


def test_a_folder_is_pointed_to_export(tmp_path):
    with pytest.raises(ModelError, match=r"is a folder; give an .onnx file, which facetrust export"):
        load_model(tmp_path)


def test_loading_is_quiet(write_model, capfd):
    load_model(write_model()).score(np.zeros((40, 40, 3), np.uint8), [(0, 0, 40, 40)])
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


CASES = Path(__file__).resolve().parents[2] / ".." / "shared" / "cases"


@pytest.mark.parametrize(
    ("name", "message"), [("scalar", "has the shape"), ("shape", "has the shape"), ("nan", "not finite")]
)
def test_files_that_answer_with_something_else_are_refused(name, message):
    if not CASES.is_dir():
        pytest.skip("no cases beside the checkout")
    with pytest.raises(ModelError, match=message):
        load_model(CASES / f"{name}.onnx").score(np.zeros((40, 40, 3), np.uint8), [(0, 0, 40, 40)])


def made(tmp_path, nodes, score=("n",), constants=()):
    """A file whose score is made by `nodes`, with a card beside it."""
    from onnx import TensorProto, helper

    entry = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 16, 16])
    answer = helper.make_tensor_value_info("score", TensorProto.FLOAT, list(score))
    graph = helper.make_graph(nodes, "made", [entry], [answer], list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "made.onnx")
    card = tiny_card(sha256=sha256_of(tmp_path / "made.onnx"), weights="made.onnx")
    (tmp_path / "made.json").write_text(card.to_json())
    return tmp_path / "made.onnx"


def tiny_card(**changes):
    half = Threshold(value=0.5, rule="by hand", manifest="none", split="dev")
    return ModelCard(
        name="made", task="antispoof", architecture="none", score_means="", thresholds=(half,),
        preprocessing=Preprocessing(margins=(1.0,), size=(16, 16)), **changes,
    )  # fmt: skip


def test_a_score_outside_its_range_is_the_models_error(tmp_path):
    from onnx import helper

    nodes = [
        helper.make_node("ReduceSum", ["image", "axes"], ["score"], keepdims=0),
    ]
    axes = onnx.numpy_helper.from_array(np.array([1, 2, 3]), "axes")
    model = load_model(made(tmp_path, nodes, constants=[axes]))
    with pytest.raises(ModelError, match="score outside 0 to 1"):
        model.score(np.full((40, 40, 3), 200, np.uint8), [(0, 0, 40, 40)])


def test_a_graph_that_never_ends_is_given_up(tmp_path, monkeypatch):
    from onnx import TensorProto, helper

    monkeypatch.setattr(model_file, "PROBE_SECONDS", 0.5)
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Sin", ["state"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, ["n"]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, ["n"]),
        ],
    )
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Loop", ["", "yes", "mean"], ["score"], body=body),
    ]
    yes = onnx.numpy_helper.from_array(np.array(True), "yes")
    with pytest.raises(ModelError, match=r"gave no answer in 0\.5 seconds"):
        load_model(made(tmp_path, nodes, constants=[yes]))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("margins", []), ("margins", [0]), ("margins", [float("nan")]), ("margins", [1.0] * 9),
        ("margins", [100.0]), ("size", [0, 16]), ("size", [16, 100_000]), ("std", [0, 1, 1]),
        ("std", [float("nan"), 1, 1]), ("mean", [float("inf"), 0, 0]), ("top", 0),
        ("mean", [1e300, 0, 0]), ("std", [1e-40, 1, 1]), ("top", 1e39),
    ],
)  # fmt: skip
def test_a_cards_numbers_are_finite_and_in_range(field, value):
    card = json.loads(tiny_card().to_json())
    card["preprocessing"][field] = value
    with pytest.raises(ModelError, match=rf"c.json: preprocessing\.{field}"):
        ModelCard.from_json(json.dumps(card), "c.json")


def test_a_threshold_is_a_number():
    card = json.loads(tiny_card().to_json())
    card["thresholds"][0]["value"] = float("nan")
    with pytest.raises(ModelError, match=r"thresholds\.0\.value"):
        ModelCard.from_json(json.dumps(card), "c.json")


def test_the_fingerprint_knows_the_network_and_the_crop_but_no_limits(write_model, tmp_path):
    path = write_model()
    graph, card = model_file.read(path)
    limits = QualityLimits(least_size=50)
    model_file.save(graph, card.model_copy(update={"limits": limits}), tmp_path / "limited.onnx")
    wider = card.preprocessing.model_copy(update={"margins": (1.4,)})
    model_file.save(graph, card.model_copy(update={"preprocessing": wider}), tmp_path / "wider.onnx")
    first, limited, other = (
        load_model(each) for each in (path, tmp_path / "limited.onnx", tmp_path / "wider.onnx")
    )
    assert limited.card.sha256 != first.card.sha256
    assert limited.fingerprint == first.fingerprint != other.fingerprint
