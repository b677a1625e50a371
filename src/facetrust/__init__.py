"""Tells whether a face in a picture can be trusted, and shows why.

Everything is imported when it is first used, so that `import facetrust` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facetrust.models import create_model
    from facetrust.records import CheckReport, Face, ModelCard, Verdict
    from facetrust.runtime.check import check
    from facetrust.runtime.session import load_model

__version__ = "0.1.0"

_HOMES = {
    "CheckReport": "records",
    "Face": "records",
    "ModelCard": "records",
    "Verdict": "records",
    "check": "runtime.check",
    "create_model": "models",
    "load_model": "runtime.session",
}
__all__ = [*sorted(_HOMES), "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'facetrust' has no attribute {name!r}")
    return getattr(import_module(f"facetrust.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
