"""Every data set: valid rows in a stable order, no subject in two splits, and what is missing is named."""

from __future__ import annotations

import json
import pickle
import struct
import tempfile
from collections.abc import Iterable
from functools import cache
from itertools import accumulate, chain, groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from facetrust import registry
from facetrust.data.manifest import Manifest
from facetrust.data.packs import PACKS
from facetrust.data.splits import shared
from facetrust.errors import ManifestError
from facetrust.imaging.video import VIDEOS
from facetrust.records import Sample

NAMES = registry.names("data.sources")
HOLDING = (*VIDEOS, *PACKS)  # Files that hold many pictures.
TEST_ALONE = {"verification-pack", "ijbb", "ijbc"}


class Tree(NamedTuple):
    """A fake data set in its official layout: files with text (or bytes), and one that it cannot do without.

    A file with a video's suffix becomes a real video, and one with the text `picture` a black picture.
    Names with `parts` in them are pictures that rows do not name.
    """

    files: dict[str, str | bytes]
    needed: str
    parts: str = "\0"


def empty(names: Iterable[str], **texts: str) -> dict[str, str | bytes]:
    return {**dict.fromkeys(names, ""), **{name.replace("__", "."): text for name, text in texts.items()}}


_NUAA = {
    f"{label}/{who:04d}/{who:04d}_00_00_{session}_{n}.jpg": (label, who, session, split)
    for who, split in ((1, "train"), (8, "val"), (10, "test"))
    for label, session in (("live", "01"), ("spoof", "02"))
    for n in range(3)
}
_CFP = [
    f"{who:03d}/{view}/{n:02d}.jpg"
    for who in range(1, 31)
    for view, count in (("frontal", 10), ("profile", 4))
    for n in range(1, count + 1)
]
_FASSEG = [f"multipose01/{split}/-30/{{}}/personne{who}{n:02d}+0-30"
           for split, who in (("train", "08"), ("test", "09")) for n in range(3)]  # fmt: skip

_LIST = "path,label,subject,session,split_subject_disjoint,x,y,w,h,sha256\n" + "".join(
    f"{path},{label},{who:04d},{session},{split},9,9,40,50,a\n"
    for path, (label, who, session, split) in _NUAA.items()
)
_PEOPLE = "".join(f"Given Name{who}\n" for who in range(1, 31))
_FOLDER = [f"{label}/{who}/{n}.jpg" for label in ("live", "spoof") for who in "abcdefghij" for n in range(3)]
_FOLDER += [f"{label}/k/clip.mp4" for label in ("live", "spoof")]
_LFW = [f"P{n}_X/P{n}_X_{i:04d}.jpg" for n in range(40) for i in (1, 2)]
_WMCA = [
    f"{who:03d}_01_000_{kind}_01/color/{n}.jpg" for who in range(20) for kind in (0, 4) for n in range(2)
]
_CEFA = [
    f"Ethnicity/EA/EA-{who}/3_{who}_{device}_1_{attack}/color/000{n}.jpg"
    for who in ("007", "250", "301")
    for device, attack in ((1, 1), (3, 2))
    for n in range(3)
]
_SURF = {
    "train_list": [
        ("Training/real_part/A/real.rssdk/color/1.jpg", 1),
        ("Training/fake_part/A/04_en_b.rssdk/color/1.jpg", 0),
    ],
    "val_private_list": [("Val/0000/000000-color.jpg", 0), ("Val/0000/000001-color.jpg", 1)],
    "test_private_list": [("Testing/0000/000000-color.jpg", 1)],
}
_CELEBA = {
    split: [f"Data/{split}/{who}/{kind}/1.jpg" for who in people for kind in ("live", "spoof")]
    for split, people in (("train", range(20)), ("test", range(20, 25)))
}
_CELEBA_LISTS = {
    f"metas/intra_test/{split}_label.json": json.dumps(
        {path: [0] * 40 + [kind := int("spoof" in path), 1, 1, kind] for path in paths}
    )
    for split, paths in _CELEBA.items()
}
_SURF_LISTS = {
    f"{name}.txt": "".join(f"{path} depth ir {label}\n" for path, label in rows)
    for name, rows in _SURF.items()
}
_PARTS = [
    name.format(part) + end for name in _FASSEG for part, end in (("images", ".jpg"), ("masks", ".png"))
]

