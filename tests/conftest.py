"""Fixtures that every part of the tests may use."""

from __future__ import annotations

import importlib
import os

# Two cores are shared by tests that train and tests that infer; one thread each is the faster choice.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from facetrust import registry
from facetrust.imaging import Pixels
from facetrust.records import Face, ModelCard, Preprocessing, Threshold, sha256_of

BESIDE = Path(__file__).resolve().parents[1] / ".." / "shared"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the unpacked research sets: nuaa, lfw, cfp, fasseg, ffpp, cifar32, orl.

    FACETRUST_DATA names it; otherwise the archives beside the checkout are unpacked once.
    """
    if named := os.environ.get("FACETRUST_DATA"):
        folder = Path(named)
        if not folder.is_dir():
            pytest.fail(f"FACETRUST_DATA={named} is not a folder")
        return folder
    unpack = BESIDE / "data" / "unpack"
    if not unpack.is_file():
        pytest.skip("no real data: set FACETRUST_DATA to a folder with the unpacked sets")
    folder = Path(tempfile.gettempdir()) / f"facetrust-data-{os.getuid()}"
    import fcntl

    with folder.with_suffix(".lock").open("w") as lock:  # Tests run in several processes.
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run([unpack, folder], check=True)
    return folder


@pytest.fixture(scope="session")
def toy_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `tests/toy` was installed into: a package that adds three questions by entry points."""
    folder = tmp_path_factory.mktemp("toy")
    install = ["install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target"]
    shutil.copytree(Path(__file__).parent / "toy", folder / "source")
    subprocess.run([sys.executable, "-m", "pip", *install, folder / "site", folder / "source"], check=True)
    return folder / "site"


@pytest.fixture(scope="module")
def toy(toy_site: Path) -> Iterator[Path]:
    """Makes the toy package importable while a module's tests run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(toy_site)
        registry.forget()
        yield toy_site
    registry.forget()


@pytest.fixture(scope="session")
def peers() -> Path:
    """The folder with other projects' checkpoints; FACETRUST_PEERS names it."""
    folder = Path(os.environ.get("FACETRUST_PEERS") or BESIDE / "peers")
    if not folder.is_dir():
        pytest.skip("no peers' checkpoints: set FACETRUST_PEERS to a folder with them")
    return folder.resolve()


HELD = 70.0  # Seconds; an ONNX Runtime that reports calls its maker within the first ten.


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the test that waits for `held_session` last."""
    items.sort(key=lambda item: item.path.name == "test_telemetry.py")


@pytest.fixture(autouse=True, scope="session")
def held_session(request: pytest.FixtureRequest, tmp_path_factory) -> Iterator[Path | None]:
    """The file into which a process writes what it saw; it begins with the first test and holds a session.

    Of several workers one starts it. None where the test that reads the file is not run.
    """
    if not any(item.path.name == "test_telemetry.py" for item in request.session.items):
        yield None
        return
    worker, shared = os.environ.get("PYTEST_XDIST_WORKER"), tmp_path_factory.getbasetemp()
    shared = shared.parent if worker else shared
    answer = shared / "held_session.json"
    if worker not in (None, "gw0"):
        yield answer
        return
    (shared / "held").mkdir()
    script = Path(__file__).with_name("held_session.py")
    asked = [sys.executable, script, shared / "held", str(HELD), answer]
    lacking = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    with subprocess.Popen(asked, env=lacking) as process:
        yield answer
        process.kill()


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PNG of a public-domain portrait with one face."""
    from PIL import Image
    from skimage.data import astronaut

    path = tmp_path_factory.mktemp("photo") / "astronaut.png"
    Image.fromarray(astronaut()).save(path)
    return path


@pytest.fixture(scope="session")
def film() -> Callable[..., Path]:
    """Writes (H, W, 3) RGB frames as a video, in any code that the build can write; gives its path."""
    import cv2

    def write(path: Path, frames: Any, code: str = "MJPG") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        size = (frames[0].shape[1], frames[0].shape[0])
        # MJPG is written as AVI and then given the name: its content says what a video is.
        made = path if code != "MJPG" else path.with_name(f".{path.name}.avi")
        video = cv2.VideoWriter(str(made), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*code), 25.0, size)
        assert video.isOpened()
        for frame in frames:
            video.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        video.release()
        return made.rename(path)

    return write


