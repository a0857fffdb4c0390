"""Peak signal-to-noise ratio."""

from __future__ import annotations

import math

import numpy as np

from recgen_bench.harness.pair import Pair


def psnr(pair: Pair) -> float:
    """Return 10 log10(255^2 / MSE) in dB over all pixels and channels of one image.

    Both images are 8-bit as stored: a rendering is rounded to the nearest level before it is scored, as the
    3DGS family and NeRFBaselines do. DriveStudio and nerfstudio do not round, which reads 0.05 dB more at
    40 dB and nothing visible below 30. The value of a scene is the mean of these values, not the PSNR of the
    mean error. `Pair.mask` is not used.

    Returns:
        From 0 for black against white to infinity for equal images, which tables print as "inf".
    """
    difference = np.subtract(pair.prediction, pair.reference, dtype=np.float64).ravel()
    # Integers below 2^53: exact in float64, whatever the order in which they are added.
    squared = float(np.dot(difference, difference))
    if squared == 0:
        return math.inf
    return 10 * math.log10(255**2 * pair.reference.size / squared)
