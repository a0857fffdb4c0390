from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from recgen_bench.leaderboards.bootstrap import interval, resamples
from recgen_bench.leaderboards.correlation import (
    Sample,
    agreement,
    kendall,
    make_sample,
    pearson,
    ranking,
    spearman,
)

MEASURES = (spearman, pearson, kendall)


def sample(clusters=5, each=12, noise=1.0, seed=0, shared=0.0):
    """Cells of several scenes; a scene moves all its cells together when `shared` is not zero."""
    random = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(clusters), each)
    y = random.normal(size=len(cluster)) + shared * random.normal(size=clusters)[cluster]
    return Sample(y + noise * random.normal(size=len(cluster)), y, cluster)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(("factor", "expected"), [(2.0, 1.0), (-0.5, -1.0)])
def test_perfect_and_inverted(measure, factor, expected):
    y = np.arange(10.0)
    found = measure(make_sample(factor * y + 3, y, ["a"] * 5 + ["b"] * 5))
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert (found.low, found.high) == pytest.approx((expected, expected), abs=1e-12)
    assert (found.count, found.clusters, found.reason) == (10, 2, "")


@pytest.mark.parametrize("ties", [False, True])
def test_equals_scipy(ties):
    s = sample(noise=1.5)
    x, y = (np.round(s.x), np.round(s.y)) if ties else (s.x, s.y)
    s = Sample(x, y, s.cluster)
    assert spearman(s).value == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    assert kendall(s).value == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)
    assert pearson(s).value == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-12)
    assert agreement(s).value == pytest.approx((stats.somersd(y, x).statistic + 1) / 2, abs=1e-12)


@pytest.mark.parametrize("measure", [*MEASURES, agreement])
def test_resamples_are_those_of_copied_scenes(measure):
    s = sample(clusters=3, each=7)
    counts, mass = resamples(3)
    replicates = []
    for row in counts.astype(int):
        taken = np.concatenate([np.flatnonzero(s.cluster == c) for c in np.repeat(np.arange(3), row)])
        replicates.append(measure(Sample(s.x[taken], s.y[taken], np.zeros(len(taken), int))).value)
    found = measure(s)
    assert (found.low, found.high) == pytest.approx(interval(np.array(replicates), 3), abs=1e-12)
    assert mass.sum() == pytest.approx(1)


def test_a_scene_taken_twice_is_two_scenes():
    """Pairs within strata of a scene count once per copy, not once per pair of copies."""
    s = sample(clusters=2, each=6)
    stratum = np.arange(12) // 3
    nested = Sample(s.x, s.y, s.cluster, stratum)
    assert nested.nested
    assert not Sample(s.x, s.y, s.cluster, np.arange(12) % 3).nested
    one, two = (
        agreement(Sample(s.x[k], s.y[k], np.zeros(6, int), stratum[k])).value
        for k in (s.cluster == 0, s.cluster == 1)
    )
    found = agreement(nested)
    assert found.value == pytest.approx((one + two) / 2)
    assert (found.low, found.high) == pytest.approx((min(one, two), max(one, two)))


def test_strata_undo_simpson():
    """Both numbers fall with the shift, and at each shift they disagree about every pair."""
    shift = np.repeat([0, 1, 2, 3], 4)
    rank = np.tile(np.arange(4), 4)
    cluster = np.zeros(16, int)
    s = Sample(-10.0 * shift + rank, -10.0 * shift - rank, cluster)
    assert spearman(s).value > 0.8
    within = Sample(s.x, s.y, cluster, shift)
    assert kendall(within).value == pytest.approx(-1)
    assert agreement(within).value == pytest.approx(0)


@pytest.mark.parametrize("measure", [*MEASURES, agreement])
@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        ([1, 2], [1, 2], "fewer than 3 points"),
        ([], [], "fewer than 3 points"),
        ([1, math.nan, 2, 3], [1, 2, 3, math.nan], "fewer than 3 points"),
        ([4, 4, 4], [1, 2, 3], "the metric is constant"),
        ([1, 2, 3], [5, 5, 5], "the truth is constant"),
    ],
)
def test_undefined_says_why(measure, x, y, reason):
    found = measure(make_sample(x, y, ["s"] * len(x)))
    assert (found.value, found.low, found.high, found.reason) == (None, None, None, reason)


def test_nothing_to_compare_within_strata():
    found = kendall(make_sample([1, 2, 3], [1, 2, 3], ["s"] * 3, ["p", "q", "r"]))
    assert (found.value, found.reason) == (None, "no pair differs in both")


def test_infinite_values_have_ranks_but_no_line():
    s = make_sample([1, 2, 3, 4], [10.0, 20.0, math.inf, math.inf], ["s"] * 4)
    assert spearman(s).value == pytest.approx(stats.spearmanr([1, 2, 3, 4], [1, 2, 3, 3]).statistic)
    assert kendall(s).value == pytest.approx(stats.kendalltau([1, 2, 3, 4], [1, 2, 3, 3]).statistic)
    assert (pearson(s).value, pearson(s).reason) == (None, "infinite values")


def test_leaderboards_are_compared_by_means_over_scenes():
    """Items a > b > c in y; x swaps b and c on average, though not in every scene."""
    item = ["a", "b", "c"] * 2
    cluster, stratum = [0, 0, 0, 1, 1, 1], [0] * 6
    s = make_sample([9, 3, 2, 9, 1, 5], [3, 2, 1, 3, 2, 1], cluster, stratum, item)
    found = ranking(s)
    assert found.value == pytest.approx(2 / 3)
    assert (found.low, found.high) == pytest.approx((2 / 3, 1))


def test_an_item_that_lacks_a_scene_is_not_ranked():
    s = make_sample([1, 2, 3, 1, 2], [1, 2, 0, 1, 2], [0, 0, 0, 1, 1], [0] * 5, list("abcab"))
    assert ranking(s).value == 1


def test_seeds_are_averaged_before_ranking():
    s = make_sample([0, 10, 4, 4], [1, 1, 0, 0], [0] * 4, [0] * 4, list("aabb"))
    assert ranking(s).value == 1


def test_one_scene_has_no_interval():
    found = spearman(make_sample([1, 3, 2, 4], [1, 2, 3, 4], ["s"] * 4))
    assert found.value == pytest.approx(0.8)
    assert (found.low, found.high) == (None, None)


def test_order_of_points_and_names_of_scenes_do_not_matter():
    s = sample(clusters=9)
    order = np.random.default_rng(1).permutation(len(s.x))
    names = [f"scene {c}" for c in s.cluster[order]]
    one, two = spearman(s), spearman(make_sample(s.x[order], s.y[order], names))
    assert two.value == pytest.approx(one.value, abs=1e-12)
    assert spearman(s) == one
    # The drawn resamples name clusters by number, and the numbers follow the order of the points.
    assert (two.low, two.high) == pytest.approx((one.low, one.high), abs=0.03)


@pytest.mark.parametrize("clusters", [5, 20])
def test_intervals_cover_the_truth(clusters):
    """95 % nominal; scenes that move all their cells together are what a bootstrap over cells would miss."""
    truth = spearman(sample(clusters=400, each=8, seed=10**6, shared=1.0, noise=1.5)).value
    found = [spearman(sample(clusters, each=8, seed=seed, shared=1.0, noise=1.5)) for seed in range(200)]
    covered = np.mean([each.low <= truth <= each.high for each in found])
    assert 0.9 <= covered <= 1.0
    assert np.mean([each.high - each.low for each in found]) < (0.75 if clusters == 5 else 0.3)