_CASIA = [
    f"{part}_release/{who}/{name}.avi"
    for part, people in (("train", 5), ("test", 2))
    for who in range(1, people + 1)
    for name in (*range(1, 9), "HR_1", "HR_2", "HR_3", "HR_4")
]
_MSU_PEOPLE = {"train_sub_list.txt": "02\n03\n05\n06\n55\n", "test_sub_list.txt": "01\n13"}
_MSU = [
    f"scene01/{kind}_client0{who}_{camera}_SD{shown}_scene01.{suffix}"
    for who in "".join(f"{text}\n" for text in _MSU_PEOPLE.values()).split()
    for camera, suffix in (("laptop", "mov"), ("android", "mp4"))
    for kind, shown in (
        ("real/real", ""), ("attack/attack", "_ipad_video"),
        ("attack/attack", "_iphone_video"), ("attack/attack", "_printed_photo"),
    )
]  # fmt: skip
_REPLAY = [
    f"{part}/{name}_{light}{take}.mov"
    for part, who in (("train", "001"), ("devel", "003"), ("test", "009"))
    for light in ("adverse", "controlled")
    for name, takes in (
        (f"real/client{who}_session01_webcam_authenticate", ("_1", "_2")),
        *(
            (f"attack/{hold}/attack_{device}_client{who}_session01_{shown}", ("",))
            for hold in ("fixed", "hand")
            for device, shown in (
                ("print", "highdef_photo"), ("mobile", "mobile_photo"), ("mobile", "mobile_video"),
                ("highdef", "highdef_photo"), ("highdef", "highdef_video"),
            )
        ),
    )
    for take in takes
]  # fmt: skip
_OULU = [
    f"{part}_files/{phone}_{session}_{who}_{file}.avi"
    for part, who in (("Train", "01"), ("Dev", "21"), ("Test", "36"))
    for phone, session in ((1, 1), (6, 3))
    for file in range(1, 6)
]

_FFPP_PAIRS = {"train": [("000", "003")], "val": [("720", "672")], "test": [("953", "974")]}
_FFPP_LISTS = {f"splits/{name}.json": json.dumps(pairs) for name, pairs in _FFPP_PAIRS.items()}
_FFPP = [
    f"{place}/c23/videos/{name}.mp4"
    for ((one, two),) in _FFPP_PAIRS.values()
    for place, names in (
        ("original_sequences/youtube", (one, two)),
        ("manipulated_sequences/Deepfakes", (f"{one}_{two}", f"{two}_{one}")),
    )
    for name in names
]
_DFDC = {
    f"dfdc_train_part_{part}": {
        f"{part}a.mp4": {"label": "REAL", "split": "train"},
        f"{part}b.mp4": {"label": "FAKE", "split": "train", "original": f"{part}a.mp4"},
    }
    for part in (0, 36, 49)
}
_DFDC_LISTS = {f"{part}/metadata.json": json.dumps(videos) for part, videos in _DFDC.items()}
_CELEB_TEST = ["Celeb-real/id0_0001.mp4", "Celeb-synthesis/id0_id1_0001.mp4", "YouTube-real/00170.mp4"]
_CELEB = [
    *_CELEB_TEST,
    *(f"Celeb-real/id{who}_0000.mp4" for who in range(2, 12)),
    *(f"Celeb-synthesis/id{who}_id{who + 1}_0000.mp4" for who in range(2, 12, 2)),
]
_CELEB_LIST = "".join(f"{int('synthesis' not in name)} {name}\n" for name in _CELEB_TEST)


