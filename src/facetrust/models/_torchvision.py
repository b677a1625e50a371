"""Lets torchvision be imported beside a torch that it was not built for.

PyPI's torchvision cannot load its compiled operators next to a CPU-only torch, and then even
`import torchvision` fails, and with it timm and Lightning, because two operators that it registers
gradients or shapes for are not declared. Nothing here calls them; declaring them is enough.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch

_OPERATORS = ("nms", "qnms")
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
# torch forgets the declarations as soon as the library object is collected.
_declared: list[torch.library.Library] = []


def make_torchvision_importable() -> bool:
    """Returns whether the operators had to be declared; a sound installation is left as it is."""
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None or _declared or _loads(Path(spec.origin).parent):
        return False
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in _OPERATORS:
        if not hasattr(torch.ops.torchvision, name):
            library.define(name + _SCHEMA)  # type: ignore[no-untyped-call]
    _declared.append(library)
    return True


def _loads(folder: Path) -> bool:
    for file in sorted(folder.glob("_C*.so")) + sorted(folder.glob("_C*.pyd")):
        try:
            torch.ops.load_library(str(file))  # type: ignore[no-untyped-call]
        except (OSError, ImportError):
            continue
        return True
    return False
