"""Teacher and students side by side: figures of how alike they look, and one drawing."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from facetrust.data.manifest import Manifest
from facetrust.errors import InputError, ManifestError, UsageError
from facetrust.explain.agreement import agreement
from facetrust.explain.attribution import crops_of
from facetrust.explain.compare import compare
from facetrust.imaging import read_image
from facetrust.models import attention_of, create_model, load_checkpoint, look_inside, save_checkpoint
from facetrust.records import ModelCard, Preprocessing, Sample

SIZE = (48, 48)


def saved(folder, name, *, seed=0, how=None, **settings):
    how = how or Preprocessing(size=SIZE)
    card = ModelCard(
        name=folder.name, task="antispoof", architecture=name, preprocessing=how, score_means="any"
    )
    torch.manual_seed(seed)
    settings = {"image_size": how.size, **settings}
    save_checkpoint(create_model(name, **settings), card, folder, settings=settings)
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A teacher of four blocks, students half as deep, FLIP, and a network without attention."""
    root = tmp_path_factory.mktemp("runs")
    saved(root / "teacher", "clip-vit-t16", layers=4)
    saved(root / "student", "clip-vit-t16", seed=1, layers=2)
    saved(root / "pooled", "clip-vit-t16", seed=2, layers=2, pool="mean")
    saved(root / "flip", "flip-it", clip="vit-t16", layers=1)
    saved(root / "plain", "timm/mobilenetv3_small_050", stage=2)
    return root


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """Three test rows of noise with boxes, and one row to train on."""
    root = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(0)
    rows = []
    for number, split in enumerate(["test", "test", "train", "test"]):
        name = f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (90, 90, 3), dtype=np.uint8)).save(root / name)
        rows.append(Sample(path=name, label=number % 2, split=split, x=20.0, y=20.0, w=48.0, h=48.0))
    Manifest.write(rows, root / "m.csv")
    return root / "m.csv"


def test_the_figures_are_those_of_the_maps_over_the_same_crops(runs, manifest, tmp_path):
    found = compare(
        runs / "teacher", [manifest], against=[runs / "student", runs / "pooled"], out=tmp_path, rows=2
    )
    # Two of three, evenly spread.
    assert found.pictures == ("0.png", "3.png")
    for entry in found.agreements:
        values = []
        for name in found.pictures:
            image = read_image(manifest.parent / name)
            maps = []
            for run in (found.teacher, entry.student):
                model, card = load_checkpoint(run)
                crop = crops_of(image, [(20.0, 20.0, 48.0, 48.0)], card.preprocessing)[:, 0]
                with torch.no_grad():
                    maps.append(attention_of(look_inside(model, crop)))
            values.append(agreement(*maps)[0])
        assert entry.values == pytest.approx(torch.stack(values).mean(0).tolist(), abs=1e-5)
        assert entry.mean == pytest.approx(sum(entry.values) / 2)
        assert (entry.teacher_layers, entry.student_layers) == ((2, 4), (1, 2))
    assert [entry.student for entry in found.agreements] == [str(runs / "student"), str(runs / "pooled")]


def test_looking_everywhere_alike_is_what_agreements_are_held_against(runs, manifest, tmp_path):
    found = compare(runs / "teacher", [manifest], against=[runs / "student"], out=tmp_path, rows=1)
    model, card = load_checkpoint(runs / "teacher")
    crop = crops_of(read_image(manifest.parent / "1.png"), [(20.0, 20.0, 48.0, 48.0)], card.preprocessing)
    with torch.no_grad():
        maps = attention_of(look_inside(model, crop[:, 0]))
    even = agreement(maps, torch.full((1, 4, 1, 10, 10), 0.1))[0]
    assert found.even.values == pytest.approx(even.tolist(), abs=1e-5)
    assert found.even.teacher_layers == (1, 2, 3, 4)
    assert 0 < found.even.mean < 1


def test_a_network_agrees_wholly_with_itself(runs, manifest, tmp_path):
    (entry,) = compare(runs / "flip", [manifest], against=[runs / "flip"], out=tmp_path, rows=1).agreements
    assert entry.values == pytest.approx((1.0,), abs=1e-6)


