"""Edges: gradient magnitude similarity deviation, and how sharp a rendering is beside its reference.

Both look at luma (ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B) through Prewitt filters divided by 3, in levels
of 8-bit images, and need no weights. `Pair.mask` is not used.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.pair import Pair
from recgen_bench.harness.scene import Image

Plane = NDArray[np.float32]

STABILITY = np.float32(170)
"""Levels squared; T of the authors' code (the paper's c = 0.0026 for images in [0, 1])."""

FLOOR = 1.0
"""Levels squared; keeps the ratio of two flat images at 1."""


def gmsd(pair: Pair) -> float:
    """Return the standard deviation of the gradient similarity map (Xue et al. 2014, arXiv:1308.3052).

    Luma is averaged over 2x2 pixels and every second one kept; the map is (2ab + T) / (a^2 + b^2 + T) for
    the gradient magnitudes a, b. As in the authors' code: zeros beyond the border, N - 1 in the deviation
    (the package piq divides by N). 0 for equal images.

    Raises:
        DataError: The image is smaller than 4x4 pixels.
    """
    _check_size(pair.reference, 4)
    a, b = (_magnitude(_halved(_luma(image)), border=True) for image in (pair.prediction, pair.reference))
    similarity = (2 * a * b + STABILITY) / (a * a + b * b + STABILITY)
    return float(np.std(similarity, ddof=1, dtype=np.float64))


def sharpness_ratio(pair: Pair) -> float:
    """Return the smaller over the larger of the images' gradient energies: 1 is as sharp as the reference.

    The energy is the mean squared gradient magnitude of luma over the inner pixels, in levels squared, plus
    1, so that flat images have a ratio too. Blur lowers the energy and noise raises it; both lower the ratio.

    Raises:
        DataError: The image is smaller than 3x3 pixels.
    """
    _check_size(pair.reference, 3)
    energies = [_energy(image) for image in (pair.prediction, pair.reference)]
    return min(energies) / max(energies)


def _energy(image: Image) -> float:
    magnitude = _magnitude(_luma(image), border=False)
    return float(np.mean(np.square(magnitude), dtype=np.float64)) + FLOOR


def _luma(image: Image) -> Plane:
    # Not cv2.cvtColor, which rounds 8-bit luma to levels.
    return image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)


def _halved(plane: Plane) -> Plane:
    """Return means of 2x2 pixels; an odd last row or column is averaged with zeros (authors' code)."""
    height, width = plane.shape
    even = np.pad(plane, ((0, height % 2), (0, width % 2)))
    quarters = even[0::2, 0::2] + even[0::2, 1::2] + even[1::2, 0::2] + even[1::2, 1::2]
    return np.asarray(quarters / np.float32(4), np.float32)


def _magnitude(plane: Plane, border: bool) -> Plane:
    """Return the gradient magnitude, with zeros beyond the border, or of the inner pixels alone."""
    smooth, difference = np.ones(3, np.float32), np.array([1, 0, -1], np.float32) / np.float32(3)
    dx, dy = (
        np.asarray(cv2.sepFilter2D(plane, cv2.CV_32F, x, y, borderType=cv2.BORDER_CONSTANT), np.float32)
        for x, y in ((difference, smooth), (smooth, difference))
    )
    magnitude = np.sqrt(dx * dx + dy * dy)
    return magnitude if border else magnitude[1:-1, 1:-1]


def _check_size(image: Image, side: int) -> None:
    height, width = image.shape[:2]
    if min(height, width) < side:
        got, expected = f"{width}x{height}", f"{side}x{side} or more"
        raise DataError("the image is too small for a gradient", got=got, expected=expected)
