"""Finds what makes a result look better than it is: leaks between splits, and shortcuts to the label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import ConfigDict, Field, ValidationError, computed_field

from facetrust.data.audit._facts import Facts, facts_of
from facetrust.data.audit._identities import closed_set, met_again
from facetrust.data.audit._leaks import (
    category_separation,
    counted,
    folds_of,
    number_separation,
    probe_separation,
    surely_above_chance,
)
from facetrust.data.audit._near import near_pairs
from facetrust.data.audit.probes import PROBES
from facetrust.data.manifest import Manifest
from facetrust.data.splits import SPLITS, shared
from facetrust.errors import ImageError
from facetrust.records import Record, Sample, write_text

Severity = Literal["error", "warning", "note"]
Rows = Sequence[tuple[Sample, Facts]]

SUSPICIOUS = 0.65  # AUC from which a shortcut is reported …
GIVEN_AWAY = 0.9  # … and from which it gives the label away.
_GIVES = {
    "size": "The picture's size",
    "tables": "The JPEG coding (quantisation tables, chroma)",
    "type": "The file type",
    "name": "The file name",
}


class Finding(Record):
    """Something found: how bad, a code, what it is, what it means, and the first of `count` rows."""

    severity: Severity
    code: str
    title: str
    explanation: str
    rows: tuple[str, ...] = ()
    count: int = 0


class AuditReport(Record):
    """What the audit says of a manifest. `probes` are AUCs of trivial measures; null where undefined."""

    schema_name: Literal["facetrust.audit/1"] = Field("facetrust.audit/1", alias="schema")
    manifest: str
    samples: int
    probes: dict[str, float | None] = Field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    # What is computed is written too, and not in the way when a report is read.
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def clean(self) -> bool:
        """Whether nothing was found that is an error."""
        return all(finding.severity != "error" for finding in self.findings)

    def to_json(self) -> str:
        """Returns the report as indented JSON."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"

    def write(self, manifest: str | Path) -> Path:
        """Writes the report beside the manifest, as `<manifest>.audit.json`, and returns its path."""
        path = _beside(Path(manifest))
        write_text(path, self.to_json())
        return path


def audit(
    manifest: Manifest,
    *,
    trained_on: Sequence[Manifest] = (),
    limit: int = 20,
    progress: Callable[[int, int], None] | None = None,
) -> AuditReport:
    """Returns what is wrong or doubtful in a manifest, the worst first; the same for the same files.

    Args:
        manifest: what to look at; each picture is read once.
        trained_on: manifests whose train rows a model learns from too: whoever of them is in dev or test of
            `manifest` is found. Their pictures are not read.
        limit: rows that a finding lists at most.
        progress: called with (pictures done, pictures in all).
    """
    samples = manifest.samples()
    rows: list[tuple[Sample, Facts]] = []
    unreadable = []
    for done, sample in enumerate(samples, start=1):
        try:
            rows.append((sample, facts_of(sample, manifest.path_of(sample))))
        except ImageError as error:
            unreadable.append(str(error))
        if progress is not None:
            progress(done, len(samples))
    # What gives a label away can only be asked of rows that have one.
    labelled = [(sample, facts) for sample, facts in rows if sample.label is not None]
    probes = _probe_aucs(labelled)
    found = [
        *_unreadable(unreadable),
        *_shared(samples),
        *_trained_elsewhere(samples, trained_on),
        *_closed_set(samples),
        *_same_bytes(rows),
        *_same_looks(rows),
        *_shortcuts(labelled),
        *_probes(probes, labelled),
        *_balance(samples),
    ]
    order: tuple[Severity, ...] = ("error", "warning", "note")
    found.sort(key=lambda finding: order.index(finding.severity))
    shown = tuple(finding.model_copy(update={"rows": finding.rows[:limit]}) for finding in found)
    return AuditReport(manifest=manifest.hash, samples=len(samples), probes=probes, findings=shown)


def audited_clean(path: str | Path, manifest: Manifest) -> bool | None:
    """Returns whether the manifest in a file was audited clean; None if its rows never were audited."""
    try:
        report = AuditReport.model_validate_json(_beside(Path(path)).read_bytes())
    except (OSError, ValidationError):
        return None
    return report.clean if report.manifest == manifest.hash else None


