"""What a catalogue may say: fields, names, and where its files may lie."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from facetrust.errors import ModelError, UnknownName
from facetrust.runtime.catalogue.entries import Catalogue, read_catalogue


def test_a_folder_stands_for_its_catalogue(published):
    file = published()
    assert read_catalogue(file.parent) == read_catalogue(file)
    (entry,) = read_catalogue(file).entries
    assert (entry.title, entry.task, entry.licence) == ("tiny@1", "antispoof", "Apache-2.0")
    assert read_catalogue(file).entry("tiny") == entry
    with pytest.raises(UnknownName, match="no model in the catalogue named 'tinny'; did you mean 'tiny'"):
        read_catalogue(file).entry("tinny")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "../tiny"}, "models.0.name: String should match pattern"),
        ({"name": "a/b"}, "models.0.name"),
        ({"name": "tiny\n"}, "models.0.name"),
        ({"name": ""}, "models.0.name"),
        ({"name": "t" * 65}, "models.0.name"),
        ({"size": 0}, "models.0.size: Input should be greater than 0"),
        ({"size": (2 << 30) + 1}, "models.0.size: Input should be less than or equal to"),
        ({"size": "many"}, "models.0.size"),
        ({"version": 0}, "models.0.version"),
        ({"sha256": "ABC"}, "models.0.sha256"),
        ({"card_sha256": "f" * 63}, "models.0.card_sha256"),
        ({"licence": ""}, "models.0.licence"),
        ({"post_install": "run me"}, "models.0.post_install: Extra inputs are not permitted"),
    ],
)
def test_a_bad_field_is_named(changes, message, published):
    file = published(**changes)
    with pytest.raises(ModelError, match=message) as raised:
        read_catalogue(file)
    assert str(raised.value).startswith(f"{file}: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Invalid JSON"),
        (b"[]", "the catalogue"),
        (b'{"models": []}', "schema: Field required"),
        (b'{"schema": "facetrust.catalogue/2", "models": []}', "schema"),
        (b"[" * 100_000, "Invalid JSON"),
        (b" " * ((4 << 20) + 1), "is larger than 4,194,304 bytes"),
        (None, "no such file"),
    ],
)
def test_what_is_no_catalogue_is_refused(content, message, tmp_path):
    file = tmp_path / "catalogue.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        read_catalogue(file)


def test_a_name_stands_once(published):
    file = published()
    told = json.loads(file.read_text())
    file.write_text(json.dumps({**told, "models": told["models"] * 2}))
    with pytest.raises(ModelError, match="two models are named tiny"):
        read_catalogue(file)


@pytest.mark.parametrize("field", ["name", "version", "task", "sha256"])
def test_a_card_is_about_what_the_catalogue_says(field, published):
    from facetrust.records import ModelCard

    (entry,) = read_catalogue(published()).entries
    card = ModelCard.from_json((published().parent / "tiny.json").read_bytes(), "tiny")
    entry.check_card(card, "tiny.json")
    other = {"name": "other", "version": 2, "task": "deepfake", "sha256": "0" * 64}[field]
    with pytest.raises(ModelError, match=f"tiny.json: {field} is .*the catalogue says"):
        entry.check_card(card.model_copy(update={field: other}), "tiny.json")


class TestAddresses:
    def test_paths_are_relative_to_the_catalogue(self, tmp_path):
        there = Catalogue(str(tmp_path / "c.json"), ())
        assert there.address("sub/a.onnx") == tmp_path.resolve() / "sub" / "a.onnx"
        there = Catalogue("https://models.example/v1/catalogue.json", ())
        assert there.address("sub/a.onnx") == "https://models.example/v1/sub/a.onnx"
        assert there.address("https://other.example/a.onnx") == "https://other.example/a.onnx"

    @pytest.mark.parametrize("place", ["/srv/catalogue.json", "https://models.example/catalogue.json"])
    @pytest.mark.parametrize(
        "path",
        ["../a", "a/../../b", "/etc/passwd", "//other.example/a", "a//b", "..\\a", "c:/a", "file:/etc/passwd",
         "a\0b", "javascript:a"],
    )  # fmt: skip
    def test_a_path_leads_nowhere_else(self, place, path):
        with pytest.raises(ModelError, match="which is no path below the catalogue"):
            Catalogue(place, ()).address(path)

    def test_a_link_leads_nowhere_else(self, tmp_path):
        folder = tmp_path / "shelf"
        folder.mkdir()
        (folder / "out").symlink_to(tmp_path)
        with pytest.raises(ModelError, match="leads out of the catalogue's folder"):
            Catalogue(str(folder / "c.json"), ()).address("out/a.onnx")

    @pytest.mark.parametrize(
        ("url", "message"),
        [
            ("file:///etc/passwd", "only http:// and https:// are fetched"),
            ("ftp://a.example/x", "only http:// and https:// are fetched"),
            ("http:///x", "only http:// and https:// are fetched"),
            ("http://a.example:port/x", "is no URL"),
            ("http://me:secret@a.example/x", "a user or a password is not taken"),
            ("http://a.example/a b", "no blanks"),
            ("http://a.example/a\r\nHost: b", "no blanks"),
        ],
    )
    def test_other_urls_are_refused(self, url, message):
        with pytest.raises(ModelError, match=message) as raised:
            Catalogue("/srv/catalogue.json", ()).address(url)
        assert "secret" not in str(raised.value)

    def test_an_encrypted_catalogue_names_nothing_that_is_not(self):
        with pytest.raises(ModelError, match="is not encrypted as itself is"):
            Catalogue("https://a.example/c.json", ()).address("http://a.example/x")


def test_a_catalogue_is_no_url_of_another_kind():
    with pytest.raises(ModelError, match="only http"):
        read_catalogue("file:///etc/hostname")
    assert not Path("file:").exists()
