"""The ground plane of a scene: which way is up, what is drawn, and where a point lands on the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recgen_bench.harness.inspection import evenly
from recgen_bench.harness.scene import Capture, Float, View

FRUSTUM = 0.03
"""Length of a drawn camera as a part of the page's width."""

BORDER = 0.05
TALLEST, LOWEST = 0.8, 0.3
"""Height of the page as a part of its width."""

BULK = (3, 97)
"""Percentiles of the points between which the page ends; single far points would make all else tiny."""

CAMERAS_AT_LEAST = 0.2
"""The cameras' spread as a part of what the page shows; points that would make it less are off the page."""


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """A page of `width` x `height` pixels laid on the ground, seen from above.

    Attributes:
        width: Pixels.
        height: Pixels.
        right: (3,) world direction that is to the right on the page.
        upward: (3,) world direction that is up on the page.
        up: (3,) world direction towards the reader.
        corner: (2,) coordinates along `right` and `upward` of the page's upper left corner, world units.
        units_per_pixel: World units.
    """

    width: int
    height: int
    right: Float
    upward: Float
    up: Float
    corner: Float
    units_per_pixel: float

    @property
    def frustum(self) -> float:
        """Length of a drawn camera in world units."""
        return FRUSTUM * self.width * self.units_per_pixel

    def place(self, xyz: Float) -> Float:
        """Return (N, 2) pixels, x to the right and y down, of points (N, 3)."""
        flat = xyz @ np.stack([self.right, self.upward], -1)
        return (flat - self.corner) * [1, -1] / self.units_per_pixel


def lay_ground(capture: Capture, beside: Sequence[View], width: int) -> Ground:
    """Return the page that holds the cameras and the bulk of the points.

    Args:
        capture: At least one view.
        beside: Further cameras that shall be on the page.
        width: Pixels.
    """
    views = (*capture.views, *beside)
    right, upward, up = axes(capture.views)
    flat = np.stack([right, upward], -1)
    cameras = np.stack([view.camera.centre for view in views]) @ flat
    low, high = cameras.min(0), cameras.max(0)
    spread = max(float((high - low).max()), 1e-6)
    points = evenly(capture.points.xyz, 50_000) @ flat
    if len(points):
        reach = spread / CAMERAS_AT_LEAST / 2
        middle = (low + high) / 2
        bulk = np.percentile(points, BULK, axis=0)
        low = np.minimum(low, np.maximum(bulk[0], middle - reach))
        high = np.maximum(high, np.minimum(bulk[1], middle + reach))
    size = np.maximum(high - low, 1e-6)
    # A page that is neither a strip nor a tower: what lacks is added on both sides.
    across = max(float(size[0]), float(size[1]) / TALLEST) * (1 + 2 * BORDER + 2 * FRUSTUM)
    down = min(max(float(size[1]) + across * 2 * (BORDER + FRUSTUM), LOWEST * across), TALLEST * across)
    middle = (low + high) / 2
    corner = middle + np.array([-across / 2, down / 2])
    # Both sides even, so that a drawing at twice the size is averaged without a rest.
    height = 2 * round(width * down / across / 2)
    return Ground(width, height, right, upward, up, corner, across / width)


def axes(views: Sequence[View]) -> tuple[Float, Float, Float]:
    """Return the (3,) unit vectors right, upward on the page, and towards the reader.

    Up is the world's z where there are vehicle poses, otherwise opposite to the cameras' mean down axis (of
    cameras that look straight down, opposite to their mean view direction). The cameras' longest spread runs
    to the right, turned so that they look to the right or up the page on average.
    """
    down = np.mean([view.camera.c2w[:3, 1] for view in views], axis=0)
    ahead = np.mean([view.camera.c2w[:3, 2] for view in views], axis=0)
    up = np.array([0.0, 0, 1]) if views[0].camera.ego is not None else -down
    if np.linalg.norm(up) < 1e-3:
        up = -ahead if np.linalg.norm(ahead) > 1e-3 else np.array([0.0, 0, 1])
    up = up / np.linalg.norm(up)
    level = np.eye(3) - np.outer(up, up)
    centres = np.stack([view.camera.centre for view in views])
    offsets = (centres - centres.mean(0)) @ level
    _, strengths, directions = np.linalg.svd(offsets, full_matrices=True)
    right = directions[0] if strengths[0] > 1e-9 else np.zeros(3)
    right = right - up * (right @ up)
    if np.linalg.norm(right) < 1e-6:
        # One place, or none with an extent: look up the page.
        right = np.cross(ahead, up)
    if np.linalg.norm(right) < 1e-6:
        right = np.cross(np.eye(3)[int(np.argmin(np.abs(up)))], up)
    right = right / np.linalg.norm(right)
    upward = np.cross(up, right)
    along, across = float(ahead @ right), float(ahead @ upward)
    if (along if abs(along) > abs(across) else across) < 0:
        right, upward = -right, -upward
    return right, upward, up


def scale_length(longest: float) -> float:
    """Return the largest of 1, 2 or 5 times a power of ten that is not above `longest`.

    >>> scale_length(37), scale_length(0.9), scale_length(2)
    (20.0, 0.5, 2.0)
    """
    power = 10.0 ** math.floor(math.log10(longest))
    return float(max(step * power for step in (1, 2, 5) if step * power <= longest * (1 + 1e-9)))
