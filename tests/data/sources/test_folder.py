from collections.abc import Callable
from pathlib import Path

import pytest

from facetrust.data.sources.folder import folder
from facetrust.data.splits import shared
from facetrust.errors import ManifestError

Plant = Callable[..., Path]


def test_a_folder_a_label(plant: Plant) -> None:
    names = [f"live/{who}/{i}.jpg" for who in "abcdefgh" for i in range(3)]
    names += [
        f"Attack/{kind}/{who}/{i}.PNG" for kind in ("print", "replay") for who in "abcdefgh" for i in range(2)
    ]
    rows = folder(
        plant(*names, "Attack/bare.jpg", "live/.hidden/1.jpg", "live/.x.jpg", "live/notes.txt", "readme.md")
    )
    assert [row.path for row in rows] == sorted([*names, "Attack/bare.jpg"])
    by_path = {row.path: row for row in rows}
    assert (by_path["live/a/0.jpg"].label, by_path["live/a/0.jpg"].attack) == (0, None)
    assert (by_path["Attack/print/a/0.PNG"].label, by_path["Attack/print/a/0.PNG"].attack) == (1, "print")
    assert by_path["live/a/0.jpg"].subject == by_path["Attack/print/a/0.PNG"].subject == "a"
    assert (by_path["Attack/bare.jpg"].subject, by_path["Attack/bare.jpg"].attack) == (None, None)
    assert {row.domain for row in rows} == {"root"}
    assert {row.split for row in rows} == {"train", "dev", "test"}
    assert not shared(rows)


def test_a_folder_a_split(plant: Plant) -> None:
    rows = folder(plant("train/real/1.jpg", "val/fake/1.jpg", "test/real/1.jpg", "test/fake/gan/1.jpg"))
    assert [(row.path, row.label, row.split, row.attack) for row in rows] == [
        ("test/fake/gan/1.jpg", 1, "test", "gan"),
        ("test/real/1.jpg", 0, "test", None),
        ("train/real/1.jpg", 0, "train", None),
        ("val/fake/1.jpg", 1, "dev", None),
    ]


def test_videos_beside_pictures(plant: Plant) -> None:
    root = plant(
        "train/real/a/clip.mp4", "train/fake/Deepfakes/a/clip.MOV.avi", "train/fake/Deepfakes/a/crop.png",
        "test/real/b.mkv", "test/fake/b.webm",
    )  # fmt: skip
    rows = folder(root, frames=(5, 2))
    assert [
        (row.path, row.label, row.split, row.attack, row.subject, row.media, row.frame) for row in rows
    ] == [
        *(("test/fake/b.webm", 1, "test", None, None, "test/fake/b.webm", n) for n in (5, 15)),
        *(("test/real/b.mkv", 0, "test", None, None, "test/real/b.mkv", n) for n in (2, 6, 10, 14, 18)),
        *(
            (f"train/{clip}", 1, "train", "Deepfakes", "a", f"train/{clip}", n)
            for clip in ("fake/Deepfakes/a/clip.MOV.avi",)
            for n in (5, 15)
        ),
        ("train/fake/Deepfakes/a/crop.png", 1, "train", "Deepfakes", "a", None, None),
        *(
            ("train/real/a/clip.mp4", 0, "train", None, "a", "train/real/a/clip.mp4", n)
            for n in (2, 6, 10, 14, 18)
        ),
    ]


def test_videos_without_splits_are_drawn_whole(plant: Plant) -> None:
    rows = folder(plant(*(f"{label}/{n}.mp4" for label in ("real", "fake") for n in range(20))), frames=4)
    assert len(rows) == 160
    assert {row.split for row in rows} == {"train", "dev", "test"}
    assert not shared(rows)


def test_a_list_of_videos(plant: Plant) -> None:
    text = "path,label,split,media,frame\na.mp4,real,test,,\nb.mp4,fake,test,film,3\nc.jpg,fake,test,,\n"
    rows = folder(plant("a.mp4", "b.mp4", "c.jpg", labels__csv=text), frames=2)
    assert [(row.path, row.media, row.frame) for row in rows] == [
        ("a.mp4", "a.mp4", 5), ("a.mp4", "a.mp4", 15), ("b.mp4", "film", 3), ("c.jpg", None, None),
    ]  # fmt: skip


def test_a_list(plant: Plant) -> None:
    names = [f"{i:02d}.jpg" for i in range(30)]
    lines = "".join(f"{name},{'live' if i % 2 else 'spoof'},s{i // 2}\n" for i, name in enumerate(names))
    rows = folder(plant(*names, labels__csv="path,label,subject\n" + lines), seed=4)
    assert [row.path for row in rows] == names
    assert [row.label for row in rows] == [1, 0] * 15
    assert {row.split for row in rows} == {"train", "dev", "test"}
    assert not shared(rows)


def test_a_list_with_splits_keeps_them(plant: Plant) -> None:
    root = plant("a.jpg", "b.jpg", labels__csv="path,label,split\na.jpg,0,test\nb.jpg,1,test\n")
    assert [row.split for row in folder(root)] == ["test", "test"]


@pytest.mark.parametrize(
    ("names", "listed", "message"),
    [
        (["cats/1.jpg"], None, "cats: label 'cats' is not known"),
        (["live/notes.txt"], None, "holds no pictures"),
        (["readme.txt"], None, "holds no pictures"),
        (["train/live/1.jpg", "test/dogs/1.jpg"], None, "dogs: label 'dogs' is not known"),
        (["a.jpg"], "path,label\nb.jpg,0\n", r"no such image .*b\.jpg"),
        (["a.jpg"], "path\na.jpg\n", "lacks the column 'label'"),
        (["a.jpg"], "path,label\na.jpg,9\n", "row 1: label '9' is not known"),
        (["a.jpg"], "", "is not a readable CSV file"),
    ],
)
def test_what_cannot_be_used_is_named(
    plant: Plant, names: list[str], listed: str | None, message: str
) -> None:
    root = plant(*names) if listed is None else plant(*names, labels__csv=listed)
    with pytest.raises(ManifestError, match=message):
        folder(root)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such folder"):
        folder(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match="is empty"):
        folder(tmp_path / "empty")


def test_a_list_may_be_called_a_manifest_and_who_is_unknown_is_nobody(plant: Plant) -> None:
    root = plant("a/1.jpg", "a/2.jpg", "b/1.jpg")
    (root / "manifest.csv").write_text(
        "path,label,split,subject,domain,media,camera\n"
        "a/1.jpg,live,train,unknown,a,one,x\n"
        "a/2.jpg,spoof,train,anna,a,two,x\n"
        "b/1.jpg,live,dev,Unknown,b,one,y\n"
    )
    rows = folder(root)
    assert [(row.path, row.label, row.split, row.subject, row.domain) for row in rows] == [
        ("a/1.jpg", 0, "train", None, "a"),
        ("a/2.jpg", 1, "train", "anna", "a"),
        ("b/1.jpg", 0, "dev", None, "b"),
    ]
