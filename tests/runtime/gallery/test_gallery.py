"""People are enrolled, identified and forgotten, by pictures of one tint each."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import facetrust
from facetrust import model_file
from facetrust.errors import GalleryError, ImageError, InputError, UsageError
from facetrust.records import Identification
from facetrust.runtime.gallery.gallery import Gallery, checked_name
from facetrust.runtime.verifier import Verifier

pytestmark = pytest.mark.usefixtures("toy")
BOX = (20.0, 20.0, 100.0, 100.0)
RED, ROSE, BLUE, GREEN, WHITE = (250, 60, 60), (250, 75, 60), (60, 60, 250), (60, 250, 60), (255, 240, 240)


@pytest.fixture
def gallery(tmp_path, verifier):
    with Gallery(tmp_path / "people.db", verifier=verifier) as opened:
        yield opened


def who(found: Identification) -> list[tuple[str | None, str | None]]:
    return [(match.decision, match.name) for match in found.matches]


def test_who_is_enrolled_is_known_and_others_are_unknown(gallery, picture):
    made = gallery.enroll("Ada", [picture(RED), picture(ROSE)])
    assert (made.name, made.added, made.templates) == ("Ada", 2, 2)
    assert gallery.enroll("Bo", picture(BLUE)[None]).templates == 1
    known = gallery.identify(picture(ROSE))
    assert who(known) == [("known", "Ada")]
    assert known.matches[0].score == pytest.approx(1, abs=1e-6)
    assert (known.people, known.templates, known.far) == (2, 3, 0.01)
    unknown = gallery.identify(picture(GREEN))
    assert who(unknown) == [("unknown", None)]
    assert unknown.matches[0].score < unknown.threshold


def test_a_score_at_the_threshold_is_known(tmp_path, model, told, picture):
    with Gallery(tmp_path / "people.db", model=model, detector=told(BOX)) as loose:
        loose.enroll("Ada", [picture(RED)])
        score = loose.identify(picture(ROSE)).matches[0].score
    for threshold, decision in ((score, "known"), (float(np.nextafter(np.float32(score), 2)), "unknown")):
        with Gallery(tmp_path / "people.db", model=model, detector=told(BOX), threshold=threshold) as strict:
            assert strict.identify(picture(ROSE)).matches[0].decision == decision


def test_every_face_of_a_picture_is_looked_for(tmp_path, model, told, picture):
    both = np.concatenate([picture(RED), picture(GREEN)], axis=1)
    pair = told((20.0, 20.0, 100.0, 100.0), (180.0, 20.0, 100.0, 100.0))
    with Gallery(tmp_path / "people.db", verifier=Verifier(model, detector=told(BOX))) as one:
        one.enroll("Ada", [picture(RED)])
    found = facetrust.identify(both, gallery=tmp_path / "people.db", model=model, detector=pair)
    assert sorted(who(found), key=str) == [("known", "Ada"), ("unknown", None)]
    none = facetrust.identify(both, gallery=tmp_path / "people.db", model=model, detector=told())
    assert (none.matches, none.reason) == ((), "no face")


def test_all_pictures_of_a_person_are_kept_or_none(gallery, tmp_path, model, told, picture):
    with pytest.raises(ImageError):
        gallery.enroll("Ada", [picture(RED), tmp_path / "none.png"])
    assert not (tmp_path / "people.db").exists()
    gallery.enroll("Ada", [picture(RED)])
    several = Verifier(model, detector=told((5.0, 5.0, 60.0, 60.0), (90.0, 90.0, 60.0, 60.0)))
    with Gallery(tmp_path / "people.db", verifier=several) as other:
        with pytest.raises(InputError, match=r"<ndarray>: several faces \(2 faces\); a picture of Bo must"):
            other.enroll("Bo", [picture(BLUE)])
        with pytest.raises(UsageError, match="Bo: no picture to enrol"):
            other.enroll("Bo", [])
    assert gallery.summary().people == {"Ada": 1}


def test_an_attack_is_neither_enrolled_nor_identified(gallery, tmp_path, model, told, picture, bright_model):
    gallery.enroll("Ada", [picture(WHITE)])
    assert who(gallery.identify(picture(WHITE))) == [("known", "Ada")]
    settings = {"model": model, "detector": told(BOX), "liveness": {"antispoof": bright_model}}
    with Gallery(tmp_path / "people.db", **settings) as careful:
        found = careful.identify(picture(WHITE))
        assert who(found) == [(None, None)]
        assert found.matches[0].reason == "attack"
        with pytest.raises(InputError, match="attack"):
            careful.enroll("Bo", [picture(WHITE)])
        assert careful.enroll("Bo", [picture(RED)]).added == 1


def test_who_is_forgotten_is_unknown(gallery, picture):
    gallery.enroll("Ada", [picture(RED)])
    gallery.enroll("Bo", [picture(BLUE)])
    assert gallery.forget(" Ada ") == 1
    assert who(gallery.identify(picture(RED))) == [("unknown", None)]
    with pytest.raises(GalleryError, match="nobody named 'Ada' is in it"):
        gallery.forget("Ada")


def test_an_empty_gallery_knows_nobody(gallery, picture):
    gallery.enroll("Ada", [picture(RED)])
    gallery.forget("Ada")
    found = gallery.identify(picture(RED))
    assert who(found) == [("unknown", None)]
    assert found.matches[0].score is None


def test_nothing_but_enrolling_makes_a_gallery(tmp_path, verifier, picture):
    with Gallery(tmp_path / "people.db", verifier=verifier) as missing:
        for act in (lambda: missing.identify(picture(RED)), lambda: missing.forget("Ada"), missing.summary):
            with pytest.raises(GalleryError, match="no such gallery; facetrust enroll makes one"):
                act()
    assert list(tmp_path.iterdir()) == []


def test_no_picture_is_kept(gallery, tmp_path, picture):
    gallery.enroll("Ada", [picture(RED)])
    everything = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert bytes(RED) * 4 not in everything
    assert b"Ada" in everything
    assert "vector" not in gallery.identify(picture(RED)).to_json()


def test_another_models_gallery_is_refused_by_weights_and_preprocessing(
    gallery, tmp_path, write_embedder, told, picture
):
    gallery.enroll("Ada", [picture(RED)])
    others = {
        "weights": (write_embedder(tmp_path / "a.onnx", middle=0.4), "other weights or preprocessing"),
        "name": (write_embedder(tmp_path / "b.onnx", middle=0.3, name="new", version=3), "new@3;"),
    }
    same = write_embedder(tmp_path / "c.onnx")
    card = json.loads(same.with_suffix(".json").read_text())
    card["preprocessing"]["margins"] = [1.2]
    same.with_suffix(".json").write_text(json.dumps(card))
    others["preprocessing"] = (same, "other weights or preprocessing of that name")
    for path, message in others.values():
        with Gallery(tmp_path / "people.db", model=path, detector=told(BOX)) as other:
            for act in (other.identify, lambda source, other=other: other.enroll("Bo", [source])):
                with pytest.raises(GalleryError, match=f"was made by tint@1, not by {message}"):
                    act(picture(RED))
    assert gallery.summary().people == {"Ada": 1}


def test_the_same_weights_are_known_by_their_own_card_too(gallery, tmp_path, write_embedder, told, picture):
    gallery.enroll("Ada", [picture(RED)])
    again = write_embedder(tmp_path / "again.onnx", terms="others", version=1, limits=None)
    found = facetrust.identify(picture(RED), gallery=tmp_path / "people.db", model=again, detector=told(BOX))
    assert who(found) == [("known", "Ada")]


def test_listing_and_forgetting_need_no_model(gallery, tmp_path, picture, monkeypatch):
    gallery.enroll("Ada", [picture(RED), picture(ROSE)])
    gallery.enroll("Bo", [picture(BLUE)])
    monkeypatch.setattr(model_file, "open_session", None)
    with Gallery(tmp_path / "people.db") as listed:
        summary = listed.summary()
    assert (summary.people, summary.templates, summary.model, summary.dimensions) == (
        {"Ada": 2, "Bo": 1}, 3, "tint@1", 3,
    )  # fmt: skip
    assert (summary.encrypted, summary.bytes >= (tmp_path / "people.db").stat().st_size) == (False, True)
    assert facetrust.forget("Ada", gallery=tmp_path / "people.db") == 2


def test_an_advisory_model_identifies_nobody(tmp_path, write_embedder, told, picture):
    path = write_embedder(tmp_path / "tint.onnx", advisory=True)
    with Gallery(tmp_path / "people.db", model=path, detector=told(BOX)) as shown:
        shown.enroll("Ada", [picture(RED)])
        (match,) = shown.identify(picture(RED)).matches
    assert (match.decision, match.name, match.reason) == (None, None, "advisory")
    assert match.score == pytest.approx(1)


def test_calls_of_the_commands_names_do_the_same(tmp_path, model, told, picture):
    place = tmp_path / "people.db"
    settings = {"gallery": place, "model": model, "detector": told(BOX)}
    assert facetrust.enroll("Ada", [picture(RED)], **settings).templates == 1
    assert who(facetrust.identify(picture(ROSE), **settings, far=0.001)) == [("known", "Ada")]
    assert facetrust.forget("Ada", gallery=place) == 1
    with pytest.raises(UsageError, match="a verifier is open already"):
        Gallery(place, verifier=object(), far=0.01)


def test_threads_may_share_one(gallery, picture):
    colours = [(250, 10 * n, 60) for n in range(8)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda n: gallery.enroll(f"p{n}", [picture(colours[n])]), range(8)))
        found = list(pool.map(lambda n: gallery.identify(picture(colours[n])).matches[0].name, range(8)))
    assert [each.name for each in made] == found == [f"p{n}" for n in range(8)]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "a name has 1 to 200 characters; this one has 0"),
        ("  ", "this one has 0"),
        ("x" * 201, "this one has 201"),
        ("a\nb", "no control characters"),
        ("a\0b", "no control characters"),
        ("a\x1b[1m", "no control characters"),
        ("a\u202eb", "no control characters"),
        ("a\udc80b", "no control characters"),
        ("photos/a.jpg", "no slashes; give the name first"),
        ("..\\a", "no slashes"),
    ],
)
def test_what_is_no_name_is_said_in_one_printable_line(name, message):
    with pytest.raises(InputError, match=message) as caught:
        checked_name(name)
    assert str(caught.value).isprintable()


def test_a_name_is_kept_composed_and_without_blanks_around_it():
    assert checked_name(" A\u0308da Lovelace ") == "\u00c4da Lovelace"
