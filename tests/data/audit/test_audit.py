import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from facetrust.data.audit.audit import AuditReport, audit, audited_clean
from facetrust.data.audit.probes import PROBES
from facetrust.data.manifest import Manifest
from facetrust.data.sources.fasseg import fasseg
from facetrust.records import Sample

SPLITS = ("train", "train", "dev", "test")


def scene(seed: int, size: tuple[int, int] = (48, 40)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(
        rng.integers(0, 256, (7, 6, 3), dtype=np.uint8), size[::-1], interpolation=cv2.INTER_CUBIC
    )
    return np.clip(coarse + rng.normal(0, 6, coarse.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Manifest]:
    """A manifest of 80 pictures without a fault, or with what `save` and `change` do to it."""

    def make(
        save: Callable[[np.ndarray, Path, Sample], None] | None = None,
        change: Callable[[Sample, int], dict[str, object]] | None = None,
    ) -> Manifest:
        samples = []
        for i in range(80):
            row = Sample(path=f"{i:02d}.png", label=i // 4 % 2, split=SPLITS[i % 4], subject=f"s{i}")
            row = Sample(**{**row.model_dump(), **(change(row, i) if change else {})})
            if save:
                save(scene(i), tmp_path / row.path, row)
            else:
                Image.fromarray(scene(i)).save(tmp_path / row.path)
            samples.append(row)
        return Manifest.of(samples, tmp_path)

    return make


def codes(report: AuditReport) -> dict[str, str]:
    return {finding.code: finding.severity for finding in report.findings}


def test_nothing_is_found_where_nothing_is(build: Callable[..., Manifest]) -> None:
    seen: list[tuple[int, int]] = []
    report = audit(build(), progress=lambda done, total: seen.append((done, total)))
    assert report.findings == ()
    assert report.clean
    assert report.samples == 80
    assert set(report.probes) == {*PROBES, "together"}
    assert seen == [(n, 80) for n in range(1, 81)]


def test_copies_across_splits(build: Callable[..., Manifest]) -> None:
    manifest = build()
    (manifest.root / "03.png").write_bytes((manifest.root / "00.png").read_bytes())
    Image.fromarray(scene(4)).save(manifest.root / "06.png", compress_level=0)  # train in dev, other bytes
    (manifest.root / "09.png").write_bytes((manifest.root / "08.png").read_bytes())
    (manifest.root / "13.png").write_bytes((manifest.root / "16.png").read_bytes())
    report = audit(manifest)
    found = {finding.code: finding for finding in report.findings}
    assert codes(report) == {
        "duplicate": "error", "two-labels": "error", "near-duplicate": "warning", "repeated": "note",
    }  # fmt: skip
    assert found["duplicate"].rows == ("train:00.png = test:03.png",)
    assert found["near-duplicate"].rows == ("train:04.png ~ dev:06.png",)
    assert found["repeated"].count == 2
    assert found["two-labels"].rows == ("train:13.png = train:16.png",)
    assert not report.clean


def test_people_and_recordings_in_two_splits(build: Callable[..., Manifest]) -> None:
    report = audit(
        build(change=lambda row, i: {"subject": f"s{i // 2}", "media": f"m{i // 4 * 9 + i % 4}"}), limit=3
    )
    (finding,) = report.findings
    assert (finding.code, finding.severity, finding.count, len(finding.rows)) == (
        "shared-subject",
        "error",
        20,
        3,
    )
    report = audit(build(change=lambda row, i: {"media": f"m{i // 4}"}))
    assert codes(report) == {"shared-media": "error"}


def as_jpeg(quality: Callable[[Sample], int]) -> Callable[[np.ndarray, Path, Sample], None]:
    return lambda image, path, row: Image.fromarray(image).save(path, format="JPEG", quality=quality(row))


def test_quantisation_tables_tell_the_label(build: Callable[..., Manifest]) -> None:
    report = audit(build(save=as_jpeg(lambda row: 88 + 4 * row.label)))
    assert codes(report).get("label-by-tables") == "error"
    assert "label-by-type" not in codes(report)
    same = audit(build(save=as_jpeg(lambda row: 90)))
    assert "label-by-tables" not in codes(same)


def test_the_chroma_sampling_tells_the_label(build: Callable[..., Manifest]) -> None:
    def save(image: np.ndarray, path: Path, row: Sample) -> None:
        Image.fromarray(image).save(path, format="JPEG", quality=90, subsampling=2 * row.label)

    report = audit(build(save=save))
    assert codes(report).get("label-by-tables") == "error"


def test_the_file_type_tells_the_label_whatever_the_name_says(build: Callable[..., Manifest]) -> None:
    def save(image: np.ndarray, path: Path, row: Sample) -> None:
        Image.fromarray(image).save(path, format="BMP" if row.label else "PNG")

    report = audit(build(save=save))
    assert codes(report) == {"label-by-type": "error"}
    assert report.findings[0].rows == ("BMP: 0 bona fide, 40 attack", "PNG: 40 bona fide, 0 attack")


def test_the_size_tells_the_label(build: Callable[..., Manifest]) -> None:
    def save(image: np.ndarray, path: Path, row: Sample) -> None:
        number = int(path.stem)  # Each size once: only larger or smaller tells.
        Image.fromarray(scene(number, (60 + number + 200 * row.label, 60))).save(path)

    assert codes(audit(build(save=save)))["label-by-size"] == "error"


def test_the_name_tells_the_label(build: Callable[..., Manifest]) -> None:
    report = audit(build(change=lambda row, i: {"path": f"{'spoof' if row.label else 'live'}_{i}.png"}))
    assert codes(report) == {"label-by-name": "note"}
    assert report.clean


def test_a_probe_that_tells_the_label(build: Callable[..., Manifest]) -> None:
    def save(image: np.ndarray, path: Path, row: Sample) -> None:
        Image.fromarray(cv2.GaussianBlur(image, (0, 0), 1.5) if row.label else image).save(path)

    report = audit(build(save=save))
    assert codes(report)["probe-laplacian"] == "warning"
    assert report.probes["laplacian"] == 1.0
    assert report.clean


def test_probes_look_at_the_face_alone(build: Callable[..., Manifest]) -> None:
    def save(image: np.ndarray, path: Path, row: Sample) -> None:
        if row.label:
            image[:, 24:] = 0
        Image.fromarray(image).save(path)

    inside = audit(build(save=save, change=lambda row, i: {"x": -3.0, "y": 4.0, "w": 25.0, "h": 30.0}))
    assert inside.findings == ()
    assert audit(build(save=save)).probes["saturation"] == 1.0
    outside = audit(build(change=lambda row, i: {"x": 500.0, "y": 4.0, "w": 25.0, "h": 30.0}))
    assert outside.probes == audit(build()).probes


def test_what_cannot_be_read_is_a_finding(build: Callable[..., Manifest]) -> None:
    manifest = build()
    (manifest.root / "00.png").unlink()
    (manifest.root / "01.png").write_bytes(b"")
    (manifest.root / "02.png").write_bytes((manifest.root / "02.png").read_bytes()[:200])
    report = audit(manifest)
    assert codes(report) == {"unreadable": "error"}
    assert report.findings[0].count == 3
    assert not any("\n" in row for row in report.findings[0].rows)
    for path in manifest.root.iterdir():
        path.unlink()
    nothing = audit(manifest)
    assert nothing.findings[0].count == 80
    assert set(nothing.probes.values()) == {None}


def test_one_label_and_missing_splits_are_said(build: Callable[..., Manifest]) -> None:
    report = audit(build(change=lambda row, i: {"label": 0, "split": "train"}))
    assert codes(report) == {"one-label": "note", "no-split": "note"}


def test_the_report_is_written_beside_and_named_by_the_rows(build: Callable[..., Manifest]) -> None:
    made = build()
    path = made.root / "m.parquet"
    manifest = Manifest.write(made.samples(), path)
    assert audited_clean(path, manifest) is None
    report = audit(manifest)
    assert report.write(path) == made.root / "m.parquet.audit.json"
    assert audited_clean(path, manifest) is True
    assert audited_clean(path, Manifest.of(made.samples()[1:], made.root)) is None
    text = (made.root / "m.parquet.audit.json").read_text()
    assert {key: json.loads(text)[key] for key in ("schema", "manifest", "clean")} == {
        "schema": "facetrust.audit/1", "manifest": manifest.hash, "clean": True,
    }  # fmt: skip
    assert AuditReport.model_validate_json(text) == report == audit(manifest)
    (made.root / "m.parquet.audit.json").write_text("{broken")
    assert audited_clean(path, manifest) is None


@pytest.mark.real
def test_the_six_copies_in_fasseg(real_data: Path) -> None:
    root = real_data / "fasseg"
    rows = [row for row in fasseg(root, copies=True) if row.path.startswith("frontal02")]
    found = {finding.code: finding for finding in audit(Manifest.of(rows, root)).findings}
    pairs = {(15, 26), (16, 17), (17, 13), (18, 20), (19, 23), (20, 44)}
    assert set(found["duplicate"].rows) == {
        f"test:frontal02/test/images/{b}.jpg = train:frontal02/train/images/{a}.jpg" for a, b in pairs
    }
    assert "near-duplicate" not in found


def test_a_set_without_labels_is_audited_for_leaks_alone(build: Callable[..., Manifest]) -> None:
    report = audit(build(change=lambda row, i: {"label": None, "subject": f"s{i // 2}"}))
    assert codes(report)["shared-subject"] == "error"
    assert not [
        code for code in codes(report) if code.startswith(("label-by", "probe", "one-label", "no-split"))
    ]
    assert set(report.probes.values()) == {None}
