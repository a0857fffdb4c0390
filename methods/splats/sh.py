"""Real spherical harmonics of 3D Gaussian splatting in torch, for colours outside the rasteriser."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from recgen_bench.harness.errors import MethodFailed

MAX_DEGREE = 3
DC = 0.5 / math.sqrt(math.pi)
"""The constant harmonic."""

_C1 = math.sqrt(3 / (4 * math.pi))
_C2 = math.sqrt(15 / (4 * math.pi))
_C3 = math.sqrt(35 / (32 * math.pi)), math.sqrt(105 / (4 * math.pi)), math.sqrt(21 / (32 * math.pi))


def count(degree: int) -> int:
    """Return the number of harmonics up to a degree.

    >>> [count(degree) for degree in range(4)]
    [1, 4, 9, 16]
    """
    if not 0 <= degree <= MAX_DEGREE:
        raise MethodFailed("unknown degree of harmonics", got=degree, expected=f"0 to {MAX_DEGREE}")
    return (degree + 1) ** 2


def from_rgb(rgb: Tensor) -> Tensor:
    """Return the constant coefficients (..., 3) that show as the colours `rgb` (..., 3) in [0, 1]."""
    return (rgb - 0.5) / DC


def to_rgb(dc: Tensor) -> Tensor:
    """Return the colours (..., 3) that constant coefficients (..., 3) show, not below 0."""
    return (dc * DC + 0.5).clamp_min(0)


def basis(directions: Tensor, degree: int) -> Tensor:
    """Return the harmonics (..., (degree + 1)^2) at directions (..., 3) of any length above zero.

    Order and signs are those of 3D Gaussian splatting (Kerbl et al. 2023).
    """
    size = count(degree)
    x, y, z = torch.nn.functional.normalize(directions, dim=-1).unbind(-1)
    terms = [torch.full_like(x, DC)]
    if degree >= 1:
        terms += [-_C1 * y, _C1 * z, -_C1 * x]
    if degree >= 2:
        even, zonal = x * x - y * y, 3 * z * z - 1
        terms += [_C2 * x * y, -_C2 * y * z, _C2 / math.sqrt(12) * zonal, -_C2 * x * z, _C2 / 2 * even]
    if degree >= 3:
        a, b, c = _C3
        belt = 5 * z * z - 1
        terms += [-a * y * (3 * x * x - y * y), b * x * y * z, -c * y * belt]
        terms += [math.sqrt(7 / (16 * math.pi)) * z * (5 * z * z - 3)]
        terms += [-c * x * belt, b / 2 * z * (x * x - y * y), -a * x * (x * x - 3 * y * y)]
    return torch.stack(terms[:size], -1)


def evaluate(coefficients: Tensor, directions: Tensor, degree: int) -> Tensor:
    """Return the colours (..., 3) of coefficients (..., K, 3), K >= (degree + 1)^2, seen along directions.

    Directions point from the camera to the Gaussian. The colour is max(sum + 0.5, 0), as in the rasteriser.

    Raises:
        MethodFailed: The degree is not 0 to 3, or there are too few coefficients.
    """
    size = count(degree)
    if coefficients.ndim < 2 or coefficients.shape[-1] != 3 or coefficients.shape[-2] < size:
        expected = f"(..., K, 3) with K at least {size}"
        raise MethodFailed("wrong shape of coefficients", got=tuple(coefficients.shape), expected=expected)
    seen = (basis(directions, degree)[..., None] * coefficients[..., :size, :]).sum(-2)
    return (seen + 0.5).clamp_min(0)
