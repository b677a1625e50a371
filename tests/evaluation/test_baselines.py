from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from facetrust.data.audit.audit import audit
from facetrust.data.audit.probes import OF_CROPS, PROBES, separation
from facetrust.data.manifest import Manifest, absolute
from facetrust.errors import ImageError
from facetrust.evaluation.baselines import fit_baselines, measure, score_baselines
from facetrust.imaging import read_sample
from facetrust.metrics import fit_logistic
from facetrust.records import Preprocessing, Sample

FED = Preprocessing(margins=(1.0,), size=(128, 128))
BOXES = ((12, 14, 20, 24), (3.4, 5.6, 20.2, 24.7), (-4, 40, 20, 24), None)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Attacks are blurred a little more as a rule; boxes are whole, fractional, half outside, or missing."""
    numbers = np.random.default_rng(0)
    samples = []
    for count in range(48):
        label, split = count % 2, ("train", "test")[count // 2 % 2]
        image = numbers.integers(0, 255, (60, 50, 3)).astype(np.uint8)
        image = cv2.GaussianBlur(image, (0, 0), numbers.uniform(0.4, 1.0) + 0.2 * label)
        cv2.imwrite(str(tmp_path / f"{count:02}.png"), image)
        box = BOXES[count // 4 % 4]
        places = {} if box is None else dict(zip("xywh", box, strict=True))
        samples.append(Sample(path=f"{count:02}.png", label=label, split=split, **places))
    return Manifest.of(samples, tmp_path)


def rows_of(manifest: Manifest, split: str) -> list[Sample]:
    return absolute(manifest.only(split).samples(), manifest.root)


def test_a_baseline_is_the_logistic_fit_on_the_values_of_train(manifest):
    fitted = fit_baselines(manifest, FED)
    assert set(fitted) == set(PROBES)
    train = rows_of(manifest, "train")
    labels = np.array([row.label for row in train])
    for probe, baseline in fitted.items():
        values = np.stack([each[probe] for each in measure(train, read_sample, FED)])
        expected = fit_logistic(values, labels)
        assert baseline.version == manifest.hash + ("+1x128x128" if probe == "sharpness" else "")
        assert np.allclose(baseline.model.weights, expected.weights)


def test_the_audit_and_the_baselines_measure_the_same_faces(manifest):
    """The audit fits on train and judges the other rows, and so do baselines; their figures are equal."""
    rows = rows_of(manifest, "test")
    labels = np.array([row.label for row in rows])
    figures = audit(manifest).probes
    scores = score_baselines(fit_baselines(manifest, FED), rows, read_sample, FED)
    for probe, answers in scores.items():
        if probe not in OF_CROPS:
            assert separation(labels, np.array(answers)) == figures[probe]
    assert len({tuple(answers) for answers in scores.values()}) == len(PROBES)


def test_an_unreadable_picture_has_no_values_and_no_score(manifest):
    broken = manifest.samples()[2].path
    (manifest.root / broken).write_bytes(b"")
    rows = rows_of(manifest, "test")
    unreadable = [row.path.endswith(broken) for row in rows]
    assert sum(unreadable) == 1
    assert [each is None for each in measure(rows, read_sample, FED)] == unreadable
    for answers in score_baselines(fit_baselines(manifest, FED), rows, read_sample, FED).values():
        assert [isinstance(answer, ImageError) for answer in answers] == unreadable


def test_baselines_need_both_labels_to_learn_from(manifest, caplog):
    rows = [row for row in manifest.samples() if row.label == 0]
    with caplog.at_level("WARNING", "facetrust"):
        assert fit_baselines(Manifest.of(rows, manifest.root, source="genuine.csv"), FED) == {}
    assert "no baselines: genuine.csv has not both labels in train" in caplog.text
