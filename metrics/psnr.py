"""Peak signal-to-noise ratio."""

from __future__ import annotations

import math

import numpy as np

from recgen_bench.harness.pair import Pair
from recgen_bench.harness.scene import Image
from recgen_bench.metrics.masks import painted, selection


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

    Images whose mask selects nothing have no value and are left out of means.

    Raises:
        DataError: See `recgen_bench.metrics.masks.selection`.
    """
    mask = selection(pair)
    return _decibels(pair.prediction[mask], pair.reference[mask])


def psnr_masked_multiply(pair: Pair) -> float:
    """Return `psnr` over all pixels of both images multiplied by the mask (NeRFBaselines).

    Pixels outside the mask count as perfect, which reads 10 log10(1 / coverage) dB more than
    `psnr_masked_select`. Painting them in any other colour gives the same number, since the difference of
    the images is zero there either way.

    Raises:
        DataError: See `recgen_bench.metrics.masks.selection`.
    """
    return psnr(painted(pair, 0))


def _decibels(prediction: Image, reference: Image) -> float:
    difference = np.subtract(prediction, reference, dtype=np.float64).ravel()
    # Integers below 2^53: exact in float64, whatever the order in which they are added.
    squared = float(np.dot(difference, difference))
    return math.inf if squared == 0 else 10 * math.log10(255**2 * reference.size / squared)
