"""How fast a gallery is filled and searched, what it takes on disk, and what its search misses.

    python benchmarks/gallery_search.py [--templates 10000 100000] [--widths 128 512] [--searches 200]
        [--indexes NAME ...] [--postgres URL] [--like MANIFEST [--model recognition-tiny]]

Templates are synthetic: 10 of each person. Half of what is sought are further ones of people in the gallery,
half strangers. They are unit vectors about a centre drawn at random from all directions, with a cosine of
about 0.6 to each other; with `--like`, people and their templates are drawn as a model sees those of a
manifest (600 with 2 to 10 pictures): normal, with the mean and covariance of its people and within them.
The width is then the model's.

The first 100 people are enrolled in a commit each, which is timed; the others in commits of a hundred people
under one name, as names play no part in searching. Recall@1 is the share of what is sought whose nearest
template, by float64 and one after the other, is the one that is found (or its equal to 1e-6), recall@10 the
share of the ten nearest that are among the ten found; both of known people and of strangers. A gallery gives
the nearest only: the database is asked for ten by its own search. In brackets are the milliseconds of CPU
(mean) of what searches, this process or a local server's: what it takes on a machine that does nothing else.
An index of FAISS takes in memory what its file has, a gallery in a file 4 bytes a number.

`--postgres` names an empty database, whose tables of ours are dropped after. The indexes of FAISS are no part
of a gallery and need `pip install faiss-cpu`; both use the settings of pgvector's (16 links, 64 candidates
when it is built), and 2 √n cells.
"""

from __future__ import annotations

import argparse
import os
import secrets
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetrust.runtime.gallery import postgres
from facetrust.runtime.gallery.store import Maker, Store, Vectors, open_store

EACH, TEN = 10, 10  # Templates per person, and those that recall@10 asks for.
TIMED, CROWD = 100, 100  # People that are enrolled one by one, and those that are in one commit.
SPREAD = 0.8165  # Of noise about a centre of length 1, which makes the cosine of two 1 / (1 + SPREAD^2).
PART = 10_000  # Templates that are drawn, or compared, at a time.
MOST = 600  # People that others are drawn like.
LINKS, CANDIDATES = 16, 64  # Of a graph while it is built; pgvector's own.
STORES = ("SQLite", "SQLite, encrypted", "PostgreSQL")
# Index → what a search looks through: cells, or candidates.
FAISS = {"FAISS IVF": (8, 32, 128), "FAISS HNSW": (64, 200)}
COLUMNS = (
    *("index", "numbers", "templates", "people/s enrolled", "built in s (CPU)", "MB on disk"),
    *("first search, s", "p50 ms (CPU)", "p95 ms", "recall@1 known, strangers", "recall@10"),
)


class Sought(NamedTuple):
    """What is looked for (n, d), known people first, and the highest cosines of each with any, (n, 10)."""

    vectors: Vectors
    best: NDArray[np.float64]


class Drawing(NamedTuple):
    """How people are drawn: their mean (d,), and what normal noise is multiplied with, a matrix or number."""

    mean: NDArray[np.float64]
    between: NDArray[np.float64] | float
    within: NDArray[np.float64] | float


class Built(NamedTuple):
    """Measured before searching: people per second (none where none enrol), seconds, of them CPU, bytes."""

    rate: float | None
    seconds: float
    own: float
    disk: int
    first: float


def main() -> None:
    """Prints a row per index, width and size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--templates", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--widths", type=int, nargs="+", default=[128, 512])
    parser.add_argument("--searches", type=int, default=200)
    parser.add_argument("--indexes", nargs="*", default=["SQLite"], choices=[*STORES, *FAISS])
    parser.add_argument("--no-index", action="store_true", help="Search the database exactly only.")
    parser.add_argument("--postgres", help="URL of an empty database.")
    parser.add_argument("--like", help="Manifest whose people are drawn like.")
    parser.add_argument("--model", default="recognition-tiny")
    given = parser.parse_args()
    if "PostgreSQL" in given.indexes and not given.postgres:
        parser.error("PostgreSQL: give --postgres, the URL of an empty database")
    drawings = [like(given.model, given.like)] if given.like else [everywhere(d) for d in given.widths]
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    for drawing in drawings:
        for templates in given.templates:
            people, sought = drawn(drawing, templates // EACH, given.searches)
            for name in given.indexes:
                if name in FAISS:
                    in_faiss(name, people, sought)
                elif name == "PostgreSQL":
                    in_postgres(given.postgres, people, sought, index=not given.no_index)
                else:
                    in_file(name, people, sought)


def everywhere(width: int) -> Drawing:
    """Returns people from all directions alike."""
    return Drawing(np.zeros(width), width**-0.5, SPREAD * width**-0.5)


def like(model: str, manifest: str) -> Drawing:
    """Returns people as a model sees those of a manifest."""
    from facetrust.data.manifest import Manifest, absolute
    from facetrust.evaluation.scorers import open_scorer
    from facetrust.imaging import read_sample

    whole = Manifest.read(manifest)
    people: dict[str, list[Any]] = {}
    for row in absolute(list(whole.samples()), whole.root):
        people.setdefault(str(row.subject), []).append(row)
    kept = [rows for rows in people.values() if 2 <= len(rows) <= EACH]
    kept = [kept[at] for at in np.random.default_rng(0).permutation(len(kept))[:MOST]]
    score = open_scorer(model)[1]
    vectors = [np.stack(list(score(rows, read_sample))) for rows in kept]
    means = np.stack([each.mean(0) for each in vectors])
    left = np.concatenate([each - each.mean(0) for each in vectors])
    within = left.T @ left / (len(left) - len(means))
    share = np.mean([1 / len(each) for each in vectors])  # Of the noise within people that their means keep.
    return Drawing(means.mean(0), root(np.cov(means.T) - share * within), root(within))


def root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns what normal noise is multiplied with to have a covariance (d, d)."""
    values, axes = np.linalg.eigh(covariance)
    return np.asarray(np.sqrt(np.maximum(values, 0))[:, None] * axes.T)


