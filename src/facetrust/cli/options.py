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

# How pictures and videos are judged, wherever they come from.
Tasks = Annotated[
    list[str] | None,
    typer.Option("--task", help="antispoof and deepfake if none is named; repeatable."),
]
Models = Annotated[
    list[str] | None, typer.Option("--model", help="[TASK=] model's name or .onnx file; repeatable.")
]
Thresholds = Annotated[
    list[str] | None,
    typer.Option("--threshold", help="[TASK=] value above 0 and below 1, not the card's; repeatable."),
]
PolicyName = Annotated[
    str | None,
    typer.Option("--policy", help="strict, balanced or lenient: which of the card's thresholds decides."),
]
NoQualityGate = Annotated[
    bool, typer.Option("--no-quality-gate", help="Judge faces beyond the limits of a model's card too.")
]
SmallestFace = Annotated[
    int,
    typer.Option("--smallest-face", help="Pixels of the smallest face looked for, from 12; less is slower."),
]
MostFaces = Annotated[
    int, typer.Option("--most-faces", help="Most faces judged of a picture; more are counted.")
]
VideoRule = Annotated[str, typer.Option("--rule", help="How a video's scores become one.")]
