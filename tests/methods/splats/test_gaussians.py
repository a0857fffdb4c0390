import pytest
import torch

from recgen_bench.harness.errors import MethodFailed
from recgen_bench.methods.splats.gaussians import BANDS, NAMES, Gaussians, concatenate, empty


def random(count, degree, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = ((count, 3), (count, 4), (count, 3), (count,), (count, 1, 3), (count, BANDS[degree], 3))
    return Gaussians(*(torch.randn(shape, generator=generator) for shape in shapes))


def test_selecting_and_concatenating_restores_every_field():
    gaussians = random(7, 2)
    mask = torch.tensor([True, False, True, True, False, False, True])
    joined = concatenate([gaussians.select(mask), gaussians.select(~mask)])
    order = torch.cat([torch.nonzero(mask)[:, 0], torch.nonzero(~mask)[:, 0]])
    for name in NAMES:
        assert torch.equal(getattr(joined, name), getattr(gaussians, name)[order])


def test_joining_with_nothing_changes_nothing():
    gaussians = random(3, 1)
    joined = concatenate([empty(1), gaussians, empty(1)])
    assert all(torch.equal(a, b) for a, b in zip(joined, gaussians, strict=True))


@pytest.mark.parametrize("degree", range(4))
def test_the_degree_follows_from_the_coefficients_and_can_be_changed(degree):
    gaussians = random(4, 2).with_degree(degree)
    assert gaussians.degree == degree
    kept = min(BANDS[degree], BANDS[2])
    assert torch.equal(gaussians.shN[:, :kept], random(4, 2).shN[:, :kept])
    assert not gaussians.shN[:, kept:].any()


def test_fields_that_do_not_belong_together_are_refused():
    good = list(random(4, 1))
    good[3] = good[3][:3]
    with pytest.raises(MethodFailed, match="do not belong together"):
        Gaussians(*good)
    good = list(random(4, 1))
    good[5] = torch.zeros(4, 4, 3)
    with pytest.raises(MethodFailed, match="do not belong together"):
        Gaussians(*good)


def test_trainable_tensors_are_leaves_on_the_same_storage():
    gaussians = random(3, 1)
    leaves = gaussians.trainable()
    for leaf, tensor in zip(leaves, gaussians, strict=True):
        assert leaf.is_leaf
        assert leaf.requires_grad
        assert leaf.data_ptr() == tensor.data_ptr()
