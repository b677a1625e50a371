"""What `check` says of a folder's videos, how long it takes, and whether a long video needs more memory.

    python benchmarks/video_check.py --videos DIR [--tasks antispoof] [--model TASK=FILE] [--threads 2]
        [--minutes 10] [--json out.json]
    python benchmarks/video_check.py --videos DATA/ffpp --tasks deepfake --model deepfake=FILE --minutes 0

Each video in turn: its verdict and score, and seconds of checking per second of video, models opened
before. Then the first video that could be checked is repeated, frame by frame, to a clip of `--minutes` and
one of a minute (mp4v, in a temporary folder). Each is checked in a fresh process, which notes its peak
resident memory (VmHWM of /proc, so Linux only) when it has judged the last frame of each minute.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Sequence
from itertools import islice, repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2

from facetrust.errors import ImageError
from facetrust.faces.detector import open_detector
from facetrust.imaging.video import VIDEOS, frame_count, iter_frames
from facetrust.records import CheckReport, write_text
from facetrust.runtime.check import check_video
from facetrust.runtime.model import load_model
from facetrust.tasks import task_named

MINUTE = 60


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--videos", type=Path, required=True, help="folder of videos, searched to the bottom")
    parser.add_argument("--tasks", nargs="+", default=["antispoof"])
    parser.add_argument("--model", action="append", default=[], help="TASK=NAME or TASK=FILE; repeatable")
    parser.add_argument("--detector", type=Path, help="YuNet's .onnx file; MTCNN without it")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=10, help="length of the long clip; 0 for none")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    given = parser.parse_args()

    cv2.setNumThreads(given.threads)
    videos = sorted(path for path in given.videos.rglob("*") if path.suffix.lower() in VIDEOS)
    if not videos:
        parser.error(f"{given.videos}: no video in it")
    names = {task: task_named(task).bundled for task in given.tasks}
    names |= dict(each.split("=", 1) for each in given.model)
    asked = {task: names[task] for task in given.tasks if names[task]}
    if missing := set(given.tasks) - set(asked):
        parser.error(f"no model for {', '.join(sorted(missing))}; give --model TASK=FILE")
    print(f"{len(videos)} videos, {', '.join(given.tasks)}, {given.threads} thread(s)")
    rows = checked(videos, asked, given.detector, threads=given.threads, root=given.videos)
    peaks = []
    good = next((path for path, row in zip(videos, rows, strict=True) if "per_second" in row), None)
    if good is not None and given.minutes > 0:
        peaks = memory(good, given.minutes, asked, given.detector, threads=given.threads)
    if given.json:
        write_text(given.json, json.dumps({"videos": rows, "peaks_mib": peaks}, indent=2) + "\n")


def checked(
    videos: Sequence[Path], asked: dict[str, str], detector: Path | None, *, threads: int, root: Path
) -> list[dict[str, Any]]:
    """Returns for each video its verdicts and seconds per second of video; prints them as they come."""
    models: Any = {task: load_model(name, threads=threads) for task, name in asked.items()}
    finder = open_detector(detector, threads=threads)
    rows: list[dict[str, Any]] = []
    for path in videos:
        name = path.relative_to(root).as_posix()
        start, used = time.perf_counter(), time.process_time()
        try:
            report = check_video(path, tasks=list(models), models=models, detector=finder)
        except ImageError as error:
            rows.append({"file": name, "error": str(error)})
            print(f"{name}: {error}")
            continue
        length = report.watched.seconds if report.watched else math.nan
        ratio = (time.perf_counter() - start) / length
        cpu = (time.process_time() - used) / length
        said = [each.model_dump(mode="json") for each in report.verdicts]
        rows.append({"file": name, "verdicts": said, "seconds": length, "per_second": ratio, "cpu": cpu})
        decoding = report.timings["decode"] / length
        print(
            f"{name}: {verdict_of(report)}; {length:.1f} s, {ratio:.3f} s per second of video, "
            f"{decoding:.3f} of it decoding; {cpu:.3f} s of processors"
        )
    return rows


def verdict_of(report: CheckReport) -> str:
    """Returns the decisions with their scores, or why there are none."""
    words = [f"{each.task}: {each.decision} {each.score:.3f}" for each in report.verdicts]
    return ", ".join(words) or str(report.reason)


def memory(
    video: Path, minutes: float, asked: dict[str, str], detector: Path | None, *, threads: int
) -> list[dict[str, float]]:
    """Returns the peaks in MiB by minute, of the clip of a minute and of the long one; prints them."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for length in (1.0, minutes):
            clip = Path(folder) / "clip.mp4"
            repeated(video, clip, seconds=length * MINUTE)
            with get_context("spawn").Pool(1) as pool:
                peaks = pool.apply(peaks_of, (clip, asked, detector, threads))
            shown = ", ".join(f"{at} {peak:.1f}" for at, peak in peaks.items())
            print(f"{length:g} minutes of {video.name} repeated, peak resident MiB: {shown}")
            found.append(peaks)
    last = [list(peaks.values())[-1] for peaks in found]
    print(f"peak of {minutes:g} minutes over that of one: {last[1] / last[0]:.3f}")
    return found


def repeated(video: Path, clip: Path, *, seconds: float) -> None:
    """Writes a clip of the video's frames, begun again whenever they end."""
    reader = cv2.VideoCapture(str(video))
    rate = reader.get(cv2.CAP_PROP_FPS)
    reader.release()
    count = frame_count(video)
    endless = (image for _ in repeat(None) for _, image in iter_frames(video, range(count)))
    writer = None
    for image in islice(endless, round(seconds * rate)):
        if writer is None:
            code = cv2.VideoWriter.fourcc(*"mp4v")
            writer = cv2.VideoWriter(str(clip), code, rate, image.shape[1::-1])
        writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if writer is not None:
        writer.release()


def peaks_of(clip: Path, asked: dict[str, str], detector: Path | None, threads: int) -> dict[str, float]:
    """Returns this process's peak resident MiB as each minute of a clip was judged; by the minute."""
    cv2.setNumThreads(threads)
    reader = cv2.VideoCapture(str(clip))
    seconds = reader.get(cv2.CAP_PROP_FRAME_COUNT) / reader.get(cv2.CAP_PROP_FPS)
    reader.release()
    peaks: dict[str, float] = {}

    def note(video: str, done: int, total: int) -> None:
        # Frames are the middles of equal parts: with `done` of them, that share of the video is over.
        minute = math.ceil(done * seconds / total / MINUTE - 1e-6)
        peaks[f"minute {minute}"] = peak_mib()

    models: Any = dict(asked)
    tasks: Any = list(asked)
    check_video(clip, tasks=tasks, models=models, detector=detector, threads=threads, progress=note)
    peaks["end"] = peak_mib()
    return peaks


def peak_mib() -> float:
    """Returns the largest resident size of this process so far; Linux counts it from the process's start."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
