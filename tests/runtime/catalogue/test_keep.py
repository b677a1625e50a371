"""Pulled, imported, verified, removed; whatever goes wrong is one line, and nothing half is kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from facetrust import model_file
from facetrust.errors import ModelError, UnknownName, UsageError
from facetrust.records import sha256_of
from facetrust.runtime.bundled import open_models
from facetrust.runtime.catalogue import keep
from facetrust.runtime.catalogue.entries import read_catalogue
from facetrust.runtime.model import load_model


def content_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def pull(place, name="tiny", **more):
    return keep.pull(name, read_catalogue(place), **more)


def refused(place, message, error=ModelError) -> str:
    with pytest.raises(error, match=message) as raised:
        pull(place)
    assert "\n" not in str(raised.value)
    assert model_file.kept() == []
    return str(raised.value)


class TestPull:
    def test_what_is_pulled_works_by_its_name(self, server, folder):
        seen = []
        card = pull(server.url, progress=lambda done, total: seen.append((done, total)))
        assert content_of(folder) == ["tiny.json", "tiny.onnx"]
        assert (card.title, card.sha256) == ("tiny@1", sha256_of(folder / "tiny.onnx"))
        assert seen[-1] == ((folder / "tiny.onnx").stat().st_size,) * 2
        assert model_file.kept() == ["tiny"]
        model = open_models("antispoof", {"antispoof": "tiny"})["antispoof"]
        white = np.ones((1, 3, 16, 16), np.float32)
        assert model.answer(white).values == pytest.approx([1 / (1 + np.exp(-2))])  # Its logit is 4 x - 2.
        assert load_model("tiny").card == card

    def test_what_is_kept_is_not_fetched_again(self, server):
        pull(server.url)
        del server.asked[:]
        assert pull(server.url).title == "tiny@1"
        assert server.asked == [("/catalogue.json", None)]

    def test_a_folder_needs_no_network(self, published, folder):
        assert pull(published()).title == "tiny@1"
        assert content_of(folder) == ["tiny.json", "tiny.onnx"]

    def test_a_download_that_was_cut_off_continues(self, server, folder):
        server.cut = 100
        refused(server.url, r"tiny\.onnx: was cut off after 100 of [\d,]+ bytes; the same command continues")
        (left,) = folder.iterdir()
        assert (left.suffix, left.stat().st_size) == (".part", 100)
        pull(server.url)
        assert server.asked[-1] == ("/tiny.onnx", "bytes=100-")
        assert content_of(folder) == ["tiny.json", "tiny.onnx"]

    def test_without_ranges_it_begins_again(self, server, folder):
        server.cut = 100
        refused(server.url, "was cut off")
        server.whole = True
        pull(server.url)
        assert content_of(folder) == ["tiny.json", "tiny.onnx"]

    def test_another_part_than_was_asked_for_is_refused(self, server, folder):
        server.cut = 100
        refused(server.url, "was cut off")
        server.shift = 7
        refused(server.url, "answers with another part of the file than was asked for")
        assert next(folder.iterdir()).stat().st_size == 100

    @pytest.mark.parametrize("through", ["server", "folder"])
    def test_a_wrong_hash_is_deleted(self, through, server, published, folder):
        file = published(sha256="0" * 64)
        card = json.loads((file.parent / "tiny.json").read_text())
        (file.parent / "tiny.json").write_text(json.dumps({**card, "sha256": "0" * 64}))
        rewrite(file, card_sha256=sha256_of(file.parent / "tiny.json"))
        refused(server.url if through == "server" else file, "the catalogue says 000000000000…; it was del")
        assert content_of(folder) == []

    def test_another_card_is_refused_before_anything_large_is_fetched(self, server, published, folder):
        file = published(card_sha256="0" * 64)
        refused(server.url, r"tiny\.json: is not the card that the catalogue states")
        rewrite(published(version=2))
        refused(server.url, "tiny.json: version is 1, the catalogue says 2")
        assert "/tiny.onnx" not in [path for path, _ in server.asked]
        assert content_of(folder) == []
        (file.parent / "tiny.json").write_bytes(b" " * ((1 << 20) + 1))
        refused(server.url, "is larger than 1,048,576 bytes")

    @pytest.mark.parametrize("silent", [False, True])
    @pytest.mark.parametrize("more", [-1, 1])
    def test_another_size_is_refused(self, more, silent, server, published, folder):
        size = json.loads(published().read_text())["models"][0]["size"]
        published(size=size + more)
        server.silent = silent
        if not silent:
            refused(server.url, f"has {size:,} bytes, the catalogue states {size + more:,}")
        elif more < 0:
            refused(server.url, f"is larger than the {size - 1:,} bytes that the catalogue states")
        else:
            refused(server.url, "was cut off")
        assert [name for name in content_of(folder) if not name.endswith(".part")] == []

    @pytest.mark.parametrize(
        "target", ["http://localhost:1/x", "http://127.0.0.1:1/x", "file:///etc/passwd", "ftp://127.0.0.1/x"]
    )
    @pytest.mark.parametrize("path", ["/catalogue.json", "/tiny.json", "/tiny.onnx"])
    def test_a_redirect_to_another_host_is_refused(self, target, path, server, folder):
        server.moved[path] = target
        refused(server.url, "only its own host is followed|only http:// and https:// are fetched")

    def test_a_redirect_within_the_host_is_followed(self, server):
        (server.folder / "b.onnx").write_bytes((server.folder / "tiny.onnx").read_bytes())
        server.moved["/tiny.onnx"] = "/b.onnx"
        assert pull(server.url).title == "tiny@1"
        assert server.asked[-1] == ("/b.onnx", None)

    def test_a_redirect_in_a_circle_ends(self, server):
        server.moved["/tiny.onnx"] = "/tiny.onnx"
        refused(server.url, "the server answers 302")

    def test_a_missing_file_and_a_dead_server_are_named(self, server, published):
        published(file="gone.onnx")
        refused(server.url, r"/gone\.onnx: the server answers 404 Not Found")
        place = server.url
        server.shutdown()
        server.server_close()
        refused(place, "cannot be reached")

    def test_what_cannot_be_run_is_not_kept(self, published, folder):
        file = published()
        (file.parent / "tiny.onnx").write_bytes(b"no network")
        digest = sha256_of(file.parent / "tiny.onnx")
        card = json.loads((file.parent / "tiny.json").read_text())
        (file.parent / "tiny.json").write_text(json.dumps({**card, "sha256": digest}))
        rewrite(file, size=10, sha256=digest, card_sha256=sha256_of(file.parent / "tiny.json"))
        assert refused(file, "cannot be run by ONNX Runtime").startswith("tiny.onnx: ")
        assert content_of(folder) == []

    def test_a_name_that_is_taken_is_refused(self, published, write_model):
        refused(published(name="antispoof-tiny"), "no model in the catalogue named 'tiny'", UnknownName)
        with pytest.raises(UsageError, match="antispoof-tiny: a model of that name comes with the package"):
            pull(published(name="antispoof-tiny"), "antispoof-tiny")
        keep.import_model(write_model("mine", name="tiny", version=3))
        with pytest.raises(UsageError, match="remove it with: facetrust models remove tiny"):
            pull(published())

    def test_a_task_that_nobody_knows_is_refused(self, published):
        refused(published(task="antispof"), "did you mean 'antispoof'", UnknownName)


def rewrite(file: Path, **changes: object) -> None:
    """Changes the catalogue's only entry."""
    told = json.loads(file.read_text())
    told["models"][0].update(changes)
    file.write_text(json.dumps(told))


