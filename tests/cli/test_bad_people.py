"""Bad sets of people, lists of pairs and scores of people: one line on standard error, status 2, nothing left."""

# ruff: noqa: E501 - a table reads best with a case a line.

from __future__ import annotations

import math
import pickle
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from facetrust.data.manifest import Manifest
from facetrust.imaging import TEMPLATE
from facetrust.records import Pairs, Provenance, Sample, Scores

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="files are opened as POSIX does")

MAGIC = 0xCED7230A
WHOLE, LAST, UNKNOWN = 0, 3, 7


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Aligned pictures of three people, and scores of pairs of them."""
    root = tmp_path_factory.mktemp("good")
    rng = np.random.default_rng(0)
    rows = []
    for who in "abc":
        for number in (1, 2):
            path = f"{who}{number}.png"
            Image.fromarray(rng.integers(0, 256, (112, 112, 3), dtype=np.uint8)).save(root / path)
            rows.append(Sample(path=path, label=0, split="test", subject=who, points=TEMPLATE))
    Manifest.write(rows, root / "people.parquet")
    Manifest.write([row.model_copy(update={"subject": None}) for row in rows], root / "nobody.parquet")
    pairs(root / "pairs.parquet")
    pairs(root / "known.parquet", trained_people=3)
    pairs(root / "dev.parquet", split="dev", prefix="dev-")
    pairs(root / "other-dev.parquet", split="dev", prefix="dev-", model="other")
    table = pl.DataFrame(columns(8, ""))
    Scores(table.drop("other", "fold"), about()).write(root / "scores.parquet")
    (root / "text.txt").write_text("just text")
    return root


@pytest.fixture
def world(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the good folder, in which a case may spoil something; it is the working directory."""
    shutil.copytree(good, tmp_path / "world")
    monkeypatch.chdir(tmp_path / "world")
    return tmp_path / "world"


def about(**facts: object) -> Provenance:
    return Provenance(
        **{"model": "m", "version": "1", "task": "recognition", "manifest": "a", "split": "test", **facts}
    )