@pytest.fixture(scope="session")
def bright_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An .onnx file with card that takes brightness for an attack: its logit is 20 (mean - 0.65)."""
    import onnx
    from onnx import TensorProto, helper

    from facetrust.records import ModelCard, Preprocessing, Threshold, sha256_of

    def constant(name: str, values: list[float]) -> onnx.TensorProto:
        return helper.make_tensor(name, TensorProto.FLOAT, [len(values)] if len(values) > 1 else [], values)

    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    cells = helper.make_tensor("cells", TensorProto.INT64, [2], [1, 2])
    nodes = [
        helper.make_node("AveragePool", ["image"], ["pooled"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("ReduceMean", ["pooled", "axes"], ["grey"], keepdims=0),
        helper.make_node("Sub", ["grey", "middle"], ["centred"]),
        helper.make_node("Mul", ["centred", "slope"], ["evidence"]),
        helper.make_node("ReduceMean", ["evidence", "cells"], ["logit"], keepdims=0),
        helper.make_node("Sigmoid", ["logit"], ["score"]),
    ]
    graph = helper.make_graph(
        nodes,
        "bright",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 64, 64])],
        [
            helper.make_tensor_value_info("score", TensorProto.FLOAT, ["batch"]),
            helper.make_tensor_value_info("evidence", TensorProto.FLOAT, ["batch", 4, 4]),
        ],
        [axes, cells, constant("middle", [0.65]), constant("slope", [20.0])],
    )
    path = tmp_path_factory.mktemp("bright") / "bright.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
    card = ModelCard(
        name="bright",
        task="antispoof",
        architecture="by hand",
        preprocessing=Preprocessing(size=(64, 64)),
        score_means="brightness",
        evidence_means="brightness of a cell, in logits",
        thresholds=(Threshold(value=0.5, rule="by hand", manifest="none", split="dev"),),
        weights=path.name,
        sha256=sha256_of(path),
    )
    path.with_suffix(".json").write_text(card.to_json())
    return path


@pytest.fixture(scope="session")
def write_embedder() -> Callable[..., Path]:
    """Writes an .onnx file with a card of the toy question whose embedding is a face's tint: RGB minus grey.

    `brightness` True makes the logarithm of it, so that a face darker than grey is not a number.
    """
    import onnx
    from onnx import TensorProto, helper

    def write(path: Path, *, brightness: bool = False, middle: float = 0.5, **changes: Any) -> Path:
        axes = helper.make_tensor("axes", TensorProto.INT64, [2], [2, 3])
        grey = helper.make_tensor("grey", TensorProto.FLOAT, [], [middle])
        last = helper.make_node("Log" if brightness else "Identity", ["tint"], ["embedding"])
        nodes = [
            helper.make_node("ReduceMean", ["image", "axes"], ["mean"], keepdims=0),
            helper.make_node("Sub", ["mean", "grey"], ["tint"]),
            last,
        ]
        shape = ["batch", 3, SIDE, SIDE]
        graph = helper.make_graph(
            nodes,
            "tint",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 3])],
            [axes, grey],
        )
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
        cosines = (("far@1%", 0.9), ("far@0.1%", 0.99))
        fields = {
            "name": "tint",
            "task": "toy-tint",
            "architecture": "by hand",
            "preprocessing": Preprocessing(margins=(1.0,), size=(SIDE, SIDE)),
            "score_means": "cosine of tints",
            "thresholds": [
                Threshold(value=value, rule=rule, manifest="none", split="dev") for rule, value in cosines
            ],
            "weights": path.name,
            "sha256": sha256_of(path),
        }
        path.with_suffix(".json").write_text(ModelCard(**{**fields, **changes}).to_json())
        return path

    return write


@pytest.fixture(scope="session")
def write_parser() -> Callable[..., Path]:
    """Writes an .onnx file with a card of the toy question with classes: the strongest channel's."""
    import onnx
    from onnx import TensorProto, helper

    def write(path: Path, **changes: Any) -> Path:
        how = changes.pop("preprocessing", Preprocessing(margins=(2.0,), size=(64, 64)))
        sharp = helper.make_tensor("sharp", TensorProto.FLOAT, [], [20.0])
        nodes = [
            helper.make_node("Mul", ["image", "sharp"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["classes"], axis=1),
        ]
        shape = ["batch", 3, *how.size]
        graph = helper.make_graph(
            nodes,
            "channels",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("classes", TensorProto.FLOAT, shape)],
            [sharp],
        )
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
        fields = {
            "name": "channels",
            "task": "toy-quarters",
            "architecture": "by hand",
            "preprocessing": how,
            "score_means": "strongest channel",
            "classes": ("red", "green", "blue"),
            "weights": path.name,
            "sha256": sha256_of(path),
        }
        path.with_suffix(".json").write_text(ModelCard(**{**fields, **changes}).to_json())
        return path

    return write


