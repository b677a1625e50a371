"""Published weights of other projects, read safely and turned into our own kinds of model.

A `.pth` goes through `torch.load(weights_only=True)` into a checkpoint folder, Keras's HDF5 through h5py; an
`.onnx` is given our outputs and a card. Nothing is fetched: the file is the user's, and so are its terms.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facetrust.errors import MissingExtra, ModelError, UnknownName, first_line
from facetrust.records import ModelCard, Preprocessing, Threshold, sha256_of, write_text, write_whole
from facetrust.zoo.efficient_vit import cross_efficient_vit, efficient_vit
from facetrust.zoo.embedder import embedder
from facetrust.zoo.face_networks import Imported, adaface, arcface_torch, edgeface, face_transformer
from facetrust.zoo.mesonet import mesonet
from facetrust.zoo.recognition import SFACE
from facetrust.zoo.sface import sface

if TYPE_CHECKING:
    import onnx
    from torch import Tensor

_SCORE = "chance that the face is not live: a print, a screen or another attack"
_MANIPULATED = "chance that the face is manipulated: swapped, reenacted or otherwise made"
_TERMS = "Apache-2.0 as published"
# As torch says it.
_UNSUPPORTED = re.compile(r"Unsupported (?:global|class|operand)[^:]*: (?:GLOBAL )?([\w.]+)")
# Their authors take the likelier of two classes. Nothing here proves them, so that they are advisory.
_AS_PUBLISHED: dict[str, Any] = {
    "thresholds": (
        Threshold(value=0.5, rule="the likelier of two classes, as published", manifest="none", split="dev"),
    ),
    "advisory": True,
}
# CLIP's image towers by width.
_WIDTHS = {768: "vit-b16", 384: "vit-s16", 192: "vit-t16"}
# In FLIP-V's files but not in its answer: the bottleneck under a second name, and CLIP's projection.
_TWICE = ("embedder.bottleneck_layer.", "backbone.vit.proj")


def _silent_face(variant: str, margin: float) -> ModelCard:
    how = Preprocessing(
        margins=(margin,), size=(80, 80), top=255.0, color="BGR", fill="shift", square=False, resize="linear"
    )
    return ModelCard(
        name=f"silent-face-{variant}",
        task="antispoof",
        architecture=f"minifasnet-{variant}",
        preprocessing=how,
        score_means=_SCORE,
        training_data="Silent-Face-Anti-Spoofing's own, not public",
        terms=_TERMS,
        **_AS_PUBLISHED,
    )


def _facenox() -> ModelCard:
    return ModelCard(
        name="facenox-v2se",
        task="antispoof",
        architecture="MiniFASNetV2-SE, 128 px (ONNX)",
        preprocessing=Preprocessing(margins=(1.5,), size=(128, 128), fill="reflect"),
        score_means=_SCORE,
        training_data="CelebA-Spoof",
        terms=_TERMS,
        **_AS_PUBLISHED,
    )


def _flip(variant: str, size: tuple[int, int]) -> ModelCard:
    # The authors' crops are a detector's, turned upright; how wide they are cut is not stated.
    how = Preprocessing(
        margins=(1.2,), size=size, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), resize="linear"
    )
    return ModelCard(
        name=f"flip-{variant}",
        task="antispoof",
        architecture=f"flip-{variant}",
        preprocessing=how,
        score_means=_SCORE,
        training_data="not in the file; its authors name the sets that each of their files was trained on",
        terms="no licence file as published",
        **_AS_PUBLISHED,
    )


def _efficient_vit(name: str, size: tuple[int, int]) -> ModelCard:
    # The authors cut a box at the frame's border and pad evenly; here a face stays in the middle.
    how = Preprocessing(margins=(1.0,), size=size, top=255.0, color="BGR", fill="zero", resize="cubic")
    return ModelCard(
        name=name,
        task="deepfake",
        architecture=name,
        preprocessing=how,
        score_means=_MANIPULATED,
        training_data="DFDC and FaceForensics++, as its authors describe",
        terms="MIT as published",
        **_AS_PUBLISHED,
    )


def _mesonet(name: str, variant: str, size: tuple[int, int]) -> ModelCard:
    # The authors turn a face upright by its eyes and cut 1.3 times dlib's box. That box ends at the brows:
    # it has about 0.8 of the height of those found here.
    return ModelCard(
        name=name,
        task="deepfake",
        architecture=f"mesonet-{variant}",
        preprocessing=Preprocessing(margins=(1.05,), size=size),
        score_means=_MANIPULATED,
        training_data="not in the file; its authors name deepfakes of the web, or Face2Face",
        terms=_TERMS,
        **_AS_PUBLISHED,
    )


def import_checkpoint(kind: str, file: str | Path, out: str | Path) -> Path:
    """Writes a published file as a model of ours and returns where: a checkpoint folder or an `.onnx`.

    Args:
        kind: one of `IMPORTERS`.
        file: the published file.
        out: the folder to write into.

    Raises:
        UnknownName: no such kind.
        ModelError: the file is missing, unsafe, or not of this kind; the message says what did not match.
    """
    if kind not in IMPORTERS:
        raise UnknownName("published checkpoint", kind, IMPORTERS)
    file = Path(file)
    if not file.is_file():
        raise ModelError(f"{file}: no such weight file")
    return IMPORTERS[kind](file, Path(out))


def _import_silent_face(file: Path, out: Path, *, variant: str, margin: float) -> Path:
    return _save(file, out, _silent_face(variant, margin), _stripped(file), {})


def _import_flip(file: Path, out: Path) -> Path:
    weights = {key: value for key, value in _plain(file).items() if not key.startswith(_TWICE)}
    variant = "v" if any(key.startswith("backbone.vit.") for key in weights) else "it"
    if any(key.startswith("image_mlp.") for key in weights):
        variant = "mcl"
    settings = _towers(file, weights, "backbone.vit." if variant == "v" else "model.visual.")
    return _save(file, out, _flip(variant, settings["image_size"]), weights, settings)


def _towers(file: Path, weights: Mapping[str, Tensor], tower: str) -> dict[str, Any]:
    """Reads the sizes off the weights: width, number of blocks, and image size from the positions."""
    first, positions = weights.get(f"{tower}conv1.weight"), weights.get(f"{tower}positional_embedding")
    if first is None or positions is None or first.ndim != 4 or positions.ndim != 2:
        raise ModelError(f"{file}: is no FLIP checkpoint; it lacks {tower}conv1.weight or its positions")
    width, patch = first.shape[0], first.shape[-1]
    if width not in _WIDTHS:
        raise ModelError(f"{file}: its image tower is {width} wide; known are {sorted(_WIDTHS)}")
    side = patch * round((len(positions) - 1) ** 0.5)
    blocks = [key for key in weights if key.startswith(tower) and key.endswith(".attn.in_proj_weight")]
    return {"clip": _WIDTHS[width], "image_size": (side, side), "layers": len(blocks), "quick_gelu": True}


def _import_efficient_vit(file: Path, out: Path) -> Path:
    weights, settings = efficient_vit(file, _stripped(file))
    return _save(file, out, _efficient_vit("efficient-vit", settings["image_size"]), weights, settings)


def _import_cross_efficient_vit(file: Path, out: Path) -> Path:
    weights, settings = cross_efficient_vit(file, _stripped(file))
    return _save(file, out, _efficient_vit("cross-efficient-vit", settings["image_size"]), weights, settings)


def _of_faces(read: Callable[[Path, Mapping[str, Tensor]], Imported]) -> Callable[[Path, Path], Path]:
    def importer(file: Path, out: Path) -> Path:
        card, weights, settings = read(file, _stripped(file))
        return _save(file, out, card, weights, settings)

    return importer


def _import_sface(file: Path, out: Path) -> Path:
    weights, settings = sface(file)
    return _save(file, out, SFACE, weights, settings)


def _import_mesonet(file: Path, out: Path) -> Path:
    variant, weights, settings = mesonet(file)
    # Of two files with the same layers only their names tell which forgeries each was trained on.
    name = re.sub(r"[^a-z0-9]+", "-", file.stem.lower()).strip("-") or f"mesonet-{variant}"
    return _save(file, out, _mesonet(name, variant, settings["image_size"]), weights, settings)


def _stripped(file: Path) -> dict[str, Tensor]:
    return {key.removeprefix("module."): value for key, value in _plain(file).items()}


def _plain(file: Path) -> dict[str, Tensor]:
    """Returns the tensors of a pickle, in its `state_dict` if it has one; nothing in it is run."""
    try:
        import torch
    except ImportError:
        raise MissingExtra("torch", "train") from None
    try:
        with torch.serialization.safe_globals(_numbers()):
            found = torch.load(file, map_location="cpu", weights_only=True)
        return {str(key): torch.as_tensor(value) for key, value in found.get("state_dict", found).items()}
    except Exception as error:  # A file that is no pickle makes the unpickler raise whatever it stumbles on.
        named = _UNSUPPORTED.search(str(error))
        reason = f"it holds {named[1]}, which is no plain data" if named else first_line(error)
        raise ModelError(f"{file}: cannot be read as plain weights ({reason})") from None


def _numbers() -> list[Any]:
    """The kinds of NumPy number that FLIP's `save_checkpoint` keeps beside the weights, by both names.

    They are plain data; nothing else beside tensors is let through.
    """
    from numpy._core.multiarray import scalar

    names = [f"numpy.{core}.multiarray.scalar" for core in ("core", "_core")]
    kinds = [np.dtype, type(np.dtype(np.float64)), type(np.dtype(np.int64))]
    return [*((scalar, name) for name in names), *kinds]


def _save(
    file: Path, out: Path, card: ModelCard, weights: Mapping[str, Tensor], settings: Mapping[str, Any]
) -> Path:
    from facetrust.models import create_model, save_checkpoint

    model = create_model(card.architecture, **settings)
    expected = model.state_dict()
    wrong = sorted(
        {key for key in expected if key not in weights or weights[key].shape != expected[key].shape}
        | set(weights).difference(expected)
    )
    if wrong:
        raise ModelError(
            f"{file}: is not a {card.name}; {len(wrong)} tensors differ, the first is {wrong[0]}"
        )
    model.load_state_dict(dict(weights))
    meaning = getattr(model, "evidence_means", card.evidence_means)
    card = card.model_copy(update={"evidence_means": meaning})
    origin = f"# imported from a file with SHA-256 {sha256_of(file)}\n"
    save_checkpoint(model, card, out, settings=settings, recipe=origin)
    return out


def _import_facenox(file: Path, out: Path) -> Path:
    import onnx

    try:
        graph = onnx.load(file)
        onnx.checker.check_model(graph)
    except Exception as error:  # protobuf and onnx raise unrelated kinds for a damaged file
        raise ModelError(f"{file}: is not an ONNX model ({first_line(error)})") from None
    inputs = [entry.name for entry in graph.graph.input]
    if inputs != ["input"] or [entry.name for entry in graph.graph.output] != ["output"]:
        raise ModelError(f"{file}: is not a facenox-v2se; its inputs are {inputs}, expected is input")
    target = out / "facenox-v2se.onnx"
    card = _facenox()
    _give_score(graph, live=0)
    meta = graph.metadata_props.add()
    meta.key, meta.value = "facetrust.card", card.to_json()
    write_whole(target, graph.SerializeToString())
    beside = card.model_copy(update={"weights": target.name, "sha256": sha256_of(target)})
    write_text(target.with_suffix(".json"), beside.to_json())
    return target


def _give_score(model: onnx.ModelProto, *, live: int) -> None:
    """Renames the input to `image`; two class logits become `score` (B,), the chance of "not live"."""
    from onnx import TensorProto, helper

    graph = model.graph
    for node in graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name in ("input", "output"):
                    names[index] = {"input": "image", "output": "class_logits"}[name]
    graph.input[0].name = "image"
    graph.initializer.append(helper.make_tensor("attack_class", TensorProto.INT64, [], [1 - live]))
    graph.node.append(helper.make_node("Softmax", ["class_logits"], ["class_chances"], axis=1))
    graph.node.append(helper.make_node("Gather", ["class_chances", "attack_class"], ["score"], axis=1))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("score", TensorProto.FLOAT, ["batch_size"]))


def _silent(variant: str, margin: float) -> Callable[[Path, Path], Path]:
    def importer(file: Path, out: Path) -> Path:
        return _import_silent_face(file, out, variant=variant, margin=margin)

    return importer


IMPORTERS: dict[str, Callable[[Path, Path], Path]] = {
    "adaface": _of_faces(adaface),
    "arcface-torch": _of_faces(arcface_torch),
    "cross-efficient-vit": _import_cross_efficient_vit,
    "edgeface": _of_faces(edgeface),
    "efficient-vit": _import_efficient_vit,
    "embedder": embedder,
    "face-transformer": _of_faces(face_transformer),
    "facenox-v2se": _import_facenox,
    "flip": _import_flip,
    "mesonet": _import_mesonet,
    "sface": _import_sface,
    "silent-face-v1se": _silent("v1se", 4.0),
    "silent-face-v2": _silent("v2", 2.7),
}