def _records(count: int, people: int) -> dict[str, str | bytes]:
    """RecordIO as insightface writes it: record 0 says where the people's records are."""
    heads = {0: struct.pack("<IfQQ2f", 2, 0, 0, 0, count + 1, count + 1 + people)}
    heads |= {key: struct.pack("<IfQQ", 0, (key - 1) % people, key, 0) for key in range(1, count + 1)}
    heads |= {count + 1 + who: struct.pack("<IfQQ2f", 2, 0, 0, 0, 1, 2) for who in range(people)}
    records = {key: struct.pack("<II", 0xCED7230A, len(head)) + head for key, head in heads.items()}
    places = accumulate((len(record) for record in records.values()), initial=0)
    index = "".join(f"{key}\t{place}\n" for key, place in zip(records, places, strict=False))
    return {"train.rec": b"".join(records.values()), "train.idx": index}


_PEOPLE_SET = [f"{who:07d}/{n:03d}.jpg" for who in range(30) for n in range(1, 4)]
_AGEDB = [f"{4 * who + n}_Person{who}_{20 + 9 * n}_f.jpg" for who in range(30) for n in range(4)]
_CALFW = [f"aligned images/Given_Name{who}_{n:04d}.jpg" for who in range(30) for n in (1, 2)]
_CALFW_LIST = "".join(f"{name.rpartition('/')[2]} 1\n" for name in _CALFW)
_ORL = [f"s{who}/{n}.pgm" for who in range(1, 41) for n in range(1, 11)]


def _ijb(name: str, galleries: str) -> Tree:
    lists = {
        "name_5pts_score.txt": "".join(f"{n}.jpg 1 2 3 4 5 6 7 8 9 10 0.9\n" for n in range(1, 7)),
        "face_tid_mid.txt": "".join(f"{n}.jpg {n // 2} {n}\n" for n in range(1, 7)),
        "template_pair_label.txt": "0 1 1\n1 2 0\n",
        "1N_probe_mixed.csv": "TEMPLATE_ID,SUBJECT_ID,FILENAME\n2,9,a.jpg\n3,8,a.jpg\n",
        **{f"1N_gallery_{part}.csv": "TEMPLATE_ID,SUBJECT_ID\n0,9\n1,8\n" for part in galleries.split()},
    }
    pictures = empty(f"loose_crop/{n}.jpg" for n in range(1, 7))
    return Tree(pictures | {f"meta/{name}_{file}": text for file, text in lists.items()}, "loose_crop/4.jpg")


_HQ = {"CelebA-HQ-img/0.jpg": 9, "CelebA-HQ-img/1.jpg": 162771, "CelebA-HQ-img/2.jpg": 182638}
_HQ_PARTS = [f"CelebAMask-HQ-mask-anno/0/0000{n}_{part}.png" for n in range(3) for part in ("skin", "nose")]
_HQ_LIST = "idx orig_idx orig_file\n" + "".join(
    f"{n} {index} {index + 1:06d}.jpg\n" for n, index in enumerate(_HQ.values())
)
_LAPA = [
    f"{part}/{kind}"
    for part in ("train", "val", "test")
    for n in range(2)
    for kind in (f"images/{n}.jpg", f"labels/{n}.png")
]
_HELEN = {"exemplars.txt": "a", "tuning.txt": "b", "testing.txt": "c"}
_HELEN_PARTS = [f"labels/{name}/{name}_lbl{n:02d}.png" for name in "abc" for n in range(11)]

_CIFAKE = [
    f"{part}/{kind}/{n:04d}.jpg" for part in ("train", "test") for kind in ("REAL", "FAKE") for n in range(20)
]
_GENIMAGE = [
    f"{generator}/{part}/{kind}/{n}.png"
    for generator in ("Midjourney/imagenet_midjourney", "BigGAN/imagenet_ai_0419_biggan")
    for part in ("train", "val")
    for kind in ("ai", "nature")
    for n in range(20)
]
_UNIVERSAL = [
    f"{place}/{n}.png"
    for place in (
        "train/progan/bird/0_real", "train/progan/bird/1_fake", "test/biggan/0_real", "test/biggan/1_fake",
        "test/stylegan/car/0_real", "test/stylegan/car/1_fake",
        "diffusion_datasets/ldm_200/1_fake", "diffusion_datasets/laion/0_real",
    )
    for n in range(20)
]  # fmt: skip

