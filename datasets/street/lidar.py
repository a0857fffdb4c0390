"""Points as a laser scanner on the vehicle's roof would gather them, with the colours of what they hit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recgen_bench.datasets.street.cameras import FOCAL, ego_pose
from recgen_bench.datasets.street.light import encode
from recgen_bench.datasets.street.textures import stream
from recgen_bench.datasets.street.tracing import STATIC
from recgen_bench.datasets.street.traffic import FRAMES, Track
from recgen_bench.datasets.street.world import World
from recgen_bench.harness.scene import Points, invert_rigid

MOUNT = (1.2, 0.0, 2.0)
"""Scanner in vehicle axes, metres."""
RANGE = 75.0
CLEARANCE = 0.05
"""Metres by which a box is inflated when points are counted in it, and of ground it leaves out."""
NOISE = 0.02
"""Standard deviation of the measured range in metres."""
BEAMS, STEPS = 38, 31
"""Scan lines, and directions along each of them per frame."""
LOWEST, HIGHEST, BREADTH = -28.0, 26.0, 95.0
"""Degrees below and above the horizon, and to either side of the heading."""

TOP_LINES, TOP_COLUMNS, TOP_WEIGHT = 32, 1325, 4
TOP_LOWEST, TOP_HIGHEST = -17.6, 2.4
"""The scanner that counts points: the field in degrees, and every second line and column, of the top lidar of
the Waymo Open Dataset, so that each point stands for four."""


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """What the scanner gathered over all frames: static points in the world, others in their actor's box."""

    static: Points
    actors: tuple[Points, ...]


def scan(world: World) -> Scan:
    """Return the coloured points of all frames.

    A point has the colour of the surface it hit, filtered over the footprint of one camera pixel: surfaces
    look the same from everywhere in these worlds, so this is what the training images show there.
    """
    rng = stream(world.layout.seed, "lidar")
    gathered = [_sweep(world, frame, rng) for frame in range(FRAMES)]
    xyz, rgb, owner = (np.concatenate(parts) for parts in zip(*gathered, strict=True))
    actors = tuple(
        Points(xyz[owner == index], rgb[owner == index]) for index in range(len(world.layout.moving))
    )
    return Scan(Points(xyz[owner == STATIC], rgb[owner == STATIC]), actors)


def count_points(world: World, actors: Sequence[Track]) -> NDArray[np.int64]:
    """Return (A, FRAMES) how many points a dense scanner on the roof would have in each actor's box.

    Its directions are regular and its ranges exact; only those that may meet an actor are traced. What stands
    before an actor, moving or not, takes its points away.

    Args:
        world: With these actors in it.
        actors: Moving or parked.
    """
    turn = (np.arange(TOP_COLUMNS) + 0.5) / TOP_COLUMNS * 2 * np.pi - np.pi
    lines = np.radians(np.linspace(TOP_LOWEST, TOP_HIGHEST, TOP_LINES))
    counts = np.zeros((len(actors), FRAMES), np.int64)
    for frame in range(FRAMES):
        ego = ego_pose(world.layout, frame)
        origin = (ego[:3, :3] * np.array(MOUNT)).sum(1) + ego[:3, 3]
        poses = [actor.pose(world.layout.bend, frame) for actor in actors]
        windows = [
            _window(pose, actor.size, (ego, origin), (lines, turn))
            for pose, actor in zip(poses, actors, strict=True)
        ]
        wanted = np.any(windows, axis=0) if windows else np.zeros((TOP_LINES, TOP_COLUMNS), bool)
        if not wanted.any():
            continue
        line, column = np.nonzero(wanted)
        level = np.cos(lines[line])
        local = np.stack(
            [level * np.cos(turn[column]), level * np.sin(turn[column]), np.sin(lines[line])], -1
        )
        directions = np.einsum("ni,ji->nj", local, ego[:3, :3]).astype(np.float32)
        hits = world.tracer.first(origin, directions, world.poses(frame))
        met = (hits.face >= 0) & (hits.distance < RANGE)
        places = origin + np.where(met, hits.distance, 0)[:, None] * directions.astype(np.float64)
        for index, (actor, pose, window) in enumerate(zip(actors, poses, windows, strict=True)):
            rows = np.flatnonzero(met & window[line, column])
            back = invert_rigid(pose)
            inside = np.einsum("ni,ji->nj", places[rows], back[:3, :3]) + back[:3, 3]
            # The ground under a box belongs to nobody.
            above = inside[:, 2] > CLEARANCE - actor.size[2] / 2
            within = (np.abs(inside) < actor.size / 2 + CLEARANCE).all(1)
            counts[index, frame] = TOP_WEIGHT * int((within & above).sum())
    return counts


