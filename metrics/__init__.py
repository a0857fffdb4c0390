"""The built-in metrics, one module per family; registered here without importing any implementation."""

from __future__ import annotations

from collections.abc import Callable

from recgen_bench.harness.hookspecs import hookimpl
from recgen_bench.harness.registration import MetricInfo
from recgen_bench.metrics.driving import DRIVING
from recgen_bench.metrics.images import IMAGES
from recgen_bench.metrics.sets import SETS

METRICS = (*IMAGES, *SETS, *DRIVING)


@hookimpl
def register_metrics(register: Callable[[MetricInfo], None]) -> None:
    """Register the metrics of this folder."""
    for info in METRICS:
        register(info)
