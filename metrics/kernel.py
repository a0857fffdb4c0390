"""The kernel distance of two sets of features (Bińkowski et al. 2018, arXiv:1801.01401)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from recgen_bench.harness.scene import Float

FEWEST_BLOCKS = 3


@dataclass(frozen=True, slots=True)
class KernelDistance:
    """Squared maximum mean discrepancy; negative values occur, since the estimate is unbiased.

    Attributes:
        value: The estimate from all pairs.
        error: Its standard error, None for sets of fewer than 9.
        blocks: Number of blocks of the smaller set, 0 without an error.
    """

    value: float
    error: float | None
    blocks: int

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval from Student's t with one degree of freedom less than there are blocks."""
        if self.error is None:
            return None
        from scipy.special import stdtrit

        reach = float(stdtrit(self.blocks - 1, 0.975)) * self.error
        return self.value - reach, self.value + reach


def kernel_distance(x: Float, y: Float) -> KernelDistance:
    """Return the unbiased estimate with the kernel (x.y / d + 1)^3, over all pairs instead of random subsets.

    The error is a jackknife over blocks of neighbouring rows, floor(sqrt(N)) of them in each set, because
    neighbouring frames of a drive are nearly the same picture; it needs no random numbers. The variances
    of both sets are added.

    Args:
        x: (n, d) float64 in the order of recording, n at least 2.
        y: (m, d), m at least 2.
    """
    blocks = [math.isqrt(len(rows)) for rows in (x, y)]
    if min(blocks) < FEWEST_BLOCKS:
        blocks, error = [1, 1], None
    starts_x, starts_y = (_starts(len(rows), count) for rows, count in zip((x, y), blocks, strict=True))
    within_x = _block_sums(_kernel(x, x, diagonal=False), starts_x, starts_x)
    within_y = _block_sums(_kernel(y, y, diagonal=False), starts_y, starts_y)
    across = _block_sums(_kernel(x, y), starts_x, starts_y)
    value = _estimate(within_x.sum(), within_y.sum(), across.sum(), len(x), len(y))
    if blocks == [1, 1]:
        return KernelDistance(value, None, 0)
    without_x = [
        _estimate(
            _without(within_x, b), within_y.sum(), across.sum() - across[b].sum(), len(x) - size, len(y)
        )
        for b, size in enumerate(np.diff(starts_x, append=len(x)))
    ]
    without_y = [
        _estimate(
            within_x.sum(), _without(within_y, b), across.sum() - across[:, b].sum(), len(x), len(y) - size
        )
        for b, size in enumerate(np.diff(starts_y, append=len(y)))
    ]
    error = math.sqrt(_jackknife(without_x) + _jackknife(without_y))
    return KernelDistance(value, error, min(blocks))


def _kernel(x: Float, y: Float, diagonal: bool = True) -> Float:
    values = (x @ y.T / x.shape[1] + 1) ** 3
    if not diagonal:
        np.fill_diagonal(values, 0)
    return values


def _starts(count: int, blocks: int) -> np.ndarray:
    """Return the first rows of blocks whose sizes differ by at most one."""
    return np.arange(blocks) * count // blocks


def _block_sums(kernel: Float, rows: np.ndarray, columns: np.ndarray) -> Float:
    return np.add.reduceat(np.add.reduceat(kernel, rows, axis=0), columns, axis=1)


def _without(sums: Float, block: int) -> float:
    return float(sums.sum() - sums[block].sum() - sums[:, block].sum() + sums[block, block])


def _estimate(within_x: float, within_y: float, across: float, n: int, m: int) -> float:
    return float(within_x / (n * (n - 1)) + within_y / (m * (m - 1)) - 2 * across / (n * m))


def _jackknife(values: list[float]) -> float:
    """Return the variance of an estimate from its values without one block each."""
    return (len(values) - 1) * float(np.var(values))
