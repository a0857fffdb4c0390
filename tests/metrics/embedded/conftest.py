"""One validation street: the eye was not trained on it."""

import pytest

from recgen_bench.datasets.street.dataset import Street
from recgen_bench.harness.dataset import Request
from recgen_bench.metrics.embedded.samples import Samples, draw_samples


@pytest.fixture(scope="session")
def street():
    return Street().open(Request("1905", None))


@pytest.fixture(scope="session")
def samples(street) -> Samples:
    return draw_samples(street, 5)
