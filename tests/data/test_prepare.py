import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facetrust.data.manifest import Manifest
from facetrust.data.prepare import cut_context, prepare
from facetrust.errors import ImageError, ManifestError, UnknownName, UsageError
from facetrust.faces.detector import open_detector
from facetrust.imaging import Pixels, crop_face, read_image
from facetrust.imaging.video import iter_frames
from facetrust.records import Face, Preprocessing, Sample


class Red:
    """Finds the red rectangles in a picture; a stand-in for a detector that counts its calls."""

    name = "red"
    sure = 0.9
    likely = 0.5

    def __init__(self) -> None:
        self.calls = 0

    def detect(self, image: Pixels) -> list[Face]:
        self.calls += 1
        if image[0, 0, 2] == 255:
            raise RuntimeError("a blue corner\nis too much")
        faces = []
        for red in (200, 201, 202):
            rows, columns = np.nonzero((image[:, :, 0] == red) & (image[:, :, 1] == 0))
            if rows.size:
                x, y = int(columns.min()), int(rows.min())
                box = (float(x), float(y), float(columns.max() + 1 - x), float(rows.max() + 1 - y))
                faces.append(Face(box=box, points=(), confidence=0.99))
        return faces


def photo(*boxes: tuple[int, int, int, int], size: tuple[int, int] = (240, 320), seed: int = 0) -> Pixels:
    """A grey photo with a red rectangle x, y, w, h for each box."""
    image = np.random.default_rng(seed).integers(80, 160, (*size, 1), dtype=np.uint8).repeat(3, axis=2)
    for number, (x, y, w, h) in enumerate(boxes):
        image[y : y + h, x : x + w] = (200 + number, 0, 0)
    return image


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ten pictures in two folders; the first holds two faces, the larger one second."""
    for i in range(10):
        path = tmp_path / "data" / ("live" if i % 2 else "spoof/print") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo((100, 80, 20 + i, 26), seed=i)).save(path)
    Image.fromarray(photo((10, 10, 20, 20), (150, 100, 40, 50))).save(tmp_path / "data/spoof/print/0.png")
    return tmp_path / "data"


def test_crops_and_manifest(root: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    made = prepare(
        "folder", root, tmp_path / "m.parquet", detector=Red(), progress=lambda *step: seen.append(step)
    )
    assert (made.manifest, made.faces, made.failed, made.errors) == (tmp_path / "m.parquet", 10, 0, None)
    assert str(made) == f"{tmp_path / 'm.parquet'}: 10 faces"
    assert seen == [(n, 10) for n in range(1, 11)]
    manifest = Manifest.read(made.manifest)
    manifest.verify_files()
    rows = {row.path: row for row in manifest.samples()}
    assert set(rows) == {f"m-faces/{p.relative_to(root).as_posix()}.png" for p in root.rglob("*.png")}
    for row in rows.values():
        crop = read_image(manifest.path_of(row))
        (face,) = [found for found in Red().detect(crop) if found.box == (row.x, row.y, row.w, row.h)]
        assert max(face.box[2:]) * 4 == pytest.approx(max(crop.shape), abs=3)
    assert rows["m-faces/spoof/print/0.png.png"].w == 40  # The larger of two.
    assert (rows["m-faces/spoof/print/2.png.png"].label, rows["m-faces/spoof/print/2.png.png"].attack) == (
        1,
        "print",
    )


def test_a_set_that_nothing_is_trained_on_is_all_test(root: Path, tmp_path: Path) -> None:
    made = prepare("folder", root, tmp_path / "m.parquet", detector=Red(), split="test")
    assert {row.split for row in Manifest.read(made.manifest).samples()} == {"test"}
    with pytest.raises(UnknownName, match="no split named 'tset'; did you mean 'test'"):
        prepare("folder", root, tmp_path / "n.parquet", detector=Red(), split="tset")  # type: ignore[arg-type]
    assert not (tmp_path / "n-faces").exists()


def test_a_second_run_keeps_what_is_there(root: Path, tmp_path: Path) -> None:
    out, first, second = tmp_path / "m.csv", Red(), Red()
    prepare("folder", root, out, detector=first)
    before = out.read_bytes()
    crops = {path: path.stat().st_mtime_ns for path in (tmp_path / "m-faces").rglob("*.png")}
    prepare("folder", root, out, detector=second)
    assert (first.calls, second.calls) == (10, 0)
    assert out.read_bytes() == before
    assert {path: path.stat().st_mtime_ns for path in crops} == crops


def test_a_stopped_run_goes_on(root: Path, tmp_path: Path) -> None:
    out, detector = tmp_path / "m.csv", Red()

    def stop(done: int, _: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare("folder", root, out, detector=Red(), progress=stop)
    assert not out.exists()
    assert not list(tmp_path.rglob(".*"))
    damaged, stale, *_ = sorted((tmp_path / "m-faces").rglob("*.png"))
    damaged.write_bytes(damaged.read_bytes()[:20])
    os.utime(stale, (1, 1))
    prepare("folder", root, out, detector=detector)
    assert detector.calls == 8
    whole = tmp_path / "whole.csv"
    prepare("folder", root, whole, detector=Red())
    assert out.read_text() == whole.read_text().replace("whole-faces", "m-faces")


def test_other_settings_are_not_mixed(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.parquet"
    prepare("folder", root, out, detector=Red())
    with pytest.raises(
        UsageError, match=r"made with context 4\.0, not 3\.0; remove it or give another --out"
    ):
        prepare("folder", root, out, detector=Red(), context=3)
    with pytest.raises(UsageError, match="made with longest_face 160, not 80"):
        prepare("folder", root, out, detector=Red(), longest_face=80)
    prepare("folder", root, out, detector=Red(), seed=7)  # The crops do not depend on the split.
    (tmp_path / "m-faces" / "prepare.json").write_text("[")
    with pytest.raises(UsageError, match="is damaged"):
        prepare("folder", root, out, detector=Red())


def test_pictures_without_a_face_are_told_of(root: Path, tmp_path: Path) -> None:
    (root / "live" / "empty.png").touch()
    (root / "live" / "text.jpg").write_text("no picture")
    Image.fromarray(photo()).save(root / "live" / "faceless.png")
    blue = photo((100, 80, 20, 20))
    blue[0, 0] = (0, 0, 255)
    Image.fromarray(blue).save(root / "live" / "strange.png")
    made = prepare("folder", root, tmp_path / "m.parquet", detector=Red())
    assert (made.faces, made.failed, made.errors) == (10, 4, tmp_path / "m.parquet.errors.csv")
    with (tmp_path / "m.parquet.errors.csv").open(newline="") as file:
        told = {row["path"]: row["error"] for row in csv.DictReader(file)}
    assert "is empty" in told["live/empty.png"]
    assert "is not an image" in told["live/text.jpg"]
    assert "no face found" in told["live/faceless.png"]
    assert "the detector failed (RuntimeError: a blue" in told["live/strange.png"]
    for name in told:
        (root / name).unlink()
    assert prepare("folder", root, tmp_path / "m.parquet", detector=Red()).errors is None
    assert not (tmp_path / "m.parquet.errors.csv").exists()


@pytest.fixture
def filmed(root: Path, film: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A whole video, a picture, a short video and a damaged one, wanted in this order.

    Frame n of the whole one is 60 + 8 n grey with a red square; its frame 11 has no square.
    """
    frames = [np.full((240, 320, 3), 60 + 8 * number, dtype=np.uint8) for number in range(12)]
    for frame in frames[:11]:
        frame[80:140, 100:160] = (220, 0, 0)
    film(root / "live/a.avi", frames)
    film(root / "live/b.mov", frames[:4])
    (root / "live/c.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(90))
    wanted = [("a.avi", 9), ("a.avi", 11), ("a.avi", 3), ("1.png", 5)]
    wanted += [("b.mov", 0), ("b.mov", 7), ("c.mp4", 6), ("c.mp4", 8)]
    rows = [Sample(path=f"live/{name}", label=0, split="train", frame=frame) for name, frame in wanted]
    monkeypatch.setattr("facetrust.data.prepare.call_with_text", lambda *_, **__: rows)
    return root


class Reddish(Red):
    """Finds the one red square of a compressed frame, to a pixel or so."""

    def detect(self, image: Pixels) -> list[Face]:
        self.calls += 1
        rows, columns = np.nonzero((image[:, :, 0] > 150) & (image[:, :, 1] < 50))
        if not rows.size:
            return []
        x, y = float(columns.min()), float(rows.min())
        box = (x, y, float(columns.max() + 1) - x, float(rows.max() + 1) - y)
        return [Face(box=box, points=(), confidence=0.99)]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[int]]]:
    """Which videos were read, and for which frames."""
    seen = []

    def read(path: Path, frames: list[int]) -> Iterator[tuple[int, Pixels]]:
        seen.append((path.name, frames))
        return iter_frames(path, frames)

    monkeypatch.setattr("facetrust.data.prepare.iter_frames", read)
    return seen


