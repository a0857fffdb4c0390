from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recgen_bench.leaderboards.statistics import mean, ranks, spread

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20)


@settings(max_examples=40, deadline=None)
@given(values=NUMBERS)
def test_equals_the_standard_library(values):
    assert mean(values) == pytest.approx(statistics.mean(values), rel=1e-12, abs=1e-9)
    assert mean(values[::-1]) == mean(values)
    if len(values) > 1:
        assert spread(values) == pytest.approx(statistics.stdev(values), rel=1e-9, abs=1e-7)


def test_infinite_values_never_give_nan():
    assert mean([math.inf, 20.0]) == math.inf
    assert spread([math.inf, 20.0]) is None
    assert spread([math.inf, math.inf]) is None
    assert spread([1.0]) is None
    assert ranks([math.inf, 20.0], "higher", 2) == (1, 2)


@pytest.mark.parametrize(
    ("values", "direction", "expected"),
    [
        ([1.0, 3.0, 2.0], "higher", (3, 1, 2)),
        ([1.0, 3.0, 2.0], "lower", (1, 3, 2)),
        ([2.004, 2.001, 1.0, 0.5], "higher", (1, 1, 2, 3)),
        ([2.004, None, 1.0], "higher", (1, None, 2)),
        ([None, None], "lower", (None, None)),
        ([-0.001, 0.001], "lower", (1, 1)),
    ],
)
def test_ranks_share_ties_as_printed(values, direction, expected):
    assert ranks(values, direction, 2) == expected
