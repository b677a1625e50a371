"""Sets of people: who is who, and the makers' lists of pairs, templates and galleries."""

from __future__ import annotations

import pickle
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from facetrust.data.as_is import list_as_is
from facetrust.data.lists import folds_by_label, official_lists, pair_list, read_list
from facetrust.data.manifest import Manifest
from facetrust.data.prepare import prepare
from facetrust.data.sources.agedb import agedb
from facetrust.data.sources.casia_webface import casia_webface
from facetrust.data.sources.ms1m import ms1m
from facetrust.data.sources.orl import orl
from facetrust.data.sources.people import people
from facetrust.errors import ManifestError, UsageError
from facetrust.imaging import TEMPLATE

PEOPLE = [f"{who}/{n}.jpg" for who in ("anna", "bertha") for n in (1, 2)]


def test_a_folder_per_person(plant: Callable[..., Path]) -> None:
    root = plant(*PEOPLE)
    rows = people(root)
    assert [(row.path, row.subject, row.label, row.domain, row.points) for row in rows] == [
        (path, path.split("/")[0], 0, "root", None) for path in PEOPLE
    ]
    assert {row.points for row in people(root, aligned=True)} == {TEMPLATE}
    (root / "carla").mkdir()
    with pytest.raises(ManifestError, match="carla: holds no pictures of a person"):
        people(root)


def test_numbered_people_are_named_after_their_set(plant: Callable[..., Path]) -> None:
    rows = casia_webface(plant(*PEOPLE))
    assert {row.subject for row in rows} == {"casia-webface-anna", "casia-webface-bertha"}


def recorded(root: Path, labels: dict[int, tuple[float, ...]]) -> Path:
    """`train.rec` and `train.idx`, a record with labels and no picture under each number."""
    root.mkdir()
    content, places = b"", ""
    for key, label in labels.items():
        several = len(label) > 1
        head = struct.pack("<IfQQ", len(label) * several, 0 if several else label[0], key, 0)
        head += struct.pack(f"<{len(label)}f", *label) * several + b"jpeg"[: 0 if several else 4]
        places += f"{key}\t{len(content)}\n"
        content += struct.pack("<II", 0xCED7230A, len(head)) + head + bytes(-len(head) % 4)
    (root / "train.rec").write_bytes(content)
    (root / "train.idx").write_text(places)
    return root


def test_records_of_people_are_no_pictures(tmp_path: Path) -> None:
    root = recorded(tmp_path / "set", {0: (4, 6), 1: (0,), 2: (0,), 3: (1,), 4: (1, 3), 5: (3, 4)})
    rows = ms1m(root)
    assert [(row.path, row.frame, row.subject, row.points) for row in rows] == [
        ("train.rec", key, f"ms1m-{who}", TEMPLATE) for key, who in ((1, 0), (2, 0), (3, 1))
    ]
    plain = recorded(tmp_path / "plain", {0: (7,), 1: (8,)})
    assert [row.subject for row in ms1m(plain)] == ["ms1m-7", "ms1m-8"]
    for ends in ((4, 9), (1, 6), (6, 4)):
        wrong = recorded(
            tmp_path / f"wrong{ends}", {0: ends, 1: (0,), 2: (0,), 3: (1,), 4: (1, 3), 5: (3, 4)}
        )
        with pytest.raises(ManifestError, match="record 0 announces people"):
            ms1m(wrong)


def test_records_become_files_with_a_manifest(tmp_path: Path) -> None:
    root = recorded(tmp_path / "set", {0: (4, 5), 1: (0,), 2: (0,), 3: (1,), 4: (1, 3)})
    made = list_as_is("ms1m", root, tmp_path / "out" / "m.parquet", split="train")
    rows = Manifest.read(made.manifest).samples()
    assert [(row.subject, row.frame, row.split, row.points) for row in rows] == [
        (f"ms1m-{who}", None, "train", TEMPLATE) for who in (0, 0, 1)
    ]
    assert all((tmp_path / "out" / row.path).read_bytes() == b"jpeg" for row in rows)
    with pytest.raises(UsageError, match=r"train\.rec: holds faces that were cut already; use --as-is"):
        prepare("ms1m", root, tmp_path / "m.parquet", detector=None)  # type: ignore[arg-type]


