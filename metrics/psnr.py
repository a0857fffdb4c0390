"""Peak signal-to-noise ratio."""

from __future__ import annotations

import math

import numpy as np

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.pair import Pair
from recgen_bench.harness.scene import Image


def psnr(pair: Pair) -> float:
    """Return 10 log10(255^2 / MSE) in dB over all pixels and channels of one image.

    Both images are 8-bit as stored: a rendering is rounded to the nearest level before it is scored, as the
    3DGS family and NeRFBaselines do. DriveStudio and nerfstudio do not round, which reads 0.05 dB more at
    40 dB and nothing visible below 30. The value of a scene is the mean of these values, not the PSNR of the
    mean error. `Pair.mask` is not used.

    Returns:
        From 0 for black against white to infinity for equal images, which tables print as "inf".
    """
    return _decibels(pair.prediction, pair.reference)


def psnr_masked_select(pair: Pair) -> float:
    """Return `psnr` over the pixels that the mask selects (DTU's few-view tables, DriveStudio).

    NeRFBaselines multiplies both images by the mask and averages over all pixels instead, which reads
    10 log10(1 / coverage) dB more. Images whose mask selects nothing have no value and are left out of means.

    Raises:
        DataError: There is no mask, or it selects no pixel.
    """
    if pair.mask is None or not pair.mask.any():
        raise DataError("a masked metric needs a mask that selects some pixel")
    return _decibels(pair.prediction[pair.mask], pair.reference[pair.mask])


def _decibels(prediction: Image, reference: Image) -> float:
    difference = np.subtract(prediction, reference, dtype=np.float64).ravel()
    # Integers below 2^53: exact in float64, whatever the order in which they are added.
    squared = float(np.dot(difference, difference))
    return math.inf if squared == 0 else 10 * math.log10(255**2 * reference.size / squared)
