"""Points as structure from motion with depth would find them: on what the cameras see, a little off."""

from __future__ import annotations

import numpy as np

from recgen_bench.datasets.room.path import FOCAL, FRAMES, HEIGHT, WIDTH, path_camera
from recgen_bench.datasets.room.world import World
from recgen_bench.datasets.street.light import encode
from recgen_bench.datasets.street.render import rays
from recgen_bench.datasets.street.textures import stream
from recgen_bench.harness.scene import Points

PER_VIEW = 420
"""Points that each view contributes."""
NOISE, SPREAD = 0.004, 0.002
"""Standard deviation of the measured distance: metres, and metres more for each metre of distance."""


def gather_points(world: World) -> Points:
    """Return the coloured points of all views; a colour is that of the surface over one pixel's footprint."""
    rng = stream(world.layout.seed, "points")
    xyz, rgb = [], []
    for frame in range(FRAMES):
        camera = path_camera(world.layout.path, frame)
        directions = rays(camera, rng.uniform(0, WIDTH, PER_VIEW), rng.uniform(0, HEIGHT, PER_VIEW))
        radiance, hits = world.colours(camera.centre, directions, 1 / FOCAL)
        error = rng.normal(0, 1, PER_VIEW)
        seen = hits.face >= 0
        distance = np.where(seen, hits.distance, 0).astype(np.float64)
        distance += error * (NOISE + SPREAD * distance)
        xyz.append((camera.centre + distance[:, None] * directions.astype(np.float64))[seen])
        rgb.append(encode(radiance)[seen])
    return Points(np.concatenate(xyz), np.concatenate(rgb))