def _beside(manifest: Path) -> Path:
    return manifest.with_name(f"{manifest.name}.audit.json")


def _finding(severity: Severity, code: str, title: str, explanation: str, rows: Sequence[str]) -> Finding:
    return Finding(
        severity=severity, code=code, title=title, explanation=explanation, rows=tuple(rows), count=len(rows)
    )


def _unreadable(errors: Sequence[str]) -> Iterator[Finding]:
    if errors:
        why = "Training and evaluation leave them out; figures would be of other pictures than are listed."
        yield _finding("error", "unreadable", f"{len(errors)} pictures cannot be read", why, errors)


def _shared(samples: Sequence[Sample]) -> Iterator[Finding]:
    why = {
        "subject": "A network can learn who attacked in training and recognise the person in the test; one "
        "that tells people apart is asked about people whom it knows.",
        "media": "Frames of one recording are almost the same picture; the test repeats the training.",
    }
    found = shared(samples)
    for column, explanation in why.items():
        rows = [
            f"{row.value}: {_where(row.splits)}, {len(row.paths)} rows"
            for row in found
            if row.column == column
        ]
        if rows:
            title = f"{len(rows)} {column}{'s' if column == 'subject' else ''} in more than one split"
            yield _finding("error", f"shared-{column}", title, explanation, rows)


def _trained_elsewhere(samples: Sequence[Sample], trained_on: Sequence[Manifest]) -> Iterator[Finding]:
    for other in trained_on:
        again = met_again(samples, other.samples())
        if again:
            why = "Figures of people whom a network was trained on say nothing of others; leave them out."
            title = f"{len(again)} people of dev or test are also in the train split of {other.source}"
            rows = [f"{name}: {asked} rows, {trained} there" for name, (asked, trained) in again.items()]
            yield _finding("error", "trained-elsewhere", title, why, rows)


def _closed_set(samples: Sequence[Sample]) -> Iterator[Finding]:
    found = closed_set(samples)
    if found is None or not found.strangers:
        return
    share = f"{100 * found.ceiling:.1f} %"
    rows = [f"{name}: {count} test rows" for name, count in found.strangers.most_common()]
    if found.known == 0:
        title = "No person of test is in train: nobody can be named"
        why = (
            "A closed-set accuracy would be 0 by the split alone, however well a network learns; compare "
            "pairs of faces (verification) or search a gallery of test's own."
        )
    else:
        title = (
            f"{len(found.strangers)} people of test are not in train: at most {share} can be named rightly"
        )
        why = (
            f"A closed-set accuracy cannot lie above {share}, by the split alone; and it cannot be compared "
            "with verification, for which the people of test must be strangers."
        )
    yield _finding("warning" if found.known else "note", "closed-set", title, why, rows)


def _same_bytes(rows: Rows) -> Iterator[Finding]:
    copies: dict[str, list[Sample]] = {}
    for sample, facts in rows:
        copies.setdefault(facts.digest, []).append(sample)
    groups = [group for group in copies.values() if len(group) > 1]
    across: list[str] = []
    within: list[str] = []
    for group in groups:
        (across if len({sample.split for sample in group}) > 1 else within).append(_names(group))
    torn = [_names(group) for group in groups if len({sample.label for sample in group}) > 1]
    if across:
        why = "Their bytes are identical (SHA-256); what is tested on was trained on. Remove one of each."
        yield _finding(
            "error", "duplicate", f"{len(across)} pictures lie in more than one split", why, across
        )
    if torn:
        why = "Their bytes are identical, so at least one of the two labels is wrong."
        yield _finding("error", "two-labels", f"{len(torn)} pictures carry both labels", why, torn)
    if within:
        why = "Their bytes are identical; they count more than others, but nothing leaks."
        yield _finding(
            "note", "repeated", f"{len(within)} pictures come again in their own split", why, within
        )


