"""The plugin API on one page: each hook receives `register` and calls it once for everything it offers."""

from __future__ import annotations

from collections.abc import Callable

import pluggy

from recgen_bench.harness.events import Event
from recgen_bench.harness.registration import (
    CheckInfo,
    DatasetInfo,
    ExecutorInfo,
    MethodInfo,
    MetricInfo,
    PriorInfo,
    ProtocolSource,
)

hookspec = pluggy.HookspecMarker("recgen_bench")
hookimpl = pluggy.HookimplMarker("recgen_bench")


@hookspec
def register_methods(register: Callable[[MethodInfo], None]) -> None:
    """Register reconstruction and reconstruction-generation methods."""


@hookspec
def register_datasets(register: Callable[[DatasetInfo], None]) -> None:
    """Register data sets and capture formats."""


@hookspec
def register_metrics(register: Callable[[MetricInfo], None]) -> None:
    """Register metrics."""


@hookspec
def register_priors(register: Callable[[PriorInfo], None]) -> None:
    """Register generative priors that methods can be combined with."""


@hookspec
def register_protocols(register: Callable[[ProtocolSource], None]) -> None:
    """Register protocol files or folders of them."""


@hookspec
def register_executors(register: Callable[[ExecutorInfo], None]) -> None:
    """Register ways to run a plan: inline, a process pool, a cluster."""


@hookspec
def register_checks(register: Callable[[CheckInfo], None]) -> None:
    """Register what `recgen-bench doctor` should look for on this machine."""


@hookspec
def on_event(event: Event) -> None:
    """Hear what the loop is doing: cells, phases, progress, warnings."""