SIDE = 16


@pytest.fixture(autouse=True, scope="session")
def _cache(tmp_path_factory):
    """Keeps the user's cache and models out of the tests; the detector is built once for all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACETRUST_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("FACETRUST_MODELS", str(tmp_path_factory.mktemp("models")))
        patch.delenv("FACETRUST_CATALOGUE", raising=False)
        yield


def tiny_graph() -> Any:
    """Evidence is the mean over RGB of 4x4 cells, times 4, minus 2; so the logit is 4 x mean - 2."""
    from onnx import TensorProto, helper, numpy_helper

    kernel = np.full((1, 3, 4, 4), 4 / 48, np.float32)
    nodes = [
        helper.make_node("Conv", ["image", "kernel", "bias"], ["map"], strides=[4, 4]),
        helper.make_node("Squeeze", ["map", "one"], ["evidence"]),
        helper.make_node("ReduceMean", ["evidence"], ["logit"], axes=[1, 2], keepdims=0),
        helper.make_node("Sigmoid", ["logit"], ["score"]),
    ]
    constants = [
        numpy_helper.from_array(kernel, "kernel"),
        numpy_helper.from_array(np.asarray([-2], np.float32), "bias"),
        numpy_helper.from_array(np.asarray([1], np.int64), "one"),
    ]
    entry = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])
    score = helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"])
    evidence = helper.make_tensor_value_info("evidence", TensorProto.FLOAT, ["n", 4, 4])
    graph = helper.make_graph(nodes, "tiny", [entry], [score, evidence], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def tiny_card(**changes) -> ModelCard:
    fields = {
        "name": "tiny",
        "task": "antispoof",
        "architecture": "one convolution",
        "preprocessing": Preprocessing(margins=(1.0,), size=(SIDE, SIDE)),
        "score_means": "higher is brighter",
        "thresholds": (Threshold(value=0.5, rule="by hand", manifest="none", split="dev"),),
    }
    return ModelCard(**{**fields, **changes})


@pytest.fixture
def write_model(tmp_path) -> Callable[..., Path]:
    """A function that writes a tiny model with its card inside and, unless told otherwise, beside it."""

    def write(name: str = "tiny", /, *, inside: bool = True, beside: bool = True, **changes) -> Path:
        import onnx
        from onnx import helper

        path = tmp_path / f"{name}.onnx"
        model = tiny_graph()
        card = tiny_card(**changes)
        if inside:
            helper.set_model_props(model, {"facetrust.card": card.to_json()})
        onnx.save(model, path)
        if beside:
            stated = card.model_copy(update={"weights": path.name, "sha256": sha256_of(path)})
            path.with_suffix(".json").write_text(stated.to_json())
        return path

    return write


class Told:
    """A detector that finds the given boxes in every picture."""

    name = "told"
    sure = 0.5
    likely = 0.4

    def __init__(self, *boxes: tuple[float, float, float, float]) -> None:
        self.boxes = boxes
        self.seen: list[tuple[int, ...]] = []

    def detect(self, image: Pixels) -> list[Face]:
        self.seen.append(image.shape)
        return [Face(box=box, points=_points(box), confidence=0.9) for box in self.boxes]


def _points(box):
    x, y, w, h = box
    shares = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))
    return tuple((x + a * w, y + b * h) for a, b in shares)


@pytest.fixture
def told() -> type[Told]:
    return Told


@pytest.fixture(scope="session")
def portrait() -> Pixels:
    """A public-domain portrait, (512, 512, 3); the face is about x 178, y 62, w 88, h 112."""
    return np.ascontiguousarray(pytest.importorskip("skimage.data").astronaut())


FACE = (178.0, 62.0, 88.0, 112.0)


def overlap(a, b) -> float:
    """Intersection over union of two boxes x, y, w, h."""
    across = max(0.0, min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]))
    down = max(0.0, min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]))
    shared = across * down
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


@pytest.fixture(scope="session")
def near_face() -> Callable[..., bool]:
    """A function that says whether a box is the portrait's face."""
    return lambda box, face=FACE: overlap(box, face) > 0.6


