"""Lidar range images to points in vehicle axes; one geometry for v1 and v2.

Row 0 is the highest beam and column 0 looks backwards, turning clockwise. The top laser turns while the car
drives, so each of its pixels has a vehicle pose of its own.

Source: range_image_utils.py and frame_utils.py of waymo-research/waymo-open-dataset.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recgen_bench.datasets.waymo.messages import parse
from recgen_bench.datasets.waymo.rig import positions
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.scene import Float, invert_rigid

Matrix = NDArray[np.float32]

LARGEST_SIDE = 16_384
LARGEST_BYTES = 64 * 2**20
"""Of one decompressed matrix; the top laser's poses, the largest there are, take 4 MB."""

FARTHEST = 1000.0
"""Metres; Waymo's lasers end at 75 m, so a longer range is damage."""


@dataclass(frozen=True, slots=True, eq=False)
class Laser:
    """A calibrated laser.

    Attributes:
        name: For example "TOP".
        pose: (4, 4) laser-to-vehicle.
        inclinations: Radians of each row, lowest first as they are stored; None means evenly spaced.
        lowest: Radians, the lower edge of the field of view; used without `inclinations`.
        highest: Radians, its upper edge.
    """

    name: str
    pose: Float
    inclinations: Float | None = None
    lowest: float = 0.0
    highest: float = 0.0

    def rows(self, height: int) -> Float:
        """Return the inclination of each of the rows, the first the highest.

        Raises:
            DataError: There are not as many as rows, or they are not finite.
        """
        if self.inclinations is not None:
            if len(self.inclinations) != height:
                got = f"{len(self.inclinations)} inclinations for {height} rows"
                raise DataError(f"the calibration of laser {self.name} does not fit its range image", got=got)
            rows = self.inclinations
        else:
            rows = self.lowest + (np.arange(height) + 0.5) / height * (self.highest - self.lowest)
        if not np.isfinite(rows).all():
            raise DataError(f"the inclinations of laser {self.name} hold NaN or infinity")
        return rows[::-1]


def decompress(data: bytes, kind: str) -> Matrix:
    """Return the (H, W, C) float32 matrix of a zlib-compressed `MatrixFloat`.

    Raises:
        DataError: Damaged, larger than `LARGEST_BYTES`, or its numbers do not fill its shape.
    """
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(data, LARGEST_BYTES)
    except zlib.error as error:
        raise DataError(f"the {kind} is damaged: {error}") from error
    if not stream.eof:
        what = "is larger than any real one" if stream.unconsumed_tail else "is cut short"
        raise DataError(f"the {kind} {what}", got=f"{len(content)} bytes", expected=f"under {LARGEST_BYTES}")
    parsed = parse("Matrix", content, kind)
    return shaped(
        np.frombuffer(parsed.data[: len(parsed.data) // 4 * 4], "<f4"), list(parsed.shape.dims), kind
    )


def shaped(values: NDArray, dims: list[int], kind: str) -> Matrix:
    """Return the numbers as an (H, W, C) float32 matrix.

    Raises:
        DataError: They do not fill the shape, or the shape is absurd.
    """
    fitting = len(dims) == 3 and all(0 < side <= LARGEST_SIDE for side in dims)
    if not fitting or math.prod(dims) != values.size:
        got = f"{values.size} numbers for shape {dims}"
        raise DataError(f"the {kind} has the wrong shape", got=got, expected="rows, columns, channels")
    return np.asarray(values, np.float32).reshape(dims)


def to_points(image: Matrix, laser: Laser, poses: Matrix | None = None, ego: Float | None = None) -> Float:
    """Return (N, 3) float64 points in the vehicle axes of the frame, row by row.

    Args:
        image: (H, W, C) float32 with the range in metres in channel 0; pixels with 0 or less are empty.
        laser: Its calibration.
        poses: (H, W, 6) float32 roll, pitch, yaw in radians and x, y, z in metres of the vehicle in the world
            when each pixel was measured, R = Rz(yaw) Ry(pitch) Rx(roll); None ignores the car's motion.
        ego: (4, 4) vehicle-to-world of the frame; needed with `poses`.

    Raises:
        DataError: The shapes do not fit, or a valid pixel is not finite or too far.
    """
    height, width = image.shape[:2]
    row, column = np.nonzero(image[..., 0] > 0)
    distance = _doubles(image[row, column, 0])
    if not np.all(distance < FARTHEST):
        raise DataError(f"a range of laser {laser.name} is absurd", got=f"{distance.max():g} m")
    inclination = laser.rows(height)
    correction = math.atan2(laser.pose[1, 0], laser.pose[0, 0])
    azimuth = ((width - np.arange(width) - 0.5) / width * 2 - 1) * math.pi - correction
    flat = distance * np.cos(inclination)[row]
    points = np.stack(
        [flat * np.cos(azimuth)[column], flat * np.sin(azimuth)[column], distance * np.sin(inclination)[row]],
        axis=-1,
    )
    points = points @ laser.pose[:3, :3].T + laser.pose[:3, 3]
    if poses is None or ego is None:
        return points
    if poses.shape != (height, width, 6):
        got = f"{poses.shape} for an image of {height}x{width}"
        raise DataError(f"the pose image of laser {laser.name} does not fit its range image", got=got)
    return _undriven(points, _doubles(poses[row, column]), ego, laser.name)


def _doubles(values: NDArray) -> Float:
    # Damage can leave signalling NaNs; the checks that follow find them, numpy need not warn too.
    with np.errstate(invalid="ignore"):
        return np.asarray(values, np.float64)


def _undriven(points: Float, poses: Float, ego: Float, name: str) -> Float:
    """Bring points from the vehicle axes at their own time to those of the frame."""
    positions(poses, f"pose image of laser {name}")
    (sr, sp, sy), (cr, cp, cy) = np.sin(poses[:, :3].T), np.cos(poses[:, :3].T)
    x, y, z = points.T
    # Roll about x, then pitch about y, then yaw about z.
    y, z = cr * y - sr * z, sr * y + cr * z
    x, z = cp * x + sp * z, cp * z - sp * x
    x, y = cy * x - sy * y, sy * x + cy * y
    world = np.stack([x, y, z], axis=-1) + poses[:, 3:]
    back = invert_rigid(ego)
    return (world - ego[:3, 3]) @ back[:3, :3].T
