"""The two packages that only this data set needs; they are installed as an extra and imported when used."""

from __future__ import annotations

import importlib
from typing import Any

from recgen_bench.harness.errors import PluginError


def load(module: str) -> Any:
    """Import and return a module of protobuf or pyarrow.

    Raises:
        PluginError: It is not installed; the hint is the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise PluginError(
            f"reading this form of the Waymo data set needs a package that is not installed: {error}",
            got=module,
            hint='pip install "recgen-bench[waymo]"',
        ) from error