def test_frames_of_videos(filmed: Path, tmp_path: Path, opened: list[tuple[str, list[int]]]) -> None:
    steps: list[tuple[int, int]] = []
    out = tmp_path / "m.csv"
    made = prepare("folder", filmed, out, detector=Reddish(), progress=lambda *step: steps.append(step))
    assert (made.faces, made.failed) == (4, 4)
    assert opened == [("a.avi", [9, 11, 3]), ("b.mov", [0, 7]), ("c.mp4", [6, 8])]
    assert steps == [(n, 8) for n in range(1, 9)]
    rows = {row.path: row for row in Manifest.read(out).samples()}
    crops = ["live/1.png.png", "live/a.avi/000003.png", "live/a.avi/000009.png", "live/b.mov/000000.png"]
    assert list(rows) == [f"m-faces/{crop}" for crop in crops]
    assert [row.frame for row in rows.values()] == [5, 3, 9, 0]
    for path, row in list(rows.items())[1:]:
        crop = read_image(tmp_path / path)
        assert round((float(crop[:8, :8].mean()) - 60) / 8) == row.frame
        assert (row.w, row.h) == pytest.approx((60, 60), abs=2)


def test_frames_that_cannot_be_read_are_told_of(filmed: Path, tmp_path: Path) -> None:
    prepare("folder", filmed, tmp_path / "m.csv", detector=Reddish())
    with (tmp_path / "m.csv.errors.csv").open(newline="") as file:
        told = [(row["path"], row["error"]) for row in csv.DictReader(file)]
    assert [path for path, _ in told] == ["live/a.avi", "live/b.mov", "live/c.mp4", "live/c.mp4"]
    assert "a.avi, frame 11: no face found" in told[0][1]
    assert "b.mov: ends after 4 frames; no frame 7" in told[1][1]
    assert all("c.mp4: is damaged" in error for _, error in told[2:])


