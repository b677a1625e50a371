"""What is counted and timed, for Prometheus; names routes, never what was sent or who is on it."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from facetrust.serve.pool import Pool

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Counters of one service."""

    def __init__(self, pool: Pool) -> None:
        self._registry = CollectorRegistry()
        own = self._registry
        self.requests = Counter(
            "facetrust_requests", "Requests answered.", ["method", "route", "status"], registry=own
        )
        self.seconds = Histogram(
            "facetrust_request_seconds", "From a request's head to its answer.", ["route"],
            buckets=_SECONDS, registry=own,
        )  # fmt: skip
        self.wrong_keys = Counter("facetrust_wrong_keys", "Requests with an unknown API key.", registry=own)
        self.frames = Counter("facetrust_camera_frames", "Frames of cameras.", ["outcome"], registry=own)
        self.cameras = Gauge("facetrust_cameras", "Cameras connected.", registry=own)
        held = Gauge("facetrust_places_held", "Requests at work or waiting.", registry=own)
        held.set_function(lambda: pool.held)
        ProcessCollector(registry=own)
        PlatformCollector(registry=own)

    def text(self) -> bytes:
        """Returns everything in Prometheus' text format."""
        return generate_latest(self._registry)
