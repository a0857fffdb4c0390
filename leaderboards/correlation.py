"""How well one number orders cells as another does, over all cells, within strata, and in leaderboards."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recgen_bench.leaderboards.bootstrap import Estimate, interval, resamples

LEAST_POINTS = 3

Statistic = Callable[["Sample", NDArray], NDArray]
"""(sample, (R, C) how often each cluster is taken) -> (R,), NaN where it is not defined."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Pairs of numbers, both better when higher.

    Attributes:
        x: (n,) the metric; infinite values are allowed, NaN is not.
        y: (n,) what it should follow.
        cluster: (n,) int, the scene of each point, 0 to C - 1.
        stratum: (n,) int; only points of one stratum are compared. None compares all.
        item: (n,) int, what `ranking` ranks.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    cluster: NDArray[np.int64]
    stratum: NDArray[np.int64] | None = None
    item: NDArray[np.int64] | None = None

    @property
    def clusters(self) -> int:
        """Number of clusters."""
        return int(self.cluster.max()) + 1 if len(self.cluster) else 0

    @property
    def nested(self) -> bool:
        """Every stratum lies within one cluster."""
        if self.stratum is None:
            return self.clusters == 1
        owners = {(int(s), int(c)) for s, c in zip(self.stratum, self.cluster, strict=True)}
        return len(owners) == len({stratum for stratum, _ in owners})


def make_sample(
    x: Sequence[float],
    y: Sequence[float],
    cluster: Sequence[object],
    stratum: Sequence[object] | None = None,
    item: Sequence[object] | None = None,
) -> Sample:
    """Return the points that have both numbers; NaN means that one is missing."""
    first, second = np.asarray(x, np.float64), np.asarray(y, np.float64)
    known = ~(np.isnan(first) | np.isnan(second))
    scene, strata, items = (
        None if labels is None else _codes(list(itertools.compress(labels, known)))
        for labels in (cluster, stratum, item)
    )
    assert scene is not None
    return Sample(first[known], second[known], scene, strata, items)


def spearman(sample: Sample) -> Estimate:
    """Return the rank correlation over all points, ties at their mean rank."""
    return estimate(sample, _spearman)


def pearson(sample: Sample) -> Estimate:
    """Return the linear correlation over all points; not defined when one is infinite."""
    if len(sample.x) >= LEAST_POINTS and not np.isfinite([sample.x, sample.y]).all():
        return Estimate(None, count=len(sample.x), clusters=sample.clusters, reason="infinite values")
    return estimate(sample, _pearson)


def kendall(sample: Sample) -> Estimate:
    """Return tau-b over the pairs within strata."""
    return estimate(sample, lambda s, w: _pairs(s, w)[0])


def agreement(sample: Sample) -> Estimate:
    """Return the share of pairs within strata, different in y, that x orders as y does; ties in x are halves.

    It is (1 + Somers' D) / 2; a coin gives 0.5.
    """
    return estimate(sample, lambda s, w: _pairs(s, w)[1])


def ranking(sample: Sample) -> Estimate:
    """Return the agreement of two leaderboards: the order of the items' means over scenes, within strata.

    An item without a value in some scene of a stratum is not ranked there, as in tables.
    """
    tables = _mean_tables(sample)

    def statistic(_: Sample, counts: NDArray) -> NDArray:
        agree, differ = np.zeros(len(counts)), np.zeros(len(counts))
        for x, y, present in tables:
            weight = counts[:, present]
            dx, dy = (_signs(values @ weight.T) for values in (x, y))
            agree += (dx * dy).sum((0, 1))
            differ += (dy**2).sum((0, 1))
        return np.where(differ > 0, (agree / np.where(differ > 0, differ, 1.0) + 1) / 2, np.nan)

    return estimate(sample, statistic)


def fraction(scores: Sequence[float], cluster: Sequence[object]) -> Estimate:
    """Return the mean of scores in [0, 1]; NaN means that one is missing."""
    known = make_sample(scores, scores, cluster)
    if not len(known.x):
        return Estimate(None, reason="nothing to count")
    sums = np.array([np.bincount(known.cluster, weights) for weights in (known.x, np.ones(len(known.x)))])
    counts, _ = resamples(known.clusters)
    low, high = interval((counts @ sums[0]) / (counts @ sums[1]), known.clusters)
    return Estimate(float(known.x.mean()), low, high, len(known.x), known.clusters)


