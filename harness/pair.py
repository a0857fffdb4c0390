"""What a metric sees: one rendered image and its reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from recgen_bench.harness.scene import Depth, Image, Mask


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A prediction and its reference, both as stored: 8-bit images, so that a file reproduces every number.

    Attributes:
        prediction: (H, W, 3) uint8 sRGB.
        reference: (H, W, 3) uint8 sRGB.
        mask: (H, W) bool, True where pixels count; None when all do.
        prediction_depth: (H, W) float32 z-depth in world units, 0 where nothing was hit.
        reference_depth: (H, W) float32 z-depth in world units, 0 where unknown.
    """

    prediction: Image
    reference: Image
    mask: Mask | None = None
    prediction_depth: Depth | None = None
    reference_depth: Depth | None = None


ImageMetric = Callable[[Pair], float]
"""The value of one image; tables average it over images with equal weight."""
