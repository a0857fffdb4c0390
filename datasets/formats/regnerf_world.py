"""The world that RegNeRF puts LLFF captures into before it splits them.

Lengths are divided by 0.75 of the smallest depth bound, then the average camera becomes the origin, with the
axes right, up, back (google-research/regnerf, internal/datasets.py, class LLFF, before its NDC step).
"""

from __future__ import annotations

import numpy as np

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.scene import Float, invert_rigid

BOUND_FACTOR = 0.75


def regnerf_to_source(c2w: Float, nearest: float) -> Float:
    """Return the (4, 4) similarity from RegNeRF's world to the one the poses are in.

    Args:
        c2w: (N, 4, 4) camera-to-world, OpenCV axes.
        nearest: Smallest depth bound in the poses' unit.

    Raises:
        DataError: The bound is not positive, or the cameras look in ways that have no average.
    """
    if not nearest > 0:
        raise DataError("the smallest depth bound must be positive", got=nearest)
    back, up = -c2w[:, :3, 2].mean(0), -c2w[:, :3, 1].mean(0)
    right = np.cross(up, back)
    if np.linalg.norm(right) < 1e-6 or np.linalg.norm(back) < 1e-6:
        raise DataError("the cameras have no average direction", hint="use a protocol with world = 'source'")
    back, right = back / np.linalg.norm(back), right / np.linalg.norm(right)
    to_source = np.eye(4)
    unit = BOUND_FACTOR * nearest
    to_source[:3, :3] = np.stack([right, np.cross(back, right), back], axis=1) * unit
    to_source[:3, 3] = c2w[:, :3, 3].mean(0)
    return to_source


def moved_poses(c2w: Float, to_source: Float) -> Float:
    """Return (N, 4, 4) camera-to-world poses in the world that `to_source` maps from; they stay rigid."""
    frame, unit = _rigid_part(to_source)
    moved = invert_rigid(frame) @ c2w
    moved[:, :3, 3] /= unit
    return moved


def moved_points(xyz: Float, to_source: Float) -> Float:
    """Return (N, 3) positions in the world that `to_source` maps from."""
    frame, unit = _rigid_part(to_source)
    return (xyz - frame[:3, 3]) @ frame[:3, :3] / unit


def _rigid_part(to_source: Float) -> tuple[Float, float]:
    """Return the rigid part of a similarity and its unit."""
    unit = float(np.cbrt(np.linalg.det(to_source[:3, :3])))
    frame = to_source.copy()
    frame[:3, :3] /= unit
    return frame, unit
