"""Pairs, templates and searches of embeddings, each against a slow reference; lists that cannot be used."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from facetrust.errors import ImageError, ManifestError, UsageError
from facetrust.evaluation.people import Embedded, Lists, pair_table, search_table
from facetrust.records import Provenance, Sample

MADE_BY = Provenance(model="tiny", version="1", task="toy-tint", manifest="m", split="test")
RNG = np.random.default_rng(0)
ROWS = [
    Sample(path=f"{who}/{n}.png", split="test", subject=who, domain="toy")
    for who in "abcdef"
    for n in (1, 2, 3)
]
VECTORS = {row.path: RNG.normal(size=8) * RNG.uniform(0.5, 3) for row in ROWS}
EMBEDDED = Embedded.of(ROWS, list(VECTORS.values()), elsewhere=frozenset(["train.png"]))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def written(folder: Path, text: str) -> Path:
    (folder / "l.csv").write_text(text)
    return folder / "l.csv"


def test_all_pairs_are_scored_by_their_cosine():
    table = pair_table(EMBEDDED, MADE_BY, rows=ROWS)
    assert len(table) == 18 * 17 // 2
    for sample, label, score, one, other in table.rows.select(
        "sample", "label", "score", "subject", "other"
    ).iter_rows():
        first, second = sample.split(" ")
        assert score == pytest.approx(cosine(VECTORS[first], VECTORS[second]))
        assert (label, one, other) == (int(one == other), first[0], second[0])
    assert table.folds is None


def test_a_list_of_pairs_has_folds_and_may_say_who_is_the_same(tmp_path):
    listed = "first,second,same,fold\na/1.png,a/2.png,1,1\na/1.png,b/1.png,0,2\n"
    table = pair_table(EMBEDDED, MADE_BY, pairs=written(tmp_path, listed))
    assert (table.labels.tolist(), table.folds.tolist()) == ([1, 0], [1, 2])
    nobody = [row.model_copy(update={"subject": None, "label": 0}) for row in ROWS]
    unnamed = Embedded.of(nobody, list(VECTORS.values()))
    table = pair_table(unnamed, MADE_BY, pairs=written(tmp_path, listed.replace("2.png,1", "2.png,0")))
    assert table.labels.tolist() == [0, 0]
    with pytest.raises(ManifestError, match="has no subject, by which the pair could be measured"):
        pair_table(unnamed, MADE_BY, pairs=written(tmp_path, "first,second\na/1.png,a/2.png\n"))
    with pytest.raises(ManifestError, match=r"says that a/1\.png and a/2\.png are two people; the manifest"):
        pair_table(EMBEDDED, MADE_BY, pairs=written(tmp_path, listed.replace("2.png,1", "2.png,0")))


def test_rows_of_other_splits_and_unreadable_ones_are_left_out_and_counted(tmp_path, caplog):
    answers = [ImageError("gone") if path == "b/1.png" else vector for path, vector in VECTORS.items()]
    embedded = Embedded.of(ROWS, answers, elsewhere=frozenset(["train.png"]))
    listed = written(tmp_path, "first,second\na/1.png,a/2.png\na/1.png,b/1.png\na/1.png,train.png\n")
    with caplog.at_level(logging.WARNING):
        assert len(pair_table(embedded, MADE_BY, pairs=listed)) == 1
    assert "2 of 3 rows are of other splits or unreadable" in caplog.text
    with pytest.raises(ManifestError, match=r"l\.csv: c/9\.png is no row of the manifest"):
        pair_table(embedded, MADE_BY, pairs=written(tmp_path, "first,second\na/1.png,c/9.png\n"))
    with pytest.raises(ManifestError, match="names nothing but rows of other splits"):
        pair_table(embedded, MADE_BY, pairs=written(tmp_path, "first,second\na/1.png,train.png\n"))
    with pytest.raises(ManifestError, match="and all other pictures of the split cannot be read"):
        Embedded.of(ROWS[:1], [ImageError("gone")])


def test_too_many_pairs_need_a_list():
    rows = [ROWS[0].model_copy(update={"path": f"{number}.png"}) for number in range(700)]
    embedded = Embedded.of(rows, [np.ones(2)] * 700)
    with pytest.raises(UsageError, match="700 faces make 244650 pairs, more than 200000"):
        pair_table(embedded, MADE_BY, rows=rows)


def test_templates_are_means_within_media_then_over_media(tmp_path):
    listed = (
        "template,path,media,weight\n"
        "7,a/1.png,v,0.5\n7,a/2.png,v,1\n7,a/3.png,,2\n8,b/1.png,w,1\n9,a/1.png,x,1\n9,c/1.png,x,1\n"
    )
    templates = EMBEDDED.pooled(written(tmp_path, listed))
    a = [VECTORS[f"a/{n}.png"] for n in (1, 2, 3)]
    wanted = {
        "7": (0.5 * a[0] + a[1]) / 2 + 2 * a[2],
        "8": VECTORS["b/1.png"],
        "9": (a[0] + VECTORS["c/1.png"]) / 2,
    }
    assert list(templates.places) == ["7", "8", "9"]
    for name, vector in wanted.items():
        assert templates.vectors[templates.places[name]] == pytest.approx(vector)
    assert templates.subjects == ["a", "b", None]
    (tmp_path / "p.csv").write_text("first,second,same\n7,8,0\n")
    table = pair_table(templates, MADE_BY, pairs=tmp_path / "p.csv")
    assert table.scores[0] == pytest.approx(cosine(wanted["7"], wanted["8"]))
    plain = EMBEDDED.pooled(written(tmp_path, "template,path\n7,a/1.png\n7,a/2.png\n"))
    assert plain.vectors[0] == pytest.approx(a[0] + a[1])


def test_a_template_without_a_readable_picture_is_left_out(tmp_path):
    answers = [ImageError("gone") if path == "b/1.png" else vector for path, vector in VECTORS.items()]
    templates = Embedded.of(ROWS, answers).pooled(
        written(tmp_path, "template,path\n7,a/1.png\n7,b/1.png\n8,b/1.png\n")
    )
    assert (list(templates.places), templates.unreadable) == (["7"], {"8"})
    assert templates.vectors[0] == pytest.approx(VECTORS["a/1.png"])


def test_probes_are_searched_for_against_a_slow_reference(tmp_path):
    """a to d are enrolled, with two rows each; e and f are strangers."""
    gallery = [f"{who}/{n}.png" for who in "abcd" for n in (1, 2)]
    probes = [f"{who}/3.png" for who in "abcdef"]
    listed = (
        "name,part\n" + "".join(f"{n},gallery\n" for n in gallery) + "".join(f"{n},probe\n" for n in probes)
    )
    table = search_table(EMBEDDED, MADE_BY, gallery=written(tmp_path, listed))
    assert table.rows["sample"].to_list() == probes
    assert table.labels.tolist() == [1, 1, 1, 1, 0, 0]
    for probe, score, mate, rank in table.rows.select("sample", "score", "mate", "rank").iter_rows():
        people = {
            who: max(cosine(VECTORS[probe], VECTORS[f"{who}/{n}.png"]) for n in (1, 2)) for who in "abcd"
        }
        assert score == pytest.approx(max(people.values()))
        if probe[0] in people:
            assert mate == pytest.approx(people[probe[0]])
            assert rank == sorted(people.values(), reverse=True).index(people[probe[0]]) + 1
        else:
            assert (mate, rank) == (None, None)
    assert set(table.rows["gallery"]) == {"l.csv"}
    assert set(table.rows["enrolled"]) == {4}


def test_one_vector_for_all_finds_nobody(tmp_path):
    embedded = Embedded.of(ROWS, [np.ones(3)] * 18)
    enrolled = "a/1.png,gallery,\nb/1.png,gallery,\nc/1.png,gallery,x\n"
    listed = f"name,part,subject\n{enrolled}a/2.png,probe,\nc/2.png,probe,x\n"
    table = search_table(embedded, MADE_BY, gallery=written(tmp_path, listed))
    assert table.rows["rank"].to_list() == [3, 3]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,part\na/1.png,gallery\n", "names nobody of the part 'probe'"),
        ("name,part\na/1.png,probe\n", "names nobody of the part 'gallery'"),
        ("name,part\na/1.png,gallery\nz.png,probe\n", r"z\.png is no row of the manifest"),
    ],
)
def test_a_gallery_that_cannot_be_used_is_one_line(tmp_path, text, said):
    with pytest.raises(ManifestError, match=said):
        search_table(EMBEDDED, MADE_BY, gallery=written(tmp_path, text))


def test_lists_lie_beside_the_manifest_or_are_named(tmp_path):
    (tmp_path / "m.csv.pairs.csv").write_text("first,second\na/1.png,b/1.png\n")
    manifest = str(tmp_path / "m.csv")
    nothing = {"pairs": None, "templates": None, "gallery": None}
    found = Lists.beside(manifest, **nothing)
    assert found == (tmp_path / "m.csv.pairs.csv", None, None)
    assert found.names() == {"a/1.png", "b/1.png"}
    named = Lists.beside(manifest, **nothing | {"gallery": tmp_path / "g.csv"})
    assert named.gallery == tmp_path / "g.csv"
    (tmp_path / "g.csv").write_text("name,part\nc/1.png,gallery\nd/1.png,probe\n")
    assert (named.names(), named.enrolled()) == ({"a/1.png", "b/1.png", "c/1.png", "d/1.png"}, {"c/1.png"})