TREES = {
    "cifake": Tree(empty(_CIFAKE), ""),
    "genimage": Tree(empty(_GENIMAGE), ""),
    "universal-fake-detect": Tree(empty(_UNIVERSAL), ""),
    "people": Tree(empty(_PEOPLE_SET), ""),
    "casia-webface": Tree(empty(_PEOPLE_SET), ""),
    "ms1m": Tree(_records(60, 20), "train.idx"),
    "agedb": Tree(empty(_AGEDB), ""),
    "calfw": Tree(empty(_CALFW, pairs_CALFW__txt=_CALFW_LIST), _CALFW[3]),
    "cplfw": Tree(empty(_CALFW, pairs_CPLFW__txt=_CALFW_LIST), "pairs_CPLFW.txt"),
    "orl": Tree(empty(_ORL), "s17/4.pgm"),
    "verification-pack": Tree({"lfw.bin": pickle.dumps(([b"picture"] * 8, [True, False] * 2))}, ""),
    "ijbb": _ijb("ijbb", "S1 S2"),
    "ijbc": _ijb("ijbc", "G1 G2"),
    "celebamask-hq": Tree(
        {**dict.fromkeys((*_HQ, *_HQ_PARTS), "picture"), "CelebA-HQ-to-CelebA-mapping.txt": _HQ_LIST},
        "CelebA-HQ-to-CelebA-mapping.txt",
        "mask-anno",
    ),
    "helen": Tree(
        {
            **dict.fromkeys((*_HELEN_PARTS, *(f"images/{name}.jpg" for name in "abc")), "picture"),
            **{listed: f"This file names pictures.\n1 , {name}\n" for listed, name in _HELEN.items()},
        },
        "labels/b/b_lbl07.png",
        "_lbl",
    ),
    "lapa": Tree(empty(_LAPA), "val/labels/1.png"),
    "nuaa": Tree(empty(_NUAA, manifest__csv=_LIST), "manifest.csv"),
    "folder": Tree(empty(_FOLDER), ""),
    "lfw": Tree(empty(_LFW), "P7_X/P7_X_0001.jpg"),
    "cfp": Tree(empty(_CFP, list_name__txt=_PEOPLE), "004/profile/02.jpg"),
    "celeba-spoof": Tree(empty(chain(*_CELEBA.values())) | _CELEBA_LISTS, "Data/test/21/spoof/1.jpg"),
    "wmca": Tree(empty(_WMCA), ""),
    "casia-cefa": Tree(empty(_CEFA), ""),
    "casia-surf": Tree(
        empty(path for rows in _SURF.values() for path, _ in rows) | _SURF_LISTS, "val_private_list.txt"
    ),
    "fasseg": Tree(empty(_PARTS), _PARTS[1]),
    "casia-mfsd": Tree(empty(_CASIA), "train_release/2/HR_4.avi"),
    "msu-mfsd": Tree({**empty(_MSU), **_MSU_PEOPLE}, "test_sub_list.txt"),
    "replay-attack": Tree(empty(_REPLAY), "devel/real/client003_session01_webcam_authenticate_adverse_2.mov"),
    "oulu-npu": Tree(empty(_OULU), "Test_files/6_3_36_4.avi"),
    "ffpp": Tree(empty(_FFPP) | _FFPP_LISTS, "splits/val.json"),
    "dfdc": Tree(
        empty(f"{part}/{name}" for part, videos in _DFDC.items() for name in videos) | _DFDC_LISTS,
        "dfdc_train_part_36/36b.mp4",
    ),
    "celeb-df": Tree(empty(_CELEB, List_of_testing_videos__txt=_CELEB_LIST), _CELEB_TEST[1]),
}


