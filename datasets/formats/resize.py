"""The size that images reach a method in, and the area average that brings them there."""

from __future__ import annotations

import math

import cv2
import numpy as np

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.protocol import Resolution
from recgen_bench.harness.scene import Image

Size = tuple[int, int]
"""Width and height in pixels."""


def check_resolution(resolution: Resolution) -> None:
    """Refuse a resolution that contradicts itself.

    Raises:
        DataError: Both rules given, half a size, a factor below 1, or an unknown filter.
    """
    sized = resolution.width is not None or resolution.height is not None
    if resolution.filter != "area":
        raise DataError("unknown resize filter", got=resolution.filter, expected="area")
    if sized and (resolution.downscale is not None or not (resolution.width and resolution.height)):
        raise DataError("a resolution is either a factor or a width and a height", got=str(resolution))
    if sized and min(resolution.width or 0, resolution.height or 0) < 1:
        raise DataError("a resolution must be positive", got=f"{resolution.width}x{resolution.height}")
    if resolution.downscale is not None and not 1 <= resolution.downscale < math.inf:
        raise DataError(
            "images are never enlarged", got=resolution.downscale, expected="a factor of 1 or more"
        )


def target_size(full: Size, resolution: Resolution) -> Size:
    """Return the size of the decoded image for a full-size one.

    >>> target_size((1080, 1920), Resolution(downscale=8))
    (135, 240)

    Raises:
        DataError: Larger than the image, of another shape, or smaller than a pixel.
    """
    if resolution.downscale is not None:
        width, height = (math.floor(side / resolution.downscale) for side in full)
    elif resolution.width is not None and resolution.height is not None:
        width, height = resolution.width, resolution.height
    else:
        return full
    if min(width, height) < 1:
        raise DataError("nothing is left of the image", got=f"{full[0]}x{full[1]} / {resolution.downscale:g}")
    if width > full[0] or height > full[1]:
        raise DataError(
            "images are never enlarged", got=f"{width}x{height}", expected=f"at most {full[0]}x{full[1]}"
        )
    if not same_shape((width, height), full):
        fitting = f"{width}x{full[1] * width / full[0]:.1f}"
        raise DataError(
            "the resolution has another aspect ratio than the images",
            got=f"{width}x{height}",
            expected=fitting,
        )
    return width, height


def same_shape(one: Size, other: Size) -> bool:
    """Whether two sizes have one aspect ratio, up to one pixel of rounding in the smaller."""
    small, large = sorted((one, other))
    across = abs(large[1] * small[0] / large[0] - small[1])
    along = abs(large[0] * small[1] / large[1] - small[0])
    return min(across, along) <= 1


def shrink(pixels: Image, width: int, height: int) -> Image:
    """Average all source pixels under each target pixel; exact boxes when the factors are whole numbers.

    Args:
        pixels: (H, W) or (H, W, 3) uint8, at least as large as the target.
        width: Of the result.
        height: Of the result.
    """
    if pixels.shape[:2] == (height, width):
        return np.ascontiguousarray(pixels)
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