def _window(
    pose: NDArray, size: NDArray, eye: tuple[NDArray, NDArray], grid: tuple[NDArray, NDArray]
) -> NDArray[np.bool_]:
    """Return (lines, columns) True for the directions of a scanner between the outermost corners of a box."""
    (ego, origin), (lines, turn) = eye, grid
    signs = np.array(np.meshgrid((-1, 1), (-1, 1), (-1, 1))).reshape(3, 8).T
    corners = np.einsum("ni,ji->nj", signs * (size / 2), pose[:3, :3]) + pose[:3, 3] - origin
    local = np.einsum("ni,ij->nj", corners, ego[:3, :3])
    distance = np.linalg.norm(local[:, :2], axis=1)
    if distance.min() > RANGE:
        return np.zeros((len(lines), len(turn)), bool)
    aside, up = np.arctan2(local[:, 1], local[:, 0]), np.arctan2(local[:, 2], distance)
    columns = (turn >= aside.min()) & (turn <= aside.max())
    # A box across the half turn behind the vehicle has corners at both ends; the scanner sees it from both.
    if aside.max() - aside.min() > np.pi:
        columns = (turn <= aside[aside < 0].max()) | (turn >= aside[aside > 0].min())
    rows = (lines >= up.min()) & (lines <= up.max())
    return rows[:, None] & columns[None]


def _sweep(world: World, frame: int, rng: np.random.Generator) -> tuple[NDArray, NDArray, NDArray]:
    """Return (N, 3) places, (N, 3) colours and (N,) owners of one frame's points."""
    spread = np.linspace(-1, 1, BEAMS)
    # Scan lines lie closer together near the horizon, and their points ahead, where distant things are.
    spread = np.sign(spread) * np.abs(spread) ** 1.1
    lines = np.radians(np.where(spread < 0, -LOWEST, HIGHEST) * spread)
    elevation = lines[:, None] + rng.normal(0, 0.002, (BEAMS, STEPS))
    turn = np.linspace(-BREADTH, BREADTH, STEPS, endpoint=False)[None, :]
    turn = (turn + rng.uniform(0, 2 * BREADTH / STEPS, (BEAMS, STEPS))) / BREADTH
    turn = np.radians(BREADTH * np.sign(turn) * np.abs(turn) ** 1.4)
    level = np.cos(elevation)
    local = np.stack([level * np.cos(turn), level * np.sin(turn), np.sin(elevation)], -1).reshape(-1, 3)
    ego = ego_pose(world.layout, frame)
    directions = np.einsum("ni,ji->nj", local, ego[:3, :3]).astype(np.float32)
    origin = (ego[:3, :3] * np.array(MOUNT)).sum(1) + ego[:3, 3]
    poses = world.poses(frame)
    radiance, hits = world.renderer.colours(origin, directions, poses, 1 / FOCAL)
    distance = np.where(hits.face >= 0, hits.distance, 0) + rng.normal(0, NOISE, len(directions))
    seen = (hits.face >= 0) & (hits.distance < RANGE)
    xyz = origin + np.where(seen, distance, 0)[:, None] * directions.astype(np.float64)
    for index, pose in enumerate(poses):
        own = hits.owner == index
        back = invert_rigid(pose)
        xyz[own] = np.einsum("ni,ji->nj", xyz[own], back[:3, :3]) + back[:3, 3]
    return xyz[seen], encode(radiance[seen]), hits.owner[seen]
