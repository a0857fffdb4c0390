"""The toy plugin as a command line argument."""

from __future__ import annotations

from pathlib import Path

import pytest

TOY = Path(__file__).resolve().parents[2] / "toy.py"


@pytest.fixture
def with_toy() -> tuple[str, str]:
    """Return the option that loads the toy plugin."""
    return ("--plugin", str(TOY))
