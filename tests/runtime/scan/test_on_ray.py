"""A scan on Ray: the same rows as by processes, also where an actor is killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed")

HERE = Path(__file__).parent
SCRIPT = """
import ray
from pathlib import Path
from toy_checker import Opener
from facetrust.runtime.scan.run import scan
ray.init(num_cpus=2, include_dashboard=False, object_store_memory=100 * 1024**2, log_to_driver=False)
done = scan("pictures", "out", ray="local", workers=2, jsonl=True, open_checker=Opener(Path("notes")))
print(done.total.inputs, done.total.failures)
"""


@pytest.mark.timeout(300)
def test_actors_give_every_input_its_row_and_name_what_kills_them(fill, rows, noted, tmp_path):
    """Ray gives the part of an actor that died to another one: one dies once, another twice."""
    fill(*["good"] * 10, "once", "two", *["good"] * 5, "kill", "bad", zcopy="good 3")
    (tmp_path / "script.py").write_text(SCRIPT)
    place = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    place |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=place, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "20 {'crash': 1}" in done.stdout.splitlines()  # Ray writes lines of its own before and after.
    found = rows()
    assert sorted(row["input"] for row in found) == sorted([*range(20), 11])
    assert {row["input"]: row["failure"] for row in found if row["failure"]} == {17: "crash"}
    (same,) = (row for row in found if row["kind"] == "same")
    assert {same["input"], same["same_as"]} == {3, 19}
    assert [noted().count(f"{number:03}.png") for number in (10, 17)] == [2, 2]
