from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file

from facetrust.data.manifest import Manifest, absolute
from facetrust.errors import ImageError, ModelError, UnknownName
from facetrust.evaluation.scorers import open_run, open_scorer
from facetrust.imaging import box_of, read_image, read_sample
from facetrust.models import load_checkpoint
from facetrust.records import Sample
from facetrust.runtime.model import load_model


@pytest.fixture
def rows(manifest: Path) -> list[Sample]:
    return absolute(Manifest.read(manifest).only("test").samples(), manifest.parent)


def answers_of(scorer, rows):
    return list(scorer(rows, read_sample))


@pytest.mark.parametrize("named", [True, False])
def test_a_bundled_name_and_a_file_are_scored_by_the_runtime(named, bright_model, rows):
    model = "antispoof-tiny" if named else str(bright_model)
    card, scorer = open_scorer(model)
    served = load_model(model)
    assert card == served.card
    images = [read_image(row.path) for row in rows]
    expected = [served.score(image, [box_of(row, image)])[0] for row, image in zip(rows, images, strict=True)]
    assert answers_of(scorer, rows) == expected


def test_batches_and_workers_of_a_run_do_not_matter(run, rows):
    card, scorer = open_scorer(run, batch=1)
    assert card.name == "tiny"
    one = answers_of(scorer, rows)
    assert len(one) == len(rows)
    assert np.allclose(one, answers_of(open_scorer(run, batch=7, workers=1)[1], rows), atol=1e-6)


def test_a_run_is_scored_with_other_weights(run, rows, tmp_path):
    model, _ = load_checkpoint(run)
    save_file({name: 0 * value for name, value in model.state_dict().items()}, tmp_path / "zero.safetensors")
    _, scorer = open_run(run, weights=tmp_path / "zero.safetensors")
    assert set(answers_of(scorer, rows)) == {0.5}


@pytest.mark.parametrize("kind", ["run", "file"])
def test_an_unreadable_picture_is_an_error_in_its_place(kind, run, bright_model, rows, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    mixed = [*rows[:2], rows[2].model_copy(update={"path": str(broken)}), *rows[3:]]
    _, scorer = open_scorer(run if kind == "run" else bright_model, batch=2)
    answers = answers_of(scorer, mixed)
    assert [isinstance(answer, ImageError) for answer in answers] == [
        row.path == str(broken) for row in mixed
    ]
    assert "broken.png" in str(answers[2])


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match="not finished"):
        open_scorer(tmp_path)
    with pytest.raises(ModelError, match="no such model file"):
        open_scorer(tmp_path / "gone.onnx")
    with pytest.raises(UnknownName, match="did you mean 'antispoof-tiny'"):
        open_scorer("antispoof-tinny")


def test_a_file_without_a_threshold_is_scored_but_decides_nothing(write_model, rows):
    path = write_model(thresholds=())
    _, scorer = open_scorer(path)
    assert len(answers_of(scorer, rows)) == len(rows)
    with pytest.raises(ModelError, match="its card has no threshold; fit one with"):
        load_model(path)
