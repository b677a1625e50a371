"""Good files of every kind that is read, small and of our own making."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

Seeds = list[tuple[str, bytes]]  # A suffix, and what a good file of it holds.


def portrait() -> Any:
    """A public-domain face, as a small Pillow picture."""
    from PIL import Image
    from skimage.data import astronaut

    return Image.fromarray(astronaut()[40:200, 140:300])


def encoded(**kinds: str) -> Seeds:
    """The face in several formats."""
    seeds = []
    for suffix, kind in kinds.items():
        buffer = io.BytesIO()
        picture = portrait().resize((96, 96))
        picture.save(
            buffer,
            kind,
            **({"save_all": True, "append_images": [picture]} if suffix in ("gif", "tif") else {}),
        )
        seeds.append((f".{suffix}", buffer.getvalue()))
    return seeds


def pictures() -> Seeds:
    """One of every format that is opened, and a grey one of 16 bits."""
    from PIL import Image

    known = encoded(
        jpg="JPEG",
        png="PNG",
        webp="WEBP",
        gif="GIF",
        bmp="BMP",
        tif="TIFF",
        jp2="JPEG2000",
        ppm="PPM",
        tga="TGA",
        avif="AVIF",
    )
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(portrait().convert("L"), np.uint16) * 257).save(buffer, "PNG")
    return [*known, (".png", buffer.getvalue())]


def videos() -> Seeds:
    """A second of the face, in every container that FFmpeg may write here."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # Read once, and by writers too.
    import cv2

    seeds = []
    frame = np.asarray(portrait().resize((96, 96)))[:, :, ::-1]
    codes = {
        "avi": "MJPG",
        "mp4": "mp4v",
        "mkv": "MJPG",
        "webm": "VP80",
        "mov": "mp4v",
        "mpg": "mpg1",
        "wmv": "WMV2",
        "ts": "mp2v",
    }
    with tempfile.TemporaryDirectory() as folder:
        for suffix, code in codes.items():
            path = Path(folder) / f"a.{suffix}"
            video = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*code), 25.0, (96, 96))
            for shift in range(12):
                video.write(np.roll(frame, shift, axis=1))
            video.release()
            seeds.append((f".{suffix}", path.read_bytes()))
    return seeds


def graph() -> bytes:
    """A network that takes brightness for an attack; it has a convolution, and an evidence map."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["map"], strides=[4, 4]),
        helper.make_node("Squeeze", ["map", "one"], ["evidence"]),
        helper.make_node("ReduceMean", ["evidence", "axes"], ["logit"], keepdims=0),
        helper.make_node("Sigmoid", ["logit"], ["score"]),
    ]
    constants = [
        numpy_helper.from_array(np.full((1, 3, 4, 4), 1 / 48, np.float32), "kernel"),
        numpy_helper.from_array(np.array([1]), "one"),
        numpy_helper.from_array(np.array([1, 2]), "axes"),
    ]
    values = [("image", ["n", 3, 32, 32]), ("score", ["n"]), ("evidence", ["n", 8, 8])]
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in values]
    made = helper.make_graph(nodes, "brightness", ports[:1], ports[1:], constants)
    return helper.make_model(
        made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9
    ).SerializeToString()


def card(weights: str, content: bytes, architecture: str = "by hand") -> bytes:
    """A card that vouches for a file."""
    from facetrust.records import ModelCard, Preprocessing, Threshold

    threshold = Threshold(value=0.5, rule="by hand", manifest="none", split="dev")
    sha256 = hashlib.sha256(content).hexdigest()
    made = ModelCard(
        name="fuzz", task="antispoof", architecture=architecture, score_means="brightness",
        thresholds=(threshold,),
        preprocessing=Preprocessing(size=(32, 32)), weights=weights, sha256=sha256,
    )  # fmt: skip
    return made.to_json().encode()


def checkpoint() -> bytes:
    """The weights of a small network of timm's, as training writes them."""
    from facetrust.models import create_model, save_checkpoint
    from facetrust.records import ModelCard

    name, settings = "timm/test_vit", {"image_size": (32, 32)}
    with tempfile.TemporaryDirectory() as folder:
        about = ModelCard.from_json(card("", b"", name), "card")
        save_checkpoint(create_model(name, **settings), about, Path(folder), settings=settings)
        return (Path(folder) / "model.safetensors").read_bytes()


def rows() -> Any:
    """Forty rows of a manifest."""
    import polars as pl

    count = np.arange(40)
    return pl.DataFrame(
        {
            "path": [f"a/{n}.png" for n in count],
            "label": count % 2,
            "split": [("train", "dev", "test")[n % 3] for n in count],
            "subject": [f"{n // 4:04}" for n in count],
            "frame": count,
            **dict.fromkeys("xywh", count * 0.5 + 1),
            "points": [" ".join(["1.5"] * 10)] * 40,
        }
    )


def scores() -> bytes:
    """A scores file of forty rows."""
    import polars as pl

    from facetrust.records import Provenance, Scores

    names = {name: [f"{n // 2}" for n in range(40)] for name in ("media", "subject", "domain", "attack")}
    values = {
        "sample": [str(n) for n in range(40)],
        "label": np.arange(40) % 2,
        "score": np.linspace(0, 1, 40),
    }
    made_by = Provenance(model="fuzz", version="1", task="antispoof", manifest="0" * 16, split="test", seed=1)
    with tempfile.TemporaryDirectory() as folder:
        Scores(pl.DataFrame({**names, **values}), made_by).write(Path(folder) / "a.parquet")
        return (Path(folder) / "a.parquet").read_bytes()


def parquet() -> bytes:
    """The manifest as Parquet."""
    buffer = io.BytesIO()
    rows().write_parquet(buffer)
    return buffer.getvalue()


def recipes() -> Seeds:
    """Every recipe that comes with the package."""
    found = sorted(Path(str(files("facetrust"))).glob("recipes/**/*.yaml"))
    return [(".yaml", path.read_bytes()) for path in found]
