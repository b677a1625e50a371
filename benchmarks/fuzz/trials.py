"""What is done with a damaged file: it is taken or refused in one line, and all else is a finding."""

from __future__ import annotations

import json
import os
import resource
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import damage
import files
import numpy as np
from watch import READY


class Trial:
    """What is done with a damaged file; true where it was taken, false where it was refused in one line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.good = folder / "good.png"
        files.portrait().save(self.good)
        (folder / "model.onnx").write_bytes(files.graph())
        self._model = ["--task", "antispoof", "--model", str(folder / "model.onnx")]
        (folder / "model.json").write_bytes(files.card("model.onnx", files.graph()))
        self._streams = [(folder / name).open("w+b") for name in ("stdout", "stderr")]
        for place, stream in enumerate(self._streams, start=1):
            os.dup2(stream.fileno(), place)
        _, self._expected = self._check(self.good, model=self._model)
        if not self._expected[0]["faces"]:
            raise AssertionError("the good picture must have a face")

    def source(self, suffix: str, data: bytes) -> bool:
        """A picture or video beside a good one."""
        bad = self._written(f"bad{suffix}", data)
        status, reports = self._check(bad, self.good, model=self._model)
        *own, last = reports
        if _answer(last) != _answer(self._expected[0]) or len(own) != (status != 2):
            raise AssertionError(f"status {status}, reports {reports}")
        return bool(own)

    def model_card(self, suffix: str, data: bytes) -> bool:
        """A card beside the model that it is for."""
        return self._with_model(files.graph(), data)

    def network(self, suffix: str, data: bytes) -> bool:
        """A model with a card that vouches for it."""
        return self._with_model(data, files.card("bad.onnx", data))

    def weights(self, suffix: str, data: bytes) -> bool:
        """A checkpoint folder whose card vouches for its weights."""
        from facetrust.models import load_checkpoint

        self._written("model.safetensors", data)
        self._written("card.json", files.card("model.safetensors", data, "timm/test_vit"))
        return self._taken(load_checkpoint, self.folder)

    def manifest(self, suffix: str, data: bytes) -> bool:
        """A manifest, read to its last row."""
        from facetrust.data.manifest import Manifest

        path = self._written(f"bad{suffix}", data)
        return self._taken(lambda: Manifest.read(path).samples())

    def recipe(self, suffix: str, data: bytes) -> bool:
        """A recipe, written out again."""
        from facetrust.training.recipe import load_recipe

        path = self._written(f"bad{suffix}", data)
        return self._taken(lambda: load_recipe(path).to_yaml())

    def scores(self, suffix: str, data: bytes) -> bool:
        """A scores file, with its figures and its rows compared."""
        from facetrust.metrics.auc import auc
        from facetrust.records import Scores
        from facetrust.records.scores import read_table

        def measure() -> None:
            table = read_table(path)
            table.same_rows(table)
            if isinstance(table, Scores):
                auc(table.labels, table.scores)

        path = self._written(f"bad{suffix}", data)
        return self._taken(measure)

    def _with_model(self, network: bytes, about: bytes) -> bool:
        path = self._written("bad.onnx", network)
        self._written("bad.json", about)
        status, reports = self._check(self.good, model=["--task", "antispoof", "--model", str(path)])
        if len(reports) != (status != 2):
            raise AssertionError(f"status {status}, reports {reports}")
        return bool(reports)

    def _written(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def _check(self, *sources: Path, model: list[str]) -> tuple[int, list[dict[str, Any]]]:
        """Runs the command; returns its status and reports. All else that it says must be one line."""
        from facetrust import cli

        status = cli.main(["check", *map(str, sources), *model, "--json"])
        out, err = self.said()
        lines = err.splitlines()
        if status not in (0, 1, 2, 3) or not all(
            line.startswith(("facetrust: ", str(self.folder))) for line in lines
        ):
            raise AssertionError(f"status {status}: {err}")
        if len(lines) > 1 or (status == 2) != bool(
            [line for line in lines if line.startswith("facetrust: ")]
        ):
            raise AssertionError(f"status {status}: {err}")
        return status, [json.loads(line, parse_constant=_no_number) for line in out.splitlines()]

    def _taken(self, read: Callable[..., Any], *arguments: Any) -> bool:
        from facetrust.errors import FacetrustError

        try:
            read(*arguments)
        except FacetrustError as error:
            if len(str(error).splitlines()) != 1:
                raise AssertionError(f"not one line: {error}") from error
            return False
        finally:
            _, err = self.said()
        if err:
            raise AssertionError(f"on standard error: {err}")
        return True

    def said(self) -> tuple[str, str]:
        """What was written on standard output and standard error since the last time."""
        sys.stdout.flush()
        sys.stderr.flush()
        said = []
        for stream in self._streams:
            stream.seek(0)
            said.append(stream.read().decode(errors="replace"))
            stream.seek(0)
            stream.truncate()
        return said[0], said[1]


class Kind(NamedTuple):
    """A kind of file: good ones, how they are damaged, what is done with them, and their share of all."""

    seeds: Callable[[], files.Seeds]
    damage: Callable[[bytes, damage.Random], bytes]
    read: Callable[[Trial, str, bytes], bool]
    share: int = 1


KINDS = {
    "picture": Kind(files.pictures, damage.of_bytes, Trial.source, 3),
    "video": Kind(files.videos, damage.of_bytes, Trial.source, 2),
    "card": Kind(
        lambda: [(".json", files.card("bad.onnx", files.graph()))], damage.of_text, Trial.model_card
    ),
    "onnx": Kind(lambda: [(".onnx", files.graph())], damage.of_graph, Trial.network),
    "safetensors": Kind(lambda: [(".safetensors", files.checkpoint())], damage.of_bytes, Trial.weights),
    "csv": Kind(lambda: [(".csv", files.rows().write_csv().encode())], damage.of_text, Trial.manifest),
    "parquet": Kind(lambda: [(".parquet", files.parquet())], damage.of_table, Trial.manifest),
    "yaml": Kind(files.recipes, damage.of_text, Trial.recipe),
    "scores": Kind(lambda: [(".parquet", files.scores())], damage.of_table, Trial.scores),
}


def damaged(kind: str, seed: int, number: int, seeds: files.Seeds) -> tuple[str, bytes]:
    """The suffix and content of a file by its number."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind), number])
    suffix, data = seeds[rng.integers(len(seeds))]
    return suffix, KINDS[kind].damage(data, rng)


def work(pipe: Any, kind: str, seed: int, folder: str) -> None:
    """Reads files whose numbers come through a pipe; answers each with its outcome and the peak memory."""
    try:
        trial, seeds = Trial(Path(folder)), KINDS[kind].seeds()
        trial.said()  # What FFmpeg has to say of the videos that it writes.
        refused = [suffix for suffix, data in seeds if not KINDS[kind].read(trial, suffix, data)]
        if refused:
            raise AssertionError(f"good files are refused: {refused}")
    except Exception:
        pipe.send(traceback.format_exc())
        return
    pipe.send(READY)
    while True:
        number = pipe.recv()
        try:
            outcome = "taken" if KINDS[kind].read(trial, *damaged(kind, seed, number, seeds)) else "refused"
        except BaseException:
            outcome = traceback.format_exc()
        pipe.send((outcome, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))


def _answer(report: dict[str, Any]) -> list[Any]:
    """What must not change when another file is checked beside: what was decided of each face."""
    faces = [[(each["task"], each["decision"]) for each in face["verdicts"]] for face in report["faces"]]
    return [report["source"], report["trusted"], report["reason"], faces]


def _no_number(text: str) -> None:
    raise AssertionError(f"{text} in JSON")
