"""Rectangles in images as (N, 4) arrays of x1, y1, x2, y2: overlap, suppression, and what is a usable box."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.scene import Float
from recgen_bench.harness.track import Box

VEHICLES = frozenset({"vehicle", "car", "bus", "truck", "motorcycle", "van"})
"""Categories that count as vehicles: Waymo's class, and the COCO classes that belong to it."""


def vehicles(boxes: Iterable[Box]) -> tuple[Box, ...]:
    """Return the boxes that are vehicles: files and detectors name other objects too."""
    return tuple(box for box in boxes if box.category in VEHICLES)


def overlaps(a: NDArray, b: NDArray) -> Float:
    """Return the (N, M) intersection over union of every box of `a` with every box of `b`.

    Areas are (x2 - x1) (y2 - y1), without the extra pixel of some older scripts. Two boxes without area have
    overlap 0, where the released scripts of DriveDreamer4D divide by zero.

    >>> overlaps(np.array([[0, 0, 2, 2]]), np.array([[1, 0, 3, 2], [5, 5, 6, 6]])).round(3).tolist()
    [[0.333, 0.0]]
    """
    a, b = np.asarray(a, np.float64).reshape(-1, 4), np.asarray(b, np.float64).reshape(-1, 4)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    union = areas(a)[:, None] + areas(b)[None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def areas(boxes: NDArray) -> Float:
    """Return (N,) areas in square pixels."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def suppressed(boxes: NDArray, scores: NDArray, limit: float) -> NDArray[np.int64]:
    """Return the rows that remain when each box drops all less certain ones that overlap it by more.

    Args:
        boxes: (N, 4).
        scores: (N,); of equal ones the first wins.
        limit: Overlap above which the less certain box goes.
    """
    order = list(np.argsort(-np.asarray(scores), kind="stable"))
    shared = overlaps(boxes, boxes)
    kept: list[int] = []
    for row in order:
        if all(shared[row, other] <= limit for other in kept):
            kept.append(int(row))
    return np.array(kept, np.int64)


def corners_of(boxes: Iterable[Box]) -> Float:
    """Return (N, 4) corners of boxes.

    Raises:
        DataError: A box is not four finite numbers with x1 <= x2 and y1 <= y2.
    """
    rows = []
    for box in boxes:
        corners = np.asarray(box.corners, np.float64)
        if corners.shape != (4,) or not np.isfinite(corners).all():
            raise DataError("a box is not four finite numbers", got=corners.tolist(), expected="x1 y1 x2 y2")
        if corners[0] > corners[2] or corners[1] > corners[3]:
            raise DataError("a box is inside out", got=corners.tolist(), expected="x1 <= x2 and y1 <= y2")
        rows.append(corners)
    return np.array(rows, np.float64).reshape(-1, 4)