@cache
def clip() -> bytes:
    """A video of twenty small frames; its format is told by its content, so that any name will do."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "clip.avi")
        video = cv2.VideoWriter(path, cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"MJPG"), 25.0, (32, 16))
        for number in range(20):
            video.write(np.full((16, 32, 3), number * 10, dtype=np.uint8))
        video.release()
        return Path(path).read_bytes()


@cache
def picture() -> bytes:
    """A small black picture; its format is told by its content."""
    return cv2.imencode(".png", np.zeros((16, 16), np.uint8))[1].tobytes()


def grow(tree: Tree, root: Path, *, backwards: bool = False) -> Path:
    for name in sorted(tree.files, reverse=backwards):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        content = tree.files[name]
        if content == "picture" or name.endswith(VIDEOS):
            content = picture() if content == "picture" else clip()
        (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def each_its_path(rows: list[Sample]) -> list[Sample]:
    """The rows with a path of its own for every frame of a video or pack, as crops have one."""
    return [
        row.model_copy(update={"path": f"{row.path}/{row.frame}.png"}) if row.path.endswith(HOLDING) else row
        for row in rows
    ]


def test_all_were_seen():
    assert {"nuaa", "folder", "lfw"} <= set(NAMES)
    assert len(NAMES) >= 26
    assert set(TREES) == set(NAMES), "a new source needs a fake tree here"


@pytest.mark.parametrize("name", NAMES)
class TestEverySource:
    def test_gives_rows_that_a_manifest_takes(self, name, tmp_path):
        root = grow(TREES[name], tmp_path / "set")
        rows = registry.find("data.sources", name)(root)
        assert rows
        assert all(type(row) is Sample for row in rows)
        named = [path for row in rows for path in (row.path, row.mask) if path]
        assert all((root / path).is_file() for path in named)
        made = Manifest.write(each_its_path(rows), root / "m.parquet")
        assert len(made) == len(rows)
        assert made.hash == Manifest.read(root / "m.parquet").hash

    def test_names_every_picture_and_frame_once_and_relative(self, name, tmp_path):
        root = grow(TREES[name], tmp_path / "set")
        rows = registry.find("data.sources", name)(root)
        own = [row.path for row in each_its_path(rows)]
        assert len(set(own)) == len(own)
        paths = [row.path for row in rows]
        assert not any(Path(path).is_absolute() or "\\" in path for path in paths)
        masks = {row.mask for row in rows if row.mask}
        shown = {file for file in TREES[name].files if file.endswith((".jpg", ".png", ".pgm", *HOLDING))}
        assert set(paths) == {file for file in shown - masks if TREES[name].parts not in file}

    def test_frames_of_one_video_are_adjacent_rising_and_there(self, name, tmp_path):
        rows = registry.find("data.sources", name)(grow(TREES[name], tmp_path / "set"))
        frames = [(row.path, row.frame) for row in rows if row.path.endswith(VIDEOS)]
        assert len([path for path, _ in groupby(frames, key=itemgetter(0))]) == len(dict(frames))
        assert all(a < b for (one, a), (two, b) in pairwise(frames) if one == two)
        assert {frame for _, frame in frames} <= set(range(20))

    def test_does_not_mind_in_which_order_files_were_laid_down(self, name, tmp_path):
        source = registry.find("data.sources", name)
        first = source(grow(TREES[name], tmp_path / "a" / "set"))
        second = source(grow(TREES[name], tmp_path / "b" / "set", backwards=True))
        assert first == second

    def test_puts_no_subject_in_two_splits(self, name, tmp_path):
        rows = registry.find("data.sources", name)(grow(TREES[name], tmp_path / "set"))
        assert not shared(rows)
        assert len({row.split for row in rows}) >= 2 or name in TEST_ALONE

    def test_a_missing_file_is_named(self, name, tmp_path):
        root = grow(TREES[name], tmp_path / "set")
        if TREES[name].needed:
            (root / TREES[name].needed).unlink()
            said = Path(TREES[name].needed).name
        else:  # What lies in no list cannot be missed, but an empty folder can.
            for file in TREES[name].files:
                (root / file).unlink()
            (root / "readme").write_text("Welcome.")
            said = "holds no pictures"
        with pytest.raises(ManifestError) as caught:
            registry.find("data.sources", name)(root)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("place", ["none", "file", "empty"])
    def test_a_wrong_root_is_an_error(self, name, place, tmp_path):
        (tmp_path / "file").write_text("x")
        (tmp_path / "empty").mkdir()
        with pytest.raises(ManifestError, match=place):
            registry.find("data.sources", name)(tmp_path / place)