def test_only_frames_without_a_crop_are_read_again(
    filmed: Path, tmp_path: Path, opened: list[tuple[str, list[int]]]
) -> None:
    out, detector = tmp_path / "m.csv", Reddish()
    prepare("folder", filmed, out, detector=detector)
    before = out.read_bytes()
    (tmp_path / "m-faces/live/a.avi/000009.png").unlink()
    opened.clear()
    prepare("folder", filmed, out, detector=detector)
    assert out.read_bytes() == before
    assert opened == [("a.avi", [9, 11]), ("b.mov", [7]), ("c.mp4", [6, 8])]


def test_a_whole_set_of_videos(tmp_path: Path, film: Callable[..., Path]) -> None:
    frames = [np.full((120, 160, 3), 60 + 8 * number, dtype=np.uint8) for number in range(16)]
    for frame in frames:
        frame[40:72, 60:92] = (220, 0, 0)
    whole = film(tmp_path / "whole.avi", frames).read_bytes()
    for part, user in (("Train", "01"), ("Dev", "21"), ("Test", "36")):
        for file in range(1, 6):
            path = tmp_path / f"oulu/{part}_files/1_2_{user}_{file}.avi"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"no video" if (part, file) == ("Test", 3) else whole)
    made = prepare("oulu-npu", tmp_path / "oulu", tmp_path / "m.parquet", detector=Reddish())
    assert (made.faces, made.failed) == (28, 1)
    assert "1_2_36_3.avi: is not a video" in (tmp_path / "m.parquet.errors.csv").read_text()
    manifest = Manifest.read(made.manifest)
    manifest.verify_files()
    rows = {row.path: row for row in manifest.samples()}
    row = rows["m-faces/Dev_files/1_2_21_5.avi/000014.png"]
    assert (row.split, row.label, row.attack, row.frame) == ("dev", 1, "replay", 14)
    assert (row.subject, row.domain, row.media) == ("oulu-npu-21", "oulu-npu", "oulu-npu/1_2_21_5")
    for row in rows.values():
        assert round((float(read_image(manifest.path_of(row))[:8, :8].mean()) - 60) / 8) == row.frame


