"""How fast `scan` is at 1 and 2 workers, what it costs beside `check`, and whether its memory stays flat.

    python benchmarks/scan.py --photos DIR [--count 200] [--rounds 2] [--peers DIR] [--ray]
    python benchmarks/scan.py --photos DIR --pictures 100000 [--different N] [--workers 2] [--no-models]
    python benchmarks/scan.py --photos DIR --cluster [--count 200]

The first form takes photos from a folder and judges them for antispoof by turns: `check` in this process
with one thread, `scan` by 1 and by 2 workers and, with `--ray`, by 1 and 2 actors of Ray on this machine.
Each turn takes photos of its own, none twice, and the same for all sides. It prints pictures per second of
wall time and per second of CPU (of this process and its children, or as actors measure it), and the ratios.
CPU counts what a start of the workers costs too; `start` is that of a scan of one photo. With `--peers`,
YuNet and MiniFASNetV2-SE as their authors use them take turns in this process too, and `check` with YuNet.

The second makes that many small pictures (50 of the photos at 128 pixels, each with bytes of its own, but
for each tenth, which is a link to another; with `--different`, so many with bytes of their own, and links to
them), scans them, and prints every tenth of the way the time and the resident memory (VmRSS of /proc, so
Linux only) of this process and of the largest worker. With `--no-models` nothing is looked at, so that what
is left is the scan's own cost: reading, hashing, rows and parts. `--ray` is by actors.

The third scans on a Ray cluster of two nodes of one core each, simulated on this machine, twice: left alone,
and with the second node killed when a quarter of the pictures is judged. It prints how many inputs have rows.

Nothing passes or fails here; the ratios are printed, and a busy machine shows in wall time and not in CPU.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import polars as pl

from check_latency import peer
from facetrust.imaging.inputs import files_in
from facetrust.records import CheckReport, write_text
from facetrust.runtime.checker import Checker
from facetrust.runtime.scan.folder import MANIFEST
from facetrust.runtime.scan.run import scan

TASK = "antispoof"
SIDE, LINKED = 128, 10


class Cost(NamedTuple):
    """What a side took for some photos: seconds of wall time and of CPU."""

    photos: int
    wall: float
    cpu: float


Side = Callable[[Sequence[Path]], float]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos, searched to the bottom")
    parser.add_argument("--count", type=int, default=200, help="photos of a turn")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--peers", type=Path, help="folder with YuNet and MiniFASNetV2-SE")
    parser.add_argument("--ray", action="store_true", help="also by actors of Ray")
    parser.add_argument("--cluster", action="store_true", help="scan on a simulated cluster instead")
    parser.add_argument("--pictures", type=int, default=0, help="small pictures to make and scan instead")
    parser.add_argument("--different", type=int, default=0, help="of those; nine tenths if not given")
    parser.add_argument("--no-models", action="store_true", help="judge nothing: the scan's own cost")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--place", type=Path, help="folder for what is made; a temporary one without")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's actors would yield to all others.
    photos = [Path(str(path)) for path in files_in([given.photos])]
    print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(dir=given.place) as folder:
        figures: object
        if given.cluster:
            figures = on_cluster(photos[: given.count], Path(folder))
        elif given.pictures:
            figures = many(photos, given, Path(folder))
        else:
            figures = by_turns(photos, given, Path(folder))
    if given.json:
        write_text(given.json, json.dumps(figures, indent=2) + "\n")


def by_turns(photos: Sequence[Path], given: argparse.Namespace, folder: Path) -> dict[str, list[Cost]]:
    """Lets all sides judge the same photos in each round, and prints what they took."""
    sides: dict[str, Side] = {"check": checking(None)}
    sides |= {f"scan, {n} workers": partial(scanning, folder, n, None) for n in (1, 2)}
    if given.ray:
        sides |= {f"scan on Ray, {n} actors": partial(scanning, folder, n, "local") for n in (1, 2)}
    if given.peers:
        timed = peer(given.peers, threads=1)
        (yunet,) = given.peers.glob("yunet_*.onnx")
        sides["check with YuNet"] = checking(yunet)
        sides["YuNet and MiniFASNetV2-SE"] = lambda some: 0.0 * sum(timed(path)["detect"] for path in some)
    costs: dict[str, list[Cost]] = {name: [] for name in ("start", *sides)}
    costs["start"].append(cost(sides["scan, 1 workers"], photos[-1:]))
    for turn in range(given.rounds):
        some = photos[turn * given.count : (turn + 1) * given.count]
        for name, side in sides.items():
            costs[name].append(cost(side, some))
            print(f"round {turn + 1}, {name}: {costs[name][-1].photos / costs[name][-1].wall:.2f} pictures/s")
    print_costs(costs)
    return costs


def checking(detector: Path | None) -> Side:
    """Returns a side that checks photos in this process."""
    checker = Checker(TASK, detector=detector)

    def check(some: Sequence[Path]) -> float:
        for _ in checker.check_many(some, readers=0):
            pass
        return 0.0

    return check


def scanning(folder: Path, workers: int, ray: str | None, some: Sequence[Path]) -> float:
    """Scans photos; returns the seconds of CPU that Ray's actors say they took, which no one else counts."""
    place = Path(tempfile.mkdtemp(dir=folder))
    (place / "list.txt").write_text("".join(f"{path.absolute()}\n" for path in some))
    done = scan(place / "list.txt", place / "out", tasks=TASK, workers=workers, ray=ray)
    assert done.total.inputs == len(some)
    return done.total.seconds["cpu"] if ray else 0.0