def estimate(sample: Sample, statistic: Statistic) -> Estimate:
    """Return a statistic of a sample with its interval, or why it has none."""
    facts = Estimate(None, count=len(sample.x), clusters=sample.clusters)
    if len(sample.x) < LEAST_POINTS:
        return replace(facts, reason=f"fewer than {LEAST_POINTS} points")
    for values, name in ((sample.x, "the metric"), (sample.y, "the truth")):
        if (values == values[0]).all():
            return replace(facts, reason=f"{name} is constant")
    value = float(statistic(sample, np.ones((1, sample.clusters)))[0])
    if math.isnan(value):
        return replace(facts, reason="no pair differs in both")
    counts, _ = resamples(sample.clusters)
    low, high = interval(statistic(sample, counts), sample.clusters)
    return replace(facts, value=value, low=low, high=high)


def _codes(labels: Sequence[object]) -> NDArray[np.int64]:
    """Number the labels in order of first appearance."""
    known: dict[object, int] = {}
    return np.array([known.setdefault(label, len(known)) for label in labels], np.int64)


def _spearman(sample: Sample, counts: NDArray) -> NDArray:
    return _correlation(_ranks(sample.x, sample, counts), _ranks(sample.y, sample, counts), sample, counts)


def _pearson(sample: Sample, counts: NDArray) -> NDArray:
    return _correlation(sample.x[:, None], sample.y[:, None], sample, counts)


def _ranks(values: NDArray, sample: Sample, counts: NDArray) -> NDArray:
    """Return (n, R) mean ranks of the points in each resample."""
    below = (values[None] < values[:, None]) + 0.5 * (values[None] == values[:, None])
    return (below @ np.eye(sample.clusters)[sample.cluster]) @ counts.T


def _correlation(x: NDArray, y: NDArray, sample: Sample, counts: NDArray) -> NDArray:
    weight = counts.T[sample.cluster]
    total = weight.sum(0)
    dx, dy = (values - (weight * values).sum(0) / total for values in (x, y))
    spread = (weight * dx**2).sum(0) * (weight * dy**2).sum(0)
    # What cancels only down to rounding has no spread.
    scale = (weight * x**2).sum(0) * (weight * y**2).sum(0)
    defined = spread > 1e-24 * scale
    product = (weight * dx * dy).sum(0)
    return np.where(defined, product / np.sqrt(np.where(defined, spread, 1.0)), np.nan)


def _pairs(sample: Sample, counts: NDArray) -> tuple[NDArray, NDArray]:
    """Return tau-b and the share of agreeing pairs of each resample."""
    dx, dy = (_signs(values) for values in (sample.x, sample.y))
    if sample.stratum is not None:
        apart = sample.stratum[:, None] != sample.stratum[None]
        dx[apart] = dy[apart] = 0
    member = np.eye(sample.clusters)[sample.cluster]
    agree, x, y = (
        _taken(member.T @ each @ member, counts, sample.nested) for each in (dx * dy, dx**2, dy**2)
    )
    tau = np.where((x > 0) & (y > 0), agree / np.sqrt(np.where(x * y > 0, x * y, 1.0)), np.nan)
    share = np.where(y > 0, (agree / np.where(y > 0, y, 1.0) + 1) / 2, np.nan)
    return tau, share


def _mean_tables(sample: Sample) -> list[tuple[NDArray, NDArray, NDArray]]:
    """Return x and y (items, scenes), means over seeds, and the scenes' numbers, for each stratum."""
    strata, item = (
        np.zeros(len(sample.x), np.int64) if codes is None else codes
        for codes in (sample.stratum, sample.item)
    )
    tables = []
    for stratum in np.unique(strata):
        here = strata == stratum
        present = np.unique(sample.cluster[here])
        place = (item[here], np.searchsorted(present, sample.cluster[here]))
        shape = (int(item.max()) + 1, len(present))
        sums = [np.zeros(shape) for _ in range(3)]
        for total, values in zip(sums, (sample.x[here], sample.y[here], np.ones(here.sum())), strict=True):
            np.add.at(total, place, values)
        complete = (sums[2] > 0).all(1) & np.isfinite(sums[0]).all(1) & np.isfinite(sums[1]).all(1)
        x, y, number = (total[complete] for total in sums)
        tables.append((x / number, y / number, present))
    return tables


def _signs(values: NDArray) -> NDArray:
    """Return (n, n, ...) signs of values[i] - values[j]; infinity equals infinity."""
    return (values[:, None] > values[None]).astype(np.float64) - (values[:, None] < values[None])


def _taken(sums: NDArray, counts: NDArray, nested: bool) -> NDArray:
    """Return the sum over all pairs of each resample, from the (C, C) sums over pairs of clusters.

    Two copies of a cluster are two scenes: strata within clusters do not reach from one copy to the other.
    """
    if nested:
        return counts @ np.diag(sums)
    return np.einsum("rc,cd,rd->r", counts, sums, counts)
