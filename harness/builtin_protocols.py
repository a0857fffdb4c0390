"""The protocols that come with the package, as a plugin like any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from recgen_bench.harness.hookspecs import hookimpl
from recgen_bench.harness.registration import ProtocolSource


@hookimpl
def register_protocols(register: Callable[[ProtocolSource], None]) -> None:
    """Register every TOML file beside this module."""
    register(ProtocolSource(Path(__file__).parent / "protocols"))
