import math
from dataclasses import replace

import pytest
import torch

from recgen_bench.methods.splats.densify import no_statistics
from recgen_bench.methods.splats.gaussians import Gaussians
from recgen_bench.methods.splats.mcmc import MOST_COPIES, Relocate, divided
from recgen_bench.methods.splats.population import Population

SETTINGS = Relocate(
    begin=0, end=1000, every=10, dead_opacity=0.005, most=1000, noise=0.0, rates=(1e-3, 1e-5), iterations=100
)


def population(opacities) -> Population:
    count = len(opacities)
    generator = torch.Generator().manual_seed(0)
    gaussians = Gaussians(
        means=torch.randn(count, 3, generator=generator),
        quats=torch.randn(count, 4, generator=generator),
        scales=torch.full((count, 3), math.log(0.1)),
        opacities=torch.logit(torch.tensor(opacities)),
        sh0=torch.randn(count, 1, 3, generator=generator),
        shN=torch.zeros(count, 0, 3),
    )
    ones = gaussians.map(torch.ones_like)
    owner = torch.arange(count, dtype=torch.int32)
    return Population(gaussians, ones, ones, owner, torch.zeros_like(owner)).trainable()


def refine(settings, rows, iteration=10, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return settings.refine(rows, no_statistics(len(rows), "cpu"), iteration, generator)


@pytest.mark.parametrize("opacity", [0.006, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("copies", [1, 2, 3, 10, 51, 80])
def test_the_relocation_formula_agrees_with_the_double_sum(opacity, copies):
    n = min(copies, MOST_COPIES)
    shared = 1 - (1 - opacity) ** (1 / n)
    total = sum(
        math.comb(i - 1, k) * (-1) ** k * shared ** (k + 1) / math.sqrt(k + 1)
        for i in range(1, n + 1)
        for k in range(i)
    )
    scales = torch.tensor([[0.1, 0.2, 0.3]], dtype=torch.float64)
    opacities, changed = divided(torch.tensor([opacity], dtype=torch.float64), scales, torch.tensor([copies]))
    assert opacities.item() == pytest.approx(shared, rel=1e-12)
    assert torch.allclose(changed, scales * opacity / total, rtol=1e-9)


def test_copies_at_one_place_let_as_much_light_through_as_before():
    opacities, _ = divided(torch.tensor([0.7]), torch.ones(1, 3), torch.tensor([4]))
    assert (1 - opacities.item()) ** 4 == pytest.approx(0.3, rel=1e-5)


def test_one_copy_is_unchanged():
    opacities, scales = divided(torch.tensor([0.3, 0.9]), torch.full((2, 3), 0.2), torch.tensor([1, 1]))
    assert torch.allclose(opacities, torch.tensor([0.3, 0.9]))
    assert torch.allclose(scales, torch.full((2, 3), 0.2))


def test_the_dead_move_onto_the_living():
    before = population([0.001, 0.9, 0.8, 0.002])
    after = refine(replace(SETTINGS, most=4), before)
    assert len(after) == 4
    assert set(after.owner.tolist()) <= {1, 2}
    moved = after.born == 10
    assert moved.sum() == 2
    assert not after.first.means[moved].any()
    opacities = torch.sigmoid(after.gaussians.opacities.detach())
    for owner in (1, 2):
        copies = after.owner == owner
        through = torch.prod(1 - opacities[copies]).item()
        assert through == pytest.approx([0.1, 0.2][owner - 1], rel=1e-4)
        places = after.gaussians.means.detach()[copies]
        assert torch.equal(places, before.gaussians.means.detach()[owner].expand_as(places))


def test_growth_is_five_per_cent_up_to_the_cap():
    rows = population([0.5] * 100)
    assert len(refine(SETTINGS, rows)) == 105
    assert len(refine(replace(SETTINGS, most=102), rows)) == 102
    assert len(refine(replace(SETTINGS, most=50), rows)) == 100
    assert refine(SETTINGS, rows, iteration=11) is rows
    assert refine(SETTINGS, rows, iteration=1000) is rows


def test_a_population_of_dead_ones_is_left_alone():
    assert len(refine(replace(SETTINGS, most=3), population([0.001] * 3))) == 3


def test_noise_shakes_transparent_ones_along_their_axes():
    rows = population([0.0001] * 5000 + [0.9] * 10)
    gaussians = rows.gaussians
    flat = torch.tensor([1.0, 0.1, 0.01]).log().repeat(5010, 1)
    upright = torch.tensor([1.0, 0, 0, 0]).repeat(5010, 1)
    rows = replace(
        rows, gaussians=replace(gaussians, means=torch.zeros(5010, 3), scales=flat, quats=upright).trainable()
    )
    before = rows.gaussians.means.detach().clone()
    after = refine(replace(SETTINGS, noise=10.0, iterations=102), rows, iteration=51)
    assert after is rows
    shift = after.gaussians.means.detach() - before
    size = 10.0 * 1e-4 / (1 + math.exp(-100 * (0.005 - 0.0001)))  # The rate is halfway between 1e-3 and 1e-5.
    assert torch.allclose(shift[:5000].std(dim=0), size * torch.tensor([1.0, 1e-2, 1e-4]), rtol=0.1)
    assert shift[5000:].abs().max() < 1e-20
    again = refine(replace(SETTINGS, noise=10.0), population([0.0001] * 5), iteration=51, seed=1)
    other = refine(replace(SETTINGS, noise=10.0), population([0.0001] * 5), iteration=51, seed=2)
    assert not torch.equal(again.gaussians.means, other.gaussians.means)
