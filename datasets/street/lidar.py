"""Points as a laser scanner on the vehicle's roof would gather them, with the colours of what they hit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recgen_bench.datasets.street.cameras import FOCAL, ego_pose
from recgen_bench.datasets.street.light import encode
from recgen_bench.datasets.street.textures import stream
from recgen_bench.datasets.street.tracing import STATIC
from recgen_bench.datasets.street.traffic import FRAMES
from recgen_bench.datasets.street.world import World
from recgen_bench.harness.scene import Points, invert_rigid

MOUNT = (1.2, 0.0, 2.0)
"""Scanner in vehicle axes, metres."""
RANGE = 75.0
NOISE = 0.02
"""Standard deviation of the measured range in metres."""
BEAMS, STEPS = 38, 31
"""Scan lines, and directions along each of them per frame."""
LOWEST, HIGHEST, BREADTH = -28.0, 26.0, 95.0
"""Degrees below and above the horizon, and to either side of the heading."""


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
