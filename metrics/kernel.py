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
    within_x, within_y, across = _kernel(x, x), _kernel(y, y), _kernel(x, y)
    for within in (within_x, within_y):
        # Leaving out the pairs of a row with itself is what makes the estimate unbiased.
        np.fill_diagonal(within, 0)
    value = _estimate(within_x.sum(), within_y.sum(), across.sum(), across.shape)
    blocks = math.isqrt(min(across.shape))
    if blocks < FEWEST_BLOCKS:
        return KernelDistance(value, None, 0)
    variance = _variance(within_x, within_y, across) + _variance(within_y, within_x, across.T)
    return KernelDistance(value, math.sqrt(variance), blocks)


def _kernel(x: Float, y: Float) -> Float:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _estimate(within_x: float, within_y: float, across: float, counts: tuple[int, ...]) -> float:
    """Return the squared discrepancy from the sums of the kernel over pairs within and across the sets."""
    n, m = counts
    return float(within_x / (n * (n - 1)) + within_y / (m * (m - 1)) - 2 * across / (n * m))


def _variance(within: Float, others: Float, across: Float) -> float:
    """Return the jackknife variance of the estimate from leaving out blocks of the first set.

    Args:
        within: (n, n) kernel of that set.
        others: (m, m) kernel of the other set.
        across: (n, m) kernel between them.
    """
    n, m = across.shape
    sums = within.sum(), others.sum(), across.sum()
    values = []
    for rows in np.array_split(np.arange(n), math.isqrt(n)):
        block = slice(rows[0], rows[-1] + 1)
        left = sums[0] - 2 * within[block].sum() + within[block, block].sum()
        values.append(_estimate(left, sums[1], sums[2] - across[block].sum(), (n - len(rows), m)))
    return (len(values) - 1) * float(np.var(values))
