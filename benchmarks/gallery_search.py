"""How fast a gallery enrols and searches, what it takes on disk, and how often its search finds the nearest.

    python benchmarks/gallery_search.py [--templates 100000] [--widths 128 512] [--postgres URL]

Templates are synthetic: 10 of each person, unit vectors about a centre drawn at random, with a cosine of
about 0.6 to each other, as those of faces have. Half of what is sought are further ones of people in the
gallery, half strangers. The first 300 people are enrolled in a commit each, which is timed; the others in
commits of a hundred people under one name, as names play no part in searching. Recall is the share of what is
sought whose nearest template, by float64 and one after the other, is the one that is found (or its equal to
1e-6). With `--postgres`, an empty database is filled with the same; exact search there is measured first,
then its index. In brackets are the seconds of CPU of this process, and the milliseconds (mean) of what
searches, this process or a local server's: what it takes on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetrust.runtime.gallery import postgres
from facetrust.runtime.gallery.store import Maker, Store, Vectors, open_store

EACH = 10  # Templates per person.
TIMED, CROWD = 300, 100  # People that are enrolled one by one, and those that are in one commit.
SPREAD = 0.8165  # Of noise about a centre of length 1, which makes the cosine of two 1 / (1 + SPREAD^2).


STORES = ("SQLite", "SQLite, encrypted")


class Sought(NamedTuple):
    """What is looked for (n, d), and the best cosine of each with any template."""

    vectors: Vectors
    best: NDArray[np.float64]


def main() -> None:
    """Prints a row per store and width."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--templates", type=int, default=100_000)
    parser.add_argument("--widths", type=int, nargs="+", default=[128, 512])
    parser.add_argument("--searches", type=int, default=400)
    parser.add_argument("--stores", nargs="*", default=list(STORES), choices=STORES)
    parser.add_argument("--no-index", action="store_true", help="Search the database exactly only.")
    parser.add_argument("--postgres", help="URL of an empty database; its tables of ours are dropped after.")
    given = parser.parse_args()
    header = ("store", "numbers", "templates", "people/s enrolled", "MB", "open and first search, s")
    print(f"| {' | '.join((*header, 'p50 ms', 'p95 ms', 'recall of known, of strangers'))} |\n{'|---' * 9}|")
    for width in given.widths:
        people, sought = drawn(given.templates // EACH, width, given.searches)
        with tempfile.TemporaryDirectory() as folder:
            for name in given.stores:
                key = secrets.token_bytes(32) if "encrypted" in name else None
                reopen = partial(opened, Path(folder) / f"{name}.db", width, key)
                measured(name, reopen, people, sought)
        if given.postgres:
            in_postgres(given.postgres, width, people, sought, index=not given.no_index)


def opened(place: str | Path, width: int, key: bytes | None = None) -> Store:
    """Returns the gallery at a place, made if it is not there."""
    store = open_store(place, key=key, maker=Maker(model="drawn", fingerprint="0", dimensions=width))
    assert store is not None
    return store


def drawn(count: int, width: int, searches: int) -> tuple[Vectors, Sought]:
    """Returns the templates of people (count, EACH, d), and what is sought."""
    rng = np.random.default_rng(0)
    centres = unit(rng.normal(size=(count, width)))
    people = unit(centres[:, None] + noise(rng, (count, EACH, width)))
    known = unit(centres[: searches // 2] + noise(rng, (searches // 2, width)))
    strangers = unit(rng.normal(size=(searches - len(known), width)))
    vectors = np.concatenate([known, strangers])
    flat = people.reshape(-1, width)
    parts = np.array_split(flat, 50)
    best = np.max([(part.astype(np.float64) @ vectors.T.astype(np.float64)).max(0) for part in parts], axis=0)
    return people, Sought(vectors, best)


def unit(vectors: NDArray[np.float64]) -> Vectors:
    """Returns vectors (…, d) of unit length."""
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def noise(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Returns noise of the length that makes two templates of a person as alike as stated."""
    return rng.normal(scale=SPREAD / np.sqrt(shape[-1]), size=shape)


def measured(name: str, reopen: Callable[[], Store], people: Vectors, sought: Sought) -> None:
    """Fills a gallery, opens it anew, searches, and prints the row."""
    store = reopen()
    start = time.perf_counter()
    for number, templates in enumerate(people[:TIMED]):
        store.add(f"p{number}", templates)
    rate = len(people[:TIMED]) / (time.perf_counter() - start)
    for number in range(TIMED, len(people), CROWD):
        store.add(f"crowd{number}", people[number : number + CROWD].reshape(-1, people.shape[2]))
    store.close()
    row(name, reopen, people, sought, f"{rate:.0f}")


def row(name: str, reopen: Callable[[], Store], people: Vectors, sought: Sought, rate: str) -> None:
    """Opens a full gallery, searches, and prints the row."""
    start, begun = time.perf_counter(), time.process_time()
    store = reopen()
    store.nearest(sought.vectors[:1])
    first, own_first = time.perf_counter() - start, time.process_time() - begun
    begun = processor(store)
    times, right = zip(*searched(store, sought), strict=True)
    own = (processor(store) - begun) / len(times) * 1e3
    p50, p95 = np.percentile(np.array(times) * 1e3, [50, 95])
    known, strangers = (np.mean(half) for half in np.split(np.array(right), 2))
    count = people.shape[0] * people.shape[1]
    filled = f"| {name} | {people.shape[2]} | {count:,} | {rate} | {store.size() / 1e6:.1f} |"
    print(
        f"{filled} {first:.1f} ({own_first:.1f}) | "
        f"{p50:.1f} ({own:.1f}) | {p95:.1f} | {known:.3f}, {strangers:.3f} |",
        flush=True,
    )
    store.close()


def searched(store: Store, sought: Sought) -> Iterator[tuple[float, bool]]:
    """Yields the seconds of each search, and whether it found the nearest."""
    for vector, best in zip(sought.vectors, sought.best, strict=True):
        start = time.perf_counter()
        (found,) = store.nearest(vector[None])
        yield time.perf_counter() - start, found is not None and found.score >= best - 1e-6


def processor(store: Store) -> float:
    """Returns the seconds of CPU so far of what searches: this process, or a local server's for it."""
    if not isinstance(store, postgres.PostgresStore):
        return time.process_time()
    fields = Path(f"/proc/{store.server_process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def in_postgres(url: str, width: int, people: Vectors, sought: Sought, *, index: bool) -> None:
    """Fills a database, searches it exactly and by its index, and drops what it made."""
    import psycopg

    reopen = partial(opened, url, width)
    try:
        measured("PostgreSQL, exact", reopen, people, sought)
        if not index:
            return
        with psycopg.connect(url, autocommit=True) as db:
            db.execute("ANALYZE facetrust_templates")
            start = time.perf_counter()
            db.execute(postgres.INDEX)
            seconds = time.perf_counter() - start
        row(f"PostgreSQL, HNSW (built in {seconds:.0f} s)", reopen, people, sought, "")
    finally:
        with psycopg.connect(url, autocommit=True) as db:
            db.execute("DROP TABLE IF EXISTS facetrust_templates, facetrust_people, facetrust_about")


if __name__ == "__main__":
    main()
