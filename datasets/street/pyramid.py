"""Filtered look-ups in stacks of textures: box-filtered levels, bilinear within the level that fits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Single = NDArray[np.float32]


class Pyramid:
    """Tileable textures with their halved copies, sampled at the level whose texels match the footprint.

    Args:
        images: Arrays (H, W, C) of equal shape; height and width divisible by 2 ** (levels - 1).
        tile: (T, 2) metres covered by the width and the height of each image.
        levels: Number of copies, the full size included.
    """

    def __init__(self, images: Sequence[Single], tile: NDArray, levels: int) -> None:
        stack: NDArray = np.stack(images).astype(np.float32)
        self.channels = stack.shape[3]
        self.shape = stack.shape[1:3]
        self.tile = np.asarray(tile, np.float32)
        self.levels = levels
        flat = []
        for _ in range(levels):
            flat.append(stack.reshape(-1, self.channels))
            stack = (
                stack[:, ::2, ::2] + stack[:, 1::2, ::2] + stack[:, ::2, 1::2] + stack[:, 1::2, 1::2]
            ) / 4
        self.offsets = np.cumsum([0] + [len(level) for level in flat])[:levels].astype(np.int32)
        self.texels = np.concatenate(flat)

    def sample(self, layer: NDArray, uv: Single, footprint: NDArray) -> Single:
        """Return (N, C) filtered texels; textures repeat in both directions.

        Args:
            layer: (N,) index of the texture.
            uv: (N, 2) metres.
            footprint: (N,) metres on the surface that one sample stands for.
        """
        tile = self.tile[layer]
        height, width = self.shape
        texel = np.sqrt((tile[:, 0] / width) * (tile[:, 1] / height))
        level = np.log2(np.maximum(footprint / texel, 1.0))
        level = np.minimum(np.rint(level), self.levels - 1).astype(np.int32)
        columns, rows = np.right_shift(width, level), np.right_shift(height, level)
        x, x0, x1 = _bracket(uv[:, 0] / tile[:, 0], columns)
        # Row 0 is the top of an image, v points up.
        y, y0, y1 = _bracket(-uv[:, 1] / tile[:, 1], rows)
        base = self.offsets[level] + layer.astype(np.int32) * (rows * columns)
        y0, y1 = base + y0 * columns, base + y1 * columns
        upper = self.texels[y0 + x0] * (1 - x) + self.texels[y0 + x1] * x
        lower = self.texels[y1 + x0] * (1 - x) + self.texels[y1 + x1] * x
        return upper * (1 - y) + lower * y


def _bracket(turns: NDArray, count: NDArray) -> tuple[Single, NDArray, NDArray]:
    """Return the (N, 1) weight of the second of two neighbouring texels and both indices, wrapped."""
    place = (turns - np.floor(turns)) * count - np.float32(0.5)
    first = np.floor(place)
    weight = (place - first).astype(np.float32)[:, None]
    start = first.astype(np.int32)
    start = np.where(start < 0, count - 1, start)
    following = start + 1
    return weight, start, np.where(following >= count, 0, following).astype(np.int32)
