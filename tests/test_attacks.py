from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from facetrust.attacks import simulate_attacks
from facetrust.data.manifest import Manifest
from facetrust.errors import ManifestError, UnknownName
from facetrust.imaging import read_image
from facetrust.records import Sample


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = []
    for index, (label, split) in enumerate([(0, "train"), (0, "dev"), (1, "train"), (0, "test")]):
        picture = cv2.resize(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8), (200, 160))
        cv2.imwrite(str(tmp_path / f"{index}.png"), picture)
        box = {"x": 50, "y": 30, "w": 80, "h": 100}
        rows.append(Sample(path=f"{index}.png", label=label, split=split, subject=str(index), **box))
    Manifest.write(rows, tmp_path / "faces.parquet")
    return tmp_path / "faces.parquet"


def test_every_live_face_is_attacked_in_its_own_split(manifest: Path, tmp_path: Path) -> None:
    done = simulate_attacks(manifest, tmp_path / "sim.parquet", copies=3, longest_face=50)
    rows = Manifest.read(done.manifest).samples()
    assert done.attacks == len(rows) == 9
    assert {(row.subject, row.split) for row in rows} == {("0", "train"), ("1", "dev"), ("3", "test")}
    assert {row.label for row in rows} == {1}
    assert {row.attack for row in rows} <= {"simulated-print", "simulated-replay"}
    assert {row.domain for row in rows} == {"faces-simulated"}
    assert len({row.media for row in rows}) == 9
    picture = read_image(done.manifest.parent / rows[0].path)
    assert picture.shape == (80, 100, 3)
    assert (rows[0].x, rows[0].y, rows[0].w, rows[0].h) == (25, 15, 40, 50)


def test_the_same_call_gives_the_same_pictures(manifest: Path, tmp_path: Path) -> None:
    first, second = (simulate_attacks(manifest, tmp_path / name / "s.csv", seed=4) for name in ("a", "b"))
    for one, other in zip(
        Manifest.read(first.manifest).samples(), Manifest.read(second.manifest).samples(), strict=True
    ):
        pixels = (read_image(run.manifest.parent / row.path) for run, row in ((first, one), (second, other)))
        assert np.array_equal(*pixels)


def test_what_is_written_is_not_made_again(manifest: Path, tmp_path: Path) -> None:
    done = simulate_attacks(manifest, tmp_path / "sim.parquet")
    kept = tmp_path / Manifest.read(done.manifest).samples()[0].path
    kept.write_bytes(kept.read_bytes() + b"mark")
    simulate_attacks(manifest, tmp_path / "sim.parquet")
    assert kept.read_bytes().endswith(b"mark")


def test_live_faces_can_be_kept_beside_their_attacks(manifest: Path, tmp_path: Path) -> None:
    done = simulate_attacks(manifest, tmp_path / "sim.parquet", copies=2, keep_live=True)
    rows = Manifest.read(done.manifest).samples()
    assert sorted(row.label for row in rows) == [0] * 3 + [1] * 6
    assert done.attacks == 6


def test_an_unreadable_picture_is_reported_and_passed_over(manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"broken")
    done = simulate_attacks(manifest, tmp_path / "sim.parquet")
    assert [path for path, _ in done.failed] == ["1.png"]
    assert done.attacks == 2


def test_bad_calls(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="replay"):
        simulate_attacks(manifest, tmp_path / "s.csv", species=["reply"])
    rows = [row.model_copy(update={"label": 1}) for row in Manifest.read(manifest).samples()]
    Manifest.write(rows, tmp_path / "attacks.csv")
    with pytest.raises(ManifestError, match="no bona fide rows"):
        simulate_attacks(tmp_path / "attacks.csv", tmp_path / "s.csv")
    assert not (tmp_path / "s.csv").exists()
