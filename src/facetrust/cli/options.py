"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
DetectorFile = Annotated[
    Path | None, typer.Option("--detector", help="YuNet's .onnx file; MTCNN without it.")
]
Out = Annotated[Path, typer.Option("--out", help="Folder for what is written.")]