@pytest.fixture(scope="session")
def mtcnn():
    from facetrust.faces.mtcnn import Mtcnn

    return Mtcnn()


@pytest.fixture(scope="session")
def yunet(peers):
    from facetrust.faces.yunet import YuNet

    return YuNet(peers / "yunet_2023mar.onnx")


@pytest.fixture(scope="session")
def brightness() -> type[Any]:
    """A network that can be reckoned by hand."""
    import torch
    from torch import Tensor, nn

    from facetrust.models import Score

    class Brightness(nn.Module):
        """The logit is a factor times the mean pixel; it is its own embedding, beside a constant."""

        def __init__(self, factor: float) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.tensor(factor))

        def answer(self, images: Tensor) -> tuple[Score, Tensor]:
            evidence = self.factor * images.mean(1)
            output = Score(evidence.mean((1, 2)), evidence)
            return output, torch.stack([output.logit, torch.ones_like(output.logit)], dim=1)

        def forward(self, images: Tensor) -> Score:
            return self.answer(images)[0]

    return Brightness


@pytest.fixture(scope="session")
def batch() -> Callable[..., dict[str, Any]]:
    """A function that makes a batch that can be reckoned by hand."""
    import torch

    def make(**views: float) -> dict[str, object]:
        """Returns two faces with two crops each, every crop of one brightness: the value, and its triple."""
        crops = {
            name: torch.stack([torch.full((2, 3, 4, 4), value), torch.full((2, 3, 4, 4), 3 * value)])
            for name, value in views.items()
        }
        return {"views": crops, "target": torch.tensor([0.0, 1.0])}

    return make


@pytest.fixture
def refused(capfd) -> Callable[[Sequence[Any], str, Path], str]:
    """A function that runs bad input: one line, which it returns, status 2, and an unchanged folder."""
    from facetrust import cli

    def refuse(arguments: Sequence[Any], said: str, world: Path) -> str:
        before = _held(world)
        capfd.readouterr()
        status = cli.main(list(arguments))
        out, err = capfd.readouterr()
        assert status == 2, err
        assert len(err.splitlines()) == 1, err
        assert err.startswith("facetrust: ")
        assert said in err
        assert "Traceback" not in out + err
        assert out == ""
        assert _held(world) == before
        return str(err)

    return refuse


def _held(root: Path) -> dict[str, bytes]:
    """Every path below a folder with what it holds, but a database log's index, which readers write to."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else b"folder"
        for path in sorted(root.rglob("*"))
        if not path.name.endswith(("-shm", "-wal"))
    }


@pytest.fixture(scope="session")
def benchmark() -> Callable[[str], ModuleType]:
    """A function that imports a file of `benchmarks/` by its name."""

    def imported(name: str) -> ModuleType:
        folder = str(Path(__file__).parents[1] / "benchmarks")
        sys.path.insert(0, folder)
        try:
            return importlib.import_module(name)
        finally:
            sys.path.remove(folder)

    return imported
