"""Fixtures that every part of the tests may use."""

from __future__ import annotations

import os

# Two cores are shared by tests that train and tests that infer; one thread each is the faster choice.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import subprocess
import tempfile
from pathlib import Path

import pytest

BESIDE = Path(__file__).resolve().parents[1] / ".." / "shared"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the unpacked research sets: nuaa, lfw, cfp, fasseg, ffpp, cifar32, orl.

    FACETRUST_DATA names it; otherwise the archives beside the checkout are unpacked once.
    """
    if named := os.environ.get("FACETRUST_DATA"):
        folder = Path(named)
        if not folder.is_dir():
            pytest.fail(f"FACETRUST_DATA={named} is not a folder")
        return folder
    unpack = BESIDE / "data" / "unpack"
    if not unpack.is_file():
        pytest.skip("no real data: set FACETRUST_DATA to a folder with the unpacked sets")
    folder = Path(tempfile.gettempdir()) / f"facetrust-data-{os.getuid()}"
    subprocess.run([unpack, folder], check=True)
    return folder


@pytest.fixture(scope="session")
def peers() -> Path:
    """The folder with other projects' checkpoints; FACETRUST_PEERS names it."""
    folder = Path(os.environ.get("FACETRUST_PEERS") or BESIDE / "peers")
    if not folder.is_dir():
        pytest.skip("no peers' checkpoints: set FACETRUST_PEERS to a folder with them")
    return folder.resolve()
