import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recgen_bench.methods.splats.gaussians import BANDS
from recgen_bench.methods.splats.rotation import (
    harmonics_rotation,
    matrix_to_quaternion,
    multiply,
    quaternion_to_matrix,
    rotate,
)

quaternions = st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1)


def matrix(quaternion):
    return quaternion_to_matrix(torch.tensor([quaternion], dtype=torch.float64))[0].numpy()


@given(quaternions)
def test_a_quaternion_gives_a_rotation_and_comes_back(quaternion):
    R = matrix(quaternion)
    assert np.allclose(R @ R.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(R) == pytest.approx(1)
    back = matrix_to_quaternion(R)
    unit = np.array(quaternion) / np.linalg.norm(quaternion)
    assert abs(back @ unit) == pytest.approx(1, abs=1e-9)
    assert back[0] >= 0


@given(quaternions, quaternions)
def test_products_of_quaternions_are_products_of_matrices(left, right):
    product = multiply(torch.tensor([left], dtype=torch.float64), torch.tensor([right], dtype=torch.float64))
    assert np.allclose(matrix(product[0].tolist()), matrix(left) @ matrix(right), atol=1e-9)


def test_rotating_follows_the_right_hand_rule():
    half = 0.5**0.5
    turned = rotate(torch.tensor([[half, 0, 0, half]]), torch.tensor([[1.0, 0, 0]]))
    assert torch.allclose(turned, torch.tensor([[0.0, 1, 0]]), atol=1e-6)


@given(quaternions, quaternions)
def test_turning_harmonics_is_a_homomorphism(left, right):
    a, b = matrix(left), matrix(right)
    product = harmonics_rotation(a, 3) @ harmonics_rotation(b, 3)
    assert np.allclose(product, harmonics_rotation(a @ b, 3), atol=1e-9)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_turned_harmonics_seen_from_turned_directions_look_the_same(degree):
    """The rasteriser itself is the judge: turn a Gaussian and the camera together, and the colour stays."""
    from recgen_bench.methods.splats.raster import rasterize

    generator = torch.Generator().manual_seed(degree)
    R = torch.from_numpy(matrix([0.3, -0.5, 0.7, 0.2])).float()
    coefficients = torch.randn(1, BANDS[degree] + 1, 3, generator=generator) * 0.2
    coefficients[:, 0] = 1.5
    turn = torch.from_numpy(harmonics_rotation(R.double().numpy(), degree)).float()
    turned = torch.cat([coefficients[:, :1], (turn @ coefficients[0, 1:])[None]], dim=1)
    mean = torch.tensor([[0.4, -0.2, 3.0]])
    K = torch.tensor([[20.0, 0, 8], [0, 20, 8], [0, 0, 1]])
    shared = {"K": K, "width": 16, "height": 16, "sh_degree": degree}
    scales, opacities = torch.full((1, 3), 0.3), torch.tensor([0.9])
    quats = torch.tensor([[1.0, 0, 0, 0]])
    before = rasterize(mean, quats, scales, opacities, coefficients, w2c=torch.eye(4), **shared).rgb
    w2c = torch.eye(4)
    w2c[:3, :3] = R.T
    after = rasterize((R @ mean[0])[None], quats, scales, opacities, turned, w2c=w2c, **shared).rgb
    assert before.max() > 0.3
    assert torch.allclose(before, after, atol=1e-5)
