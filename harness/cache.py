"""Where generated worlds and features are kept between runs; deleting the folder costs only time."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return `RECGEN_CACHE`, else `recgen-bench` below the user's cache folder; it may not exist yet."""
    chosen = os.environ.get("RECGEN_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "recgen-bench"
