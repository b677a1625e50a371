"""Bad input of every kind: one line on standard error, status 2, nothing left behind."""

# ruff: noqa: E501 - a table reads best with a case a line.

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from facetrust import registry
from facetrust.data.audit.audit import AuditReport
from facetrust.data.manifest import Manifest
from facetrust.errors import FacetrustError
from facetrust.models import create_model, save_checkpoint
from facetrust.records import ModelCard, Preprocessing, Provenance, Sample, Scores, sha256_of

HEAD = "path,label,split,subject,x,y,w,h\n"
ROW = "pictures/0.png,live,train,a,10,10,40,40\n"
RECIPE = """
task: antispoof
model: {name: timm/mobilenetv3_small_050, settings: {stage: 1}}
preprocessing: {size: [64, 64]}
data: {manifests: [m.parquet], length: 4}
trainer: {epochs: 1, batch_size: 2, workers: 0, flags: {enable_progress_bar: false}}
"""


def png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


def encoded(picture: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


def scores(
    path: Path, split: str, *, seed: int = 0, spoil: float | None = None, one: bool = False, **made_by
) -> None:
    labels = np.array([0, 1] * 20) if not one else np.zeros(40, int)
    values = np.random.default_rng(seed).random(40)
    if spoil is not None:
        values[3] = spoil
    rows = {
        name: [f"{split}{i}" for i in range(40)]
        for name in ("sample", "media", "subject", "domain", "attack")
    }
    table = pl.DataFrame({**rows, "label": labels, "score": values})
    about = {
        "model": "tiny",
        "version": "1",
        "task": "antispoof",
        "manifest": "abc",
        "split": split,
        **made_by,
    }
    Scores(table, Provenance(**about)).write(path)


def manifest(path: Path, rows: list[Sample]) -> None:
    """Writes a manifest that was audited clean, so that nobody warns of it."""
    made = Manifest.write(rows, path)
    AuditReport(manifest=made.hash, samples=len(made)).write(path)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, photo: Path, bright_model: Path) -> Path:
    """A folder in which everything is as it should be, beside what is not."""
    root = tmp_path_factory.mktemp("good")
    face = Image.open(photo).crop((100, 0, 356, 256))
    face.save(root / "face.png")
    for name in ("bright.onnx", "bright.json"):
        shutil.copy(bright_model.parent / name, root / name)
    (root / "pictures").mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for n in range(12):
        Image.fromarray(rng.integers(0, 256, (60, 60, 3), dtype=np.uint8)).save(
            root / "pictures" / f"{n}.png"
        )
        split = ("train", "dev", "test")[n // 4]
        rows.append(
            Sample(
                path=f"pictures/{n}.png",
                label=n % 2,
                split=split,
                subject=f"s{n // 4}",
                x=10,
                y=10,
                w=40,
                h=40,
            )
        )
    manifest(root / "m.parquet", rows)
    (root / "recipe.yaml").write_text(RECIPE)
    name, settings = "timm/mobilenetv3_small_050", {"image_size": (64, 64), "stage": 1}
    card = ModelCard(
        name="t",
        task="antispoof",
        architecture=name,
        preprocessing=Preprocessing(size=(64, 64)),
        score_means="any",
    )
    save_checkpoint(create_model(name, **settings), card, root / "run", settings=settings, recipe=RECIPE)
    scores(root / "test.parquet", "test")
    scores(root / "dev.parquet", "dev", seed=1)
    (root / "text.txt").write_text("just text")
    (root / "empty").mkdir()
    (root / "nuaa").mkdir()
    return root


@pytest.fixture
def world(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the good folder, in which a case may spoil something; it is the working directory."""
    shutil.copytree(good, tmp_path / "world")
    monkeypatch.chdir(tmp_path / "world")
    return tmp_path / "world"


def file(name: str, content: bytes | str) -> Callable[[Path], None]:
    """Returns a spoiler that writes a file."""

    def write(world: Path) -> None:
        (world / name).parent.mkdir(parents=True, exist_ok=True)
        (world / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return write


def edited(name: str, change: Callable[[dict], object]) -> Callable[[Path], None]:
    """Returns a spoiler that changes a JSON file."""

    def write(world: Path) -> None:
        content = json.loads((world / name).read_text())
        change(content)
        (world / name).write_text(json.dumps(content))

    return write


def rows(change: Callable[[list[dict]], object]) -> Callable[[Path], None]:
    """Returns a spoiler that changes the rows of m.parquet."""

    def write(world: Path) -> None:
        content = [sample.model_dump() for sample in Manifest.read(world / "m.parquet").samples()]
        change(content)
        manifest(world / "m.parquet", [Sample(**row) for row in content])

    return write


def without(name: str) -> Callable[[Path], None]:
    return lambda world: (world / name).unlink()


def sparse(name: str, size: int) -> Callable[[Path], None]:
    def write(world: Path) -> None:
        with (world / name).open("wb") as out:
            out.truncate(size)

    return write


def other_graph(world: Path) -> None:
    """An ONNX file that takes and gives something else; its card vouches for it."""
    import onnx
    from onnx import TensorProto, helper

    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("a", "b")]
    graph = helper.make_graph([helper.make_node("Relu", ["a"], ["b"])], "g", value[:1], value[1:])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(made, world / "other.onnx")
    card = ModelCard.from_json((world / "bright.json").read_text(), "card")
    card = card.model_copy(update={"sha256": sha256_of(world / "other.onnx")})
    (world / "other.json").write_text(card.to_json())


PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
CHECK = ["check", "--model", "bright.onnx"]
TRAIN = ["train", "recipe.yaml", "--out", "new"]
EVALUATE = ["evaluate", "run", "--data", "m.parquet", "--out", "new"]
REPORT = ["report", "test.parquet", "--dev", "dev.parquet", "--out", "new"]
SET = {
    name: ["data", "prepare", name, "set", "--as-is", "--out", "new/m.parquet"]
    for name in ("ms1m", "verification-pack", "people", "lfw")
}
NUAA = ["data", "prepare", "nuaa", "nuaa", "--out", "new/m.parquet"]
NUAA_HEAD = "path,label,subject,session,split_subject_disjoint,x,y,w,h,sha256\n"
NUAA_ROW = "live/1/1_00_00_01_0.jpg,live,1,01,train,1,1,9,9,a\n"

# name: (arguments, what is said, spoilers …)
Case = tuple
CASES: dict[str, Case] = {
    # Sets of people.
    "records without an index": (SET["ms1m"], "train.idx: the index of the records", file("set/train.rec", b"")),
    "records cut short": (
        SET["ms1m"], "train.rec: byte 0: 8 bytes are announced, 3 left",
        file("set/train.rec", b"abc"), file("set/train.idx", "1\t0\n"),
    ),
    "records of another kind": (
        SET["ms1m"], "train.rec: byte 0: no record begins there",
        file("set/train.rec", b"a" * 99), file("set/train.idx", "1\t0\n"),
    ),
    "pack that runs code": (
        SET["verification-pack"], "lfw.bin: asks for os.system, which is no plain data; nothing was run",
        file("set/lfw.bin", b"cos\nsystem\n(S'touch new'\ntR."),
    ),
    "pack is text": (
        SET["verification-pack"], "lfw.bin: is not a verification pack", file("set/lfw.bin", "hello"),
    ),
    "person without a picture": (
        SET["people"], "set/anna: holds no pictures of a person", file("set/anna/notes.txt", "nobody"),
    ),
    "pairs of nobody": (
        SET["lfw"], "pairs.txt: line 2: is no pair of one person",
        file("set/A/A_0001.jpg", b""), file("set/pairs.txt", "1\t1\nA\n\nB"),
    ),
    # A picture.
    "picture missing": ([*CHECK, "none.png"], "none.png: no such file"),
    "picture empty": ([*CHECK, "x.png"], "x.png: is empty", file("x.png", b"")),
    "picture is text": ([*CHECK, "text.txt"], "text.txt: is not an image"),
    "picture is a model": ([*CHECK, "bright.onnx"], "bright.onnx: is not an image"),
    "JPEG cut short": ([*CHECK, "x.jpg"], "x.jpg: is damaged", file("x.jpg", encoded(PHOTO, "JPEG")[:900])),
    "PNG cut short": ([*CHECK, "x.png"], "x.png: is damaged", file("x.png", encoded(PHOTO, "PNG")[:900])),
    "picture of one pixel": ([*CHECK, "x.png"], "1x1 pixels; at least", file("x.png", png_header(1, 1))),
    "picture of a line": ([*CHECK, "x.png"], "300x2 pixels; at least", file("x.png", png_header(300, 2))),
    "picture of 400 million pixels": (
        [*CHECK, "x.png"], "x.png: has too many pixels; the limit is", file("x.png", png_header(20_000, 20_000)),
    ),
    "picture above the limit": (
        [*CHECK, "x.png"], "8000x7000 pixels; the limit is", file("x.png", png_header(8000, 7000)),
    ),
    "file of 65 MB": ([*CHECK, "x.png"], "bytes; the limit is", sparse("x.png", 65 * 2**20)),
    "folder without pictures": ([*CHECK, "empty"], "empty: no picture in it"),
    "glob without matches": ([*CHECK, "pictures/*.jpg"], "pictures/*.jpg: no file matches"),
    "picture of an impossible name": ([*CHECK, "n" * 300 + ".png"], "cannot be read (File name too long)"),
    "picture with a NUL in its name": ([*CHECK, "a\0b.png"], "a\\x00b.png: cannot be read"),
    "picture is a device": ([*CHECK, "/dev/zero"], "/dev/zero: is not a regular file but a device"),
    "picture is a pipe": (
        [*CHECK, "pipe.png"], "pipe.png: is not a regular file but a pipe", lambda world: os.mkfifo(world / "pipe.png"),
    ),
    "picture at an address": ([*CHECK, "https://a.b/c.png"], "curl -L https://a.b/c.png | facetrust check -"),
    "picture at another address": ([*CHECK, "rtsp://a.b/c"], "is an address (rtsp:), and nothing is fetched"),
    "camera": ([*CHECK, "0"], "0: no such file; cameras are not read yet"),
    "video is text": ([*CHECK, "x.mp4"], "x.mp4: is not a video of a known format", file("x.mp4", "text")),
    "video is a playlist": ([*CHECK, "x.ts"], "x.ts: is not a video", file("x.ts", "#EXTM3U\nhttp://localhost/a.ts\n")),
    "pipe to explain": (
        ["explain", "bright.onnx", "pipe"], "pipe: is not a regular file but a pipe", lambda world: os.mkfifo(world / "pipe"),
    ),
    "picture to explain missing": (["explain", "bright.onnx", "none.png"], "none.png: no such file"),
    "no face to explain": (["explain", "bright.onnx", "pictures/0.png", "--out", "new"], "pictures/0.png: no face found"),
    "explanation unknown": (["explain", "bright.onnx", "face.png", "--method", "camm"], "did you mean 'cam'"),
    "explanation that needs the network": (["explain", "bright.onnx", "face.png", "--method", "gradcam"], "give a run folder"),
    # A model.
    "model missing": (["check", "face.png", "--model", "none.onnx"], "none.onnx: no such model file"),
    "model's name unknown": (["check", "face.png", "--model", "antispoof-tinny"], "no model named"),
    "model is a folder": (["check", "face.png", "--model", "./empty"], "is a folder; give an .onnx file"),
    "model is text": (["check", "face.png", "--model", "text.onnx"], "text.onnx", file("text.onnx", "no")),
    "model empty": (["check", "face.png", "--model", "zero.onnx"], "zero.onnx", file("zero.onnx", "")),
    "model without card": ([*CHECK, "face.png"], "bright.onnx: has no card", without("bright.json")),
    "model altered": (
        [*CHECK, "face.png"], "SHA-256 is", edited("bright.json", lambda card: card.update(sha256="0" * 64)),
    ),
    "card with an unknown field": (
        [*CHECK, "face.png"], "bright.json: colour: Extra", edited("bright.json", lambda card: card.update(colour=1)),
    ),
    "card lacks a field": (
        [*CHECK, "face.png"], "bright.json: task: Field required", edited("bright.json", lambda card: card.pop("task")),
    ),
    "card of a later schema": (
        [*CHECK, "face.png"], "bright.json: schema:",
        edited("bright.json", lambda card: card.update(schema="facetrust.card/9")),
    ),
    "card is no JSON": ([*CHECK, "face.png"], "bright.json: the card: Invalid JSON", file("bright.json", "{")),
    "card nested 50,000 deep": (
        [*CHECK, "face.png"], "bright.json: the card: Invalid JSON", file("bright.json", '{"task":' * 50_000),
    ),
    "setting nested 50,000 deep": (
        ["profile", "minifasnet-v2:depth=" + "[" * 50_000, "--rounds", "3"], "depth",
    ),
    "card of another size": (
        [*CHECK, "face.png"], "takes images of",
        edited("bright.json", lambda card: card["preprocessing"].update(size=[32, 32])),
    ),
    "card of another task": (
        [*CHECK, "face.png", "--task", "antispoof"], "is a model for deepfake, not for antispoof",
        edited("bright.json", lambda card: card.update(task="deepfake")),
    ),
    "model of another convention": (
        ["check", "face.png", "--model", "other.onnx"], "needed are 'image' and 'score'", other_graph,
    ),
    "detector missing": ([*CHECK, "face.png", "--detector", "none.onnx"], "none.onnx"),
    "detector is text": ([*CHECK, "face.png", "--detector", "text.onnx"], "text.onnx", file("text.onnx", "no")),
    "detector is no detector": ([*CHECK, "face.png", "--detector", "bright.onnx"], "bright.onnx"),
    "demo's model unknown": (["demo", "--model", "nobody", "--out", "new"], "no model named 'nobody'"),
    # A manifest.
    "manifest missing": (["audit", "none.parquet"], "none.parquet: no such manifest"),
    "manifest of another suffix": (["audit", "text.txt"], "must end in .parquet or .csv"),
    "manifest is a folder": (
        ["audit", "x.csv"], "x.csv: is a directory", lambda world: (world / "x.csv").mkdir(),
    ),
    "manifest damaged": (["audit", "x.parquet"], "is not a readable parquet", file("x.parquet", "PAR1 no")),
    "manifest empty": (["audit", "x.csv"], "x.csv: is not a readable csv", file("x.csv", "")),
    "manifest of bytes": (["audit", "x.csv"], "x.csv", file("x.csv", b"\xff\xfe\x00path\x00")),
    "manifest lacks a column": (
        ["audit", "x.csv"], "x.csv: lacks the column 'path'", file("x.csv", "label,split\nlive,train\n"),
    ),
    "manifest without rows": (["audit", "x.csv"], "x.csv: has no rows", file("x.csv", HEAD)),
    "label unknown": (
        ["audit", "x.csv"], "row 1: label 'maybe' is not known", file("x.csv", HEAD + ROW.replace("live", "maybe")),
    ),
    "split unknown": (
        ["audit", "x.csv"], "row 1: split 'val' is not one of", file("x.csv", HEAD + ROW.replace("train", "val")),
    ),
    "picture twice": (["audit", "x.csv"], "'pictures/0.png' comes twice", file("x.csv", HEAD + ROW + ROW)),
    "box by halves": (
        ["audit", "x.csv"], "the box needs all of", file("x.csv", HEAD + ROW.replace("10,10,40,40", "10,10,,")),
    ),
    "box of words": (
        ["audit", "x.csv"], "x 'left' is not a number", file("x.csv", HEAD + ROW.replace("10,10,40", "left,10,40")),
    ),
    "box without size": (
        ["audit", "x.csv"], "w and h above 0", file("x.csv", HEAD + ROW.replace("40,40", "0,40")),
    ),
    # A dataset.
    "source unknown": (["data", "prepare", "nuua", "nuaa", "--out", "new/m.csv"], "did you mean 'nuaa'"),
    "root missing": (["data", "prepare", "lfw", "none", "--out", "new/m.csv"], "none: no such folder"),
    "root is a file": (["data", "prepare", "lfw", "text.txt", "--out", "new/m.csv"], "text.txt: is not a folder"),
    "root empty": (["data", "prepare", "folder", "empty", "--out", "new/m.csv"], "empty: is empty"),
    "list missing": (NUAA, "manifest.csv", file("nuaa/live/1/x.jpg", b"x")),
    "list names a missing picture": (NUAA, "1_00_00_01_0.jpg", file("nuaa/manifest.csv", NUAA_HEAD + NUAA_ROW)),
    "list with an unknown label": (
        NUAA, "label 'odd' is not known",
        file("nuaa/manifest.csv", NUAA_HEAD + NUAA_ROW.replace(",live,", ",odd,")),
    ),
    "prepared manifest of another suffix": (
        ["data", "prepare", "folder", "pictures", "--out", "new/m.txt"], "m.txt",
    ),
    "room of less than a face": ([*NUAA, "--context", "0.5"], "context must be at least 1"),
    "label's folder unknown": (
        ["data", "prepare", "folder", "cats", "--out", "new/m.csv"], "label 'tabby' is not known",
        file("cats/tabby/1.jpg", b"x"),
    ),
    "nothing live to simulate from": (
        ["data", "simulate", "m.parquet", "--out", "new/m.parquet"], "no bona fide rows",
        rows(lambda all_: [row.update(label=1) for row in all_]),
    ),
    "simulated species unknown": (
        ["data", "simulate", "m.parquet", "--species", "self-blnd", "--out", "new/m.parquet"], "did you mean 'self-blend'",
    ),
    "simulated split unknown": (
        ["data", "simulate", "m.parquet", "--split", "val", "--out", "new/m.parquet"], "no split named 'val'",
    ),
    "simulated people are all others'": (
        ["data", "simulate", "m.parquet", "--apart-from", "m.parquet", "--split", "train", "--out", "new/m.parquet"], "m.parquet",
    ),
    "manifest to stay apart from missing": (
        ["data", "simulate", "m.parquet", "--apart-from", "none.csv", "--out", "new/m.parquet"], "none.csv: no such manifest",
    ),
    "simulated manifest of another suffix": (["data", "simulate", "m.parquet", "--out", "new/m.txt"], "m.txt"),
    # A recipe.
    "recipe unknown": (["train", "antispoof/teacher-nuua"], "did you mean 'antispoof/teacher-nuaa'"),
    "recipe missing": (["train", "none.yaml"], "none.yaml: no such recipe file"),
    "recipe is no YAML": (["train", "x.yaml"], "x.yaml: is not YAML", file("x.yaml", "a: [")),
    "recipe is a list": (["train", "x.yaml"], "x.yaml: is not a recipe", file("x.yaml", "- a\n")),
    "recipe empty": (["train", "x.yaml"], "x.yaml: is not a recipe", file("x.yaml", "")),
    "recipe of bytes": (["train", "x.yaml"], "x.yaml: is not YAML", file("x.yaml", b"\xff\xfe\xfa")),
    "key unknown": ([*TRAIN, "--set", "trainer.epoch=3"], "did you mean 'epochs'"),
    "section unknown": ([*TRAIN, "--set", "trainr.epochs=3"], "unknown key 'trainr'"),
    "value of the wrong type": ([*TRAIN, "--set", "trainer.epochs=many"], "trainer.epochs: "),
    "value out of range": ([*TRAIN, "--set", "optimizer.lr=-1"], "optimizer.lr: "),
    "setting without value": ([*TRAIN, "--set", "trainer.epochs"], "write section.key=value"),
    "setting that is no YAML": ([*TRAIN, "--set", "trainer.epochs=[1"], "trainer.epochs: is not YAML"),
    "recipe nested 50,000 deep": (
        ["train", "x.yaml"], "x.yaml: is nested more than 50 deep", file("x.yaml", "[" * 50_000),
    ),
    "recipe that unfolds into gigabytes": (
        ["train", "x.yaml"], "with its aliases written out",
        file("x.yaml", "a0: &a0 [1,1,1,1,1,1,1,1,1]\n" + "".join(f"a{n}: &a{n} [{','.join(9 * [f'*a{n - 1}'])}]\n" for n in range(1, 11))),
    ),
    "setting that leads nowhere": ([*TRAIN, "--set", "teachers.7.weight=1"], "recipe.yaml: teachers"),
    "network unknown": ([*TRAIN, "--set", "model.name=minifasnt"], "did you mean 'minifasnet'"),
    "backbone unknown": ([*TRAIN, "--set", "model.name=timm/resnet17"], "no timm backbone named 'resnet17'"),
    "network's setting unknown": ([*TRAIN, "--set", "model.settings.depth=3"], "unexpected keyword argument 'depth'"),
    "stage too deep": ([*TRAIN, "--set", "model.settings.stage=99"], "stage 99"),
    "block too deep": ([*TRAIN, "--set", "model.settings={block: 99}"], "block 99: MobileNetV3 has blocks 1 to 6"),
    "stage and block": ([*TRAIN, "--set", "model.settings.block=2"], "stage 1 and block 2: give one of them"),
    "weights to begin with missing": (
        [*TRAIN, "--set", "model.settings.pretrained=none.pth"], "none.pth: no such weight file",
    ),
    "weights to begin with are text": (
        [*TRAIN, "--set", "model.settings.pretrained=text.txt"], "text.txt: cannot be read as plain weights",
    ),
    "weights to begin with are a run's": (
        [*TRAIN, "--set", "model.settings.pretrained=run/model.safetensors"], "is not a timm/mobilenetv3_small_050; tensors: ",
    ),
    "attack species unknown": (
        [*TRAIN, "--set", "data.augment.simulate=1", "--set", "data.augment.species=[mask]"], "mask",
    ),
    "flag of the Trainer unknown": (
        [*TRAIN, "--set", "trainer.flags.max_stepz=3"], "did you mean 'max_steps'",
    ),
    "flag that the recipe decides": ([*TRAIN, "--set", "trainer.flags.max_epochs=3"], "is decided by"),
    "training manifest missing": ([*TRAIN, "--set", "data.manifests=[none.csv]"], "none.csv: no such manifest"),
    "training rows of one label": (
        TRAIN, "one label only in the train split", rows(lambda all_: [row.update(label=0) for row in all_]),
    ),
    "no rows for development": (
        TRAIN, "no rows in the dev split", rows(lambda all_: [row.update(split="train") for row in all_]),
    ),
    "teacher missing": (
        [*TRAIN, "--set", "losses.logit-distillation={weight: 1}", "--set", "teachers=[{path: none}]"], "none: no card.json",
    ),
    "teacher without its loss": ([*TRAIN, "--set", "teachers=[{path: run}]"], "go together"),
    "loss without a teacher": ([*TRAIN, "--set", "losses.logit-distillation={weight: 1}"], "go together"),
    "run folder is finished": (["train", "recipe.yaml", "--out", "run"], "run: holds a finished run"),
    "run folder is unfinished": (
        ["train", "recipe.yaml", "--out", "run"], "holds an unfinished run", without("run/card.json"),
    ),
    "run folder is a file": (["train", "recipe.yaml", "--out", "text.txt"], "text.txt"),
    # Proof.
    "run missing": (["evaluate", "none/run", "--data", "m.parquet", "--out", "new"], "none/run"),
    "run unfinished": (EVALUATE, "run: no card.json in it", without("run/card.json")),
    "run altered": (EVALUATE, "SHA-256 is", file("run/model.safetensors", b"x" * 100)),
    "run's weights missing": (EVALUATE, "weight file of t is missing", without("run/model.safetensors")),
    "split to evaluate unknown": ([*EVALUATE, "--split", "val"], "split 'val'"),
    "split to evaluate empty": (
        EVALUATE, "no rows in the split 'test'", rows(lambda all_: [row.update(split="dev") for row in all_]),
    ),
    "pictures to evaluate missing": (
        [*EVALUATE], "cannot be read", *(without(f"pictures/{n}.png") for n in range(8, 12)),
    ),
    "manifest to evaluate missing": (
        ["evaluate", "run", "--data", "none.csv", "--out", "new"], "none.csv: no such manifest",
    ),
    "scores into a file": (["evaluate", "run", "--data", "m.parquet", "--out", "text.txt"], "text.txt"),
    "scores missing": (["report", "none.parquet", "--dev", "dev.parquet", "--out", "new"], "no such scores file"),
    "scores are text": (["report", "text.txt", "--dev", "dev.parquet", "--out", "new"], "is not a scores file"),
    "scores are a manifest": (["report", "m.parquet", "--dev", "dev.parquet", "--out", "new"], "not a scores file"),
    "threshold from the reported split": (
        ["report", "test.parquet", "--dev", "test.parquet", "--out", "new"], "test.parquet",
    ),
    "threshold from the reported rows": (
        REPORT, "also dev rows", lambda world: Scores(
            Scores.read(world / "test.parquet").rows, Scores.read(world / "dev.parquet").made_by
        ).write(world / "dev.parquet"),
    ),
    "threshold of another model": (
        REPORT, "dev", lambda world: scores(world / "dev.parquet", "dev", model="other"),
    ),
    "test scores of one class": (REPORT, "class", lambda world: scores(world / "test.parquet", "test", one=True)),
    "dev scores of one class": (REPORT, "class", lambda world: scores(world / "dev.parquet", "dev", one=True)),
    "a score is NaN": (
        REPORT, "NaN", lambda world: scores(world / "test.parquet", "test", spoil=float("nan")),
    ),
    "a score is infinite": (
        REPORT, "infinite", lambda world: scores(world / "dev.parquet", "dev", spoil=float("inf")),
    ),
    "rule unknown": ([*REPORT, "--rule", "best"], "no threshold rule 'best'"),
    "video's rule unknown": ([*REPORT, "--video-rule", "worst"], "worst"),
    "disturbed scores missing": ([*REPORT, "--robustness", "none.parquet"], "none.parquet: no such scores file"),
    "protocol unknown": ([*REPORT, "--protocol", "dev-treshold"], "did you mean 'dev-threshold'"),
    "report into a file": (["report", "test.parquet", "--dev", "dev.parquet", "--out", "text.txt"], "text.txt"),
    # Shipping.
    "run to export missing": (["export", "none", "--out", "new.onnx"], "none: no card.json"),
    "export of another suffix": (["export", "run", "--out", "new.pt"], "new.pt: give a name that ends in .onnx or .pte or .xml"),
    "rule to export by unknown": (
        ["export", "run", "--out", "new.onnx", "--rule", "best", "--data", "m.parquet"], "no threshold rule 'best'",
    ),
    "int8 without faces": (["export", "run", "--out", "new.onnx", "--int8"], "give a manifest"),
    "run to export altered": (
        ["export", "run", "--out", "new.onnx"], "SHA-256 is", file("run/model.safetensors", b"x" * 100),
    ),
    "run's card says more than it may": (
        ["export", "run", "--out", "new.onnx"], "card.json: mood: Extra",
        edited("run/card.json", lambda card: card.update(mood="good")),
    ),
    "export beside nothing": (["export", "run", "--out", "text.txt/new.onnx"], "text.txt"),
    "model to profile missing": (["profile", "none.onnx"], "none.onnx"),
    "model to profile unknown": (["profile", "minifasnt"], "minifasnt"),
    "engine unknown": (["profile", "run", "--engine", "tpu"], "tpu"),
    "checkpoint's kind unknown": (["import-checkpoint", "silent-face-v3", "text.txt", "--out", "new"], "did you mean"),
    "checkpoint missing": (["import-checkpoint", "silent-face-v2", "none.pth", "--out", "new"], "none.pth: no such"),
    "checkpoint is text": (["import-checkpoint", "silent-face-v2", "text.txt", "--out", "new"], "text.txt"),
    "checkpoint of another kind": (["import-checkpoint", "facenox-v2se", "bright.onnx", "--out", "new"], "bright.onnx"),
    "demo into a file": (["demo", "--model", "bright.onnx", "--out", "text.txt"], "text.txt"),
    # Usage.
    "command unknown": (["chek", "face.png"], "Did you mean 'check'"),
    "option unknown": (["check", "face.png", "--jsn"], "--jsn"),
    "argument missing": (["check"], "Missing argument"),
    "option's value missing": (["check", "face.png", "--model"], "--model"),
    "option of the wrong type": (["check", "face.png", "--threads", "two"], "--threads"),
    "threads past the cores": ([*CHECK, "face.png", "--threads", "100000"], "100000 threads: give 1 to "),
    "threads below none": ([*CHECK, "face.png", "--threads", "-1"], "--threads"),
    "threshold of no number": ([*CHECK, "face.png", "--threshold", "high"], "'high' is not a number above 0 and below 1"),
    "threshold out of range": (
        [*CHECK, "face.png", "--task", "antispoof", "--threshold", "1.5"], "threshold for antispoof: 1.5 is not above 0 and below 1",
    ),
    "threshold for a task that is not asked": (
        [*CHECK, "face.png", "--task", "antispoof", "--threshold", "deepfake=0.5"], "add --task deepfake",
    ),
    "two forms": ([*CHECK, "face.png", "--json", "--csv"], "--json, --csv and --quiet: give one of them"),
    "option near another": (["check", "face.png", "--treshold", "0.5"], "did you mean --threshold?"),
    "option near none": (["check", "face.png", "--gpu"], "No such option: --gpu; for all there are, see: facetrust check --help"),
    "task unknown": (["check", "face.png", "--task", "antispof"], "did you mean 'antispoof'"),
    "task that is none": (["check", "face.png", "--task", "colour"], "no task named 'colour'"),
    "task of a model that is not asked": (["check", "face.png", "--task", "antispoof", "--model", "deepfake=x.onnx"], "add --task deepfake"),
}  # fmt: skip


def test_there_are_enough_cases():
    assert len(CASES) >= 60


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_line_status_2_and_leaves_nothing(case, world, refused):
    arguments, said, *spoilers = CASES[case]
    for spoil in spoilers:
        spoil(world)
    refused(arguments, said, world)


FUNCTIONS = {
    "loss unknown": (lambda: registry.find("losses", "binary-cros-entropy"), "did you mean 'binary-cross-entropy'"),
    "metric unknown": (lambda: registry.find("metrics", "auk"), "did you mean 'auc'"),
    "metric's setting unknown": (lambda: registry.build("metrics", "auc", [0, 1], [0, 1], at=1), "it takes"),
    "model unknown": (lambda: create_model("minifasnt"), "did you mean 'minifasnet'"),
    "source unknown": (lambda: registry.find("data.sources", "lwf"), "did you mean 'lfw'"),
    "protocol unknown": (lambda: registry.find("protocols", "none"), "dev-threshold"),
}  # fmt: skip


@pytest.mark.parametrize("case", FUNCTIONS)
def test_a_wrong_name_in_a_call_is_a_named_error_of_one_line(case):
    call, said = FUNCTIONS[case]
    with pytest.raises(FacetrustError) as caught:
        call()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
