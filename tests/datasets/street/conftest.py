"""One small world for all tests of the street, with its cache in a temporary folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from recgen_bench.datasets.street.dataset import Street
from recgen_bench.datasets.street.world import World
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.protocol import Resolution
from recgen_bench.harness.scene import Capture

SMALL = Resolution(width=60, height=40)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECGEN_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def world() -> World:
    return World(1004)


@pytest.fixture(scope="session")
def capture(cache: Path) -> Capture:
    request = Request("1004", None, SMALL, ("right", "front", "left"))
    return Street().open(request)
