"""Loads `facetrust serve` on this machine: throughput, latency, memory; overload; a killed process.

Starts the service itself, on a free port of 127.0.0.1, and stops it. Every part is bounded by `--seconds`.

    python benchmarks/serve_load.py                               # levels, overload and killed
    python benchmarks/serve_load.py growth --requests 10000 --seconds 7200      # memory over many requests
    python benchmarks/serve_load.py batching       # whether it pays to judge pictures of several together
"""

from __future__ import annotations

import argparse
import io
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx2
import numpy as np
from PIL import Image

_COLUMNS = (
    *("clients", "requests", "right", "refused", "refusal p50 ms", "slowest"),
    *("right a second", "p50 ms", "p95", "p99", "CPU ms a request", "MB"),
)
_HEAD = f"| {' | '.join(_COLUMNS)} |\n" + "|---" * len(_COLUMNS) + "|"
_START = 120.0  # Seconds that a service may take to open its models.


class Reply(NamedTuple):
    """A request's status, 0 where the connection was cut; its seconds; and whether the answer was right."""

    status: int
    seconds: float
    right: bool


class Service:
    """`facetrust serve` in a process of its own."""

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.home = f"http://127.0.0.1:{port}"
        self.process = process

    def workers(self) -> list[int]:
        """Returns the processes that judge, where they are isolated."""
        parent = self.process.pid
        found = []
        for task in Path(f"/proc/{parent}/task").iterdir():  # Also what a thread has started.
            found += (task / "children").read_text().split()
        return [int(c) for c in found if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes()]

    def processes(self) -> list[int]:
        """Returns the process that answers, and those that judge for it."""
        return [self.process.pid, *self.workers()]

    def cpu(self) -> float:
        """Returns the seconds of CPU that all of them have taken."""
        ticks = 0
        for each in self.processes():
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def megabytes(self) -> float:
        """Returns the resident memory of all of them."""
        kilobytes = 0
        for each in self.processes():
            found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{each}/status").read_text())
            kilobytes += int(found[1]) if found else 0
        return kilobytes / 1024


