"""A scan on the machines of a Ray cluster: Ray Data hands parts to actors, which open their checker once."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

from facetrust.errors import FacetrustError, MissingExtra, UsageError, first_line
from facetrust.imaging import MAX_PIXELS
from facetrust.runtime.scan.judging import Job, Judge, Judged, Part
from facetrust.runtime.scan.ledger import Ledger

LOCAL = "local"
_STORE = 200 * 1024**2  # Bytes of Ray's object store on this machine; no pixels go through it.
_KNOWN = 100_000  # Hashes of finished parts that are sent at once.


def judged_on_ray(
    job: Job, parts: Sequence[Part], judged: Iterable[tuple[str, int]], *, address: str, workers: int
) -> Iterator[Judged]:
    """Yields parts as they are judged by the actors of a Ray cluster.

    An actor asks for one core and for the memory that this process has come to with its models open, and a
    picture at the limit three times over. Ray starts another one where one dies, and gives it the same part.

    Args:
        judged: as `Ledger` takes it.
        address: `local` for Ray on this machine, or where a cluster is. All machines see the same paths.
        workers: actors; 0 for as many as the cluster has cores.

    Raises:
        UsageError: the cluster cannot be reached.
        MissingExtra: Ray is not installed.
        FacetrustError: what a part could not be judged for; or Ray itself fails.
    """
    if not parts:
        return
    ray, begun = _started(address, workers)
    try:
        yield from _judged(ray, job, parts, judged, workers)
    except ray.exceptions.RayError as error:
        raise FacetrustError(
            f"Ray has ended the scan ({first_line(error)}); run it again, it goes on"
        ) from None
    finally:
        if begun:
            ray.shutdown()


def _judged(
    ray: Any, job: Job, parts: Sequence[Part], judged: Iterable[tuple[str, int]], workers: int
) -> Iterator[Judged]:
    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
        ray.get_runtime_context().get_node_id(), soft=False
    )  # A machine that is lost must not take the ledger with it.
    keeper = ray.remote(num_cpus=0, scheduling_strategy=here)(Ledger).remote()
    known = iter(judged)
    while some := list(islice(known, _KNOWN)):
        ray.get(keeper.know.remote(some))
    most = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
    rows = ray.data.from_items([part._asdict() for part in parts], override_num_blocks=len(parts))
    done = rows.map_batches(
        _Actor,
        fn_constructor_args=(job, keeper),
        batch_size=1,
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(most, len(parts))),
        num_cpus=1,
        memory=memory_of_actor(),
    )
    for row in done.iter_rows():
        if row["error"]:
            raise FacetrustError(row["error"])
        part, staged, tally = json.loads(row["judged"])
        yield Judged(part, staged, tally)


def memory_of_actor() -> int:
    """Returns the bytes that an actor asks for: see `judged_on_ray`."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit + 3 * MAX_PIXELS * 3


class _Actor:
    """Judges the part in each batch; errors are handed back, for Ray would wrap them."""

    def __init__(self, job: Job, keeper: Any) -> None:
        import ray

        self._ray = ray
        self._keeper = keeper
        self._judge = Judge(job, self)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        return partial(self._ask, name)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        part = Part(*(int(batch[name][0]) for name in Part._fields))
        try:
            judged = self._judge.judge(part)
            self._ask("finish", part.number)
        except OSError as error:
            return {"judged": [""], "error": [f"{error.filename}: {error.strerror or error}"]}
        except FacetrustError as error:
            return {"judged": [""], "error": [str(error)]}
        return {"judged": [json.dumps(judged)], "error": [""]}

    def _ask(self, name: str, *given: Any) -> Any:
        return self._ray.get(getattr(self._keeper, name).remote(*given))


def _started(address: str, workers: int) -> tuple[Any, bool]:
    """Ray, which reports to nobody how it is used, and whether it was connected here."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
        import ray.util.scheduling_strategies
    except ModuleNotFoundError:
        raise MissingExtra("ray", "scan") from None
    begins = not ray.is_initialized()
    if begins:
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if address == LOCAL:
            quiet |= {"num_cpus": workers or None, "include_dashboard": False, "object_store_memory": _STORE}
        try:
            ray.init(address=LOCAL if address == LOCAL else address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UsageError(f"--ray {address}: cannot be reached ({first_line(error)})") from None
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    return ray, begins