def columns(count: int, prefix: str) -> dict[str, list[object]]:
    """Rows of pairs, every second of one person, which score higher."""
    names = {name: [None] * count for name in ("media", "domain", "attack")}
    return {
        "sample": [f"{prefix}{n}" for n in range(count)],
        **names,
        "subject": [f"{prefix}p{n}" for n in range(count)],
        "other": [f"{prefix}p{n}" if n % 2 else f"{prefix}q{n}" for n in range(count)],
        "label": [n % 2 for n in range(count)],
        "score": [n % 2 * 0.5 + n / 100 for n in range(count)],
        "fold": [n // 4 + 1 for n in range(count)],
    }


def pairs(path: Path, *, prefix: str = "", **facts: object) -> None:
    Pairs(pl.DataFrame(columns(8, prefix)), about(**facts)).write(path)


def file(name: str, content: bytes | str) -> Callable[[Path], None]:
    """Returns a spoiler that writes a file."""

    def write(world: Path) -> None:
        (world / name).parent.mkdir(parents=True, exist_ok=True)
        (world / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return write


def record(
    *labels: float, count: int | None = None, flag: int = WHOLE, content: bytes | None = None
) -> bytes:
    """A record of RecordIO: its header with labels, and no picture."""
    if content is None:
        further = len(labels) if count is None else count
        content = struct.pack(f"<IfQQ{len(labels)}f", further, 0.0, 0, 0, *labels)
    return struct.pack("<II", MAGIC, flag << 29 | len(content)) + content


def records(*each: bytes) -> tuple[Callable[[Path], None], Callable[[Path], None]]:
    """Returns spoilers that write records and their index."""
    places = np.cumsum([0, *map(len, each)])
    index = "".join(f"{number}\t{place}\n" for number, place in enumerate(places[:-1]))
    return file("set/train.rec", b"".join(each)), file("set/train.idx", index)


def pack(content: object, *, protocol: int = 2) -> Callable[[Path], None]:
    return file("set/lfw.bin", pickle.dumps(content, protocol=protocol))


def prepared(name: str, *settings: str) -> list[str]:
    return ["data", "prepare", name, "set", "--as-is", *settings, "--out", "new/m.parquet"]


def evaluated(*options: str, data: str = "people.parquet", model: str = "recognition-tiny") -> list[str]:
    return ["evaluate", model, "--data", data, "--no-baselines", *options, "--out", "new"]


def listed(kind: str, *lines: str) -> Callable[[Path], None]:
    """Returns a spoiler that writes a list of pairs, templates or a gallery."""
    return file(f"{kind}.csv", "\n".join(lines))


def report(*files: str, protocol: str = "verification") -> list[str]:
    return ["report", *files, "--protocol", protocol, "--out", "new"]


MS1M, PACK = prepared("ms1m"), prepared("verification-pack")
PAIRS, TEMPLATES, GALLERY = (
    ["--pairs", "pairs.csv"],
    ["--templates", "templates.csv"],
    ["--gallery", "gallery.csv"],
)
NAN = math.nan

# name: (arguments, what is said, spoilers …)
CASES: dict[str, tuple] = {
    # Records.
    "index of words": (MS1M, "train.idx: line 1: is not a record's number and place", file("set/train.idx", "one two")),
    "index without records": (MS1M, "train.idx: holds no records", file("set/train.idx", "")),
    "index of bytes": (MS1M, "train.idx: line 1: is not a record's number", file("set/train.idx", b"\xff\xfe1\t0")),
    "records missing": (MS1M, "train.rec: the file of records is missing", file("set/train.idx", "1\t0")),
    "index beyond the records": (MS1M, "train.rec: byte 9000: 8 bytes are announced, 0 left", file("set/train.rec", record(1)), file("set/train.idx", "1\t9000")),
    "record longer than the file": (MS1M, "train.rec: byte 8: 24 bytes are announced, 2 left", *records(record(1, content=b"a" * 99)[:10])),
    "record of an unknown part": (MS1M, "train.rec: byte 0: no record begins there", *records(record(1, flag=UNKNOWN))),
    "record too short for its header": (MS1M, "record 0: 4 bytes are too few for its header", *records(record(content=b"abcd"))),
    "record with more labels than bytes": (MS1M, "record 0: announces 9 labels and is too short", *records(record(1, count=9))),
    "record with billions of labels": (MS1M, "record 0: announces 4294967295 labels", *records(record(1, count=2**32 - 1))),
    "record of a person that is no number": (MS1M, "record 0: has a label that is no finite number", *records(record(NAN))),
    "record of an infinite person": (MS1M, "record 0: has a label that is no finite number", *records(record(math.inf))),
    "records announce people who are not there": (MS1M, "record 0 announces people 5 to 9, who are not there", *records(record(5, 9), record(1))),
    # Packs.
    "pack missing": (PACK, "set: holds no pictures; give the folder that holds a pack", file("set/notes.txt", "")),
    "pack empty": (PACK, "lfw.bin: is not a verification pack", file("set/lfw.bin", b"")),
    "pack cut short": (PACK, "lfw.bin: is not a verification pack", file("set/lfw.bin", pickle.dumps([[b"a" * 500] * 2, [True]])[:300])),
    "pack of a dictionary": (PACK, "lfw.bin: asks for the operation EMPTY_DICT", pack({"pictures": []})),
    "pack that calls a class": (PACK, "lfw.bin: asks for builtins.slice, which is no plain data", pack(slice(1, 2), protocol=4)),
    "pack of numbers": (PACK, "lfw.bin: holds int in place of an encoded picture", pack([[1, 2], [True]])),
    "pack whose truth is text": (PACK, "lfw.bin: holds str in place of a truth value", pack([["a", "b"], ["yes"]])),
    "pack with a picture too many": (PACK, "lfw.bin: needs two pictures for every truth value", pack([["a", "b", "c"], [True]])),
    "pack without pairs": (PACK, "lfw.bin: needs two pictures for every truth value, and at least one", pack([[], []])),
    "pack of one list": (PACK, "lfw.bin: is not a verification pack; it holds no pictures", pack([["a", "b"]])),
    "pack nested 50,000 deep": (PACK, "lfw.bin: is not a verification pack", file("set/lfw.bin", b"(" * 50_000 + b"l" * 50_000 + b".")),
    "pack that announces an exabyte": (PACK, "lfw.bin: is not a verification pack", file("set/lfw.bin", b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b".")),
    "several packs": (PACK, "set: holds 2 packs; choose one, such as --set name=cfp_fp", file("set/lfw.bin", ""), file("set/cfp_fp.bin", "")),
    # Other sets.
    "set without people": (prepared("people"), "set: holds no pictures; give the folder that holds a folder a person", file("set/notes.txt", "")),
    "CALFW without its list": (prepared("calfw"), "pairs_CALFW.txt", file("set/A_0001.jpg", "")),
    "CFP without its names": (prepared("cfp"), "list_name.txt", file("set/001/frontal/01.jpg", "")),
    "CFP without a picture": (prepared("cfp"), "001/frontal/01.jpg", file("set/list_name.txt", "Ada")),
    "AgeDB by other names": (prepared("agedb"), "1.jpg: is not named as AgeDB names pictures", file("set/1.jpg", "")),
    "CALFW with half a pair": (prepared("calfw"), "has 1 lines; a pair is two", file("set/pairs_CALFW.txt", "A_0001.jpg 1")),
    "CPLFW of two labels": (prepared("cplfw"), "pairs_CPLFW.txt: the lines of", file("set/pairs_CPLFW.txt", "A_1.jpg 1\nA_2.jpg 0"), file("set/images/A_1.jpg", ""), file("set/images/A_2.jpg", "")),
    "IJB-C with a line too short": (prepared("ijbc"), "ijbc_name_5pts_score.txt: line 1: has not the 12 values", file("set/meta/ijbc_name_5pts_score.txt", "1.jpg 2 3")),
    # Lists beside a manifest.
    "pairs missing": (evaluated(*PAIRS), "pairs.csv: no such list of pairs"),
    "pairs without a column": (evaluated(*PAIRS), "pairs.csv: is no list of pairs; it lacks the column 'second'", listed("pairs", "first", "a1.png")),
    "pairs without rows": (evaluated(*PAIRS), "pairs.csv: has no rows", listed("pairs", "first,second")),
    "pairs of a picture that is not there": (evaluated(*PAIRS), "pairs.csv: z9.png is no row of the manifest", listed("pairs", "first,second", "a1.png,z9.png")),
    "pairs that contradict the manifest": (evaluated(*PAIRS), "pairs.csv: says that a1.png and b1.png are one person; the manifest says otherwise", listed("pairs", "first,second,same", "a1.png,b1.png,1")),
    "pairs neither same nor not": (evaluated(*PAIRS), "pairs.csv: row 1: same 'maybe' cannot be used", listed("pairs", "first,second,same", "a1.png,b1.png,maybe")),
    "pairs in a fold of words": (evaluated(*PAIRS), "pairs.csv: row 1: fold 'first' cannot be used", listed("pairs", "first,second,fold", "a1.png,b1.png,first")),
    "pairs of nobody in particular": (evaluated(*PAIRS, data="nobody.parquet"), "a1.png: or its partner has no subject", listed("pairs", "first,second", "a1.png,b1.png")),
    "template of a weight of words": (evaluated(*TEMPLATES, *PAIRS), "templates.csv: row 1: weight 'much' cannot be used", listed("templates", "template,path,weight", "t,a1.png,much"), listed("pairs", "first,second", "t,t")),
    "gallery of an unknown part": (evaluated(*GALLERY), "gallery.csv: row 1: part 'shelf' cannot be used", listed("gallery", "name,part", "a1.png,shelf")),
    "gallery without probes": (evaluated(*GALLERY), "gallery.csv: names nobody of the part 'probe'", listed("gallery", "name,part", "a1.png,gallery")),
    "gallery of nobody in particular": (evaluated(*GALLERY, data="nobody.parquet"), "a1.png has no subject, by which it could be looked for", listed("gallery", "name,part", "a1.png,gallery", "b1.png,probe")),
    "mirrors of a model without embeddings": (evaluated("--flip", model="antispoof-tiny"), "gives no embeddings, which alone are added over mirror images"),
    # Scores.
    "pairs of people who were trained on": (report("known.parquet"), "m was trained on 3 of the people of the test split"),
    "scores that are no pairs": (report("scores.parquet"), "verification judges pairs"),
    "pairs that are no searches": (report("pairs.parquet", protocol="identification"), "identification"),
    "pairs whose dev pairs are another model's": (report("pairs.parquet", "--dev", "other-dev.parquet"), "pairs.parquet: 0 dev scores files of m@1 (seed None) were given"),
    "pairs whose threshold is fitted on them": (report("pairs.parquet", "--dev", "pairs.parquet"), "pairs.parquet"),
    "rate of no rule": (report("pairs.parquet", "--dev", "dev.parquet", "--rule", "far@none"), "far@none"),
    # Checkpoints.
    "SFace missing": (["import-checkpoint", "sface", "none.onnx", "--out", "new"], "none.onnx: no such"),
    "SFace is text": (["import-checkpoint", "sface", "text.txt", "--out", "new"], "text.txt"),
    "embedder missing": (["import-checkpoint", "embedder", "none.onnx", "--out", "new"], "none.onnx"),
    "recognition without thresholds to fit": (["export", "recognition-tiny", "--data", "people.parquet", "--rule", "eer", "--out", "new.onnx"], "answers recognition without a score"),
    "limits without people to compare": (["export", "recognition-tiny", "--data", "people.parquet", "--risk", "0.1", "--out", "new.onnx"], "people.parquet: no dev rows with a subject"),
}  # fmt: skip


def test_there_are_enough_cases():
    assert len(CASES) >= 50


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_line_status_2_and_leaves_nothing(case, world, refused):
    arguments, said, *spoilers = CASES[case]
    for spoil in spoilers:
        spoil(world)
    refused(arguments, said, world)