class TestImport:
    def test_a_file_and_a_card_elsewhere(self, write_model, tmp_path, folder):
        file = write_model("mine", name="mine", beside=False)
        card = tmp_path / "any name.json"
        told = json.loads(model_file.card_inside(model_file.open_session(file), "mine").to_json())
        card.write_text(json.dumps({**told, "architecture": "told by hand"}))
        made = keep.import_model(file, card)
        assert (made.architecture, made.weights, made.sha256) == (
            "told by hand",
            "mine.onnx",
            sha256_of(file),
        )
        assert content_of(folder) == ["mine.json", "mine.onnx"]
        assert load_model("mine").card == made
        assert file.exists()

    @pytest.mark.parametrize("beside", [True, False])
    def test_its_own_card_is_taken_without_one(self, beside, write_model):
        assert keep.import_model(write_model("mine", name="mine", beside=beside)).name == "mine"
        assert load_model("mine").card.sha256

    @pytest.mark.parametrize(
        ("changes", "error", "message"),
        [
            ({"sha256": "0" * 64}, ModelError, "SHA-256 is"),
            ({"name": "../mine"}, UsageError, "up to 64 small letters, digits"),
            ({"name": "Mine"}, UsageError, "facetrust export FILE --name NAME"),
            ({"name": "deepfake-tiny"}, UsageError, "comes with the package"),
            ({"thresholds": []}, ModelError, "its card has no threshold"),
            ({"task": "antispof"}, ModelError, "did you mean 'antispoof'"),
            ({"preprocessing": {"size": [8, 8]}}, ModelError, "takes images of"),
            ({"unknown": 1}, ModelError, "unknown: Extra inputs are not permitted"),
        ],
    )
    def test_what_is_wrong_is_named_and_nothing_kept(
        self, changes, error, message, write_model, tmp_path, folder
    ):
        file = write_model("mine", name="mine")
        card = tmp_path / "card.json"
        card.write_text(json.dumps({**json.loads(file.with_suffix(".json").read_text()), **changes}))
        with pytest.raises(error, match=message) as raised:
            keep.import_model(file, card)
        assert ".new-" not in str(raised.value)
        assert content_of(folder) == []

    def test_a_missing_file_is_named(self, tmp_path, write_model):
        with pytest.raises(ModelError, match=r"no\.onnx: no such model file"):
            keep.import_model(tmp_path / "no.onnx")
        with pytest.raises(ModelError, match=r"no\.json: no such file"):
            keep.import_model(write_model("mine", name="mine"), tmp_path / "no.json")