def test_what_is_written_is_one_drawing_and_what_was_returned(runs, manifest, photo, tmp_path):
    def drawn(students, rows):
        out = tmp_path / f"{len(students)}-{rows}"
        found = compare(
            runs / "teacher", [photo, manifest], against=students, out=out, rows=rows, method="attention"
        )
        assert json.loads((out / "comparison.json").read_text()) == json.loads(found.to_json())
        assert sorted(path.name for path in out.iterdir()) == ["comparison.json", "comparison.png"]
        assert found.pictures[0] == str(photo)
        assert len(found.pictures) == rows + 1
        return read_image(out / "comparison.png").shape

    narrow, wide = drawn([runs / "student"], 1), drawn([runs / "student", runs / "flip"], 2)
    assert wide[0] > narrow[0]
    assert wide[1] > narrow[1]


def test_convolutional_networks_are_compared_by_their_feature_maps(runs, manifest, tmp_path):
    """Without attention; a teacher and a student whose grid is twice as fine."""
    fine = saved(tmp_path / "fine", "timm/mobilenetv3_small_050", seed=3, stage=1)
    found = compare(runs / "plain", [manifest], against=[fine, runs / "plain"], out=tmp_path / "o", rows=2)
    assert found.method == "spatial-attention"
    other, itself = found.agreements
    assert itself.values == pytest.approx((1.0,), abs=1e-6)
    assert (other.teacher_layers, other.student_layers) == ((1,), (1,))
    values, evens = [], []
    for name in found.pictures:
        shares = []
        for run in (runs / "plain", fine):
            model, card = load_checkpoint(run)
            crop = crops_of(
                read_image(manifest.parent / name), [(20.0, 20.0, 48.0, 48.0)], card.preprocessing
            )
            with torch.no_grad():
                squares = look_inside(model, crop[:, 0]).map[0].double().square().sum(0).numpy()
            shares.append(squares)
        grid = shares[0].shape
        step = shares[1].shape[0] // grid[0]
        assert step == 2
        shares[1] = shares[1].reshape(grid[0], step, grid[1], step).mean((1, 3))
        a, b = (each / each.sum() for each in shares)
        values.append(1 - divergence(a, b))
        evens.append(1 - divergence(a, np.full(grid, 1 / a.size)))
    assert other.mean == pytest.approx(np.mean(values), abs=1e-5)
    assert found.even.mean == pytest.approx(np.mean(evens), abs=1e-5)
    assert (tmp_path / "o" / "comparison.png").is_file()


def divergence(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the Jensen-Shannon divergence in bits, by its definition."""
    middle = (a + b) / 2
    return float(sum((p[p > 0] * np.log2(p[p > 0] / middle[p > 0])).sum() for p in (a, b)) / 2)


@pytest.mark.parametrize(
    ("student", "settings", "error", "message"),
    [
        ("plain", {}, UsageError, "no attention"),
        ("student", {"method": "cam"}, UsageError, "cam: is not made from attention"),
        ("student", {"rows": 0}, UsageError, "at least"),
    ],
)
def test_what_cannot_be_compared_is_one_line(runs, manifest, tmp_path, student, settings, error, message):
    with pytest.raises(error, match=message) as caught:
        compare(runs / "teacher", [manifest], against=[runs / student], out=tmp_path / "out", **settings)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_other_crops_or_patches_cannot_be_compared(runs, manifest, tmp_path):
    wider = saved(tmp_path / "wider", "clip-vit-t16", layers=1, how=Preprocessing(size=SIZE, margins=(2.0,)))
    finer = saved(tmp_path / "finer", "clip-vit-t16", layers=1, how=Preprocessing(size=(64, 64)))
    with pytest.raises(UsageError, match="cuts faces with margin"):
        compare(runs / "teacher", [manifest], against=[wider], out=tmp_path)
    with pytest.raises(UsageError, match="10 tokens and of 1 with 17"):
        compare(runs / "teacher", [manifest], against=[finer], out=tmp_path)


def test_pictures_without_faces_or_test_rows_are_named(runs, tmp_path):
    wall = tmp_path / "wall.png"
    Image.fromarray(np.full((200, 200, 3), 90, np.uint8)).save(wall)
    with pytest.raises(InputError, match=r"wall\.png: no face found"):
        compare(runs / "teacher", [wall], against=[runs / "student"], out=tmp_path)
    Manifest.write([Sample(path="wall.png", label=0, split="train")], tmp_path / "m.csv")
    with pytest.raises(ManifestError, match="no rows in the split 'test'"):
        compare(runs / "teacher", [tmp_path / "m.csv"], against=[runs / "student"], out=tmp_path)
