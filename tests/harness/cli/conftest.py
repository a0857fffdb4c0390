"""The toy plugin as a command line argument."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

TOY = Path(__file__).resolve().parents[2] / "toy.py"


@pytest.fixture(scope="session", autouse=True)
def _own_features(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep features that tests compute out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECGEN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def with_toy() -> tuple[str, str]:
    """Return the option that loads the toy plugin."""
    return ("--plugin", str(TOY))
