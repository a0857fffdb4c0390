"""Where a number comes from: code, packages and hardware."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from functools import cache
from pathlib import Path

from recgen_bench.harness.record import Environment

PACKAGES = (
    "torch",
    "torchvision",
    "gsplat",
    "numpy",
    "opencv-python-headless",
    "pillow",
    "trimesh",
    "embreex",
)
"""Packages whose version can change a number."""


def environment(device: str, threads: int) -> Environment:
    """Describe this machine and installation."""
    commit, dirty = _commit()
    return Environment(
        code=version(),
        commit=commit,
        dirty=dirty,
        python=platform.python_version(),
        packages={name: found for name in PACKAGES if (found := _version(name))},
        platform=platform.platform(),
        processor=_processor(),
        device=_device(device),
        threads=threads,
    )


def version() -> str:
    """Return the version of the installed package."""
    return _version("recgen-bench") or "unknown"


def code_version() -> str:
    """Return the version of the code for provenance: of the package, with its commit where there is one."""
    commit, dirty = _commit()
    return version() if commit is None else f"{version()} {commit[:12]}{' dirty' if dirty else ''}"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@cache
def _commit() -> tuple[str | None, bool | None]:
    """Return the commit of the checkout this file lies in and whether it is dirty; None for a wheel."""
    folder = Path(__file__).resolve().parent
    if not (folder.parent / ".git").exists():
        return None, None
    commit = _git(folder, "rev-parse", "HEAD")
    return commit, None if commit is None else bool(_git(folder, "status", "--porcelain"))


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


@cache
def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # Not Linux; the platform module knows less but something.
    return platform.processor() or platform.machine()


def _device(device: str) -> str:
    if device != "cuda":
        return device
    import torch

    return str(torch.cuda.get_device_name())
