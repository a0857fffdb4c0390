from dataclasses import replace

import pytest
import torch

from recgen_bench.methods.splats.gaussians import Gaussians
from recgen_bench.methods.splats.model import static
from recgen_bench.methods.splats.shape import add_shape_gradients, sharpness, size


def gaussians(*axes) -> Gaussians:
    scales = torch.tensor(axes).log()
    count = len(axes)
    return Gaussians(
        torch.zeros(count, 3), torch.ones(count, 4), scales, torch.zeros(count), torch.zeros(count, 1, 3),
        torch.zeros(count, 0, 3),
    ).trainable()  # fmt: skip


def test_values_by_hand():
    scales = torch.tensor([[0.1, 1.0, 3.0], [1.0, 1.0, 2.0]]).log()
    assert sharpness(scales, 10.0).item() == pytest.approx((30 - 10) / 2)
    assert size(scales).item() == pytest.approx((9 + 4) / 2)


def test_gradients_are_added_where_they_belong():
    """The needle shrinks along and grows across; the round one and the actor's are left alone."""
    model = static(gaussians((0.1, 0.1, 3.0), (1.0, 1.0, 2.0), (0.5, 0.5, 0.5)))
    model = replace(model, owner=torch.tensor([-1, -1, 0], dtype=torch.int32))
    scales = model.gaussians.scales
    scales.grad = torch.ones_like(scales)
    add_shape_gradients(model, sharp=1.0, ratio=10.0, large=0.0)
    added = scales.grad - 1
    assert added[0, 2] == pytest.approx(30 / 3, rel=1e-5)
    assert added[0, :2].sum() == pytest.approx(-30 / 3, rel=1e-5)
    assert (added[1:] == 0).all()
    scales.grad = None
    add_shape_gradients(model, sharp=0.0, ratio=10.0, large=0.5)
    assert scales.grad[:2, 2].tolist() == pytest.approx([9 / 2, 4 / 2])
    assert (scales.grad[2] == 0).all()


def test_nothing_is_added_without_weights():
    model = static(gaussians((0.1, 0.1, 3.0)))
    add_shape_gradients(model, sharp=0.0, ratio=10.0, large=0.0)
    assert model.gaussians.scales.grad is None
