"""Rotations of vectors, of quaternions and of spherical harmonics, in plain element-wise torch.

Small matrix products would go through BLAS, whose last bits may depend on how it divides the work.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recgen_bench.methods.splats.gaussians import BANDS


def quaternion_to_matrix(quats: Tensor) -> Tensor:
    """Return (N, 3, 3) rotations for (N, 4) quaternions w, x, y, z of any positive length."""
    w, x, y, z = (quats / torch.sqrt((quats * quats).sum(-1, keepdim=True))).unbind(-1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def rotate(quats: Tensor, vectors: Tensor) -> Tensor:
    """Return (N, 3) vectors turned by (N, 4) quaternions."""
    return transform(quaternion_to_matrix(quats), vectors)


def transform(matrices: Tensor, vectors: Tensor) -> Tensor:
    """Return (N, 3, 3) matrices times (N, 3) vectors."""
    return (matrices * vectors[:, None, :]).sum(-1)


def matrix_to_quaternion(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (4,) unit quaternion w, x, y, z, w not negative, of a (3, 3) rotation."""
    m = np.asarray(matrix, np.float64)
    # The eigenvector of this symmetric matrix is the quaternion, also with rounding (Bar-Itzhack 2000).
    K = np.array(
        [
            [m.trace(), m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]],
            [0, m[0, 0] - m[1, 1] - m[2, 2], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0]],
            [0, 0, m[1, 1] - m[0, 0] - m[2, 2], m[1, 2] + m[2, 1]],
            [0, 0, 0, m[2, 2] - m[0, 0] - m[1, 1]],
        ]
    )
    quaternion = np.linalg.eigh(K, UPLO="U").eigenvectors[:, -1]
    return quaternion if quaternion[0] >= 0 else -quaternion


def multiply(left: Tensor, right: Tensor) -> Tensor:
    """Return the (N, 4) Hamilton product: the rotation `right` followed by `left`."""
    a, b, c, d = left.unbind(-1)
    w, x, y, z = right.unbind(-1)
    product = (
        a * w - b * x - c * y - d * z,
        a * x + b * w + c * z - d * y,
        a * y - b * z + c * w + d * x,
        a * z + b * y - c * x + d * w,
    )
    return torch.stack(product, dim=-1)


def harmonics_rotation(matrix: NDArray[np.float64], degree: int) -> NDArray[np.float64]:
    """Return the (K - 1, K - 1) matrix that turns coefficients of degrees 1 to `degree`, K = (degree + 1)^2.

    A function f on directions with coefficients c becomes d -> f(R^-1 d) with coefficients D c. Degrees do
    not mix, so D is block diagonal; each block is solved from 64 directions, in float64.
    """
    directions = _directions()
    after, before = _basis(directions), _basis(directions @ np.asarray(matrix, np.float64))
    turned = np.zeros((BANDS[degree], BANDS[degree]))
    for band in range(1, degree + 1):
        block = slice(BANDS[band - 1], BANDS[band])
        turned[block, block] = np.linalg.lstsq(after[:, block], before[:, block], rcond=None)[0]
    return turned


@functools.cache
def _directions() -> NDArray[np.float64]:
    """Return 64 directions spread over the sphere along a golden spiral."""
    index = np.arange(64) + 0.5
    z, azimuth = 1 - index / 32, np.pi * (1 + np.sqrt(5)) * index
    radius = np.sqrt(1 - z * z)
    return np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), z], axis=-1)


def _basis(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (N, 15) values of the harmonics of degree 1 to 3 in Inria's order and signs."""
    x, y, z = directions.T
    columns = [
        -0.4886025119029199 * y,
        0.4886025119029199 * z,
        -0.4886025119029199 * x,
        1.0925484305920792 * x * y,
        -1.0925484305920792 * y * z,
        0.31539156525252005 * (2 * z * z - x * x - y * y),
        -1.0925484305920792 * x * z,
        0.5462742152960396 * (x * x - y * y),
        -0.5900435899266435 * y * (3 * x * x - y * y),
        2.890611442640554 * x * y * z,
        -0.4570457994644658 * y * (4 * z * z - x * x - y * y),
        0.3731763325901154 * z * (2 * z * z - 3 * x * x - 3 * y * y),
        -0.4570457994644658 * x * (4 * z * z - x * x - y * y),
        1.445305721320277 * z * (x * x - y * y),
        -0.5900435899266435 * x * (x * x - 3 * y * y),
    ]
    return np.stack(columns, axis=-1)
