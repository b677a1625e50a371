"""Limits of quality that a model's planted weakness must give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facetrust.data.manifest import Manifest
from facetrust.errors import ManifestError
from facetrust.evaluation.quality_limits import LIMITS, fit_limits
from facetrust.records import QualityLimits, Sample


@pytest.fixture(scope="module")
def genuine(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Fifty genuine faces of grain and colour, whose mean level is 0.3."""
    root = tmp_path_factory.mktemp("genuine")
    rng = np.random.default_rng(0)
    rows = []
    for n in range(50):
        coarse = rng.uniform(40, 110, (5, 5, 3)).astype(np.uint8)
        image = np.asarray(Image.fromarray(coarse).resize((120, 120)), np.float32)
        image += rng.normal(0, 4, image.shape) + 76 - image.mean()
        Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(root / f"{n}.png")
        rows.append(Sample(path=f"{n}.png", label=0, split="dev", domain="ab"[n % 2]))
    return Manifest.of(rows, root)


def test_a_model_that_takes_bright_for_an_attack_is_not_asked_about_bright_faces(genuine, write_model):
    """The tiny model's logit is 4 x mean - 2: from a level of 0.5 on every face is an attack to it."""
    model = write_model()
    found = {each.limit: each for each in fit_limits(model, [genuine], bound=0.1)}
    assert list(found) == list(LIMITS)
    # Brightened 1.4 times a face is 0.42 bright and judged rightly, 1.8 times it is 0.54 and judged wrongly.
    assert 0.42 < found["most_luminance"].value < 0.54
    # In no other way do its errors grow, so that dev's own range is the limit.
    assert found["least_luminance"].value == pytest.approx(0.03, abs=0.01)
    assert found["least_size"].value == pytest.approx(24, abs=1)
    assert found["least_chroma"].value == pytest.approx(0, abs=0.3)
    curve = found["most_luminance"].curve
    assert curve[0].bpcer > 0.2
    assert curve[-1].bpcer == 0
    assert {each.apcer for each in curve} == {None}
    QualityLimits(**{each.limit: each.value for each in found.values()})


def test_the_same_again_and_another_threshold(genuine, write_model):
    model = write_model()
    once, again = (fit_limits(model, [genuine], bound=0.1) for _ in range(2))
    assert once == again
    never = {each.limit: each for each in fit_limits(model, [genuine], bound=0.1, threshold=0.999)}
    assert never["most_luminance"].value > 0.54
    always = {each.limit: each for each in fit_limits(model, [genuine], bound=0.1, threshold=0.001)}
    assert {each.value for each in always.values()} == {None}


def test_there_must_be_labelled_dev_rows(genuine, write_model, tmp_path: Path):
    rows = [row.model_copy(update={"split": "test"}) for row in genuine.samples()]
    with pytest.raises(ManifestError, match="no labelled dev rows"):
        fit_limits(write_model(), [Manifest.of(rows, genuine.root)], bound=0.1)
