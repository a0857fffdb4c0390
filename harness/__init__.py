"""Contracts and engine. Everything a plugin needs is importable from here, and loaded only when used."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "hookspecs": ("hookimpl",),
    "registration": (
        "CheckInfo",
        "DatasetInfo",
        "ExecutorInfo",
        "MethodInfo",
        "MetricInfo",
        "PriorInfo",
        "ProtocolSource",
        "WeightsInfo",
    ),
    "method": ("Method", "PseudoView", "Refinement", "Rendering", "Round"),
    "dataset": ("Dataset", "Request"),
    "pair": ("Pair",),
    "track": ("Box", "Frame", "Picture", "SceneValue", "Track"),
    "run": ("Run",),
    "scene": ("Actor", "Camera", "Capture", "Lane", "Oracle", "Points", "Scene", "View", "World"),
    "errors": (
        "DataError",
        "MethodFailed",
        "OutputError",
        "PluginError",
        "ProtocolError",
        "RecgenError",
        "WeightsMissing",
    ),
    "events": ("CellFinished", "CellStarted", "Event", "Note", "PhaseFinished", "PhaseStarted", "Progress"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # Computed, so that the list cannot differ from the table.


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