def listed(root: Path, box: str) -> None:
    Image.fromarray(photo((20, 20, 30, 30), (200, 150, 60, 60))).save(root / "live" / "a.jpg", format="PNG")
    (root / "labels.csv").write_text(f"path,label,split,x,y,w,h,mask\nlive/a.jpg,0,test,{box},live/a.jpg\n")


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ("18,22,30,26", (30, 30)),  # overlaps the small face, though the other one is larger
        ("195,150,60,70", (60, 60)),
        ("90,90,50,44", (50, 44)),  # overlaps neither
        ("40,40,50,44", (50, 44)),  # touches the small face, but is another one
    ],
)
def test_a_known_box_chooses_the_face(
    root: Path, tmp_path: Path, box: str, expected: tuple[int, int]
) -> None:
    listed(root, box)
    prepare("folder", root, tmp_path / "m.csv", detector=Red())
    (row,) = Manifest.read(tmp_path / "m.csv").samples()
    assert (row.w, row.h, row.split, row.mask) == (*expected, "test", None)


def test_a_box_outside_the_picture_is_told_of(root: Path, tmp_path: Path) -> None:
    listed(root, "900,10,20,20")
    with pytest.raises(ManifestError, match=r"no face in any of 1 pictures; reasons: .*m\.csv\.errors\.csv"):
        prepare("folder", root, tmp_path / "m.csv", detector=Red())
    assert "lies outside" in (tmp_path / "m.csv.errors.csv").read_text()
    assert not (tmp_path / "m.csv").exists()


def test_a_picture_elsewhere_is_cropped_into_the_folder(root: Path, tmp_path: Path) -> None:
    Image.fromarray(photo((100, 80, 20, 20))).save(tmp_path / "beside.png")
    (root / "labels.csv").write_text("path,label,split\n../beside.png,0,test\n")
    prepare("folder", root, tmp_path / "m.csv", detector=Red())
    assert (tmp_path / "m-faces" / "__" / "beside.png.png").is_file()


def test_large_faces_are_shrunk() -> None:
    image = photo((100, 80, 100, 60), size=(300, 900))
    crop, (x, y, w, h) = cut_context(image, (100, 80, 100, 60), context=2, longest_face=50)
    assert crop.shape == (100, 100, 3)
    assert (x, y, w, h) == pytest.approx((25, 35, 50, 30))
    assert (crop[36:64, 26:74] == (200, 0, 0)).all()


@pytest.mark.parametrize(
    "box", [(3, 2, 40, 50), (150, 90, 40, 50), (280, 200, 40, 50), (-20, -9, 60, 60), (5, 5, 90, 90)]
)
@pytest.mark.parametrize("margin", [1.0, 2.7, 4.0])
def test_a_crop_gives_what_the_picture_gives(box: tuple[int, int, int, int], margin: float) -> None:
    image = photo()
    crop, inside = cut_context(image, box, context=4.0)
    how = Preprocessing(size=(24, 24), fill="shift")
    assert np.array_equal(
        crop_face(crop, inside, how, margin=margin), crop_face(image, box, how, margin=margin)
    )


