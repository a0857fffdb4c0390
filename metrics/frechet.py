"""The Fréchet distance of two sets of features, as Gaussians (Heusel et al. 2017, arXiv:1706.08500)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from recgen_bench.harness.scene import Float


@dataclass(frozen=True, slots=True)
class Frechet:
    """The squared Fréchet distance and its two terms.

    Attributes:
        means: Squared distance of the means.
        covariances: tr(A + B - 2 (A B)^(1/2)) for the covariances A and B.
    """

    means: float
    covariances: float

    @property
    def distance(self) -> float:
        """The sum of both, which is what FID reports."""
        return self.means + self.covariances


def frechet(x: Float, y: Float) -> Frechet:
    """Return the distance of two sets of features with N - 1 in the covariances.

    No matrix root is taken. For centred data X (n, d) and Y (m, d) the eigenvalues of A B are the squared
    singular values of X Y^T / sqrt((n - 1)(m - 1)), so tr (A B)^(1/2) is their sum. A set with more rows
    than columns is first replaced by the triangle of its QR factorisation, which leaves X^T X as it is. The
    cost follows the smaller of N and d, nothing is squared, and no epsilon is added.

    Args:
        x: (n, d) float64, n at least 2.
        y: (m, d) float64, m at least 2.
    """
    difference = x.mean(axis=0) - y.mean(axis=0)
    a, b = _half_covariance(x), _half_covariance(y)
    roots = float(np.linalg.svd(a @ b.T, compute_uv=False).sum())
    traces = float(np.vdot(a, a) + np.vdot(b, b))
    # Rounding can leave a tiny negative value for equal sets.
    return Frechet(float(difference @ difference), max(0.0, traces - 2 * roots))


def _half_covariance(x: Float) -> Float:
    """Return (k, d) with H^T H = cov(x) and k the smaller of n and d."""
    count, dimensions = x.shape
    centred = (x - x.mean(axis=0)) / math.sqrt(count - 1)
    return np.asarray(np.linalg.qr(centred, mode="r")) if count > dimensions else centred
