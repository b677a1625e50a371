"""What every store does alike, in a file, in a sealed file and in a database."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from facetrust.errors import GalleryError
from facetrust.runtime.gallery.store import Maker, Nearest, open_store, shown_place


def slow_nearest(people: dict[str, np.ndarray], vector: np.ndarray) -> tuple[str, float]:
    """The nearest template, one after the other in float64."""
    scored = [
        (float(np.dot(each.astype(np.float64), vector.astype(np.float64))), name)
        for name, kept in people.items()
        for each in kept
    ]
    score, name = max(scored)
    return name, score


def test_the_nearest_of_all_templates_is_found(store, vectors):
    people = {f"p{n}": vectors(1 + n % 3, seed=n) for n in range(40)}
    for name, kept in people.items():
        assert store.add(name, kept) == len(kept)
    sought = vectors(25, seed=1000)
    for vector, found in zip(sought, store.nearest(sought), strict=True):
        name, score = slow_nearest(people, vector)
        assert found.name == name
        assert found.score == pytest.approx(score, abs=1e-6)
    assert store.totals() == (40, sum(map(len, people.values())))


def test_a_template_comes_back_as_it_was_kept(store, vectors):
    kept = vectors(5)
    store.add("Ada", kept[:2])
    assert store.add("Ada", kept[2:]) == 5
    for found in store.nearest(kept):
        assert found == Nearest("Ada", pytest.approx(1, abs=1e-6))
    assert store.counts() == {"Ada": 5}


def test_an_empty_gallery_finds_nobody(store, vectors):
    assert store.nearest(vectors(2)) == [None, None]
    assert (store.counts(), store.totals()) == ({}, (0, 0))


def test_who_is_removed_is_not_found_and_others_are(store, vectors):
    store.add("Ada", vectors(2))
    store.add("Bo", vectors(3, seed=1))
    assert [each.name for each in store.nearest(vectors(1))] == ["Ada"]
    assert store.remove("Ada") == 2
    assert store.remove("Ada") == 0
    assert [each.name for each in store.nearest(vectors(1))] == ["Bo"]
    assert store.counts() == {"Bo": 3}


def test_another_programs_changes_are_seen(store, place, vectors):
    where, key = place
    other = open_store(where, key=key)
    assert store.nearest(vectors(1)) == other.nearest(vectors(1)) == [None]
    other.add("Ada", vectors(1))
    assert store.nearest(vectors(1))[0].name == "Ada"
    store.add("Bo", vectors(1, seed=1))
    assert other.nearest(vectors(1, seed=1))[0].name == "Bo"
    store.remove("Ada")
    assert other.nearest(vectors(1))[0].name == "Bo"
    assert other.maker == store.maker
    other.close()


def test_all_templates_of_a_call_are_kept_or_none(store, vectors):
    broken = vectors(3)
    broken[2, 5] = np.nan
    with pytest.raises(GalleryError, match="not finite"):
        store.add("Ada", broken)
    with pytest.raises(GalleryError, match="keeps embeddings of 16 numbers, not of 8"):
        store.add("Ada", vectors(1, width=8))
    assert store.totals() == (0, 0)


def test_a_gallery_is_made_once_and_keeps_its_maker(store, place):
    where, key = place
    again = open_store(where, key=key, maker=Maker(model="n@1", fingerprint="0", dimensions=4))
    assert again.maker == store.maker
    again.close()


def test_names_of_every_kind_are_kept(store, vectors):
    names = ["Ådå", "中 山", "O'Brien; DROP TABLE people", "%s", "a" * 200, "🙂"]
    for number, name in enumerate(names):
        store.add(name, vectors(1, seed=number))
    assert list(store.counts()) == sorted(names)
    assert [store.remove(name) for name in names] == [1] * len(names)


def test_threads_may_add_and_search_at_once(store, vectors):
    found: list[str] = []

    def work(number: int) -> None:
        for turn in range(4):
            store.add(f"p{number}", vectors(1, seed=10 * number + turn))
            found.append(store.nearest(vectors(1, seed=10 * number + turn))[0].name)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(found) == sorted(f"p{number}" for number in range(4) for _ in range(4))
    assert store.totals() == (4, 16)


def test_the_size_grows(store, vectors):
    before = store.size()
    store.add("Ada", vectors(2000))
    assert store.size() >= before + 2000 * 16 * 4


def test_a_missing_gallery_is_none_and_is_not_made(place):
    where, key = place
    assert open_store(where, key=key) is None
    assert open_store(where, key=key) is None


def test_a_place_is_shown_without_its_password():
    assert shown_place("postgresql://ada:secret@host:5/db?x=1") == "postgresql://ada@host:5/db"
    assert shown_place("people.db") == "people.db"
