"""Enrolment that is killed by kill -9: what was acknowledged is there, and nothing is there by halves."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from facetrust.runtime.gallery.sqlite import SqliteStore
from facetrust.runtime.gallery.store import Store, open_store

PICTURES = 3
WIDTH = 512
ENROL = f"""
import os, sys
import numpy as np
from facetrust.records import Side
from facetrust.runtime.gallery.gallery import Gallery

class Faces:
    "Stands in for a verifier: the embedding of a picture is drawn by its number."
    class model:
        name, fingerprint = "m@1", "f"
    def only_subject(self, source):
        drawn = np.random.default_rng(source).normal(size={WIDTH}).astype(np.float32)
        return Side(source=str(source)), drawn / np.linalg.norm(drawn)

place, number, die_at = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
gallery = Gallery(place, verifier=Faces())
if die_at:
    from facetrust.runtime.gallery.cipher import Plain
    sealed = []
    def seal(self, data, about):
        sealed.append(data)
        if len(sealed) == die_at:
            os.kill(os.getpid(), 9)
        return data
    gallery.enroll("first", [10**6])
    Plain.seal = seal
print("ready", flush=True)
while True:
    gallery.enroll(f"p{{number}}", [{PICTURES} * number + k for k in range({PICTURES})])
    print(number, flush=True)
    number += 1
"""


def template(number: int) -> np.ndarray:
    drawn = np.random.default_rng(number).normal(size=WIDTH).astype(np.float32)
    return drawn / np.linalg.norm(drawn)


def enrolling(place: str, number: int = 0, *, die_at: int = 0) -> subprocess.Popen[str]:
    """A process that enrols one person after the other and prints each when it is on the disk."""
    arguments = [sys.executable, "-c", ENROL, place, str(number), str(die_at)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def acknowledged(process: subprocess.Popen[str]) -> list[int]:
    """What a process that has ended said that it had kept."""
    lines = process.communicate()[0].splitlines()
    assert lines[0] == "ready"
    return [int(line) for line in lines[1:]]


def check(store: Store, kept: list[int]) -> None:
    """All that was acknowledged is found, whole, and whoever else is there is whole too."""
    counts = store.counts()
    counts.pop("first", None)
    assert {f"p{number}" for number in kept} <= set(counts)
    assert set(counts.values()) <= {PICTURES}
    numbers = kept[:3] + kept[-3:]
    for number in numbers:
        for k in range(PICTURES):
            (found,) = store.nearest(template(PICTURES * number + k)[None])
            assert found.name == f"p{number}"
            assert found.score == pytest.approx(1, abs=1e-5)


def test_a_killed_enrolment_loses_nothing_that_was_acknowledged(tmp_path):
    place, kept = str(tmp_path / "people.db"), []
    rng = np.random.default_rng(0)
    for turn in range(3):
        process = enrolling(place, 1000 * turn)
        lines = [process.stdout.readline() for _ in range(3 + int(rng.integers(6)))]
        time.sleep(rng.uniform(0.0, 0.02))
        process.send_signal(signal.SIGKILL)
        lines += process.communicate()[0].splitlines()
        assert process.returncode == -signal.SIGKILL
        kept += [int(line) for line in lines[1:]]
        store = open_store(place)
        assert isinstance(store, SqliteStore)
        check(store, kept)
        assert store._db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        store.close()
    assert len(kept) >= 6


def test_killed_inside_its_transaction_it_keeps_nothing_of_it(tmp_path):
    place = str(tmp_path / "people.db")
    process = enrolling(place, die_at=3)  # After its name and one template, before the second.
    assert acknowledged(process) == []
    assert process.returncode == -signal.SIGKILL
    store = open_store(place)
    assert isinstance(store, SqliteStore)
    assert store.counts() == {"first": 1}
    store.close()


def test_a_killed_client_of_a_database_loses_nothing_either(database):
    process = enrolling(database)
    lines = [process.stdout.readline() for _ in range(6)]
    process.send_signal(signal.SIGKILL)
    lines += process.communicate()[0].splitlines()
    kept = [int(line) for line in lines[1:]]
    assert len(kept) >= 5
    store = open_store(database)
    check(store, kept)
    store.close()


def test_a_killed_server_loses_nothing_that_was_acknowledged(server, database):
    process = enrolling(database)
    lines = [process.stdout.readline() for _ in range(12)]
    server.kill()
    rest, said = process.communicate(timeout=30)
    assert "GalleryError" in said
    kept = [int(line) for line in [*lines[1:], *rest.splitlines()]]
    server.start()
    store = open_store(database)
    check(store, kept)
    assert len(kept) >= 11
    store.close()