def cost(side: Side, some: Sequence[Path]) -> Cost:
    """Returns what a side takes; processes that it started and that have ended count."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    more = side(some)
    return Cost(len(some), time.perf_counter() - wall, cpu_seconds() - cpu + more)


def cpu_seconds() -> float:
    """Returns the user and system seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def print_costs(costs: dict[str, list[Cost]]) -> None:
    """Prints a row per side, and the ratios of rates to the first scan's and of CPU to `check`'s."""
    total = {name: Cost(*map(sum, zip(*each, strict=True))) for name, each in costs.items()}
    start = total.pop("start")
    print(f"\na scan of one photo: {start.wall:.1f} s, {start.cpu:.2f} s of CPU")
    print("| | pictures/s | pictures per CPU second | rate over 1 worker | CPU over check | less its start |")
    print("|---|---|---|---|---|---|")
    one, check = total["scan, 1 workers"], total["check"]
    for name, each in total.items():
        starts = len(costs[name]) * start.cpu * (2 if "2 workers" in name else 1)
        less = f"{(each.cpu - starts) / check.cpu:.3f}" if name.startswith("scan,") else ""
        cells = [
            f"{each.photos / each.wall:.2f}",
            f"{each.photos / each.cpu:.2f}",
            f"{one.wall / each.wall:.2f}",
            f"{each.cpu / check.cpu:.3f}",
            less,
        ]
        print(f"| {name} | {' | '.join(cells)} |")


class Blind(Checker):
    """A checker that says of everything that it shows no face, without looking."""

    def check_many(self, sources: Iterable[Any], **_: Any) -> Iterator[CheckReport]:
        """Yields a report for every source."""
        for source in sources:
            yield CheckReport(source=source.name, size=(SIDE, SIDE), trusted=None, reason="not looked at")


