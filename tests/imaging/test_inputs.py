"""What people hand in: files, folders, globs, bytes, file objects; and what reports call them."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facetrust.errors import ImageError, InputError, UsageError
from facetrust.imaging import inputs
from facetrust.imaging.inputs import (
    PICTURES,
    Encoded,
    files_in,
    inputs_in,
    is_video,
    loaded,
    name_of,
    picture_suffixes,
    read_source,
    skipped_message,
    video_file,
)
from facetrust.imaging.video import VIDEOS, frame_count

FRAMES = [np.full((48, 64, 3), 12 * number, np.uint8) for number in range(10)]
PIXELS = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)


@pytest.fixture
def png() -> bytes:
    out = io.BytesIO()
    Image.fromarray(PIXELS).save(out, "PNG")
    return out.getvalue()


def tree(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


class TestFolders:
    def test_the_search_is_stable_and_deep(self, tmp_path: Path) -> None:
        tree(
            tmp_path,
            "z.JPG",
            "a/y.png",
            "a/b/x.webp",
            "a/notes.txt",
            "c.gif",
            "d.MP4",
            ".hidden.png",
            ".b/e.png",
        )
        found = inputs_in([tmp_path])
        assert [str(Path(path).relative_to(tmp_path)) for path in found.sources] == [
            "a/b/x.webp", "a/y.png", "c.gif", "d.MP4", "z.JPG",
        ]  # fmt: skip
        assert found.skipped == [tmp_path / "a" / "notes.txt"]
        assert found.errors == []

    def test_every_kind_of_picture_and_video_is_taken(self, tmp_path: Path) -> None:
        suffixes = [suffix for suffix in (*PICTURES, *VIDEOS) if suffix not in (".ts", ".mts")]
        tree(tmp_path, *(f"a{suffix}" for suffix in suffixes))
        found = inputs_in([tmp_path])
        assert {Path(path).suffix for path in found.sources} == {*picture_suffixes(), *VIDEOS} & set(suffixes)
        assert len(PICTURES) == len(set(PICTURES)) >= 20
        assert {".3gp", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv"} < set(VIDEOS)

    def test_a_format_that_this_build_cannot_decode_is_skipped(self, tmp_path: Path, monkeypatch) -> None:
        monkeypatch.setattr(inputs.features, "check", lambda feature: feature != "avif")
        tree(tmp_path, "a.avif", "b.webp")
        found = inputs_in([tmp_path])
        assert (found.sources, found.skipped) == ([tmp_path / "b.webp"], [tmp_path / "a.avif"])
        assert ".avif" not in picture_suffixes()

    def test_a_ts_file_is_a_video_by_its_content(self, tmp_path: Path) -> None:
        (tmp_path / "code.ts").write_text("export const G = 1;" + " " * 200)
        packet = b"G" + bytes(187)
        (tmp_path / "film.ts").write_bytes(packet * 3)
        found = inputs_in([tmp_path])
        assert (found.sources, found.skipped) == ([tmp_path / "film.ts"], [tmp_path / "code.ts"])

    def test_evidence_pictures_are_passed_over(self, tmp_path: Path) -> None:
        tree(tmp_path, "a.png", "maps/a.evidence.png", "maps/a-2.EVIDENCE.PNG")
        found = inputs_in([tmp_path])
        assert (found.sources, found.skipped) == ([tmp_path / "a.png"], [])
        mine = tmp_path / "maps" / "a.evidence.png"
        assert inputs_in([mine]).sources == [mine]  # Named, it is checked.

    def test_a_linked_folder_is_not_followed_and_counted(self, tmp_path: Path) -> None:
        tree(tmp_path, "one/a.png", "two/b.png")
        (tmp_path / "one" / "loop").symlink_to(tmp_path / "two", target_is_directory=True)
        found = inputs_in([tmp_path / "one"])
        assert found.sources == [tmp_path / "one" / "a.png"]
        assert found.skipped == [tmp_path / "one" / "loop"]

    def test_a_folder_that_cannot_be_read_is_an_error_beside_the_others(
        self, tmp_path: Path, monkeypatch
    ) -> None:
        tree(tmp_path, "a.png", "locked/b.png")
        real = os.scandir

        def scandir(path):
            if str(path).endswith("locked"):
                raise PermissionError(13, "Permission denied", str(path))
            return real(path)

        monkeypatch.setattr(os, "scandir", scandir)
        found = inputs_in([tmp_path])
        assert found.sources == [tmp_path / "a.png"]
        assert list(map(str, found.errors)) == [f"{tmp_path / 'locked'}: cannot be read (Permission denied)"]

    def test_a_folder_without_any_is_an_error(self, tmp_path: Path) -> None:
        tree(tmp_path, "texts/notes.txt", "good/a.png")
        (tmp_path / "empty").mkdir()
        found = inputs_in([tmp_path / "empty", tmp_path / "texts", tmp_path / "good"])
        assert found.sources == [tmp_path / "good" / "a.png"]
        assert found.skipped == [tmp_path / "texts" / "notes.txt"]  # Told of as such.
        assert [str(error).split(";")[0] for error in found.errors] == [
            f"{tmp_path / 'empty'}: no picture in it, nor a video"
        ]
        for none in ("empty", "texts"):
            with pytest.raises(InputError, match=f"{none}: no picture in it"):
                files_in([tmp_path / "good", tmp_path / none])
        assert files_in([tmp_path / "good"]) == [tmp_path / "good" / "a.png"]

    def test_a_pipe_in_a_folder_is_not_opened(self, tmp_path: Path) -> None:
        for name in ("pipe", "pipe.jpg", "pipe.ts"):
            os.mkfifo(tmp_path / name)
        found = inputs_in([tmp_path])
        assert found.sources == [tmp_path / "pipe.jpg"]
        assert found.skipped == [tmp_path / "pipe", tmp_path / "pipe.ts"]

    def test_the_message_counts(self) -> None:
        assert skipped_message([Path("a.txt")]).startswith("1 file skipped, ")
        assert skipped_message([Path("a.txt"), Path("b")]).startswith("2 files skipped, ")


class TestPaths:
    def test_a_glob_that_no_shell_expanded(self, tmp_path: Path) -> None:
        tree(tmp_path, "b.jpg", "a.jpg", "c.png", "deep/d.jpg", "[x].jpg")
        found = inputs_in([f"{tmp_path}/*.jpg"])
        assert found.sources == [tmp_path / "[x].jpg", tmp_path / "a.jpg", tmp_path / "b.jpg"]
        assert inputs_in([f"{tmp_path}/**/d.*"]).sources == [tmp_path / "deep" / "d.jpg"]
        assert inputs_in([f"{tmp_path}/d*"]).sources == [tmp_path / "deep" / "d.jpg"]
        (error,) = inputs_in([f"{tmp_path}/*.bmp"]).errors
        assert str(error) == f"{tmp_path}/*.bmp: no file matches"

    @pytest.mark.parametrize("name", ["photo [final].jpg", "what?.jpg", "*.jpg", "foo[/bold].jpg"])
    def test_a_file_whose_name_looks_like_a_glob_is_that_file(self, tmp_path: Path, name: str) -> None:
        tree(tmp_path, name, "other.jpg")
        assert inputs_in([tmp_path / name]).sources == [tmp_path / name]

    @pytest.mark.parametrize("name", ["a" * 300 + ".jpg", "a\0b.jpg", "a\0[b].jpg", "none.jpg", "", "0"])
    def test_what_is_no_file_is_left_to_the_reader(self, name: str) -> None:
        assert inputs_in([name]).sources == [Path(name)]

    def test_an_address_stays_as_it_is(self) -> None:
        assert inputs_in(["https://a.b/c*.jpg?d=1"]).sources == ["https://a.b/c*.jpg?d=1"]


class TestNames:
    def test_of_every_kind(self, png: bytes) -> None:
        assert name_of("a/b.png") == name_of(Path("a/b.png")) == "a/b.png"
        assert name_of(png) == "<bytes>"
        assert name_of(Encoded("<stdin>", png)) == "<stdin>"
        assert name_of(PIXELS) == "<ndarray>"
        assert name_of(Image.new("RGB", (9, 9))) == "<Image>"

    def test_bytes_that_are_not_utf8_are_replaced(self, tmp_path: Path) -> None:
        assert name_of(os.fsdecode(b"a\xff\xfeb.jpg")) == "a\ufffd\ufffdb.jpg"
        assert name_of(Encoded(os.fsdecode(b"\xff"), b"")) == "\ufffd"


class TestReading:
    def test_a_file_object_of_a_picture(self, tmp_path: Path, png: bytes) -> None:
        (tmp_path / "a.png").write_bytes(png)
        with (tmp_path / "a.png").open("rb") as file:
            name, image = read_source(file)
        assert name == str(tmp_path / "a.png")
        np.testing.assert_array_equal(image, PIXELS)
        np.testing.assert_array_equal(read_source(Encoded("x", png)).image, PIXELS)
        np.testing.assert_array_equal(read_source(io.BytesIO(png)).image, PIXELS)
        np.testing.assert_array_equal(read_source(bytearray(png)).image, PIXELS)
        np.testing.assert_array_equal(read_source(Image.fromarray(PIXELS)).image, PIXELS)

    def test_a_file_object_that_gives_little_at_a_time(self, png: bytes) -> None:
        class Slow(io.BytesIO):
            def read(self, size=-1):
                return super().read(min(size, 7))

        assert loaded(Slow(png)) == Encoded("<Slow>", png)

    def test_a_file_object_of_a_video(self, tmp_path: Path, film) -> None:
        data = film(tmp_path / "a.mp4", FRAMES, "mp4v").read_bytes()
        source = loaded(io.BytesIO(data))
        assert is_video(source)
        with video_file(source) as path:
            assert frame_count(path) == 10
        assert not path.exists()

    def test_an_error_about_bytes_names_the_source(self) -> None:
        with (
            pytest.raises(ImageError, match=r"^upload: is damaged"),
            video_file(Encoded("upload", b"x")) as path,
        ):
            raise ImageError(f"{path}: is damaged")

    def test_a_full_disk_is_an_error_of_one_source(self, monkeypatch) -> None:
        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", full)
        with (
            pytest.raises(ImageError, match=r"^up: cannot be kept in .* \(No space left"),
            video_file(Encoded("up", b"x")),
        ):
            pass

    def test_a_file_object_is_read_up_to_the_limit(self, png: bytes, monkeypatch) -> None:
        monkeypatch.setattr(inputs, "MAX_BYTES", len(png))
        assert loaded(io.BytesIO(png)).data == png
        endless = io.BytesIO(png + bytes(1000))
        with pytest.raises(ImageError, match=f"more than {len(png)} bytes, which is the limit"):
            loaded(endless)
        assert endless.tell() == len(png) + 1

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            (io.StringIO("text"), "<StringIO>: is open for text; open it for bytes"),
            (io.BytesIO(b""), "<BytesIO>: is empty"),
            (0, "0: cameras are not read yet"),
            (3.5, "<float>: cannot be read; give a path"),
            (PIXELS.astype(float), "<ndarray>: is float64"),
            (PIXELS[:4], "at least 8 a side"),
        ],
        ids=["text", "empty", "camera", "number", "float", "thin"],
    )
    def test_what_cannot_be_read(self, source, message: str) -> None:
        with pytest.raises(ImageError) as caught:
            read_source(source)
        assert message in str(caught.value)

    def test_a_closed_file_object(self) -> None:
        file = io.BytesIO(b"x")
        file.close()
        with pytest.raises(ImageError, match="cannot be read"):
            read_source(file)

    def test_channels_are_in_one_of_two_orders(self) -> None:
        np.testing.assert_array_equal(read_source(PIXELS[:, :, ::-1], color="BGR").image, PIXELS)
        with pytest.raises(UsageError, match="RGB or BGR"):
            read_source(PIXELS, color="GBR")  # type: ignore[arg-type]

    def test_a_video_is_one_by_suffix_and_else_by_content(self, tmp_path: Path, film) -> None:
        made = film(tmp_path / "a.mp4", FRAMES, "mp4v")
        assert is_video("x/none.MOV")
        assert not is_video("none.png")
        assert not is_video("none")
        for name, wanted in (("download", True), ("a.bin", True), ("a.png", False)):
            (tmp_path / name).write_bytes(made.read_bytes())
            assert is_video(tmp_path / name) is wanted
        os.mkfifo(tmp_path / "pipe")
        assert not is_video(tmp_path / "pipe")
