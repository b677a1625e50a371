from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import pytest

from facetrust import cli
from facetrust.data.manifest import Manifest
from facetrust.data.selection import Selection
from facetrust.data.simulate import beside, simulate
from facetrust.data.simulate.manifest import simulate_attacks
from facetrust.errors import ManifestError, UnknownName, UsageError
from facetrust.imaging import Pixels, read_image
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


def test_several_processes_write_what_one_writes_and_go_on(manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"broken")
    given: dict[str, Any] = {"copies": 2, "keep_live": True, "species": ["print", "self-blend"]}
    told: list[tuple[int, int]] = []
    one = simulate_attacks(manifest, tmp_path / "one" / "s.csv", **given)
    two = simulate_attacks(
        manifest, tmp_path / "two" / "s.csv", **given, workers=2, progress=lambda *at: told.append(at)
    )
    assert [path for path, _ in two.failed] == ["1.png"]
    assert (two.attacks, two.failed) == (one.attacks, one.failed)
    assert two.attacks == 4
    assert told == [(1, 3), (2, 3), (3, 3)]
    first, second = (
        {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*.*")}
        for folder in (one.manifest.parent, two.manifest.parent)
    )
    assert first == second
    assert len(first) == 1 + 1 + 2 * 3  # The manifest, the settings, the pictures.
    lost, *others = sorted(two.manifest.parent.rglob("*.png"))
    lost.unlink()
    kept = {file: file.stat().st_mtime_ns for file in others}
    simulate_attacks(manifest, two.manifest, **given, workers=2)
    assert lost.read_bytes() == first[lost.relative_to(two.manifest.parent)]
    assert {file: file.stat().st_mtime_ns for file in others} == kept


def test_pictures_of_another_call_are_not_mixed_in(manifest: Path, tmp_path: Path) -> None:
    """More copies may be added; another seed, kind or choice of rows would make other pictures."""
    simulate_attacks(manifest, tmp_path / "s.csv", seed=1, keep_live=True)
    assert simulate_attacks(manifest, tmp_path / "s.csv", seed=1, copies=2).attacks == 6
    for other in ({"seed": 2}, {"seed": 1, "species": ["print"]}, {"seed": 1, "wanted": Selection(["dev"])}):
        with pytest.raises(UsageError, match=r"holds pictures made with .*; remove it or give another --out"):
            simulate_attacks(manifest, tmp_path / "s.csv", **other)
    assert len(Manifest.read(tmp_path / "s.csv")) == 6


def test_live_faces_can_be_kept_beside_their_attacks(manifest: Path, tmp_path: Path) -> None:
    done = simulate_attacks(manifest, tmp_path / "sim.parquet", copies=2, keep_live=True)
    rows = Manifest.read(done.manifest).samples()
    assert sorted(row.label for row in rows) == [0] * 3 + [1] * 6
    assert {row.domain for row in rows} == {"faces-simulated"}
    assert done.attacks == 6


def test_media_that_are_kept_are_other_pictures_and_have_no_live_faces_beside(
    manifest: Path, tmp_path: Path
) -> None:
    plain = simulate_attacks(manifest, tmp_path / "plain.csv")
    kept = simulate_attacks(manifest, tmp_path / "kept.csv", keep_medium=True)
    rows = zip(Manifest.read(plain.manifest).samples(), Manifest.read(kept.manifest).samples(), strict=True)
    for first, second in rows:
        assert first.attack == second.attack
        assert not np.array_equal(read_image(tmp_path / first.path), read_image(tmp_path / second.path))
    with pytest.raises(UsageError, match="train beside the manifest"):
        simulate_attacks(manifest, tmp_path / "both.csv", keep_medium=True, keep_live=True)
    with pytest.raises(UsageError, match="holds pictures made with"):
        simulate_attacks(manifest, tmp_path / "plain.csv", keep_medium=True)


def beside_manipulations(manifest: Path, out: Path, **settings: Any) -> dict[tuple[str, int], Pixels]:
    """Returns (subject, label) → picture of one blend a face, and of the genuine faces beside them."""
    given = {"species": ["self-blend"], "keep_live": True, **settings}
    done = simulate_attacks(manifest, out, **given)
    rows = Manifest.read(done.manifest).samples()
    assert len(rows) == 2 * done.attacks
    return {(str(row.subject), row.label): read_image(out.parent / row.path) for row in rows}


@pytest.mark.parametrize("species", ["self-blend", "digital-spoof"])
def test_a_manipulation_is_named_and_changes_the_face(manifest: Path, tmp_path: Path, species: str) -> None:
    done = simulate_attacks(manifest, tmp_path / "sim.csv", species=[species], copies=4, keep_live=True)
    rows = Manifest.read(done.manifest).samples()
    fakes, genuine = ([row for row in rows if row.label == label] for label in (1, 0))
    assert {row.attack for row in fakes} == {f"simulated-{species}"}
    assert {row.domain for row in fakes} == {"faces-simulated"}
    assert {row.attack for row in genuine} == {row.domain for row in genuine} == {None}
    for row in fakes:
        picture, before = read_image(tmp_path / row.path), read_image(tmp_path / f"{row.subject}.png")
        assert picture.shape == before.shape
        assert not np.array_equal(picture, before)


def test_swaps_take_faces_of_other_people_and_points_shrink_with_the_picture(tmp_path: Path) -> None:
    rows = []
    for number, level in enumerate((60, 180)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((160, 200, 3), level, np.uint8))
        points = [(78, 70), (102, 70), (90, 85), (80, 102), (100, 102)]
        box = dict(zip("xywh", (50, 30, 80, 100), strict=True))
        rows.append(
            Sample(path=f"{number}.png", label=0, split="train", subject=f"s{number}", points=points, **box)
        )
    Manifest.write(rows, tmp_path / "faces.csv")
    done = simulate_attacks(
        tmp_path / "faces.csv", tmp_path / "sim.csv", species=["face-swap"], longest_face=50, keep_live=True
    )
    made = Manifest.read(done.manifest).samples()
    assert {row.attack for row in made} == {None, "simulated-face-swap"}
    for row in made:
        assert np.array(row.points) == pytest.approx(np.array(rows[0].points) / 2)
        assert (row.x, row.w) == (25, 40)
    fakes = [read_image(tmp_path / row.path).astype(int) for row in made if row.label]
    assert fakes[0].max() > 62 > 60 == fakes[0].min()  # towards the other's level, never past it
    assert fakes[1].min() < 178 < 180 == fakes[1].max()
    Manifest.write(rows[:1], tmp_path / "one.csv")
    with pytest.raises(UsageError, match="two people with five points"):
        simulate_attacks(tmp_path / "one.csv", tmp_path / "none.csv", species=["part-swap"])


def test_a_blend_is_the_one_that_training_sees(manifest: Path, tmp_path: Path) -> None:
    """`simulate` and `beside` with generators of the seed, the row's path and the copy's number."""
    found = beside_manipulations(manifest, tmp_path / "sim.csv", seed=7)
    for number in (0, 1, 3):
        image = read_image(tmp_path / f"{number}.png")
        first = hashlib.sha256(f"{number}.png".encode()).digest()[:8]
        rng, other = (np.random.default_rng([7, *first, copy]) for copy in (0, 2**31))
        rng.choice(["self-blend"])
        blend = simulate(image, (50, 30, 80, 100), species="self-blend", rng=rng)
        assert np.array_equal(found[str(number), 1], blend)
        genuine = beside(image, (50, 30, 80, 100), species=["self-blend"], rng=other)
        assert np.array_equal(found[str(number), 0], genuine)


def test_live_faces_beside_attacks_are_taken_by_the_same_camera(manifest: Path, tmp_path: Path) -> None:
    plain = beside_manipulations(manifest, tmp_path / "plain.csv", species=["print"], seed=3)
    for number in "013":
        image = read_image(tmp_path / f"{number}.png")
        first = hashlib.sha256(f"{number}.png".encode()).digest()[:8]
        seen = beside(
            image, (50, 30, 80, 100), species=["print"], rng=np.random.default_rng([3, *first, 2**31])
        )
        assert np.array_equal(plain[number, 0], seen)


def test_half_of_the_genuine_pictures_are_changed_beside_manipulations(
    manifest: Path, tmp_path: Path
) -> None:
    blended = [beside_manipulations(manifest, tmp_path / f"{seed}.csv", seed=seed) for seed in range(8)]
    changed = []
    for number in "013":
        before = read_image(tmp_path / f"{number}.png")
        changed += [not np.array_equal(found[number, 0], before) for found in blended]
    assert 0.2 < np.mean(changed) < 0.8  # half of them, within three standard errors of 24


def test_neither_the_rows_order_nor_other_rows_matter_to_a_blend(manifest: Path, tmp_path: Path) -> None:
    whole = beside_manipulations(manifest, tmp_path / "whole.csv", seed=2)
    backwards = pl.read_parquet(manifest).reverse()
    backwards.write_parquet(tmp_path / "backwards.parquet")
    again = beside_manipulations(tmp_path / "backwards.parquet", tmp_path / "again.csv", seed=2)
    part = beside_manipulations(manifest, tmp_path / "part.csv", seed=2, wanted=Selection(splits=["test"]))
    assert whole.keys() == again.keys() > part.keys() == {("3", 0), ("3", 1)}
    assert all(np.array_equal(whole[key], again[key]) for key in whole)
    assert all(np.array_equal(whole[key], part[key]) for key in part)


def test_people_who_are_trained_on_elsewhere_are_left_out(manifest: Path, tmp_path: Path, capsys) -> None:
    """Subject 0 trains in the other manifest; subject 3 stands in its test split only."""
    others = [
        Sample(path=f"o{who}", label=0, split=where, subject=who)
        for who, where in (("0", "train"), ("3", "test"))
    ]
    Manifest.write(others, tmp_path / "other.csv")
    out = tmp_path / "apart.parquet"
    given = ["data", "simulate", str(manifest), "--species", "self-blend", "--species", "digital-spoof"]
    apart = ["--apart-from", str(tmp_path / "other.csv"), "--out"]
    assert cli.main([*given, *apart, str(out), "--keep-live"]) == 0
    assert {row.subject for row in Manifest.read(out).samples()} == {"1", "3"}
    said = capsys.readouterr().out.splitlines()
    assert said == [f"{out}: 2 attacks; left out: 1 rows of 1 people who train elsewhere"]
    assert cli.main([*given, *apart, str(out), "--split", "train"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "no bona fide rows left: all 1 people in the split train are in the train split of" in told


def test_some_splits_and_some_people(manifest: Path, tmp_path: Path, capsys) -> None:
    two, one = tmp_path / "two.parquet", tmp_path / "one.csv"
    given = ["data", "simulate", str(manifest), "--out"]
    assert cli.main([*given, str(two), "--split", "dev", "--split", "test"]) == 0
    assert {row.split for row in Manifest.read(two).samples()} == {"dev", "test"}
    assert cli.main([*given, str(one), "--people", "1"]) == 0
    assert len(Manifest.read(one)) == 1
    assert capsys.readouterr().out.splitlines() == [f"{two}: 2 attacks", f"{one}: 1 attacks"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--species", "selfblend"], "did you mean 'self-blend'"),
        (["--split", "tset"], "did you mean 'test'"),
        (["--apart-from", "none.csv"], "none.csv: no such manifest"),
        (["--people", "0"], "--people"),
    ],
)
def test_a_bad_option_is_one_line(
    manifest: Path, tmp_path: Path, capsys, given: list[str], said: str
) -> None:
    assert cli.main(["data", "simulate", str(manifest), "--out", str(tmp_path / "s.csv"), *given]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert not (tmp_path / "s.csv").exists()


def test_an_unreadable_picture_is_reported_and_passed_over(manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"broken")
    done = simulate_attacks(manifest, tmp_path / "sim.parquet")
    assert [path for path, _ in done.failed] == ["1.png"]
    assert done.attacks == 2


def test_bad_calls(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="workers 0: give a number from 1 on"):
        simulate_attacks(manifest, tmp_path / "s.csv", workers=0)
    with pytest.raises(UnknownName, match="replay"):
        simulate_attacks(manifest, tmp_path / "s.csv", species=["reply"])
    rows = [row.model_copy(update={"label": 1}) for row in Manifest.read(manifest).samples()]
    Manifest.write(rows, tmp_path / "attacks.csv")
    with pytest.raises(ManifestError, match="no bona fide rows"):
        simulate_attacks(tmp_path / "attacks.csv", tmp_path / "s.csv")
    only = [row for row in Manifest.read(manifest).samples() if row.split != "dev"]
    Manifest.write(only, tmp_path / "no-dev.csv")
    with pytest.raises(ManifestError, match="no bona fide rows in the split dev; name another split"):
        simulate_attacks(tmp_path / "no-dev.csv", tmp_path / "s.csv", wanted=Selection(splits=["dev"]))
    assert not (tmp_path / "s.csv").exists()
