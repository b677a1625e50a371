"""Networks by name, and checkpoint folders: weights, card and recipe.

A forward gives `Score(logit, evidence)`: logits (B,) and a map (B, gh, gw) whose mean is the logit; or an
`Embedding` or `Classes`, for a task whose output that is.
A checkpoint is a folder with `model.safetensors`, `recipe.yaml` and, written last, `card.json`.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from facetrust import registry
from facetrust.errors import FacetrustError, ModelError
from facetrust.models._efficientnet_names import timm_name
from facetrust.models._inside import Inside, attention_of, look_inside
from facetrust.models._output import Classes, Embedding, Score, kind_of
from facetrust.models._torchvision import make_torchvision_importable
from facetrust.records import ModelCard, sha256_of, write_text, write_whole

__all__ = [
    "Classes",
    "Embedding",
    "Inside",
    "Score",
    "answers",
    "attention_of",
    "create_model",
    "images_of",
    "kind_of",
    "load_checkpoint",
    "look_inside",
    "mean_logits",
    "over_crops",
    "save_checkpoint",
    "timm_name",
]

WEIGHTS, CARD, RECIPE = "model.safetensors", "card.json", "recipe.yaml"
_KEY = "facetrust"

# Before anything imports timm, or Lightning, which meets torchvision through torchmetrics.
make_torchvision_importable()


def create_model(name: str, *, image_size: tuple[int, int] | None = None, **settings: Any) -> nn.Module:
    """Returns a freshly initialised network whose forward gives a `Score`.

    Args:
        name: `timm/<backbone>`, a file of this folder (`minifasnet`), or that and a variant
            (`minifasnet-v1se`, `clip-vit-t16`, `flip-mcl`).
        image_size: (height, width) of the inputs; handed to those networks that ask for it.
        settings: the network's own; its signature is in the error when one is wrong.

    Raises:
        UnknownName: no such network.
        UsageError: a setting does not fit.
    """
    family, args = _parse(name)
    if image_size and "image_size" in inspect.signature(registry.find("models", family)).parameters:
        settings.setdefault("image_size", tuple(image_size))
    model: nn.Module = registry.build("models", family, *args, **settings)
    return model


def _parse(name: str) -> tuple[str, tuple[str, ...]]:
    if name.startswith("timm/"):
        return "timm", (name.removeprefix("timm/"),)
    known = registry.names("models")
    families = [family for family in known if name == family or name.startswith(family + "-")]
    if not families:
        return name, ()
    family = max(families, key=len)
    return family, () if name == family else (name[len(family) + 1 :],)


def mean_logits(model: nn.Module, crops: Tensor) -> Tensor:
    """Returns (B,) float32 logits, the mean over the M crops of each face in (B, M, 3, h, w)."""
    return over_crops(model(images_of(crops)).logit, crops.shape[1])


def answers(model: nn.Module, crops: Tensor) -> Tensor:
    """Returns a network's answers about the faces in crops (B, M, 3, h, w), float64, one per face.

    Scores (B,) in [0, 1], embeddings (B, d) of unit length, or class probabilities (B, C, h, w); several
    crops of a face become one answer as `fusion.of_faces` says.
    """
    output: Any = model(images_of(crops))
    kind, count = kind_of(output), crops.shape[1]
    if kind == "score":
        return over_crops(output.logit, count).double().sigmoid()
    if kind == "embedding":
        vectors = nn.functional.normalize(output.embedding.double())
        return nn.functional.normalize(vectors.reshape(-1, count, vectors.shape[1]).mean(1))
    each: Tensor = output.logits.double().softmax(1)
    return each.reshape(-1, count, *each.shape[1:]).mean(1)


def images_of(crops: Tensor) -> Tensor:
    """Returns the crops (B, M, 3, h, w) of all faces as images (B * M, 3, h, w)."""
    # Channels last in memory: convolutions train up to twice as fast on a CPU.
    return crops.flatten(0, 1).contiguous(memory_format=torch.channels_last)


def over_crops(value: Tensor, crops: int) -> Tensor:
    """Returns what each image (B * M, ...) gave as (B, ...) float32, the mean over a face's M crops."""
    return value.float().reshape(-1, crops, *value.shape[1:]).mean(1)


def save_checkpoint(
    model: nn.Module,
    card: ModelCard,
    folder: Path,
    *,
    settings: Mapping[str, Any] | None = None,
    recipe: str = "",
) -> ModelCard:
    """Writes a checkpoint folder and returns its card, with hash and parameter count filled in.

    The card is written last, so that a folder with a card is whole.

    Args:
        card: its `architecture` is the name that `create_model` takes.
        settings: what else `create_model` was given; JSON values.
        recipe: text of the resolved recipe, YAML.
    """
    from safetensors.torch import save

    folder = Path(folder)
    (folder / CARD).unlink(missing_ok=True)
    # What a network settled itself, by the weights that it began with, must not be settled anew.
    made_with = {**(settings or {}), **getattr(model, "made_with", {})}
    made_of = json.dumps({"model": card.architecture, "settings": made_with})
    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    write_whole(folder / WEIGHTS, save(tensors, metadata={_KEY: made_of}))
    write_text(folder / RECIPE, recipe)
    card = card.model_copy(
        update={
            "weights": WEIGHTS,
            "sha256": sha256_of(folder / WEIGHTS),
            "parameters": sum(p.numel() for p in model.parameters()),
        }
    )
    write_text(folder / CARD, card.to_json())
    return card


def load_checkpoint(folder: str | Path) -> tuple[nn.Module, ModelCard]:
    """Returns the network in a checkpoint folder, in evaluation mode, and its card.

    Raises:
        ModelError: a file is missing, the weights are not those of the card, or they do not fit.
    """
    from safetensors import SafetensorError, safe_open

    folder = Path(folder)
    if not (folder / CARD).is_file():
        what = "the training run is not finished" if folder.is_dir() else "no such folder"
        raise ModelError(f"{folder}: no {CARD} in it ({what}); give the folder of a finished run")
    card = ModelCard.from_json((folder / CARD).read_bytes(), str(folder / CARD))
    card.verify(folder / WEIGHTS)
    try:
        with safe_open(folder / WEIGHTS, "pt") as file:
            made_of = json.loads((file.metadata() or {})[_KEY])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        settings = made_of["settings"]
        if "pretrained" in settings:
            settings["pretrained"] = False
        model = create_model(made_of["model"], **settings)
        model.load_state_dict(tensors)
    except (SafetensorError, KeyError, ValueError, RuntimeError, FacetrustError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{folder / WEIGHTS}: does not hold a {card.architecture} ({reason})") from None
    return model.eval(), card
