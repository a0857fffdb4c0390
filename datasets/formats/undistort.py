"""Undistort and shrink in one go, sampling finely enough that little sharpness is lost.

The photograph is first area-averaged by a whole factor that leaves at least four times the target size, then
looked up bilinearly on a grid of n x n samples per target pixel, and these are averaged. Without shrinking
the look-up is bicubic.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict

import cv2
import numpy as np
from numpy.typing import NDArray

from recgen_bench.datasets.formats.distortion import Lens
from recgen_bench.datasets.formats.resize import Size, shrink
from recgen_bench.harness.scene import Image

Map = NDArray[np.float32]
_Key = tuple[Lens, Lens, Size]


def undistort(pixels: Image, lens: Lens, pinhole: Lens, size: Size) -> Image:
    """Return what the pinhole camera sees, at the target size.

    Args:
        pixels: (H, W) or (H, W, 3) uint8 photograph of any size; the lens is scaled to it.
        lens: The camera that took it.
        pinhole: The undistorted camera; only its field of view matters.
        size: Width and height of the result.

    Returns:
        (height, width) or (height, width, 3) uint8.
    """
    height, width = pixels.shape[:2]
    if lens.straight and _same_view(lens, pinhole):
        return shrink(pixels, *size)
    factor = max(width / size[0], height / size[1])
    coarse = max(1, int(factor // 4))
    samples = max(1, math.ceil(factor / coarse - 1e-6))
    reduced = shrink(pixels, width // coarse, height // coarse)
    grid = (size[0] * samples, size[1] * samples)
    source = lens.resized(reduced.shape[1], reduced.shape[0])
    kind = cv2.INTER_LINEAR if samples > 1 else cv2.INTER_CUBIC
    x, y = _maps.get((source, pinhole, grid))
    looked_up = cv2.remap(reduced, x, y, kind, borderMode=cv2.BORDER_REPLICATE)
    return shrink(np.asarray(looked_up, np.uint8), *size)


def pick(plane: NDArray[np.float32], lens: Lens, pinhole: Lens, size: Size) -> NDArray[np.float32]:
    """Return the (height, width) values at the target pixels' centres, unmixed, as depth needs.

    Args:
        plane: (H, W) float32 beside the photograph, of any size; 0 where unknown.
        lens: The camera that took it.
        pinhole: The undistorted camera.
        size: Width and height of the result.
    """
    source = lens.resized(plane.shape[1], plane.shape[0])
    x, y = _maps.get((source, pinhole, size))
    # Rounding in the look-up must not push a centre that falls on a pixel's edge into the pixel before.
    column = np.clip(np.floor(x + 0.5001).astype(np.int64), 0, plane.shape[1] - 1)
    row = np.clip(np.floor(y + 0.5001).astype(np.int64), 0, plane.shape[0] - 1)
    return plane[row, column]


def _same_view(one: Lens, other: Lens) -> bool:
    return bool(np.array_equal(one.K, other.resized(one.width, one.height).K))


def _look_up(source: Lens, pinhole: Lens, grid: Size) -> Map:
    """Return x and y (2, H, W) float32 in the photograph, 0 at the first pixel's centre."""
    view = pinhole.resized(*grid)
    x = ((np.arange(grid[0]) + 0.5 - view.cx) / view.fx)[None]
    positions = np.empty((2, grid[1], grid[0]), np.float32)
    for top in range(0, grid[1], 128):  # In strips: float64 temporaries of 24 MP are large.
        rows = np.arange(top, min(top + 128, grid[1]))
        y = ((rows + 0.5 - view.cy) / view.fy)[:, None]
        shape = (len(rows), grid[0])
        u, v = source.project(np.broadcast_to(x, shape), np.broadcast_to(y, shape))
        positions[0, rows], positions[1, rows] = u - 0.5, v - 0.5
    return positions


class _Maps:
    """Look-up maps, computed once per camera and size and shared by threads, up to a budget of bytes."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._maps: OrderedDict[_Key, Map] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: _Key) -> Map:
        with self._lock:
            if key not in self._maps:
                self._maps[key] = _look_up(*key)
                while len(self._maps) > 1 and sum(each.nbytes for each in self._maps.values()) > self._budget:
                    self._maps.popitem(last=False)
            self._maps.move_to_end(key)
            return self._maps[key]


_maps = _Maps(budget=512 * 2**20)
