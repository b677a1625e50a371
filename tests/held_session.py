"""Holds a model of the package open in a fresh home, and tells what lies there then and who called.

Run as a process of its own: `python held_session.py HOME SECONDS ANSWER`, where ANSWER is the JSON file to
write. Every proxy is a listener here, so that whoever wants to reach a host, calls.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from pathlib import Path


def listen(callers: list[str]) -> int:
    """Begins to note the first bytes of whoever calls; returns the port."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            caller, _ = server.accept()
            with caller:
                callers.append(caller.recv(200).decode(errors="replace"))

    threading.Thread(target=answer, daemon=True).start()
    return int(server.getsockname()[1])


def main(home: Path, seconds: float, answer: Path) -> None:
    callers: list[str] = []
    proxy = f"http://127.0.0.1:{listen(callers)}"
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        os.environ[name] = os.environ[name.upper()] = proxy
    os.environ["HOME"] = str(home)
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "no_proxy", "NO_PROXY"):
        os.environ.pop(name, None)
    import numpy as np

    from facetrust import model_file

    session, card = model_file.open_model(model_file.locate("antispoof-tiny"))
    session.run(["score"], {"image": np.zeros((1, 3, *card.preprocessing.size), np.float32)})
    time.sleep(seconds)
    files = sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())
    part = answer.with_suffix(".part")
    part.write_text(json.dumps({"files": files, "callers": callers}))
    part.rename(answer)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]))
