"""Intervals over scenes, by resampling them with all their cells (a cluster bootstrap).

Cells of one scene are not independent, so resampling cells would give intervals that are too short; few
scenes make even the plain percentile interval too short, and it is widened as Hesterberg proposes.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

EXACT_CLUSTERS = 6
"""Up to this many clusters, every possible resample is used, with its probability: nothing is random."""
RESAMPLES = 4000
"""Drawn for more clusters, from a fixed seed."""
LEAST_MASS = 0.9
"""Share of the resamples that must define the statistic for an interval to be given."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic with its 95 % interval.

    Attributes:
        value: None where it is not defined; then `reason` says why.
        low: Lower end; None where there is no interval.
        high: Upper end.
        count: Points behind it.
        clusters: Scenes behind it.
        reason: Why there is no value.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    count: int = 0
    clusters: int = 0
    reason: str = ""


@cache
def resamples(clusters: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how often each resample takes each cluster, (R, C), and the resamples' probabilities, (R,)."""
    if clusters > EXACT_CLUSTERS:
        # A fixed seed: the same records give the same interval.
        draws = np.random.default_rng(0).multinomial(clusters, [1 / clusters] * clusters, size=RESAMPLES)
        return draws.astype(np.float64), np.full(RESAMPLES, 1 / RESAMPLES)
    chosen = itertools.combinations_with_replacement(range(clusters), clusters)
    counts = np.array([np.bincount(choice, minlength=clusters) for choice in chosen])
    ways = [math.factorial(clusters) / math.prod(map(math.factorial, row)) for row in counts.tolist()]
    return counts.astype(np.float64), np.array(ways) / clusters**clusters


def interval(replicates: NDArray, clusters: int) -> tuple[float | None, float | None]:
    """Return the expanded percentile interval of a resampled statistic.

    Source: Hesterberg, What Teachers Should Know About the Bootstrap, The American Statistician 69(4), 2015.

    Args:
        replicates: (R,) the statistic of each of `resamples(clusters)`; NaN where it is not defined.
        clusters: How many were resampled; fewer than two give no interval.
    """
    from scipy.special import ndtr, stdtrit

    _, mass = resamples(clusters)
    defined = ~np.isnan(replicates)
    if clusters < 2 or mass[defined].sum() < LEAST_MASS:
        return None, None
    # The normal level at which a percentile interval of a mean is as long as Student's.
    level = float(ndtr(stdtrit(clusters - 1, 0.025) * math.sqrt(clusters / (clusters - 1))))
    order = np.argsort(replicates[defined], kind="stable")
    values = replicates[defined][order]
    reached = np.cumsum(mass[defined][order]) / mass[defined].sum()
    low = values[np.searchsorted(reached, level)]
    high = values[min(int(np.searchsorted(reached, 1 - level)), len(values) - 1)]
    return float(low), float(high)