def drawn(drawing: Drawing, count: int, searches: int) -> tuple[Vectors, Sought]:
    """Returns the templates of people (count, EACH, d), and what is sought."""
    rng = np.random.default_rng(0)
    width, half = len(drawing.mean), searches // 2
    people = np.empty((count, EACH, width), np.float32)
    centres = np.empty((half, width))  # Of the first people, who are sought.
    for at in range(0, count, PART // EACH):
        part = people[at : at + PART // EACH]
        middle = drawing.mean + np.dot(rng.normal(size=(len(part), width)), drawing.between)
        part[:] = unit(middle[:, None] + np.dot(rng.normal(size=part.shape), drawing.within))
        centres[at : at + len(part)] = middle[: max(0, half - at)]
    strangers = drawing.mean + np.dot(rng.normal(size=(searches - half, width)), drawing.between)
    faces = np.concatenate([centres, strangers])
    vectors = unit(faces + np.dot(rng.normal(size=faces.shape), drawing.within))
    return people, Sought(vectors, nearest_ten(people.reshape(-1, width), vectors))


def unit(vectors: NDArray[np.float64]) -> Vectors:
    """Returns vectors (…, d) of unit length."""
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def nearest_ten(templates: Vectors, vectors: Vectors) -> NDArray[np.float64]:
    """Returns the ten highest cosines of each vector (n, d) with templates (m, d), highest first."""
    best = np.full((len(vectors), TEN), -2.0)
    for at in range(0, len(templates), PART):
        part = vectors.astype(np.float64) @ templates[at : at + PART].astype(np.float64).T
        best = -np.partition(-np.concatenate([best, part], axis=1), TEN - 1, axis=1)[:, :TEN]
    return -np.sort(-best, axis=1)


def in_file(name: str, people: Vectors, sought: Sought) -> None:
    """Measures a gallery in a file, whose search is exact."""
    with tempfile.TemporaryDirectory() as folder:
        key = secrets.token_bytes(32) if "encrypted" in name else None
        reopen = partial(opened, Path(folder) / "people.db", people.shape[2], key)
        of_store(name, reopen, people, sought, filled(reopen, people))


def opened(place: str | Path, width: int, key: bytes | None = None) -> Store:
    """Returns the gallery at a place, made if it is not there."""
    store = open_store(place, key=key, maker=Maker(model="drawn", fingerprint="0", dimensions=width))
    assert store is not None
    return store


def filled(reopen: Callable[[], Store], people: Vectors) -> tuple[float, float, float]:
    """Fills a gallery; returns people per second, one by one, and the seconds of all, and of CPU."""
    store, start = reopen(), time.perf_counter()
    begun = processor(store)
    for number, templates in enumerate(people[:TIMED]):
        store.add(f"p{number}", templates)
    rate = TIMED / (time.perf_counter() - start)
    for number in range(TIMED, len(people), CROWD):
        store.add(f"crowd{number}", people[number : number + CROWD].reshape(-1, people.shape[2]))
    own = processor(store) - begun
    store.close()
    return rate, time.perf_counter() - start, own


def of_store(
    name: str,
    reopen: Callable[[], Store],
    people: Vectors,
    sought: Sought,
    filling: tuple[float | None, float, float],
    ten: Callable[[Vectors], NDArray[np.float64]] | None = None,
) -> None:
    """Opens a full gallery, searches, and prints the row."""
    start = time.perf_counter()
    store = reopen()
    store.nearest(sought.vectors[:1])
    first = time.perf_counter() - start

    def one(vector: Vectors) -> float:
        (found,) = store.nearest(vector[None])
        return -2.0 if found is None else found.score

    built = Built(*filling, store.size(), first)
    row(name, people, sought, built, one, ten, partial(processor, store))
    store.close()


def row(
    name: str,
    people: Vectors,
    sought: Sought,
    built: Built,
    one: Callable[[Vectors], float],
    ten: Callable[[Vectors], NDArray[np.float64]] | None,
    clock: Callable[[], float],
) -> None:
    """Searches one after the other, and prints the row."""
    times, found, begun = [], [], clock()
    for vector in sought.vectors:
        start = time.perf_counter()
        found.append(one(vector))
        times.append(time.perf_counter() - start)
    own = (clock() - begun) / len(times) * 1e3
    p50, p95 = np.percentile(np.array(times) * 1e3, [50, 95])
    right = halves(np.array(found) >= sought.best[:, 0] - 1e-6)
    among = ""
    if ten is not None:
        among = halves([np.mean(ten(v) >= b[-1] - 1e-6) for v, b in zip(*sought, strict=True)])
    cells = (
        *(name, people.shape[2], f"{people.shape[0] * EACH:,}"),
        "" if built.rate is None else f"{built.rate:.0f}",
        *(
            f"{built.seconds:.1f} ({built.own:.1f})",
            f"{built.disk / 1e6:.1f}",
        ),
        *(f"{built.first:.2f}", f"{p50:.2f} ({own:.2f})", f"{p95:.2f}", right, among),
    )
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def halves(shares: Any) -> str:
    """Writes the mean of known people's and of strangers'."""
    known, strangers = np.array_split(np.asarray(shares, np.float64), 2)
    return f"{known.mean():.3f}, {strangers.mean():.3f}"


def processor(store: Store) -> float:
    """Returns the seconds of CPU so far of what searches: this process, or a local server's for it."""
    if not isinstance(store, postgres.PostgresStore):
        return time.process_time()
    return of_process(store.server_process)


def of_process(number: int) -> float:
    """Returns the seconds of CPU so far of a process."""
    fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def in_postgres(url: str, people: Vectors, sought: Sought, *, index: bool) -> None:
    """Fills a database, searches it exactly and by its index, and drops what it made."""
    import psycopg

    reopen = partial(opened, url, people.shape[2])
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"SET hnsw.ef_search = {postgres.CANDIDATES}")

        def ten(vector: Vectors) -> NDArray[np.float64]:
            asked = {"vector": str(vector.tolist()), "ten": TEN}
            question = (
                "SELECT -(vector <#> %(vector)s) FROM facetrust_templates "
                "ORDER BY vector <#> %(vector)s LIMIT %(ten)s"
            )
            return np.array([score for (score,) in db.execute(question, asked)])

        try:
            filling = filled(reopen, people)
            db.execute("ANALYZE facetrust_templates")
            of_store("PostgreSQL, exact", reopen, people, sought, filling, ten)
            if index:
                start, begun = time.perf_counter(), of_process(db.info.backend_pid)
                db.execute(postgres.INDEX)
                own = of_process(db.info.backend_pid) - begun
                indexing = (None, time.perf_counter() - start, own)
                of_store("PostgreSQL, HNSW", reopen, people, sought, indexing, ten)
        finally:
            db.execute("DROP TABLE IF EXISTS facetrust_templates, facetrust_people, facetrust_about")


def in_faiss(name: str, people: Vectors, sought: Sought) -> None:
    """Builds an index in memory, and searches it with each of its settings."""
    import faiss

    faiss.omp_set_num_threads(1)
    flat = people.reshape(-1, people.shape[2])
    start, begun = time.perf_counter(), time.process_time()
    index = empty_index(faiss, name, *flat.shape)
    index.train(flat)
    index.add(flat)
    filling = (None, time.perf_counter() - start, time.process_time() - begun)
    with tempfile.TemporaryDirectory() as folder:
        faiss.write_index(index, f"{folder}/index")
        disk = Path(folder, "index").stat().st_size
    for setting in FAISS[name]:
        if "IVF" in name:
            index.nprobe = setting
        else:
            index.hnsw.efSearch = setting

        def ten(vector: Vectors, count: int = TEN) -> NDArray[np.float64]:
            return np.asarray(index.search(vector[None], count)[0][0])

        start = time.perf_counter()
        ten(sought.vectors[0])
        built = Built(*filling, disk, time.perf_counter() - start)
        row(
            f"{name}, {setting}", people, sought, built, lambda v: float(ten(v, 1)[0]), ten, time.process_time
        )


def empty_index(faiss: Any, name: str, count: int, width: int) -> Any:
    """Returns an empty index of FAISS for templates (count, width), by inner product."""
    if name == "FAISS HNSW":
        index = faiss.index_factory(width, f"HNSW{LINKS},Flat", faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = CANDIDATES
        return index
    index = faiss.index_factory(width, f"IVF{round(2 * count**0.5)},Flat", faiss.METRIC_INNER_PRODUCT)
    index.cp.max_points_per_centroid = 64
    return index


if __name__ == "__main__":
    main()