def test_a_pack_becomes_files_and_pairs(tmp_path: Path) -> None:
    pictures = [b"\x89PNG%d" % number for number in range(40)]
    (tmp_path / "agedb_30.bin").write_bytes(pickle.dumps((pictures, [n % 2 == 0 for n in range(20)]), 2))
    made = list_as_is("verification-pack", tmp_path, tmp_path / "m.csv")
    assert str(made).splitlines() == [
        f"{tmp_path / 'm.csv'}: 40 faces", f"{tmp_path / 'm.csv.pairs.csv'}: 20 of 20"
    ]  # fmt: skip
    pairs = read_list(tmp_path / "m.csv.pairs.csv", "pairs")
    assert pairs["same"].to_list() == [True, False] * 10
    assert pairs["fold"].to_list() == [fold for fold in range(1, 11) for _ in range(2)]
    assert (tmp_path / pairs["second"][3]).read_bytes() == pictures[7]
    assert {(row.split, row.subject, row.label) for row in Manifest.read(made.manifest).samples()} == {
        ("test", None, 0)
    }
    (tmp_path / "cfp_fp.bin").write_bytes(b"")
    with pytest.raises(UsageError, match="holds 2 packs; choose one, such as --set name=agedb_30"):
        list_as_is("verification-pack", tmp_path, tmp_path / "m.csv")
    assert (
        list_as_is("verification-pack", tmp_path, tmp_path / "n.csv", settings={"name": "agedb_30"}).faces
        == 40
    )


def test_orl_and_agedb(plant: Callable[..., Path]) -> None:
    rows = orl(plant(*(f"s{who}/{n}.pgm" for who in range(1, 41) for n in range(1, 11))))
    assert (len(rows), rows[-1].path, rows[-1].subject) == (400, "s40/10.pgm", "orl-40")
    root = plant("old/10_Maria_Callas_35_f.jpg", "old/2_BobHope_80_m.jpg")
    with pytest.raises(ManifestError, match="is not named as AgeDB names"):
        agedb(root)
    rows = agedb(root / "old")
    assert [(row.path[:4], row.subject) for row in rows] == [("2_Bo", "BobHope"), ("10_M", "Maria_Callas")]


def test_lfws_lists_of_pairs(plant: Callable[..., Path]) -> None:
    folds = "2\t1\nAnna\t1\t12\nAnna\t1\tBob_D\t3\nCarl\t1\t2\nCarl\t2\tAnna\t1\n"
    root = plant(pairs__txt=folds, pairsDevTest__txt="1\nAnna 1 2\nAnna 1 Bob_D 3\n")
    lists = official_lists("lfw", root, {"aligned": True})
    assert set(lists.pairs) == {"", "dev-test"}
    assert lists.pairs[""].rows() == [
        ("Anna/Anna_0001.jpg", "Anna/Anna_0012.jpg", True, 1),
        ("Anna/Anna_0001.jpg", "Bob_D/Bob_D_0003.jpg", False, 1),
        ("Carl/Carl_0001.jpg", "Carl/Carl_0002.jpg", True, 2),
        ("Carl/Carl_0002.jpg", "Anna/Anna_0001.jpg", False, 2),
    ]
    for text, said in ((folds[:-12], "line 5: is no pair of two"), (folds[:20], "its first line announces 4"),
                       ("\n", "its first line"), ("", "its first line announces 0")):  # fmt: skip
        (root / "pairs.txt").write_text(text)
        with pytest.raises(ManifestError, match=said):
            official_lists("lfw", root, {})


def test_cfps_lists_of_pairs_in_both_layouts(plant: Callable[..., Path]) -> None:
    table = "fold,image_a,image_b,same\n2,001/frontal/04.jpg,002/profile/01.jpg,0\n"
    root = plant(pairs_FP__csv=table)
    wanted = [("001/frontal/04.jpg", "002/profile/01.jpg", False, 2)]
    assert official_lists("cfp", root, {}).pairs["fp"].rows() == wanted
    (root / "pairs_FP.csv").write_text(table.replace("jpg,0", "jpg,x"))
    with pytest.raises(ManifestError, match="line 2: is no pair with its fold"):
        official_lists("cfp", root, {})
    (root / "pairs_FP.csv").unlink()
    for fold in range(1, 11):
        folder = root / f"Protocol/Split/FP/{fold:02d}"
        folder.mkdir(parents=True)
        (folder / "same.txt").write_text("")
        (folder / "diff.txt").write_text("14,5\n" if fold == 2 else "")
    (root / "Protocol/Pair_list_F.txt").write_text("14 ../Data/Images/001/frontal/04.jpg\n")
    (root / "Protocol/Pair_list_P.txt").write_text("5 ../Data/Images/002/profile/01.jpg\n")
    assert official_lists("cfp", root, {}).pairs["fp"].rows() == wanted
    (root / "Protocol/Split/FP/03/same.txt").write_text("15,5\n")
    with pytest.raises(ManifestError, match="line 1: is no pair of two numbers"):
        official_lists("cfp", root, {})


def test_calfws_pairs_are_two_lines(plant: Callable[..., Path]) -> None:
    names = [f"Anna_B_{n:04d}.jpg" for n in range(1, 5)]
    listed = "".join(f"{name} {label}\n" for name, label in zip(names, (1, 1, 0, 0), strict=True))
    root = plant(*(f"images/{name}" for name in names), pairs_CALFW__txt=listed)
    pairs = official_lists("calfw", root, {}).pairs[""]
    assert pairs.rows() == [
        (f"images/{names[0]}", f"images/{names[1]}", True, 1),
        (f"images/{names[2]}", f"images/{names[3]}", False, 1),
    ]
    made = list_as_is("calfw", root, root / "m.csv")
    assert {row.subject for row in Manifest.read(made.manifest).samples()} == {"Anna_B"}
    for text, said in ((listed[: 3 * 18], "a pair is two"), (listed.replace("3.jpg 0", "3.jpg 1"), "differ"),
                       (listed.replace("jpg 1", "jpg one"), "line 1: is not a picture's name")):  # fmt: skip
        (root / "pairs_CALFW.txt").write_text(text)
        with pytest.raises(ManifestError, match=said):
            official_lists("calfw", root, {})


