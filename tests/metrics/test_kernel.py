"""The kernel distance against a double loop and torchmetrics, and its interval against repeated draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.image.kid import poly_mmd

from recgen_bench.metrics.kernel import kernel_distance


def by_loops(x: np.ndarray, y: np.ndarray) -> float:
    def mean(a, b, same):
        values = [
            (p @ q / len(p) + 1) ** 3
            for i, p in enumerate(a)
            for j, q in enumerate(b)
            if not (same and i == j)
        ]
        return sum(values) / len(values)

    return mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 30), m=st.integers(2, 30), d=st.integers(1, 12))
def test_equals_its_definition(seed, n, m, d):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(0, 1, (n, d)), rng.normal(0.3, 1, (m, d))
    value = kernel_distance(x, y).value
    assert value == pytest.approx(by_loops(x, y), rel=1e-9, abs=1e-9)
    assert value == pytest.approx(kernel_distance(y, x).value, rel=1e-9, abs=1e-9)
    if n == m:
        theirs = poly_mmd(torch.from_numpy(x), torch.from_numpy(y)).item()
        assert value == pytest.approx(theirs, rel=1e-5, abs=1e-9)


def test_equals_torchmetrics_at_real_sizes():
    rng = np.random.default_rng(0)
    x, y = np.abs(rng.normal(0, 1, (2, 50, 2048)))
    theirs = poly_mmd(torch.from_numpy(x), torch.from_numpy(y + 0.1)).item()
    assert kernel_distance(x, y + 0.1).value == pytest.approx(theirs, rel=1e-5)


def by_hand(x: np.ndarray, y: np.ndarray) -> float:
    """The jackknife by leaving the rows of one block out at a time."""
    total = 0.0
    for rows, value in ((x, lambda kept: by_loops(kept, y)), (y, lambda kept: by_loops(x, kept))):
        count = int(np.sqrt(len(rows)))
        left = [
            value(np.delete(rows, block, axis=0)) for block in np.array_split(np.arange(len(rows)), count)
        ]
        total += (count - 1) / count * np.sum((np.array(left) - np.mean(left)) ** 2)
    return float(np.sqrt(total))


def test_the_error_is_a_block_jackknife():
    rng = np.random.default_rng(3)
    x, y = rng.normal(0, 1, (16, 3)), rng.normal(0.5, 1, (12, 3))
    assert kernel_distance(x, y).error == pytest.approx(by_hand(x, y), rel=1e-9)
    assert kernel_distance(x, y).blocks == 3


def test_small_sets_have_no_interval():
    x, y = np.random.default_rng(0).normal(0, 1, (2, 20, 3))
    assert kernel_distance(x[:8], y).interval is None
    low, high = kernel_distance(x[:9], y).interval
    assert low < kernel_distance(x[:9], y).value < high


def test_the_interval_covers_the_true_distance():
    """Frames that resemble their neighbours (an autoregression) still give an honest interval."""
    rng = np.random.default_rng(11)
    far = np.full(4, 0.6)

    def drive(n, offset):
        steps = rng.normal(0, 1, (n, 4))
        for i in range(1, n):
            steps[i] = 0.6 * steps[i - 1] + 0.8 * steps[i]
        return steps + offset

    truth = kernel_distance(rng.normal(0, 1, (3000, 4)), rng.normal(0, 1, (3000, 4)) + far).value
    hits = 0
    for _ in range(60):
        low, high = kernel_distance(drive(80, 0), drive(80, far)).interval
        hits += low <= truth <= high
    assert 49 <= hits <= 60


def test_equal_distributions_are_at_zero_on_average():
    rng = np.random.default_rng(2)
    values = [kernel_distance(*rng.normal(0, 1, (2, 20, 3))).value for _ in range(300)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))
    assert min(values) < 0