def test_boxes_that_hold_nothing() -> None:
    for box in ((320, 0, 5, 5), (0, 240, 5, 5), (-5, 0, 5, 5), (10, 10, 0, 5), (float("nan"), 1, 5, 5)):
        with pytest.raises(ImageError, match="is empty or lies outside"):
            cut_context(photo(), box)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"source": "foldr"}, UnknownName, "did you mean 'folder'"),
        ({"root": "none"}, ManifestError, "no such folder"),
        ({"out": "m.json"}, ManifestError, r"must end in \.parquet or \.csv"),
        ({"context": 0.5}, UsageError, "context must be at least 1"),
        ({"context": float("nan")}, UsageError, "context must be at least 1"),
        ({"longest_face": 2}, UsageError, "longest_face 16"),
    ],
)
def test_bad_arguments(
    root: Path, tmp_path: Path, arguments: dict[str, object], error: type[Exception], message: str
) -> None:
    settings = {"source": "folder", "root": root, "out": "m.csv", **arguments}
    settings["out"] = tmp_path / str(settings["out"])
    settings["root"] = tmp_path / str(settings["root"])
    with pytest.raises(error, match=message):
        prepare(**settings, detector=Red())  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.real
def test_real_faces_upright_and_sideways(real_data: Path, tmp_path: Path) -> None:
    people = sorted((real_data / "nuaa" / "live").iterdir())[:4]
    for i, person in enumerate(people):
        image = Image.open(sorted(person.iterdir())[0])
        path = tmp_path / "data" / "live" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        (image.rotate(90, expand=True) if i % 2 else image).save(path)
    made = prepare("folder", tmp_path / "data", tmp_path / "m.csv", detector=open_detector(), context=3)
    assert (made.faces, made.failed) == (4, 0)
    for row in Manifest.read(made.manifest).samples():
        assert (row.h or 0) > (row.w or 0)  # Faces are taller than wide, once upright.


def test_a_layouts_own_settings_are_handed_on(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"frames.*should be a valid integer"):
        prepare("folder", root, tmp_path / "m.csv", detector=Red(), settings={"frames": "some"})
    with pytest.raises(UsageError, match="compression"):
        prepare("folder", root, tmp_path / "m.csv", detector=Red(), settings={"compression": "c40"})
    made = prepare("folder", root, tmp_path / "m.csv", detector=Red(), settings={"frames": "3"})
    assert made.faces == prepare("folder", root, tmp_path / "n.csv", detector=Red()).faces


def test_several_processes_write_the_same(photo_set: Path, tmp_path: Path) -> None:
    """Rows in the same order, crops of the same bytes; and they go on from what one process has left."""
    done: list[tuple[int, int]] = []
    one = prepare("folder", photo_set, tmp_path / "one" / "m.csv", annotations=True)
    two = prepare(
        "folder",
        photo_set,
        tmp_path / "two" / "m.csv",
        annotations=True,
        workers=2,
        progress=lambda *at: done.append(at),
    )
    assert (one.faces, two.faces, two.failed) == (4, 4, 1)
    assert done == [(number, 5) for number in range(1, 6)]
    first, second = ({p.relative_to(m.manifest.parent): p.read_bytes() for p in m.manifest.parent.rglob("*.*")
                      if p.suffix in (".csv", ".png")} for m in (one, two))  # fmt: skip
    assert first == second
    assert len(first) == 6
    crop = next((tmp_path / "two").rglob("*.png"))
    crop.unlink()
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "two").rglob("*.png")}
    prepare("folder", photo_set, two.manifest, annotations=True, workers=2)
    assert crop.exists()
    assert {p: p.stat().st_mtime_ns for p in kept} == kept


@pytest.fixture
def photo_set(tmp_path: Path, photo: Path) -> Path:
    """Four pictures with a real face, and a wall."""
    picture = Image.open(photo).resize((256, 256))
    for number in range(4):
        place = tmp_path / "set" / ("live", "attack")[number % 2] / f"s{number}"
        place.mkdir(parents=True)
        picture.point(lambda value, n=number: value * (4 + n) // 8).save(place / "a.png")
    Image.new("RGB", (64, 64), (90, 90, 90)).save(tmp_path / "set" / "live" / "s0" / "wall.png")
    return tmp_path / "set"


def test_several_processes_need_the_detectors_file(root: Path, tmp_path: Path) -> None:
    for workers, detector in ((2, Red()), (0, None)):
        with pytest.raises(UsageError, match=f"workers {workers}: give a number from 1 on, and from 2 on"):
            prepare("folder", root, tmp_path / "m.csv", detector=detector, workers=workers)
