"""The statistics of a column: mean, spread and rank, without a NaN in any of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal


def mean(values: Sequence[float]) -> float:
    """Return the mean of one or more numbers, independent of their order; infinite when one of them is.

    >>> mean([1.0, 2.0, 6.0])
    3.0
    """
    infinite = [value for value in values if math.isinf(value)]
    if infinite:
        return infinite[0]
    return math.fsum(values) / len(values)


def spread(values: Sequence[float]) -> float | None:
    """Return the sample standard deviation (N - 1); None for fewer than two numbers or an infinite one.

    >>> spread([1.0, 3.0])
    1.4142135623730951
    """
    if len(values) < 2 or any(map(math.isinf, values)):
        return None
    centre = mean(values)
    return math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1))


def ranks(
    values: Sequence[float | None], direction: Literal["higher", "lower"], digits: int
) -> tuple[int | None, ...]:
    """Return 1 for the best, 2 for the next, and so on; None stays None.

    What prints alike at this number of digits shares its rank, and the next value follows without a gap.

    >>> ranks([27.104, 31.0, 27.101, None], "higher", 2)
    (2, 1, 2, None)
    """
    printed = [None if value is None else float(f"{value:.{digits}f}") for value in values]
    order = sorted({value for value in printed if value is not None}, reverse=direction == "higher")
    return tuple(None if value is None else order.index(value) + 1 for value in printed)
