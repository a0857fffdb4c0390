import math
from dataclasses import replace

import pytest
import torch

from recgen_bench.methods.splats.densify import CloneAndSplit, Fixed, Seen, Statistics, no_statistics
from recgen_bench.methods.splats.gaussians import NAMES, Gaussians
from recgen_bench.methods.splats.population import Population

SETTINGS = CloneAndSplit(
    begin=0,
    end=1000,
    every=10,
    gradient=1.0,
    split_scale=0.1,
    prune_opacity=0.005,
    prune_scale=0.5,
    reset_every=0,
    most=100,
    extent=1.0,
)


def population(scales, opacities=None) -> Population:
    """One row for each scale; moments tell the rows apart."""
    count = len(scales)
    generator = torch.Generator().manual_seed(0)
    gaussians = Gaussians(
        means=torch.randn(count, 3, generator=generator),
        quats=torch.randn(count, 4, generator=generator),
        scales=torch.tensor(scales).log()[:, None].repeat(1, 3),
        opacities=torch.logit(torch.tensor(opacities or [0.5] * count)),
        sh0=torch.randn(count, 1, 3, generator=generator),
        shN=torch.randn(count, 3, 3, generator=generator),
    )
    ids = torch.arange(1, count + 1).float()
    moments = gaussians.map(
        lambda tensor: torch.ones_like(tensor) * ids.reshape(-1, *[1] * (tensor.ndim - 1))
    )
    owner = torch.arange(count, dtype=torch.int32)
    return Population(
        gaussians, moments, moments.map(lambda t: 2 * t), owner, torch.zeros_like(owner)
    ).trainable()


def refine(settings, rows, mean_gradients, iteration=10):
    statistics = Statistics(torch.tensor(mean_gradients) * 2, torch.full((len(rows),), 2.0))
    return settings.refine(rows, statistics, iteration, torch.Generator().manual_seed(0))


def test_small_ones_are_cloned_and_large_ones_split():
    before = population([0.05, 0.05, 0.3, 0.3])
    after = refine(SETTINGS, before, [2.0, 0.5, 2.0, 0.5])
    # Kept: 0, 1, 3. Then a clone of 0 and two halves of 2.
    assert after.owner.tolist() == [0, 1, 3, 0, 2, 2]
    assert after.born.tolist() == [0, 0, 0, 10, 10, 10]
    clone, parent = after.gaussians.select(torch.tensor([3])), before.gaussians.select(torch.tensor([0]))
    assert all(torch.equal(a, b) for a, b in zip(clone, parent, strict=True))
    assert torch.allclose(after.gaussians.scales[4:].exp(), torch.tensor(0.3 / 1.6))
    offset = after.gaussians.means[4:] - before.gaussians.means[2]
    assert (offset.norm(dim=-1) > 0).all()
    assert (offset.norm(dim=-1) < 5 * 0.3).all()
    assert not torch.equal(offset[0], offset[1])
    for name in ("quats", "opacities", "sh0", "shN"):
        assert torch.equal(getattr(after.gaussians, name)[4], getattr(before.gaussians, name)[2])


def test_moments_stay_with_their_rows_and_start_at_zero_for_new_ones():
    after = refine(SETTINGS, population([0.05, 0.05, 0.3, 0.3]), [2.0, 0.5, 2.0, 0.5])
    for name in NAMES:
        assert [row.flatten()[0].item() for row in getattr(after.first, name)] == [1, 2, 4, 0, 0, 0]
        assert [row.flatten()[0].item() for row in getattr(after.second, name)] == [2, 4, 8, 0, 0, 0]
    assert all(tensor.is_leaf and tensor.requires_grad for tensor in after.gaussians)


def test_splits_follow_the_shape_of_their_parent():
    count = 4000
    rows = population([0.2] * count)
    flat = torch.tensor([0.2, 0.05, 1e-4]).log().repeat(count, 1)
    half = math.sqrt(0.5)
    turned = torch.tensor([half, 0, 0, half]).repeat(count, 1)  # A quarter turn about z: x becomes y.
    gaussians = replace(rows.gaussians, scales=flat, quats=turned, means=torch.zeros(count, 3))
    after = refine(replace(SETTINGS, most=10**6), replace(rows, gaussians=gaussians), [2.0] * count)
    assert len(after) == 2 * count
    deviation = after.gaussians.means.detach().std(dim=0)
    assert torch.allclose(deviation, torch.tensor([0.05, 0.2, 1e-4]), rtol=0.05)


def test_faint_ones_are_removed():
    after = refine(SETTINGS, population([0.05] * 3, [0.004, 0.006, 0.5]), [0.0] * 3)
    assert after.owner.tolist() == [1, 2]


def test_huge_ones_are_removed_only_after_the_first_reset():
    rows = population([0.05, 0.6])
    assert len(refine(SETTINGS, rows, [0.0, 0.0])) == 2
    resets = replace(SETTINGS, reset_every=15)
    assert len(refine(resets, rows, [0.0, 0.0], iteration=10)) == 2
    assert refine(resets, rows, [0.0, 0.0], iteration=20).owner.tolist() == [0]


def test_a_reset_clamps_opacities_and_forgets_their_moments_only():
    rows = population([0.05] * 2, [0.006, 0.9])
    after = refine(replace(SETTINGS, reset_every=15), rows, [0.0] * 2, iteration=15)
    assert torch.allclose(torch.sigmoid(after.gaussians.opacities), torch.tensor([0.006, 0.01]))
    assert not after.first.opacities.any()
    assert not after.second.opacities.any()
    assert torch.equal(after.first.means, rows.first.means)


def test_the_cap_holds_and_prefers_large_gradients():
    rows = population([0.05, 0.3, 0.05, 0.05])
    after = refine(replace(SETTINGS, most=6), rows, [2.0, 5.0, 3.0, 4.0])
    assert len(after) == 6
    assert sorted(after.owner.tolist()) == [0, 1, 1, 2, 3, 3]
    assert len(refine(replace(SETTINGS, most=4), rows, [2.0] * 4)) == 4
    assert len(refine(replace(SETTINGS, most=2), rows, [2.0] * 4)) == 4


@pytest.mark.parametrize("iteration", [5, 11, 1000, 2000])
def test_nothing_happens_between_refinements_and_after_the_end(iteration):
    rows = population([0.05, 0.3])
    assert refine(SETTINGS, rows, [9.0, 9.0], iteration=iteration) is rows
    assert refine(replace(SETTINGS, begin=10), rows, [9.0, 9.0], iteration=10) is rows


def test_observing_counts_visible_ones_in_normalised_coordinates():
    statistics = no_statistics(3, "cpu")
    screen = torch.tensor([[0.3, 0.4], [1.0, 0.0], [0.0, 1.0]])
    for _ in range(2):
        SETTINGS.observe(statistics, Seen(screen, torch.tensor([5.0, 0.0, 1.0]), width=20, height=40))
    assert statistics.seen.tolist() == [2, 0, 2]
    expected = [2 * math.hypot(3, 8), 0, 2 * 20]
    assert statistics.gradient.tolist() == pytest.approx(expected)


def test_a_fixed_population_stays():
    rows = population([0.05])
    assert refine(Fixed(), rows, [9.0]) is rows
