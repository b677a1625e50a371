"""The network that a run folder or a name stands for, and the forms in which it can be served."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from facetrust.errors import MissingExtra, UsageError, first_line

if TYPE_CHECKING:
    from torch import nn

Size = tuple[int, int]
Text = Literal["each call", "cached"]
USUAL: Size = (224, 224)


class Opened(NamedTuple):
    """A network in evaluation mode, the (height, width) of its images, and how many crops a face takes."""

    network: nn.Module
    size: Size
    crops: int


def open_network(model: str, size: Size | None) -> Opened:
    """Returns the network of a run folder, or of `NAME` or `NAME:KEY=VALUE,...`, freshly initialised.

    Raises:
        UsageError: an unknown name, a wrong setting, or a size that the network does not take.
        ModelError: the run folder is damaged.
    """
    try:
        from facetrust.models import create_model, load_checkpoint
    except ImportError as error:
        raise MissingExtra(error.name or "torch", "train") from None
    if Path(model).is_dir():
        network, card = load_checkpoint(model)
        opened = Opened(network, size or card.preprocessing.size, len(card.preprocessing.margins))
    else:
        name, settings = named(model)
        side = settings.pop("image_size", None)
        if side is not None and not (type(side) is int and side > 0):
            raise UsageError(f"{model}: image_size {side}: give the side of a square in pixels, such as 112")
        size = size or (USUAL if side is None else (side, side))
        opened = Opened(create_model(name, image_size=size, **settings).eval(), size, 1)
    _try(model, opened)
    return opened


def named(model: str) -> tuple[str, dict[str, Any]]:
    """Returns name and settings of `NAME` or `NAME:KEY=VALUE,KEY=VALUE`, values as JSON or else as text.

    Raises:
        UsageError: a part after the colon has no equals sign.
    """
    name, _, rest = model.partition(":")
    settings = {}
    for part in filter(None, rest.split(",")):
        key, equals, text = part.partition("=")
        if not equals:
            raise UsageError(f"{model}: {part!r} is no setting; write NAME:KEY=VALUE,KEY=VALUE")
        try:
            settings[key] = json.loads(text)
        except (ValueError, RecursionError):
            settings[key] = text
    return name, settings


def forms_of(network: nn.Module) -> dict[Text | None, nn.Module]:
    """Returns the forms a network is served in: itself, or with its sentences encoded at each call or before.

    A network with a text tower has a method `fold`, which gives it without.
    """
    if not hasattr(network, "fold"):
        return {None: network}
    cached = network.fold()  # type: ignore[operator]
    return {"each call": as_published(network), "cached": cached}


def as_published(network: nn.Module) -> nn.Module:
    """Returns the network as the authors' code runs it: sentences filled up to the tower's full length.

    What training alone needs is taken off. The network is changed; one without text stays as it is.
    """
    from torch.nn import functional

    if hasattr(network, "fold"):
        prompts: Any = network.prompts
        whole: Any = network.model
        network.prompts = functional.pad(prompts, (0, whole.context_length - prompts.shape[-1]))
        if hasattr(network, "image_mlp"):
            del network.image_mlp
    return network


def _try(model: str, opened: Opened) -> None:
    import torch

    height, width = opened.size
    try:
        with torch.inference_mode():
            opened.network(torch.zeros(1, 3, height, width))
    except Exception as error:  # A network's own code refuses a size in its own way.
        reason = first_line(error)
        raise UsageError(
            f"{model}: does not take {height}x{width} images ({reason}); give another size"
        ) from None
