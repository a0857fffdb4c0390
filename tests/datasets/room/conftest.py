"""One small room for all tests, with its cache in a temporary folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from recgen_bench.datasets.room.dataset import Room
from recgen_bench.datasets.room.world import World
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.protocol import Resolution
from recgen_bench.harness.scene import Capture


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECGEN_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def world(cache: Path) -> World:
    return World(1004)


@pytest.fixture(scope="session")
def capture(cache: Path) -> Capture:
    return Room().open(Request("1004", None, Resolution(width=60, height=40)))
