from __future__ import annotations

import hashlib
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

import facetrust
from facetrust.errors import ModelError
from facetrust.model_file import KEY, card_inside, graph_hash, open_session, read, save, with_card
from facetrust.records import ModelCard, Preprocessing, sha256_of


def tiny(op: str = "Relu") -> onnx.ModelProto:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", 2]) for name in ("image", "score")]
    graph = helper.make_graph([helper.make_node(op, ["image"], ["score"])], "g", values[:1], values[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


@pytest.fixture
def card() -> ModelCard:
    return ModelCard(
        name="small", task="antispoof", architecture="small", preprocessing=Preprocessing(), score_means="any"
    )


def test_the_card_inside_has_no_hash_and_the_one_beside_has_the_files(card, tmp_path):
    path = tmp_path / "sub" / "net.onnx"
    beside = save(tiny(), card.model_copy(update={"sha256": "old", "weights": "model.safetensors"}), path)
    assert (beside.weights, beside.sha256) == ("net.onnx", sha256_of(path))
    assert ModelCard.from_json(path.with_suffix(".json").read_bytes(), "beside") == beside
    _, inside = read(path)
    assert inside == card
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["net.json", "net.onnx"]


def test_a_new_card_takes_the_place_of_the_old(card):
    graph = with_card(with_card(tiny(), card), card.model_copy(update={"name": "second"}))
    assert [entry.key for entry in graph.metadata_props] == [KEY]
    assert ModelCard.from_json(graph.metadata_props[0].value, "inside").name == "second"


def test_an_altered_file_is_refused(card, tmp_path):
    path = tmp_path / "net.onnx"
    save(tiny(), card, path)
    path.write_bytes(with_card(tiny("Sigmoid"), card).SerializeToString())
    with pytest.raises(ModelError, match="SHA-256"):
        read(path)


def test_a_graphs_hash_knows_the_network_and_not_its_card(card, tmp_path):
    (tmp_path / "bare.onnx").write_bytes(tiny().SerializeToString())
    save(tiny(), card, tmp_path / "net.onnx")
    longer = card.model_copy(update={"name": "n" * 300})  # Its length takes a byte more to write.
    save(read(tmp_path / "net.onnx")[0], longer, tmp_path / "refitted.onnx")
    save(tiny("Sigmoid"), card, tmp_path / "other.onnx")
    bare, net, refitted, other = (
        graph_hash(tmp_path / f"{name}.onnx") for name in ("bare", "net", "refitted", "other")
    )
    assert bare == net == refitted != other
    assert bare == hashlib.sha256((tmp_path / "bare.onnx").read_bytes()).hexdigest()


@pytest.mark.parametrize("content", [b"\x08", b"\x0b\x01"])
def test_what_is_cut_off_has_no_hash(content, tmp_path):
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(ModelError, match="is not an ONNX file"):
        graph_hash(tmp_path / "net.onnx")


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), (b"", "is not an ONNX file"), (b"no graph", "is not an ONNX file")],
)
def test_what_is_no_model_is_refused(content, message, tmp_path):
    path = tmp_path / "net.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=message) as raised:
        read(path)
    assert "\n" not in str(raised.value)


def test_a_file_without_card_is_refused(tmp_path):
    path = tmp_path / "net.onnx"
    onnx.save(tiny(), str(path))
    with pytest.raises(ModelError, match="holds no card"):
        read(path)


def test_a_write_that_fails_leaves_no_card_of_another_file(card, tmp_path, monkeypatch):
    path = tmp_path / "net.onnx"
    save(tiny(), card, path)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("facetrust.model_file.write_whole", fail)
    with pytest.raises(OSError, match="disk full"):
        save(tiny("Sigmoid"), card, path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["net.onnx"]


def test_a_graph_that_cannot_run_is_one_line():
    with pytest.raises(ModelError, match="the graph: cannot be run by ONNX Runtime") as raised:
        open_session(tiny("NoSuchOperator").SerializeToString())
    assert "\n" not in str(raised.value)


def test_the_card_inside_is_read_from_an_open_file(card):
    assert card_inside(open_session(tiny().SerializeToString()), "net.onnx") is None
    graph = with_card(tiny(), card)
    assert card_inside(open_session(graph.SerializeToString()), "net.onnx") == card
    graph.metadata_props[0].value = "{}"
    with pytest.raises(ModelError, match=r"net\.onnx: name: Field required"):
        card_inside(open_session(graph.SerializeToString()), "net.onnx")


def test_a_session_is_made_in_one_place_only():
    """What is profiled is then what is run. ONNX Runtime's own calibration for int8 makes others."""
    home = Path(facetrust.__file__).parent
    makers = [file.name for file in sorted(home.rglob("*.py")) if "InferenceSession(" in file.read_text()]
    assert makers == ["model_file.py"]


def test_a_graph_that_is_not_text_prints_nothing(card, tmp_path, capfd):
    model = with_card(tiny(), card)
    model.graph.node[0].op_type = "Con"
    content = model.SerializeToString().replace(b"Con", b"C\x80n", 1)
    with pytest.raises(ModelError, match="cannot be run by ONNX Runtime"):
        open_session(content)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("threads", [0, 1, 2])
def test_the_number_of_threads_is_the_one_asked_for(write_model, threads):
    session = open_session(write_model(), threads=threads)
    assert session.get_session_options().intra_op_num_threads == threads
