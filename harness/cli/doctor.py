"""`recgen-bench doctor`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recgen_bench.harness.cli.options import plugin_option

if TYPE_CHECKING:
    from recgen_bench.harness.plugins import Registry
    from recgen_bench.harness.registration import CheckInfo


@click.command()
@plugin_option
def doctor(plugin_files: tuple[Path, ...]) -> None:
    """Check this installation; exit status 1 when something that runs need is missing."""
    from recgen_bench.harness.plugins import load_registry

    registry = load_registry(plugin_files)
    checks: dict[str, Callable[[], str]] = {
        "python": lambda: sys.version.split()[0],
        "package": _package,
        "plugins": lambda: _plugins(registry),
        "torch": _torch,
        **{info.name: partial(_registered, info) for info in registry.checks.values()},
        "cache": _cache,
        "disk": _disk,
    }
    healthy = True
    for name, check in checks.items():
        try:
            click.echo(f"ok    {name + ':':<12} {check()}")
        except Exception as error:  # noqa: BLE001 # A diagnosis reports whatever is wrong and goes on.
            healthy = False
            click.echo(f"FAIL  {name + ':':<12} {error}")
    sys.exit(0 if healthy else 1)


def _registered(info: CheckInfo) -> str:
    from recgen_bench.harness.registration import resolve

    check: Callable[[], str] = resolve(info.target, f"check {info.name}")
    return check()


def _package() -> str:
    from recgen_bench.harness.provenance import environment

    found = environment("cpu", 1)
    commit = f", commit {found.commit[:12]}{' with changes' if found.dirty else ''}" if found.commit else ""
    return f"recgen-bench {found.code}{commit}, {found.processor}"


def _plugins(registry: Registry) -> str:
    from recgen_bench.harness.errors import PluginError

    broken = [status for status in registry.plugins if status.error]
    if broken:
        raise PluginError("; ".join(f"{status.name}: {status.error}" for status in broken))
    return (
        f"{len(registry.plugins)} load: {len(registry.methods)} methods, {len(registry.datasets)} data sets"
    )


def _torch() -> str:
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA device, runs use the CPU"
    return f"{torch.__version__}, {gpu}"


def _cache() -> str:
    from recgen_bench.harness.cache import cache_folder
    from recgen_bench.harness.files import check_writable

    check_writable(cache_folder())
    return str(cache_folder())


def _disk() -> str:
    from recgen_bench.harness.errors import OutputError

    free = shutil.disk_usage(Path.cwd()).free / 1e9
    if free < 1:
        raise OutputError(f"only {free:.1f} GB free here", hint="free some space before a run")
    return f"{free:.0f} GB free here"
