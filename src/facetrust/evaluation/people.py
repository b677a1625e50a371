"""Embeddings become what protocols of people judge: scored pairs, and probes searched for in a gallery."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from facetrust.data.lists import read_list
from facetrust.errors import ImageError, ManifestError, UsageError
from facetrust.evaluation.scorers import Answer
from facetrust.records import Pairs, Provenance, Sample, Searches

MOST_PAIRS = 200_000  # Pairs that are made where no file names them: those of about 630 rows.
_AT_ONCE = 65_536  # Pairs, or probes times gallery, whose similarity is computed at a time.
_log = logging.getLogger("facetrust")


class Lists(NamedTuple):
    """The files beside a manifest that say what is asked of its rows; see `facetrust.data.lists`."""

    pairs: Path | None = None
    templates: Path | None = None
    gallery: Path | None = None

    @classmethod
    def beside(
        cls, manifest: str, *, pairs: Path | None, templates: Path | None, gallery: Path | None
    ) -> Self:
        """Returns the files that are named, and for the others those beside the manifest, if they exist."""
        given = {"pairs": pairs, "templates": templates, "gallery": gallery}
        found = {kind: path or Path(f"{manifest}.{kind}.csv") for kind, path in given.items()}
        return cls(**{kind: path if given[kind] or path.is_file() else None for kind, path in found.items()})

    def names(self) -> set[str]:
        """Returns the rows that the lists name; nothing where no list of pairs says what is asked."""
        if self.pairs is None:
            return set()
        if self.templates is not None:
            return set(read_list(self.templates, "templates")["path"])
        pairs = read_list(self.pairs, "pairs")
        searched = set() if self.gallery is None else set(read_list(self.gallery, "gallery")["name"])
        return {*pairs["first"], *pairs["second"]} | searched

    def enrolled(self) -> frozenset[str]:
        """Returns the rows of the gallery; those of templates are templates', and none here."""
        if self.gallery is None or self.templates is not None:
            return frozenset()
        table = read_list(self.gallery, "gallery")
        return frozenset(table.filter(pl.col("part") == "gallery")["name"])


class Embedded(NamedTuple):
    """What can be compared: rows or templates by name, their vectors of unit length, and whom they show.

    `unreadable` are rows of which there is no vector; `elsewhere` rows of the manifest's other splits.
    """

    places: dict[str, int]
    vectors: NDArray[np.float64]
    subjects: list[str | None]
    domains: list[str | None]
    unreadable: frozenset[str] = frozenset()
    elsewhere: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, rows: Sequence[Sample], answers: Sequence[Answer], *, elsewhere: frozenset[str] = frozenset()
    ) -> Self:
        """Returns the rows that have an embedding.

        Raises:
            ManifestError: none has one.
        """
        pairs = list(zip(rows, answers, strict=True))
        kept = [(row, answer) for row, answer in pairs if not isinstance(answer, ImageError)]
        if not kept:
            raise ManifestError(f"{rows[0].path}: and all other pictures of the split cannot be read")
        return cls(
            places={row.path: place for place, (row, _) in enumerate(kept)},
            vectors=np.stack([np.asarray(answer, np.float64) for _, answer in kept]),
            subjects=[row.subject for row, _ in kept],
            domains=[row.domain for row, _ in kept],
            unreadable=frozenset(row.path for row, answer in pairs if isinstance(answer, ImageError)),
            elsewhere=elsewhere,
        )

    def pooled(self, file: Path) -> Embedded:
        """Returns the templates of a file in the rows' place.

        A template is the sum over its media of the media's mean embedding, each picture's multiplied by its
        weight (1 without one); embeddings keep the length that the network gave them, and the sum is brought
        to length 1 when it is compared. A picture without a medium is one of its own.

        Raises:
            ManifestError: the file cannot be read, or names a picture that is no row of the split.

        Source: Whitelam et al., IARPA Janus Benchmark-B (CVPRW 2017), for means within media before all.
        """
        table = read_list(file, "templates")
        own = table["path"].alias("media")
        media = (
            own
            if "media" not in table.columns
            else table["media"].zip_with(table["media"].is_not_null(), own)
        )
        weight = table["weight"] if "weight" in table.columns else pl.Series("weight", np.ones(len(table)))
        table = table.with_columns(
            media.alias("media"), weight.alias("weight"), self._places(table["path"], file)
        )
        table = table.filter(pl.col("path_at").is_not_null())
        places: dict[str, int] = {}
        vectors, subjects, domains = [], [], []
        for (name,), part in table.group_by("template", maintain_order=True):
            rows = part["path_at"].to_numpy()
            weighted = self.vectors[rows] * part["weight"].to_numpy()[:, None]
            _, of_medium = np.unique(part["media"].to_numpy(), return_inverse=True)
            sums = np.zeros((of_medium.max() + 1, weighted.shape[1]))
            np.add.at(sums, of_medium, weighted)
            vectors.append((sums / np.bincount(of_medium)[:, None]).sum(0))
            places[str(name)] = len(places)
            shown = {self.subjects[row] for row in rows}
            subjects.append(shown.pop() if len(shown) == 1 else None)
            domains.append(self.domains[rows[0]])
        lost = frozenset(read_list(file, "templates")["template"]) - places.keys()
        return Embedded(places, np.stack(vectors), subjects, domains, lost, frozenset())

    def units(self) -> NDArray[np.float64]:
        """Returns the vectors at length 1; one of length 0 stays as it is."""
        lengths = np.linalg.norm(self.vectors, axis=1, keepdims=True)
        return self.vectors / np.where(lengths > 0, lengths, 1)

    def places_of(self, table: pl.DataFrame, columns: Sequence[str], file: Path) -> pl.DataFrame:
        """Returns those rows of a list of which all names can be compared, with places as `<column>_at`.

        Rows of other splits and unreadable pictures are left out, with a warning.

        Raises:
            ManifestError: a name is no row of the manifest, or nothing is left.
        """
        placed = table.with_columns(self._places(table[column], file) for column in columns)
        kept = placed.drop_nulls([f"{column}_at" for column in columns])
        if not kept.height:
            raise ManifestError(f"{file}: names nothing but rows of other splits or unreadable pictures")
        if lost := table.height - kept.height:
            _log.warning("%s: %d of %d rows are of other splits or unreadable", file, lost, table.height)
        return kept

    def _places(self, names: pl.Series, file: Path) -> pl.Series:
        found = names.replace_strict(self.places, default=None, return_dtype=pl.Int64)
        strange = set(names.filter(found.is_null())) - self.unreadable - self.elsewhere
        if strange:
            raise ManifestError(f"{file}: {min(strange)} is no row of the manifest and no template")
        return found.alias(f"{names.name}_at")