class TestVerifyAndRemove:
    def test_all_are_whole(self, published):
        catalogue = read_catalogue(published())
        keep.pull("tiny", catalogue)
        found = {each.name: each for each in keep.verify((), catalogue)}
        assert set(found) == {*model_file.bundled(), "tiny"}
        assert {each.problem for each in found.values()} == {None}
        assert (found["tiny"].origin, found["tiny"].by) == ("kept", "card and catalogue")
        assert found["antispoof-tiny"][1:3] == ("bundled", "card")

    def test_what_was_altered_is_found(self, published, folder):
        catalogue = read_catalogue(published())
        keep.pull("tiny", catalogue)
        card = folder / "tiny.json"
        card.write_text(card.read_text().replace('"value": 0.5', '"value": 0.9'))
        assert keep.verify(["tiny"])[0].problem is None  # The card alone cannot vouch for itself.
        assert "is not the card that the catalogue states" in keep.verify(["tiny"], catalogue)[0].problem
        (folder / "tiny.onnx").write_bytes(b"another")
        assert "SHA-256 is" in keep.verify(["tiny"])[0].problem
        card.write_text("{")
        assert "tiny.json: " in keep.verify(["tiny"])[0].problem

    def test_what_is_removed_is_gone(self, published, server, folder):
        pull(published())
        keep.remove("tiny")
        assert content_of(folder) == []
        server.cut = 10
        refused(server.url, "was cut off")
        keep.remove("tiny")
        assert content_of(folder) == []

    def test_nothing_else_is_removed(self, folder):
        with pytest.raises(UnknownName, match="no kept model named 'tiny'"):
            keep.remove("tiny")
        with pytest.raises(UsageError, match="comes with the package"):
            keep.remove("antispoof-tiny")
        with pytest.raises(UnknownName):
            keep.remove("../tiny")

    def test_an_unknown_name_is_answered_with_the_nearest(self):
        with pytest.raises(UnknownName, match="did you mean 'deepfake-tiny'"):
            keep.verify(["deepfake-tinny"])
        with pytest.raises(UnknownName, match="no model named 'tiny'"):
            keep.read_card("tiny")
