"""The cameras and lasers of the Waymo car, by name; files list them in varying order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recgen_bench.datasets.formats.distortion import Lens
from recgen_bench.harness.errors import DataError, did_you_mean
from recgen_bench.harness.scene import Float, rigid

CAMERAS = ("FRONT", "FRONT_LEFT", "FRONT_RIGHT", "SIDE_LEFT", "SIDE_RIGHT")
LASERS = ("TOP", "FRONT", "SIDE_LEFT", "SIDE_RIGHT", "REAR")
CATEGORIES = ("unknown", "vehicle", "pedestrian", "sign", "cyclist")

FARTHEST = 1e7
"""Metres; no position on Earth is farther from another along a road, so more is damage."""

FROM_OPENCV: Float = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])
"""(4, 4) that takes OpenCV camera axes (right, down, forward) to Waymo's (forward, left, up)."""


def camera_name(value: object) -> str | None:
    """Return the name of a camera given as Waymo's number (1 is FRONT) or as text, None for others."""
    return _named(value, CAMERAS)


def laser_name(value: object) -> str | None:
    """Return the name of a laser given as Waymo's number (1 is TOP) or as text, None for others."""
    return _named(value, LASERS)


def category_name(value: object) -> str:
    """Return "vehicle", "pedestrian", "sign" or "cyclist" for Waymo's number or text, else "unknown"."""
    if isinstance(value, str):
        folded = value.removeprefix("TYPE_").lower()
        return folded if folded in CATEGORIES else "unknown"
    index = _number(value)
    return CATEGORIES[index] if index is not None and 0 <= index < len(CATEGORIES) else "unknown"


def chosen(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the requested cameras in Waymo's order, the front one when none is named.

    Raises:
        DataError: A name is unknown or named twice.
    """
    for name in names:
        if name not in CAMERAS:
            raise DataError("Waymo has no such camera", got=repr(name), hint=did_you_mean(name, CAMERAS))
    if len(set(names)) < len(names):
        raise DataError("a camera is asked for twice", got=", ".join(names), expected="each name once")
    return tuple(name for name in CAMERAS if name in names) or ("FRONT",)


def lens(intrinsic: Sequence[float], width: int, height: int) -> Lens:
    """Return the lens for Waymo's nine numbers fx fy cx cy k1 k2 p1 p2 k3, OpenCV's meaning.

    cx and cy are taken as they are, like all view-synthesis code does; Waymo does not say whether the centre
    of the first pixel is at 0 or at 0.5.

    Raises:
        DataError: Not nine finite numbers, or not a usable size.
    """
    if len(intrinsic) != 9:
        raise DataError("a camera needs nine intrinsics", got=f"{len(intrinsic)} numbers")
    fx, fy, cx, cy, k1, k2, p1, p2, k3 = map(float, intrinsic)
    return Lens(width, height, fx, fy, cx, cy, coefficients=(k1, k2, k3, 0.0, p1, p2, 0.0, 0.0, 0.0))


def transform(numbers: Sequence[float] | np.ndarray, kind: str) -> Float:
    """Return the (4, 4) rigid transform stored as 16 numbers, row by row.

    Raises:
        DataError: Not 16 numbers, not finite, not rigid, or an absurd position.
    """
    values = np.asarray(numbers, np.float64).reshape(-1)
    if values.size != 16:
        raise DataError(f"the {kind} is not a 4x4 matrix", got=f"{values.size} numbers")
    # NaN is left to the check for rigidity, which numbers as large as these would overflow.
    positions(values[~np.isnan(values)], kind)
    return rigid(values.reshape(4, 4), kind)


def positions(points: Float, kind: str) -> Float:
    """Return the positions if all of them can be on Earth.

    Raises:
        DataError: One is not finite, or farther than `FARTHEST` from the origin.
    """
    bad = ~(np.abs(points) < FARTHEST)
    if bad.any():
        raise DataError(f"the {kind} has an absurd position", got=points[bad][:3].tolist())
    return points


def _named(value: object, names: tuple[str, ...]) -> str | None:
    if isinstance(value, str):
        return value if value in names else None
    index = _number(value)
    return names[index - 1] if index is not None and 1 <= index <= len(names) else None


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, int | np.integer) else None