@contextmanager
def serving(*options: str) -> Iterator[Service]:
    """Starts a service, and stops it afterwards."""
    with tempfile.TemporaryFile() as log:
        words = [sys.executable, "-m", "facetrust", "serve", "--port", "0", *options]
        process = subprocess.Popen(words, stderr=log)
        try:
            deadline = time.monotonic() + _START
            while not (port := _port(log)) or not _ready(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("the service does not start")
                time.sleep(0.1)
            yield Service(port, process)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


def _port(log: io.BufferedRandom) -> int | None:
    log.seek(0)
    found = re.search(rb"serves on http://127\.0\.0\.1:(\d+)", log.read())
    return int(found[1]) if found else None


def _ready(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx2.TransportError:
        return False


def load(
    service: Service, picture: bytes, *, clients: int, requests: int, seconds: float, wanted: object = None
) -> tuple[list[Reply], float]:
    """Returns the replies to requests by clients that each wait for their answers, and the seconds taken."""
    replies: list[Reply] = []
    end = time.monotonic() + seconds

    def work() -> None:
        with httpx2.Client(base_url=service.home, timeout=90, verify=False) as client:
            while len(replies) < requests and time.monotonic() < end:
                replies.append(ask(client, picture, wanted))

    threads = [threading.Thread(target=work) for _ in range(clients)]
    begun = time.monotonic()
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return replies, time.monotonic() - begun


def ask(client: httpx2.Client, picture: bytes, wanted: object) -> Reply:
    """Returns the reply to one picture; right is one with the wanted verdicts."""
    begun = time.monotonic()
    try:
        answer = client.post("/v1/check", content=picture, headers={"content-type": "image/jpeg"})
    except httpx2.TransportError:
        return Reply(0, time.monotonic() - begun, False)
    right = answer.status_code == 200 and wanted in (None, verdicts(answer))
    return Reply(answer.status_code, time.monotonic() - begun, right)


def verdicts(answer: httpx2.Response) -> object:
    """Returns what an answer says, without its timings."""
    return [(face["box"], face["verdicts"]) for face in answer.json()["faces"]]


def show(service: Service, picture: bytes, *, clients: int, requests: int, seconds: float) -> None:
    """Loads a service and prints a row of the table."""
    before = service.cpu()
    replies, took = load(service, picture, clients=clients, requests=requests, seconds=seconds)
    cpu = 1000 * (service.cpu() - before) / max(1, len(replies))
    good = np.array([each.seconds for each in replies if each.right]) * 1000
    refused = np.array([each.seconds for each in replies if each.status in (429, 503)]) * 1000
    r50, r100 = np.percentile(refused, (50, 100)) if len(refused) else (0, 0)
    p50, p95, p99 = np.percentile(good, (50, 95, 99)) if len(good) else (np.nan,) * 3
    cells = (clients, len(replies), len(good), len(refused), r50, r100, len(good) / took, p50, p95, p99)
    cells = (*cells, cpu, service.megabytes())
    print(
        "| " + " | ".join(f"{each:.1f}" if 0 < each < 10 else f"{each:.0f}" for each in cells) + " |",
        flush=True,
    )


def levels(picture: bytes, counts: list[int], requests: int, seconds: float, *how: str) -> None:
    """Throughput and latency at several numbers of clients, all of whom find a place."""
    print(_HEAD)
    with serving("--waiting", str(max(counts)), *how) as service:
        load(service, picture, clients=2, requests=6, seconds=seconds)
        for count in counts:
            show(service, picture, clients=count, requests=requests, seconds=seconds)


def overload(picture: bytes, requests: int, seconds: float) -> None:
    """Far more clients than places: refusals are quick, and afterwards all is as before."""
    print(f"\n64 clients on 2 threads and 4 places to wait, then one client\n\n{_HEAD}")
    with serving("--waiting", "4") as service:
        load(service, picture, clients=2, requests=6, seconds=seconds)
        for count, some in ((64, 4 * requests), (1, 20)):
            show(service, picture, clients=count, requests=some, seconds=seconds)


def killed(picture: bytes, requests: int, seconds: float) -> None:
    """Two processes that judge, of which one is killed under load, again and again."""
    with serving("--isolated", "--at-work", "2") as service:
        with httpx2.Client(base_url=service.home, timeout=90) as client:
            answer = client.post("/v1/check", content=picture, headers={"content-type": "image/jpeg"})
        ended, kills = threading.Event(), 0

        def kill() -> None:
            nonlocal kills
            while not ended.wait(seconds / 10):
                os.kill(service.workers()[0], signal.SIGKILL)
                kills += 1

        killing = threading.Thread(target=kill)
        killing.start()
        replies, _ = load(
            service, picture, clients=8, requests=requests, seconds=seconds, wanted=verdicts(answer)
        )
        ended.set()
        killing.join()
        counts = Counter(
            "right" if each.right else "cut" if not each.status else each.status for each in replies
        )
        wrong = sum(each.status == 200 and not each.right for each in replies)
        print(f"\none of two processes killed, {kills} times: {dict(counts)}, answered wrongly {wrong}")


def growth(picture: bytes, requests: int, seconds: float) -> None:
    """Memory of the service over many requests."""
    print("\n| requests | MB |\n|---|---|")
    with serving() as service:
        done, end = 0, time.monotonic() + seconds
        for part in (0, *[max(1, requests // 10)] * 10):
            if part and time.monotonic() < end:
                left = end - time.monotonic()
                replies, _ = load(service, picture, clients=4, requests=part, seconds=left)
                done += sum(each.right for each in replies)
            print(f"| {done} | {service.megabytes():.0f} |", flush=True)


def batching(picture: bytes, requests: int, seconds: float) -> None:
    """Pictures a second, one by one and with the crops of eight together."""
    from facetrust import Checker

    checker, count = Checker(), min(requests, 48)
    checker.check(picture)
    for batch in (1, 8, 1, 8):
        begun, cpu = time.perf_counter(), time.process_time()
        list(checker.check_many([picture] * count, batch=batch, readers=0))
        took, cpu = time.perf_counter() - begun, time.process_time() - cpu
        print(f"batch {batch}: {count / took:.2f} pictures a second, {1000 * cpu / count:.1f} ms of CPU each")


def face() -> bytes:
    """Returns a public-domain portrait as JPEG, 512x512."""
    from skimage.data import astronaut

    file = io.BytesIO()
    Image.fromarray(astronaut()).save(file, "JPEG", quality=90)
    return file.getvalue()


_PARTS = {"levels": levels, "overload": overload, "killed": killed, "growth": growth, "batching": batching}


def main() -> None:
    """Runs what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["levels", "overload", "killed"], help=", ".join(_PARTS))
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--requests", type=int, default=200, help="of each number of clients")
    parser.add_argument("--seconds", type=float, default=60, help="the most that each part takes")
    parser.add_argument("--isolated", action="store_true", help="levels: judge in processes, not threads")
    parser.add_argument("--picture", type=Path, help="a JPEG; a public-domain portrait without")
    given = parser.parse_args()
    picture = given.picture.read_bytes() if given.picture else face()
    print(f"{len(picture)} bytes a picture; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    for part in given.parts:
        if part == "levels":
            how = ["--isolated"] if given.isolated else []
            levels(picture, given.clients, given.requests, given.seconds, *how)
        else:
            _PARTS[part](picture, given.requests, given.seconds)
    print(f"load {os.getloadavg()[0]:.1f} after")


if __name__ == "__main__":
    main()
