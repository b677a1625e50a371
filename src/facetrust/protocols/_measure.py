"""A metric with its interval, clustered by what belongs together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from facetrust.errors import MetricError
from facetrust.metrics import interval
from facetrust.protocols._judgement import Figure


def measured(
    name: str,
    metric: Callable[..., float],
    labels: Any,
    scores: Any,
    *,
    clusters: Any,
    others: Any = None,
    seed: int,
    rounds: int,
    **settings: Any,
) -> Figure:
    """Returns a metric with its interval; without one where there are too few clusters to draw from."""
    value = metric(labels, scores, **settings)
    draws: dict[str, Any] = {"clusters": clusters, "others": others, "seed": seed, "rounds": rounds}
    try:
        low, high = interval(metric, labels, scores, **draws, **settings)
    except MetricError:
        return Figure(metric=name, value=value)
    return Figure(metric=name, value=value, low=low, high=high)