def many(photos: Sequence[Path], given: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Scans small pictures, and prints rate and memory on the way."""
    source, out, count = folder / "pictures", folder / "out", given.pictures
    settings: dict[str, Any] = {"workers": given.workers, "ray": "local" if given.ray else None}
    settings |= {"open_checker": partial(Blind if given.no_models else Checker, TASK)}
    start = time.perf_counter()
    make(photos, count, source, given.different)
    print(f"{count} pictures made in {time.perf_counter() - start:.0f} s")
    shown, rows = 0, []
    begun = time.perf_counter()

    def moved(done: int, total: int) -> None:
        nonlocal shown
        if done * 10 // total > shown or not rows:
            shown = done * 10 // total
            took = time.perf_counter() - begun
            largest = max((memory_of(each.pid) for each in multiprocessing.active_children()), default=0.0)
            rows.append((done, took, memory_of(os.getpid()), largest))
            print("{:>8} after {:>6.0f} s: driver {:.0f} MiB, largest worker {:.0f} MiB".format(*rows[-1]))

    cpu = cpu_seconds()
    done = scan(source, out, moved=moved, **settings)
    wall, cpu = time.perf_counter() - begun, cpu_seconds() - cpu
    total = done.total
    seconds = {name: round(value, 1) for name, value in total.seconds.items()}
    sizes = {name: sum(path.stat().st_size for path in out.glob(name)) for name in ("parts/*", MANIFEST)}
    print(f"{total.inputs} inputs, {total.duplicates} duplicates, {total.faces} faces, {total.failures}")
    rate = f"{total.inputs / wall:.1f} pictures/s, {total.inputs / cpu:.1f} per second of CPU"
    print(f"{wall:.0f} s, {cpu:.0f} s of CPU: {rate}")
    print(f"seconds by stage, of all workers: {seconds}\nbytes written: {sizes}")
    start = time.perf_counter()
    scan(source, out, **settings)
    print(f"a second start, which finds all done: {time.perf_counter() - start:.1f} s")
    return {"rows": rows, "seconds": total.seconds, "wall": wall, "cpu": cpu, "bytes": sizes}


def on_cluster(photos: Sequence[Path], folder: Path) -> list[dict[str, object]]:
    """Scans on two simulated nodes, left alone and with the second one killed."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    (folder / "list.txt").write_text("".join(f"{path.absolute()}\n" for path in photos))
    return [on_two_nodes(folder, kill=kill) for kill in (False, True)]


def on_two_nodes(folder: Path, *, kill: bool) -> dict[str, object]:
    """Scans the list in a folder on a cluster made for it, and prints how many inputs have rows."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 2**28})
    second = [cluster.add_node(num_cpus=1, object_store_memory=2**28)]
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")

    def moved(done: int, total: int) -> None:
        if kill and second and done * 4 >= total:
            cluster.remove_node(second.pop(), allow_graceful=False)

    out, start = folder / f"cluster-{kill}", time.perf_counter()
    done = scan(folder / "list.txt", out, tasks=TASK, workers=2, ray=cluster.address, moved=moved)
    took, cpu = time.perf_counter() - start, done.total.seconds["cpu"]
    with_rows = pl.read_parquet(out / "parts" / "*.parquet")["input"].n_unique()
    what = "two nodes" if second else "second node killed midway"
    print(f"{what}: {took:.0f} s, {cpu:.0f} s of CPU in actors")
    print(f"{done.total.inputs} inputs, {with_rows} with rows, failures {done.total.failures}")
    ray.shutdown()
    cluster.shutdown()
    return {"killed": not second, "wall": took, "cpu": cpu, "with_rows": with_rows}


def make(photos: Sequence[Path], count: int, folder: Path, different: int = 0) -> None:
    """Writes small pictures, each of them different but for those that are links."""
    crops = list(small(photos[:50]))
    for number in range(count):
        place = folder / f"{number // 1000:04}"
        place.mkdir(parents=True, exist_ok=True)
        path = place / f"{number:07}.jpg"
        first = number % different if different else number - (number % LINKED == LINKED - 1)
        if first < number:
            os.link(folder / f"{first // 1000:04}" / f"{first:07}.jpg", path)
        else:  # What stands behind the end of a JPEG is no part of the picture.
            path.write_bytes(crops[number % len(crops)] + number.to_bytes(8, "big"))


def small(photos: Sequence[Path]) -> Iterator[bytes]:
    """Yields photos as small JPEGs."""
    for photo in photos:
        image = cv2.imread(str(photo))
        yield cv2.imencode(".jpg", cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA))[1].tobytes()


def memory_of(process: int | None) -> float:
    """Returns the resident memory of a process in MiB; 0 of one that has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


if __name__ == "__main__":
    main()
