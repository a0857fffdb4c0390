"""Depth errors against ground truth, where a data set has it.

All of them are over the pixels whose reference depth is known (above 0), whatever the method rendered there:
a pixel that was not rendered has depth 0, that is, it lies at the camera, and counts with the error that
follows. No scale is fitted. `Pair.mask` is not used.

The variants `_80m` follow the driving literature: reference depths beyond 80 m are left out and predictions
are clipped to 80 m, because a few pixels of a far horizon would outweigh all the others.
"""

from __future__ import annotations

import math

import numpy as np

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.pair import Pair
from recgen_bench.harness.scene import Float

DRIVING_RANGE = 80.0
"""Metres; the customary limit for outdoor depth (Eigen et al. 2014 and the KITTI evaluations since)."""


def depth_abs_rel(pair: Pair) -> float:
    """Return the mean of |d - g| / g (Eigen et al. 2014, arXiv:1406.2283); a pixel not rendered counts as 1.

    Raises:
        DataError: See `_known`.
    """
    return _abs_rel(*_known(pair))


def depth_rmse(pair: Pair) -> float:
    """Return the root mean square of d - g in world units; a pixel not rendered counts with its whole depth.

    Raises:
        DataError: See `_known`.
    """
    return _rmse(*_known(pair))


def depth_abs_rel_80m(pair: Pair) -> float:
    """Return `depth_abs_rel` over the reference depths up to 80 m, with predictions clipped to 80 m.

    Raises:
        DataError: See `_known`.
    """
    return _abs_rel(*_known(pair, DRIVING_RANGE))


def depth_rmse_80m(pair: Pair) -> float:
    """Return `depth_rmse` over the reference depths up to 80 m, with predictions clipped to 80 m.

    Raises:
        DataError: See `_known`.
    """
    return _rmse(*_known(pair, DRIVING_RANGE))


def depth_delta1(pair: Pair) -> float:
    """Return the share of pixels with max(d / g, g / d) < 1.25; a pixel not rendered is a miss.

    Raises:
        DataError: See `_known`.
    """
    depth, truth = _known(pair)
    # Written as products, because a pixel that was not rendered has d = 0.
    return float(np.mean((depth < 1.25 * truth) & (truth < 1.25 * depth)))


def _abs_rel(depth: Float, truth: Float) -> float:
    return float(np.mean(np.abs(depth - truth) / truth))


def _rmse(depth: Float, truth: Float) -> float:
    return math.sqrt(float(np.mean(np.square(depth - truth))))


def _known(pair: Pair, limit: float = math.inf) -> tuple[Float, Float]:
    """Return (N,) depths of prediction and reference in float64 where the reference is known, up to a limit.

    Raises:
        DataError: A depth map is absent, of another size, negative or not finite, or no pixel is known.
    """
    if pair.prediction_depth is None or pair.reference_depth is None:
        raise DataError("a depth metric needs the depth of both images")
    depth, truth = pair.prediction_depth, pair.reference_depth
    if depth.shape != truth.shape:
        raise DataError("the depth maps differ in size", got=depth.shape, expected=truth.shape)
    # An infinite reference is damage, not distance: it must not fall beyond the limit in silence.
    known = (truth > 0) & ((truth <= limit) | ~np.isfinite(truth))
    if not known.any():
        raise DataError("no pixel has a reference depth", hint="leave the depth metrics out of this protocol")
    for name, values in (("prediction", depth[known]), ("reference", truth[known])):
        if not (np.isfinite(values).all() and values.min() >= 0):
            raise DataError(
                f"the {name} has a negative or infinite depth", expected="0 where nothing was hit"
            )
    return np.minimum(depth[known].astype(np.float64), limit), truth[known].astype(np.float64)
