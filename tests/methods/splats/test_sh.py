from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from recgen_bench.harness.errors import MethodFailed
from recgen_bench.methods.splats import sh

from .oracle import cloud, seen_colors


def sphere(n: int) -> torch.Tensor:
    """Points spread evenly over the unit sphere (Fibonacci lattice), for sums that stand for integrals."""
    i = torch.arange(n, dtype=torch.float64) + 0.5
    z, angle = 1 - 2 * i / n, torch.pi * (1 + 5**0.5) * i
    r = (1 - z * z).sqrt()
    return torch.stack([r * angle.cos(), r * angle.sin(), z], 1)


def test_harmonics_are_orthonormal():
    basis = sh.basis(sphere(20000), 3)
    gram = 4 * torch.pi * basis.T @ basis / len(basis)
    torch.testing.assert_close(gram, torch.eye(16, dtype=torch.float64), atol=1e-5, rtol=0)


@pytest.mark.parametrize("degree", range(4))
def test_evaluation_matches_the_definition(degree):
    c = cloud(100, 40, 30, seed=1, sh_degree=3).to(torch.float64)
    centre = torch.linalg.inv(c.w2c)[:3, 3]
    got = sh.evaluate(c.colors, c.means - centre, degree)
    torch.testing.assert_close(got, seen_colors(replace(c, sh_degree=degree)))


def test_length_of_the_direction_does_not_matter():
    d = sphere(50)
    torch.testing.assert_close(sh.basis(7 * d, 3), sh.basis(d, 3))


def test_rgb_and_constant_coefficients_are_inverse():
    rgb = torch.rand(20, 3)
    torch.testing.assert_close(sh.to_rgb(sh.from_rgb(rgb)), rgb)
    coefficients = sh.from_rgb(rgb)[:, None]
    torch.testing.assert_close(sh.evaluate(coefficients, torch.randn(20, 3), 0), rgb)
    assert sh.to_rgb(torch.tensor([-9.0, 0, 9])).min() == 0


def test_wrong_degrees_and_shapes_are_refused():
    with pytest.raises(MethodFailed, match="degree"):
        sh.basis(torch.randn(2, 3), 4)
    with pytest.raises(MethodFailed, match="shape"):
        sh.evaluate(torch.randn(2, 3, 3), torch.randn(2, 3), 1)
