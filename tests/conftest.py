"""Fixtures shared by the whole suite."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of samples and goldens beside the checkout; skip where there is none."""
    if not (SHARED / "samples").is_dir():
        pytest.skip("the samples and goldens of the developers are not on this machine")
    return SHARED
