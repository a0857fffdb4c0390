"""Structural similarity (Wang et al. 2004, doi:10.1109/TIP.2003.819861) in three variants.

They differ by up to 0.02 on the same images and never share a column. All work per channel on 8-bit RGB with
K1 = 0.01 and K2 = 0.03, and return the mean of the map. `Pair.mask` is used only by the variants that name
what they do with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.pair import Pair
from recgen_bench.harness.scene import Image
from recgen_bench.metrics.masks import painted, selection

Plane = NDArray[np.float32]
Blur = Callable[[Plane], Plane]

GAUSSIAN_RADIUS = 5
UNIFORM_RADIUS = 3
SAMPLES = (2 * UNIFORM_RADIUS + 1) ** 2
C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2
BAND = 64
"""Rows of windows compared at once: their planes stay in the cache, which makes it twice as fast."""


def ssim(pair: Pair) -> float:
    """Return SSIM with an 11x11 Gaussian window (sigma 1.5) over windows that lie inside the image.

    Population moments. The same as mip-NeRF, pytorch-msssim, and scikit-image with Gaussian weights.

    Raises:
        DataError: The image is smaller than the window.
    """
    return _mean_similarity(pair.prediction, pair.reference, _gaussian, GAUSSIAN_RADIUS)


def ssim_3dgs(pair: Pair) -> float:
    """Return SSIM with the same window and black beyond the border, averaged over every pixel.

    What the 3DGS release computes (its convolution pads with zeros); it reads higher than `ssim`, the more
    the smaller the image. The release works in float32 throughout, whose rounding alone moves its values by
    about 2e-5; here they agree with float64 to 1e-6.

    Raises:
        DataError: The image is smaller than the window.
    """
    _check_size(pair.prediction, GAUSSIAN_RADIUS)
    return _mean_similarity(_padded(pair.prediction), _padded(pair.reference), _gaussian, GAUSSIAN_RADIUS)


def ssim_uniform7(pair: Pair) -> float:
    """Return SSIM with a 7x7 uniform window and sample covariance, the border of 3 pixels left out.

    scikit-image's default, which DriveStudio, DriveDreamer4D and FaithFusion report.

    Raises:
        DataError: The image is smaller than the window.
    """
    return _mean_similarity(
        pair.prediction, pair.reference, _uniform, UNIFORM_RADIUS, correction=SAMPLES / (SAMPLES - 1)
    )


def ssim_uniform7_masked_select(pair: Pair) -> float:
    """Return the mean of the whole image's `ssim_uniform7` map over the pixels that the mask selects.

    What DriveStudio reports for vehicles and people. Windows at the rim of the mask see pixels outside of
    it, and the map reaches the border of the image, with the image mirrored beyond (scikit-image).

    Raises:
        DataError: The image is smaller than the window; see also `recgen_bench.metrics.masks.selection`.
    """
    mask, r = selection(pair), UNIFORM_RADIUS
    _check_size(pair.prediction, r)
    x, y = (
        np.asarray(cv2.copyMakeBorder(image, r, r, r, r, cv2.BORDER_REFLECT), np.uint8)
        for image in (pair.prediction, pair.reference)
    )
    similarity = _similarity(x, y, _uniform, r, np.float32(SAMPLES / (SAMPLES - 1)))
    return float(np.mean(similarity[mask], dtype=np.float64))


def ssim_3dgs_masked_white(pair: Pair) -> float:
    """Return `ssim_3dgs` of both images painted white outside the mask (DTU with white backgrounds).

    Raises:
        DataError: The image is smaller than the window; see also `recgen_bench.metrics.masks.selection`.
    """
    return ssim_3dgs(painted(pair, 255))


def ssim_3dgs_masked_black(pair: Pair) -> float:
    """Return `ssim_3dgs` of both images painted black outside the mask, that is, multiplied by it.

    Raises:
        DataError: The image is smaller than the window; see also `recgen_bench.metrics.masks.selection`.
    """
    return ssim_3dgs(painted(pair, 0))


def _mean_similarity(x: Image, y: Image, blur: Blur, radius: int, correction: float = 1.0) -> float:
    """Return the mean of the map over the windows inside the image; `correction` scales (co)variances."""
    _check_size(x, radius)
    rows = x.shape[0] - 2 * radius
    sums = []
    for top in range(0, rows, BAND):
        band = slice(top, min(top + BAND, rows) + 2 * radius)
        similarity = _similarity(x[band], y[band], blur, radius, np.float32(correction))
        sums.append(float(np.sum(similarity, dtype=np.float64)))
    return math.fsum(sums) / (rows * (x.shape[1] - 2 * radius) * x.shape[2])


def _similarity(x: Image, y: Image, blur: Blur, radius: int, correction: np.float32) -> Plane:
    """Return the map over the windows inside the images.

    With s = x + y and d = x - y four blurs do instead of five, because 2 E[x] E[y] = (E[s]^2 - E[d]^2) / 2,
    2 cov(x, y) = (var(s) - var(d)) / 2, and the denominators likewise with plus. Equal images have d = 0 and
    give exactly 1.
    """
    inside = (slice(radius, x.shape[0] - radius), slice(radius, x.shape[1] - radius))
    # The sum is centred: its variance stays the same, and its squares lose less to float32.
    s = np.subtract(cv2.add(x, y, dtype=cv2.CV_32F), 255, dtype=np.float32)
    d = np.asarray(cv2.subtract(x, y, dtype=cv2.CV_32F), np.float32)
    mean_s, mean_d, var_s, var_d = (blur(plane)[inside] for plane in (s, d, s * s, d * d))
    # In place from here on, because fresh memory costs more than the arithmetic.
    var_s -= mean_s * mean_s
    mean_s += 255
    mean_s *= mean_s
    mean_d *= mean_d
    var_d -= mean_d
    for variance in (var_s, var_d):
        variance *= correction
    mean_s += 2 * C1
    var_s += 2 * C2
    similarity = (mean_s - mean_d) * (var_s - var_d)
    mean_s += mean_d
    var_s += var_d
    mean_s *= var_s
    similarity /= mean_s
    return similarity


def _gaussian(plane: Plane) -> Plane:
    return np.asarray(cv2.sepFilter2D(plane, cv2.CV_32F, _WINDOW, _WINDOW), np.float32)


def _uniform(plane: Plane) -> Plane:
    side = 2 * UNIFORM_RADIUS + 1
    return np.asarray(cv2.boxFilter(plane, cv2.CV_32F, (side, side)), np.float32)


def _padded(image: Image) -> Image:
    r = GAUSSIAN_RADIUS
    return np.asarray(cv2.copyMakeBorder(image, r, r, r, r, cv2.BORDER_CONSTANT, value=(0, 0, 0)), np.uint8)


def _check_size(image: Image, radius: int) -> None:
    side = 2 * radius + 1
    height, width = image.shape[:2]
    if min(height, width) < side:
        raise DataError(
            "the image is smaller than the window of SSIM",
            got=f"{width}x{height}",
            expected=f"{side}x{side} or more",
            hint="score larger images, or leave this metric out",
        )


def _gaussian_window() -> NDArray[np.float32]:
    weights = [math.exp(-((i / 1.5) ** 2) / 2) for i in range(-GAUSSIAN_RADIUS, GAUSSIAN_RADIUS + 1)]
    return (np.array(weights) / math.fsum(weights)).astype(np.float32)


_WINDOW = _gaussian_window()
