"""Time of `check` per 640x480 photo, beside YuNet (640x480) and MiniFASNetV2-SE, turn by turn.

    python benchmarks/check_latency.py --photos DIR --peers DIR [--model antispoof-tiny] [--json out.json]

Both sides read the same files, run in one process, with the same number of threads, and take turns
photo by photo, so that a busy machine slows all of them alike. The peer is written here as its
authors use it: YuNet at the photo's size, a square crop of 1.5 times the face, RGB, 128x128, /255.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

from facetrust.faces.detector import open_detector
from facetrust.imaging import crop_face
from facetrust.records import Preprocessing, write_text
from facetrust.runtime.check import check
from facetrust.runtime.model import load_model

SIZE = (480, 640)
STAGES = ("decode", "detect", "antispoof")
AIMS = {"ours with YuNet": 0.7, "ours with MTCNN": 2.0}
Timed = Callable[[Path], dict[str, float]]


def peer(folder: Path, *, threads: int) -> Timed:
    """Returns a function that times YuNet and MiniFASNetV2-SE on a photo, in seconds per stage."""
    (yunet,) = folder.glob("yunet_*.onnx")
    net_file = sorted(path for path in folder.glob("minifasnet_v2se*.onnx") if "int8" not in path.name)[0]
    detector = cv2.FaceDetectorYN.create(str(yunet), "", SIZE[::-1], 0.6)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    net = ort.InferenceSession(str(net_file), options, providers=["CPUExecutionProvider"])
    entry = net.get_inputs()[0].name
    how = Preprocessing(margins=(1.5,), size=(128, 128), fill="reflect")

    def timed(photo: Path) -> dict[str, float]:
        times = [time.perf_counter()]
        image = cv2.imread(str(photo))
        times.append(time.perf_counter())
        detector.setInputSize(image.shape[1::-1])
        _, faces = detector.detect(image)
        times.append(time.perf_counter())
        for face in faces if faces is not None else ():
            crop = crop_face(image, tuple(face[:4].tolist()), how)[:, :, ::-1]
            net.run(None, {entry: (crop.astype(np.float32) / 255).transpose(2, 0, 1)[None]})
        times.append(time.perf_counter())
        return {stage: b - a for stage, (a, b) in zip(STAGES, pairwise(times), strict=True)}

    return timed


def ours(model_name: str, detector_file: Path | None, *, threads: int) -> Timed:
    """Returns a function that times `check` on a photo, in seconds per stage."""
    model = load_model(model_name, threads=threads)
    detector = open_detector(detector_file, threads=threads)

    def timed(photo: Path) -> dict[str, float]:
        start = time.perf_counter()
        report = check(photo, tasks=["antispoof"], models={"antispoof": model}, detector=detector)
        total = time.perf_counter() - start
        return {**report.timings, "rest": total - sum(report.timings.values())}

    return timed


def measure(sides: dict[str, Timed], photos: list[Path], *, rounds: int) -> dict[str, dict[str, float]]:
    """Returns per side the median seconds of each stage and of the whole."""
    times: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in sides}
    names = list(sides)
    for turn in range(rounds + 1):
        for number, photo in enumerate(photos):
            first = (turn + number) % len(names)
            for name in names[first:] + names[:first]:
                stages = sides[name](photo)
                if turn:  # The first round warms up.
                    for stage, seconds in (*stages.items(), ("total", sum(stages.values()))):
                        times[name][stage].append(seconds)
    return {
        name: {stage: statistics.median(all_) for stage, all_ in found.items()}
        for name, found in times.items()
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--photos", type=Path, required=True, help="folder with 640x480 photos, searched to the bottom"
    )
    parser.add_argument(
        "--peers", type=Path, required=True, help="folder with yunet_*.onnx and minifasnet_v2se*.onnx"
    )
    parser.add_argument("--model", default="antispoof-tiny", help="bundled name or .onnx file")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--count", type=int, default=40, help="photos")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    given = parser.parse_args()

    cv2.setNumThreads(given.threads)
    found = sorted(
        path for path in given.photos.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"}
    )
    photos = [
        path
        for path in found[:: max(1, len(found) // given.count)]
        if cv2.imread(str(path)).shape[:2] == SIZE
    ]
    if not photos:
        parser.error(f"{given.photos}: no 640x480 photo in it")
    sides = {
        "YuNet + MiniFASNetV2-SE": peer(given.peers, threads=given.threads),
        "ours with YuNet": ours(given.model, next(given.peers.glob("yunet_*.onnx")), threads=given.threads),
        "ours with MTCNN": ours(given.model, None, threads=given.threads),
    }
    figures = measure(sides, photos, rounds=given.rounds)
    base = figures["YuNet + MiniFASNetV2-SE"]["total"]
    print(f"{len(photos)} photos, {given.rounds} rounds, {given.threads} thread(s), median milliseconds")
    for name, stages in figures.items():
        parts = "  ".join(f"{stage} {seconds * 1000:.2f}" for stage, seconds in stages.items())
        aim = f" (aim: at most {AIMS[name]})" if name in AIMS else ""
        print(f"{name:25} {parts}  ratio {stages['total'] / base:.3f}{aim}")
    if given.json:
        ratios = {name: stages["total"] / base for name, stages in figures.items()}
        write_text(given.json, json.dumps({"seconds": figures, "ratios": ratios}, indent=2) + "\n")


if __name__ == "__main__":
    main()
