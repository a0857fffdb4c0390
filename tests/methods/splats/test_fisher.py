from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from recgen_bench.harness.errors import MethodFailed
from recgen_bench.methods.splats.fisher import fisher_diagonal
from recgen_bench.methods.splats.raster import Gaussians, Pinhole

from .oracle import Cloud, cloud
from .oracle import render as dense

GROUPS = ("means", "quats", "scales", "opacities", "colors")


def gaussians(c: Cloud) -> Gaussians:
    return Gaussians(*c.parameters, c.sh_degree)


def pinhole(c: Cloud) -> Pinhole:
    return Pinhole(c.w2c, c.K, c.width, c.height, c.background)


def one_backward_per_channel(c: Cloud) -> list[torch.Tensor]:
    """The definition: squared derivatives of every pixel's three channels, summed."""
    exact = c.to(torch.float64).requiring_grad()
    sums = [torch.zeros_like(p) for p in exact.parameters]
    values = dense(exact).rgb.flatten()
    for each in torch.eye(len(values), dtype=torch.float64).split(32):
        batch = torch.autograd.grad(values, exact.parameters, each, retain_graph=True, is_grads_batched=True)
        for total, gradients in zip(sums, batch, strict=True):
            total += gradients.square().sum(0)
    return sums


@pytest.mark.parametrize("degree", [None, 0, 1, 3])
def test_equals_one_backward_per_pixel_and_channel(degree):
    c = cloud(30, 12, 9, seed=3, sh_degree=degree)
    got = fisher_diagonal(gaussians(c), [pinhole(c)])
    for name, expected in zip(GROUPS, one_backward_per_channel(c), strict=True):
        error = (getattr(got, name).double() - expected).norm() / expected.norm()
        assert error < 3e-6, (name, error)


def test_views_add_up():
    c = cloud(60, 20, 14, seed=4, sh_degree=1)
    moved = replace(c, w2c=c.w2c.clone(), width=17)
    moved.w2c[0, 3] += 0.2
    both = fisher_diagonal(gaussians(c), [pinhole(c), pinhole(moved)])
    first, second = (fisher_diagonal(gaussians(c), [pinhole(v)]) for v in (c, moved))
    for name in GROUPS:
        torch.testing.assert_close(getattr(both, name), getattr(first, name) + getattr(second, name))


def test_any_number_of_threads_gives_the_same_bits():
    c = cloud(3000, 100, 70, seed=5, sh_degree=1)
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(fisher_diagonal(gaussians(c), [pinhole(c)]))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        for name in GROUPS:
            assert torch.equal(getattr(results[0], name), getattr(other, name)), name


def test_no_views_or_nothing_visible_is_no_information():
    c = cloud(20, 14, 11, seed=3)
    c.means[3] = torch.nan
    assert not fisher_diagonal(gaussians(c), []).means.any()
    got = fisher_diagonal(gaussians(c), [pinhole(c)])
    assert all(not getattr(got, name)[3].any() for name in GROUPS)
    assert all(torch.isfinite(getattr(got, name)).all() for name in GROUPS)
    hidden = replace(c, means=-c.means)
    assert not fisher_diagonal(gaussians(hidden), [pinhole(c)]).colors.any()


def test_unused_coefficients_have_none():
    c = cloud(20, 14, 11, seed=3, sh_degree=3)
    got = fisher_diagonal(replace(gaussians(c), sh_degree=1), [pinhole(c)])
    assert got.colors.shape == (20, 16, 3)
    assert got.colors[:, :4].any()
    assert not got.colors[:, 4:].any()


def test_another_device_is_refused():
    c = cloud(5, 8, 8, seed=0)
    meta = Gaussians(*(p.to("meta") for p in c.parameters))
    with pytest.raises(MethodFailed, match="CPU"):
        fisher_diagonal(meta, [pinhole(c)])
