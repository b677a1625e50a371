"""Damaged files of every kind: none crashes, hangs, takes much memory, or costs the report of another."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[1] / "benchmarks" / "fuzz"
KINDS = {"picture", "video", "card", "onnx", "safetensors", "csv", "parquet", "yaml", "scores"}


def fuzz(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    asked = [sys.executable, FUZZ, *arguments]
    return subprocess.run(asked, capture_output=True, text=True, check=False, cwd=cwd)


@pytest.mark.timeout(600)
def test_300_damaged_files_are_each_taken_or_refused_in_one_line() -> None:
    done = fuzz("--files", "300", "--seed", "0")
    assert done.returncode == 0, done.stdout + done.stderr
    first, _, *rows = done.stdout.splitlines()
    assert first == "seed 0"
    table = {row.split()[0]: [int(cell) for cell in row.split()[1:]] for row in rows}
    assert set(table) == KINDS
    assert sum(row[0] for row in table.values()) == 300
    for files, taken, refused, crashes, hangs, megabytes, _ in table.values():
        assert (crashes, hangs) == (0, 0)
        assert taken + refused == files
        assert refused > 0
        assert 50 < megabytes < 1024


WORK = f"""
import os, sys, time
sys.path.insert(0, {str(FUZZ)!r})
from watch import READY, outcomes

def work(pipe, kind, seed, folder):
    pipe.send(READY)
    while True:
        number = pipe.recv()
        if number == 2:
            os.abort()
        if number == 4:
            time.sleep(60)
        pipe.send((f"{{kind}} {{seed}} {{number}}", 5))

if __name__ == "__main__":
    for outcome in outcomes(work, "any", 7, 5, limit=2):
        print(*outcome)
"""


def test_one_that_dies_or_hangs_is_found_and_the_next_is_read(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(WORK)
    done = subprocess.run([sys.executable, tmp_path / "work.py"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "1 any 7 1 5",
        "2 died: exit code -6 0",
        "3 any 7 3 5",
        "4 hang: more than 2 seconds 0",
        "5 any 7 5 5",
    ]


def test_a_file_can_be_made_again(tmp_path: Path) -> None:
    def written() -> bytes:
        done = fuzz("--kind", "csv", "--seed", "3", "--write", "11", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return (tmp_path / "csv-11.csv").read_bytes()

    assert written() == written() != b""