def pair_table(
    embedded: Embedded, made_by: Provenance, *, pairs: Path | None = None, rows: Sequence[Sample] = ()
) -> Pairs:
    """Returns one row per pair: the cosine of both embeddings, label 1 for one person.

    Args:
        embedded: rows or templates.
        pairs: the list of pairs; where there is none, all pairs of `rows`.

    Raises:
        ManifestError: the list cannot be used; whether a pair is of one person is said neither there nor by
            subjects, or both say it and differ.
        UsageError: there are more than `MOST_PAIRS` pairs and no file.
    """
    usable = [row.path for row in rows if row.path in embedded.places]
    table = _all_pairs(usable) if pairs is None else read_list(pairs, "pairs")
    file = pairs or Path("all pairs")
    table = embedded.places_of(table, ("first", "second"), file)
    first, second = table["first_at"].to_numpy(), table["second_at"].to_numpy()
    one, other = (np.array(embedded.subjects, dtype=object)[side] for side in (first, second))
    units = embedded.units()
    scores = np.concatenate(
        [
            np.einsum("nd,nd->n", units[first[at : at + _AT_ONCE]], units[second[at : at + _AT_ONCE]])
            for at in range(0, len(first), _AT_ONCE)
        ]
    )
    content = {
        "sample": table["first"] + " " + table["second"],
        "media": pl.Series([None] * len(first), dtype=pl.String),
        "subject": pl.Series(list(one), dtype=pl.String),
        "domain": pl.Series([embedded.domains[place] for place in first], dtype=pl.String),
        "attack": pl.Series([None] * len(first), dtype=pl.String),
        "label": _labels(table, one, other, file),
        "score": scores,
        "other": pl.Series(list(other), dtype=pl.String),
        "fold": table["fold"] if "fold" in table.columns else pl.Series([None] * len(first), dtype=pl.Int64),
    }
    return Pairs(pl.DataFrame(content), made_by)