def test_folds_are_balanced_by_label() -> None:
    pairs = pair_list([("a", "b", number < 30) for number in range(50)])
    folds = folds_by_label(pairs["same"])
    assert Counter(zip(folds, pairs["same"], strict=True)) == {
        (fold, same): count for fold in range(1, 11) for same, count in ((True, 3), (False, 2))
    }


def test_ijbs_templates_pairs_and_galleries(plant: Callable[..., Path]) -> None:
    root = plant(*(f"loose_crop/{n}.jpg" for n in (1, 2, 3)))
    texts = {
        "name_5pts_score.txt": "".join(f"{n}.jpg 30 40 70 40 50 60 35 80 65 80 0.{n}\n" for n in (1, 2, 3)),
        "face_tid_mid.txt": "1.jpg 10 7\n2.jpg 10 7\n3.jpg 11 8\n",
        "template_pair_label.txt": "10 11 1\n11 10 0\n",
        "1N_probe_mixed.csv": "TEMPLATE_ID,SUBJECT_ID,FILENAME\n11,5,x\n11,5,y\n",
        "1N_gallery_G1.csv": "TEMPLATE_ID,SUBJECT_ID,FILENAME\n10,5,x\n",
        "1N_gallery_G2.csv": "TEMPLATE_ID,SUBJECT_ID,FILENAME\n10,6,x\n",
    }
    (root / "meta").mkdir()
    for name, text in texts.items():
        (root / "meta" / f"ijbc_{name}").write_text(text)
    list_as_is("ijbc", root, root / "m.csv")
    rows = Manifest.read(root / "m.csv").samples()
    assert rows[0].points == ((30, 40), (70, 40), (50, 60), (35, 80), (65, 80))
    assert read_list(root / "m.csv.templates.csv", "templates").rows() == [
        ("10", "loose_crop/1.jpg", "7", 0.1),
        ("10", "loose_crop/2.jpg", "7", 0.2),
        ("11", "loose_crop/3.jpg", "8", 0.3),
    ]
    assert read_list(root / "m.csv.pairs.csv", "pairs").rows() == [("10", "11", True), ("11", "10", False)]
    gallery = read_list(root / "m.csv.g2.gallery.csv", "gallery")
    assert gallery.rows() == [("10", "6", "gallery"), ("11", "5", "probe")]
    (root / "meta" / "ijbc_template_pair_label.txt").write_text("10 11\n")
    with pytest.raises(ManifestError, match=r"pair_label\.txt: is not a readable list"):
        official_lists("ijbc", root, {})


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("pairs", "first,other\na,b\n", "lacks the column 'second'"),
        ("pairs", "first,second\n", "has no rows"),
        ("pairs", "first,second,same\na,b,yes\n", "row 1: same 'yes' cannot be used"),
        ("pairs", "first,second,same,fold\na,b,1,1\na,b,1,one\n", "row 2: fold 'one' cannot be used"),
        ("pairs", "first,second\na,\n", "row 1: second None cannot be used"),
        ("templates", "template,path,weight\na,b,x\n", "row 1: weight 'x' cannot be used"),
        ("gallery", "name,part\na,probes\n", "row 1: part 'probes' cannot be used"),
        ("gallery", "\x00", "lacks the column 'name'"),
    ],
)
def test_a_list_that_cannot_be_used_is_one_line(tmp_path, kind, text, said):
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(ManifestError, match=said) as caught:
        read_list(tmp_path / "l.csv", kind)
    assert "\n" not in str(caught.value)


@pytest.mark.real
def test_the_real_lists(real_data: Path, tmp_path: Path) -> None:
    made = list_as_is(
        "lfw", real_data / "lfw", tmp_path / "lfw.parquet", split="test", settings={"aligned": True}
    )
    assert made.lists[0].endswith("lfw.parquet.pairs.csv: 6000 of 6000")
    pairs = read_list(tmp_path / "lfw.parquet.pairs.csv", "pairs")
    assert Counter(zip(pairs["fold"], pairs["same"], strict=True)) == {
        (fold, same): 300 for fold in range(1, 11) for same in (True, False)
    }
    cfp = official_lists("cfp", real_data / "cfp", {})
    for kind in ("ff", "fp"):
        counts = Counter(zip(cfp.pairs[kind]["fold"], cfp.pairs[kind]["same"], strict=True))
        assert counts == {(fold, same): 350 for fold in range(1, 11) for same in (True, False)}
