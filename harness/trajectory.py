"""Moving cameras: lane shift in the four conventions of published code, and smooth paths.

Metres to the left are positive in all of them. They agree on a straight road and give different videos on
a curve, so a protocol names the one it uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from recgen_bench.harness.errors import ProtocolError
from recgen_bench.harness.protocol import Convention
from recgen_bench.harness.scene import Camera, Float


def shift_lane(
    cameras: Sequence[Camera], metres: float, convention: Convention = "ego-y", profile: str = "constant"
) -> tuple[Camera, ...]:
    """Move a track of cameras sideways.

    Args:
        cameras: One track in time order, several sensors allowed; equal `frame` means equal vehicle pose.
        metres: Lateral distance, left positive.
        convention: "ego-y": along each frame's own vehicle y (FaithFusion). "first-frame-y": along the first
            frame's vehicle y (DriveDreamer4D). "camera-x": against each camera's x (ReconDreamer's renders).
            "path-normal": along the horizontal normal of the vehicle's path, world z up (StreetCrafter).
        profile: "constant", or "ramp": linear in time from 0 at the first frame to `metres` at the last.

    Returns:
        The cameras with moved `c2w` and `ego`; orientation is unchanged.

    Raises:
        ProtocolError: The convention needs vehicle poses and a camera has none.
    """
    if not cameras:
        return ()
    frames = sorted({camera.frame for camera in cameras})
    progress = dict(zip(frames, np.linspace(0, 1, len(frames)), strict=True))
    if convention != "camera-x" and any(camera.ego is None for camera in cameras):
        hint = "use the convention camera-x, or a data set with vehicle poses"
        raise ProtocolError(f"a lane shift along {convention} needs vehicle poses", hint=hint)
    normals = _lateral_axes(cameras, frames, convention)
    moved = []
    for camera in cameras:
        axis = -camera.c2w[:3, 0] if convention == "camera-x" else normals[camera.frame]
        offset = metres * (progress[camera.frame] if profile == "ramp" else 1.0) * axis
        ego = None if camera.ego is None else _translated(camera.ego, offset)
        moved.append(replace(camera, c2w=_translated(camera.c2w, offset), ego=ego))
    return tuple(moved)


def interpolate(cameras: Sequence[Camera], count: int) -> tuple[Camera, ...]:
    """Return `count` cameras spread evenly in time over a track: linear positions, spherical rotations.

    Args:
        cameras: At least one; intrinsics and size are taken from the nearer neighbour.
        count: At least 1.
    """
    if len(cameras) == 1 or count == 1:
        return (cameras[0],) * count
    path = []
    for position in np.linspace(0, len(cameras) - 1, count):
        index = min(int(position), len(cameras) - 2)
        a, b, t = cameras[index], cameras[index + 1], float(position - index)
        ego = None if a.ego is None or b.ego is None else interpolate_pose(a.ego, b.ego, t)
        nearer = a if t < 0.5 else b
        time = (1 - t) * a.time + t * b.time
        path.append(replace(nearer, c2w=interpolate_pose(a.c2w, b.c2w, t), ego=ego, time=time))
    return tuple(path)


def interpolate_pose(a: Float, b: Float, t: float) -> Float:
    """Return the (4, 4) rigid pose a fraction `t` of the way from `a` to `b`, about one fixed axis."""
    turn = a[:3, :3].T @ b[:3, :3]
    cosine = np.clip((np.trace(turn) - 1) / 2, -1, 1)
    angle = float(np.arccos(cosine))
    pose = np.eye(4)
    pose[:3, 3] = (1 - t) * a[:3, 3] + t * b[:3, 3]
    # The axis from the symmetric part is stable at half turns, where the antisymmetric part vanishes.
    values, vectors = np.linalg.eigh((turn + turn.T) / 2)
    axis = vectors[:, int(np.argmax(values))]
    sine_axis = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    axis = -axis if axis @ sine_axis < 0 else axis
    pose[:3, :3] = a[:3, :3] @ rotation(axis, t * angle)
    return pose


def rotation(axis: Float, angle: float) -> Float:
    """Return the (3, 3) rotation by `angle` radians about a unit axis (Rodrigues' formula)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _lateral_axes(cameras: Sequence[Camera], frames: list[int], convention: str) -> dict[int, Float]:
    """Return the unit vector to the left at each frame, in the world."""
    egos = {camera.frame: camera.ego for camera in cameras if camera.ego is not None}
    if convention == "camera-x":
        return {}
    if convention == "ego-y":
        return {frame: ego[:3, 1] for frame, ego in egos.items()}
    if convention == "first-frame-y" or len(frames) == 1:
        return dict.fromkeys(frames, egos[frames[0]][:3, 1])
    positions = np.stack([egos[frame][:3, 3] for frame in frames])
    ahead = np.gradient(positions[:, :2], axis=0)
    lengths = np.linalg.norm(ahead, axis=1)
    # A standing vehicle has no path; its own axis is the only sensible normal.
    left = (
        np.stack([-ahead[:, 1], ahead[:, 0], np.zeros(len(frames))], -1) / np.maximum(lengths, 1e-9)[:, None]
    )
    return {frame: left[i] if lengths[i] > 1e-6 else egos[frame][:3, 1] for i, frame in enumerate(frames)}


def _translated(pose: Float, offset: Float) -> Float:
    moved = pose.copy()
    moved[:3, 3] += offset
    return moved
