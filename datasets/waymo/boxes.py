"""Labelled boxes of the time steps, joined to tracked actors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recgen_bench.datasets.waymo.rig import FARTHEST
from recgen_bench.datasets.waymo.segment import Box, Frame
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.scene import Actor, Float, invert_rigid

ACTORS = ("vehicle", "pedestrian", "cyclist")
"""Categories that become actors; signs and unknown objects stay in the background."""

MOVING = 1.0
"""Metres per second over ground, DriveStudio's threshold."""

TRAVEL, SPREAD = 2.0, 0.5
"""Metres; Street Gaussians' rule where speeds are not recorded."""


def make_box(
    track: str, category: str, numbers: Float, ego: Float, speed: float | None, points: int | None = None
) -> Box:
    """Return a box in the world.

    Args:
        track: Id.
        category: See `Box`.
        numbers: (7,) centre x y z, length, width, height in metres, heading in radians about z, vehicle axes.
        ego: (4, 4) vehicle-to-world.
        speed: Metres per second, None where unknown.
        points: Points of the top lidar inside, None where unknown.

    Raises:
        DataError: A number is not finite, or a side is not positive.
    """
    if not np.all(np.abs(numbers) < FARTHEST) or numbers[3:6].min() <= 0 or not np.isfinite(speed or 0.0):
        got = f"{numbers.tolist()}, speed {speed}"
        raise DataError("not a usable box", got=got, expected="finite numbers and sides above 0")
    c, s = np.cos(numbers[6]), np.sin(numbers[6])
    pose = np.eye(4)
    pose[:2, :2] = [[c, -s], [s, c]]
    pose[:3, 3] = numbers[:3]
    return Box(track, category, numbers[3:6], ego @ pose, speed, points)


def make_actors(frames: Sequence[Frame], origin: Float) -> tuple[tuple[Actor, ...], bool]:
    """Return the actors of the frames in order of appearance, and whether every one had a speed.

    An actor moves when its recorded speed exceeds `MOVING` at some time; where a form has no speeds, when it
    ends more than `TRAVEL` from where it began or its position spreads by more than `SPREAD` along an axis.
    Its size is the mean over its boxes, as in DriveStudio. It has no points yet.

    Args:
        frames: Ascending time steps.
        origin: (4, 4) rigid scene-to-world; actors are posed in the scene.

    Raises:
        DataError: A track has two boxes at one time step.
    """
    tracks: dict[str, list[tuple[Frame, Box]]] = {}
    for frame in frames:
        for box in frame.boxes:
            if box.category in ACTORS:
                tracks.setdefault(box.track, []).append((frame, box))
    into = invert_rigid(origin)
    known = all(any(box.speed is not None for _, box in track) for track in tracks.values())
    return tuple(_actor(name, track, into) for name, track in tracks.items()), known


def _actor(name: str, track: list[tuple[Frame, Box]], into: Float) -> Actor:
    steps = np.array([frame.step for frame, _ in track], np.int64)
    if np.any(np.diff(steps) <= 0):
        where = track[int(np.argmax(np.diff(steps) <= 0)) + 1][0].where
        raise DataError("a track has two boxes at one time step", got=name, where=where)
    poses = np.stack([into @ box.pose for _, box in track])
    speeds = [box.speed for _, box in track if box.speed is not None]
    moving = max(speeds) > MOVING if speeds else _travelled(poses[:, :3, 3])
    size = np.mean([box.size for _, box in track], axis=0)
    points = [box.points for _, box in track if box.points is not None]
    # A time step without a number leaves the whole track without: a metric must not filter some of its boxes.
    counts = np.array(points, np.int64) if len(points) == len(track) else None
    return Actor(name, track[0][1].category, size, steps, poses, moving, counts=counts)


def _travelled(positions: Float) -> bool:
    distance = np.linalg.norm(positions[-1] - positions[0])
    return bool(distance > TRAVEL or positions.std(axis=0).max() > SPREAD)
