"""Tells whether a face in a picture can be trusted, and shows why.

Everything is imported when it is first used, so that `import facetrust` costs nothing.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# A tool that looks at faces sends nothing: ONNX Runtime reads this when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from facetrust.errors import FacetrustError
    from facetrust.models import create_model
    from facetrust.records import CheckReport, Comparison, Face, Identification, ModelCard, Verdict
    from facetrust.runtime.check import check, check_many, check_video
    from facetrust.runtime.checker import Checker
    from facetrust.runtime.gallery.gallery import Gallery, enroll, forget, identify
    from facetrust.runtime.model import load_model
    from facetrust.runtime.parse import parse
    from facetrust.runtime.verifier import Verifier
    from facetrust.runtime.verify import verify

__version__ = "0.1.0"

_HOMES = {
    "CheckReport": "records",
    "Checker": "runtime.checker",
    "Comparison": "records",
    "Face": "records",
    "FacetrustError": "errors",
    "Gallery": "runtime.gallery.gallery",
    "Identification": "records",
    "ModelCard": "records",
    "Verdict": "records",
    "Verifier": "runtime.verifier",
    "check": "runtime.check",
    "check_many": "runtime.check",
    "check_video": "runtime.check",
    "create_model": "models",
    "enroll": "runtime.gallery.gallery",
    "forget": "runtime.gallery.gallery",
    "identify": "runtime.gallery.gallery",
    "load_model": "runtime.model",
    "parse": "runtime.parse",
    "verify": "runtime.verify",
}
__all__ = [*sorted(_HOMES), "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'facetrust' has no attribute {name!r}")
    return getattr(import_module(f"facetrust.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