def _labels(
    table: pl.DataFrame, one: NDArray[np.object_], other: NDArray[np.object_], file: Path
) -> pl.Series:
    named = np.array([a is not None and b is not None for a, b in zip(one, other, strict=True)])
    alike = one == other
    if "same" not in table.columns:
        if not named.all():
            name = table["first"][int(np.argmin(named))]
            raise ManifestError(f"{name}: or its partner has no subject, by which the pair could be measured")
        return pl.Series(alike.astype(np.int64))
    said = table["same"].to_numpy()
    wrong = named & (said != alike)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ManifestError(
            f"{file}: says that {table['first'][at]} and {table['second'][at]} are "
            f"{'one person' if said[at] else 'two people'}; the manifest says otherwise"
        )
    return pl.Series(said.astype(np.int64))


def _all_pairs(names: Sequence[str]) -> pl.DataFrame:
    count = len(names) * (len(names) - 1) // 2
    if count > MOST_PAIRS:
        raise UsageError(
            f"{len(names)} faces make {count} pairs, more than {MOST_PAIRS}; name those to be measured in "
            "a file beside the manifest, <manifest>.pairs.csv"
        )
    pairs = list(itertools.combinations(names, 2))
    return pl.DataFrame(pairs, schema={"first": pl.String, "second": pl.String}, orient="row")


def search_table(embedded: Embedded, made_by: Provenance, *, gallery: Path) -> Searches:
    """Returns one row per probe: how similar the most similar person of the gallery is, and the probe's own.

    A person's similarity is the highest cosine of their rows or templates in the gallery. A rank counts
    those who are as similar as the mate too, so that a network that gives everybody one vector finds nobody.

    Args:
        embedded: rows or templates, those of the gallery among them.
        gallery: the list of who is in the gallery and who is looked for.

    Raises:
        ManifestError: the list cannot be used, has no probes or no gallery, or somebody has no subject.
    """
    table = embedded.places_of(read_list(gallery, "gallery"), ("name",), gallery)
    own = pl.Series("subject", [embedded.subjects[place] for place in table["name_at"]], dtype=pl.String)
    if "subject" in table.columns:
        own = table["subject"].zip_with(table["subject"].is_not_null(), own)
    table = table.with_columns(own)
    if (at := table["subject"].is_null().arg_max()) is not None and table["subject"][at] is None:
        raise ManifestError(f"{gallery}: {table['name'][at]} has no subject, by which it could be looked for")
    parts = {part: table.filter(pl.col("part") == part) for part in ("gallery", "probe")}
    for part, rows in parts.items():
        if not rows.height:
            raise ManifestError(f"{gallery}: names nobody of the part {part!r} whose picture can be compared")
    probes, enrolled = parts["probe"], parts["gallery"].sort("subject")
    people = enrolled["subject"].unique(maintain_order=True)
    best, mate, rank = _searched(embedded.units(), probes, enrolled, people)
    found = np.isfinite(mate)
    nothing = pl.Series([None] * probes.height, dtype=pl.String)
    content = {
        "sample": probes["name"],
        "media": nothing,
        "subject": probes["subject"],
        "domain": pl.Series([embedded.domains[place] for place in probes["name_at"]], dtype=pl.String),
        "attack": nothing,
        "label": found.astype(np.int64),
        "score": best,
        "mate": [float(value) if known else None for value, known in zip(mate, found, strict=True)],
        "rank": [int(value) if known else None for value, known in zip(rank, found, strict=True)],
        "gallery": [gallery.name] * probes.height,
        "enrolled": [len(people)] * probes.height,
    }
    return Searches(pl.DataFrame(content), made_by)


def _searched(
    units: NDArray[np.float64], probes: pl.DataFrame, enrolled: pl.DataFrame, people: pl.Series
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Returns each probe's highest similarity, its own person's (-inf if not there) and that one's rank."""
    names = enrolled["subject"].to_list()
    starts = np.flatnonzero([at == 0 or name != names[at - 1] for at, name in enumerate(names)])
    place = {name: number for number, name in enumerate(people)}
    own = np.array([place.get(name, -1) for name in probes["subject"]])
    asked, gallery = units[probes["name_at"].to_numpy()], units[enrolled["name_at"].to_numpy()]
    best, mate = np.empty(len(asked)), np.full(len(asked), -np.inf)
    rank = np.zeros(len(asked), np.int64)
    step = max(1, _AT_ONCE * 16 // max(1, len(gallery)))
    for at in range(0, len(asked), step):
        rows = slice(at, at + step)
        similar = np.maximum.reduceat(asked[rows] @ gallery.T, starts, axis=1)
        best[rows] = similar.max(1)
        known = np.flatnonzero(own[rows] >= 0)
        mine = similar[known, own[rows][known]]
        mate[at + known] = mine
        rank[at + known] = (similar[known] >= mine[:, None]).sum(1)
    return best, mate, rank
