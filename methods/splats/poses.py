"""Cameras of pseudo-views: the nearest recorded one, steps towards a target, and tracks beside the road."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.scene import Camera, Float, Scene, invert_rigid
from recgen_bench.harness.trajectory import interpolate_pose, shift_lane

LEAST_SHIFT = 0.05
"""Metres below which a track counts as not moved."""


def pose_distance(a: Camera, b: Camera) -> float:
    """Return the distance of the centres (world units) plus the angle between the orientations (radians).

    Release code of Difix3D+: both with weight 1, although the first depends on the unit of the world.
    """
    turn = a.c2w[:3, :3].T @ b.c2w[:3, :3]
    angle = np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))
    return float(np.linalg.norm(a.centre - b.centre) + angle)


def nearest(camera: Camera, others: Sequence[Camera]) -> int:
    """Return the index of the nearest pose; among equal ones that of the same time step, then the first.

    Raises:
        DataError: There are no others.
    """
    if not others:
        raise DataError("there is no camera to be near to")
    ranks = [(pose_distance(camera, other), other.frame != camera.frame) for other in others]
    return ranks.index(min(ranks))


def step_towards(current: Sequence[Camera], targets: Sequence[Camera], step: float) -> tuple[Camera, ...]:
    """Return one camera per target: the nearest current pose moved towards it (Difix3D+, section 4).

    Release code: the centre moves by `step`, the orientation turns by the same part of the way, and within
    one step the target's pose is taken. Time step, intrinsics, size and vehicle are those of the target.

    Args:
        current: At least one.
        targets: Where to go.
        step: World units, above 0.
    """
    moved = []
    for target in targets:
        start = current[nearest(target, current)]
        distance = float(np.linalg.norm(target.centre - start.centre))
        pose = target.c2w if distance <= step else interpolate_pose(start.c2w, target.c2w, step / distance)
        moved.append(_mounted(target, pose))
    return tuple(moved)


def _mounted(camera: Camera, pose: Float) -> Camera:
    """Return a camera at another pose, with its vehicle below it as before."""
    ego = None if camera.ego is None else pose @ invert_rigid(camera.c2w) @ camera.ego
    return replace(camera, c2w=pose, ego=ego)


def spacing(cameras: Sequence[Camera]) -> float:
    """Return the mean distance from a camera to the nearest other one, world units; 0 for fewer than two."""
    centres = np.stack([camera.centre for camera in cameras])
    if len(centres) < 2:
        return 0.0
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    return float(apart.min(axis=1).mean())


def farthest(cameras: Sequence[Camera], targets: Sequence[Camera]) -> float:
    """Return how far the target is that has the longest way from its nearest camera, world units."""
    return max(
        float(np.linalg.norm(target.centre - cameras[nearest(target, cameras)].centre)) for target in targets
    )


def beside(scene: Scene, metres: float, sides: str) -> tuple[Camera, ...]:
    """Return the recorded track moved sideways, each side as far as asked or as its road goes.

    The shift is along each frame's own vehicle y (FaithFusion's release).

    Args:
        scene: Its training cameras need vehicle poses.
        metres: Above 0.
        sides: "left", "right" or "both".

    Raises:
        ProtocolError: The cameras have no vehicle poses.
    """
    track = [view.camera for view in scene.train]
    moved: list[Camera] = []
    for side, sign in (("left", 1), ("right", -1)):
        if sides not in (side, "both"):
            continue
        limit = metres if scene.drivable is None else min(metres, scene.drivable[side == "left"])
        if limit > LEAST_SHIFT:
            moved += shift_lane(track, sign * limit, "ego-y")
    return tuple(moved)