def _same_looks(rows: Rows) -> Iterator[Finding]:
    if not rows:
        return
    hashes = np.array([facts.look for _, facts in rows], dtype=np.uint64)
    thumbs = np.stack([facts.thumb for _, facts in rows])
    splits = np.array([SPLITS.index(sample.split) for sample, _ in rows], dtype=np.int64)
    pairs = [
        _names([rows[i][0], rows[j][0]], " ~ ")
        for i, j in near_pairs(hashes, thumbs, splits)
        if rows[i][1].digest != rows[j][1].digest
    ]
    if pairs:
        why = "They look alike though their bytes differ: scaled, re-encoded or relit, or frames of one take."
        title = f"{len(pairs)} pairs of pictures in different splits look the same"
        yield _finding("warning", "near-duplicate", title, why, pairs)


def _shortcuts(rows: Rows) -> Iterator[Finding]:
    if not rows:
        return
    labels = np.array([sample.label for sample, _ in rows], dtype=np.int64)
    folds = folds_of([sample for sample, _ in rows])
    facts = [entry for _, entry in rows]
    columns = {
        "size": [f"{entry.width}x{entry.height}" for entry in facts],
        "tables": [entry.tables for entry in facts],
        "type": [entry.kind for entry in facts],
        "name": [entry.pattern for entry in facts],
    }
    for code, values in columns.items():
        auc = category_separation(labels, values, folds)
        if code == "size":
            sides = np.array(
                [(entry.width * entry.height, entry.width / entry.height) for entry in facts], float
            )
            auc = max(auc, number_separation(labels, sides[:, 0]), number_separation(labels, sides[:, 1]))
        if auc < SUSPICIOUS or not surely_above_chance(auc, labels):
            continue
        severity: Severity = "error" if auc >= GIVEN_AWAY else "warning"
        why = (
            "A network can read it off the pixels and look at nothing else; bring both labels to one format."
        )
        if code == "name":
            severity = "note"
            why = "Networks do not see names, but code that sorts or filters by them would leak."
        title = f"{_GIVES[code]} tells the label (AUC {auc:.3f})"
        yield _finding(severity, f"label-by-{code}", title, why, counted(labels, values))


def _probe_aucs(rows: Rows) -> dict[str, float | None]:
    labels = np.array([sample.label for sample, _ in rows], dtype=np.int64)
    folds = folds_of([sample for sample, _ in rows])
    trained = np.array([sample.split == "train" for sample, _ in rows], dtype=bool)
    found: dict[str, float | None] = {}
    for name in (*PROBES, "together"):
        parts = PROBES if name == "together" else (name,)
        auc = float("nan")
        if rows:
            features = np.array([np.concatenate([facts.probes[part] for part in parts]) for _, facts in rows])
            auc = probe_separation(labels, features, folds, trained)
        found[name] = None if np.isnan(auc) else auc
    return found


def _probes(aucs: dict[str, float | None], rows: Rows) -> Iterator[Finding]:
    labels = np.array([sample.label for sample, _ in rows], dtype=np.int64)
    for name, auc in aucs.items():
        if auc is None or auc < SUSPICIOUS or not surely_above_chance(auc, labels):
            continue
        severity: Severity = "warning" if auc >= GIVEN_AWAY else "note"
        what = "Trivial probes together tell" if name == "together" else f"The {name} probe alone tells"
        title = f"{what} the label of unseen rows (AUC {auc:.3f})"
        why = "A result near this figure proves nothing about faces; report it beside the model's."
        yield _finding(severity, f"probe-{name}", title, why, ())


def _balance(samples: Sequence[Sample]) -> Iterator[Finding]:
    counts = Counter((sample.split, sample.label) for sample in samples)
    present = [split for split in SPLITS if any(sample.split == split for sample in samples)]
    names = ("bona fide", "attack")
    lacking = [
        f"{split}: no {names[label]} rows"
        for split in present
        for label in (0, 1)
        if counts[split, 1 - label] and not counts[split, label]
    ]
    if lacking:
        why = "Without both labels a split can neither fit a threshold nor be reported."
        yield _finding("note", "one-label", f"{len(lacking)} splits have one label only", why, lacking)
    if absent := [split for split in SPLITS if split not in present]:
        why = "Training needs train, the threshold is fitted on dev and figures are reported on test."
        yield _finding("note", "no-split", f"no rows in {_where(absent)}", why, absent)


def _where(splits: Sequence[str]) -> str:
    return " and ".join(splits)


def _names(samples: Sequence[Sample], sign: str = " = ") -> str:
    return sign.join(f"{sample.split}:{sample.path}" for sample in samples)
