"""`street/<seed>` as a data set: a capture that knows the truth everywhere."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recgen_bench.datasets.street import store
from recgen_bench.datasets.street.cameras import HEIGHT, MOUNTS, WIDTH, ego_camera
from recgen_bench.datasets.street.layout import Layout, draw_layout
from recgen_bench.datasets.street.requests import (
    Kind,
    wanted_frames,
    wanted_seed,
    wanted_sensors,
    wanted_size,
)
from recgen_bench.datasets.street.road import END
from recgen_bench.datasets.street.scenery import KERB_HEIGHT
from recgen_bench.datasets.street.traffic import FRAMES, Track
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.scene import Actor, Camera, Capture, Depth, Image, Lane, Mask, Points, View, World

if TYPE_CHECKING:
    from recgen_bench.datasets.street.world import World as StreetWorld

STREET = Kind("street", tuple(MOUNTS), ("front",), (WIDTH, HEIGHT), FRAMES)
LANES_FROM = -20.0
"""Lane lines are given between this s and the end of the road, a point every 2 m."""


class Street:
    """The embedded driving world; needs no files and takes any non-negative integer as scene."""

    def scenes(self, source: Path | None) -> tuple[str, ...]:
        """Return the public test scenes, the seeds below 1000; any other non-negative integer opens too."""
        return tuple(str(seed) for seed in range(1000))

    def open(self, request: Request) -> Capture:
        """Return one world; `source` is not used, and pixels are rendered when a view is read.

        Raises:
            DataError: The scene is no non-negative integer, or there is no such camera, size or time step.
        """
        seed = wanted_seed(STREET, request.scene)
        sensors = wanted_sensors(STREET, request.cameras)
        size = wanted_size(STREET, request.resolution)
        frames = wanted_frames(STREET, request.first, request.count)
        layout = draw_layout(seed)
        oracle = StreetOracle(seed)
        views = []
        for frame in frames:
            for sensor in sensors:
                camera = ego_camera(layout, frame, sensor, size)
                views.append(oracle.view(f"{frame:06d}_{sensor}", camera))
        static, *seen = store.kept_points(store.points_path(seed), partial(_gather, seed))
        tracks = (*layout.moving, *layout.parked)
        clouds = (*seen, *(Points() for _ in layout.parked))
        counts = store.kept_counts(store.counts_path(seed), partial(_count, seed))
        actors = [
            _actor(layout, *each, moving=index < len(seen))
            for index, each in enumerate(zip(tracks, clouds, counts, strict=True))
        ]
        return Capture(
            "street",
            str(seed),
            tuple(views),
            static,
            tuple(actors),
            _lanes(layout),
            has_sky=True,
            world=World(unit="metre"),
            drivable=layout.drivable,
            oracle=oracle,
        )


class StreetOracle:
    """Ground truth of one world through any camera; `camera.frame` poses the moving actors.

    Args:
        seed: The world.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def view(self, name: str, camera: Camera) -> View:
        """Return the view through a camera; image and depth are rendered when read, then kept on disk."""
        image, depth = partial(self._image, camera), partial(self._depth, camera)
        return View(name, camera, image, None, depth, f"street/{self.seed} {name}")

    def paint(self, camera: Camera) -> Mask:
        """Return (H, W) bool, True where a camera sees lane paint at the centre of a pixel."""
        return _world(self.seed).paint(camera)

    def _image(self, camera: Camera) -> Image:
        path = store.entry(self.seed, camera, ".png")
        return store.kept_image(path, lambda: _world(self.seed).image(camera))

    def _depth(self, camera: Camera) -> Depth:
        path = store.entry(self.seed, camera, ".npy")
        return store.kept_depth(path, lambda: _world(self.seed).depth(camera))


def _world(seed: int) -> StreetWorld:
    from recgen_bench.datasets.street.world import build_world

    return build_world(seed)


def _gather(seed: int) -> tuple[Points, ...]:
    from recgen_bench.datasets.street.lidar import scan

    found = scan(_world(seed))
    return (found.static, *found.actors)


def _count(seed: int) -> NDArray[np.int64]:
    from recgen_bench.datasets.street.lidar import count_points

    world = _world(seed)
    return count_points(world, (*world.layout.moving, *world.layout.parked))


def _actor(layout: Layout, track: Track, points: Points, counts: NDArray[np.int64], *, moving: bool) -> Actor:
    frames = np.arange(FRAMES, dtype=np.int64)
    poses = np.stack([track.pose(layout.bend, int(frame)) for frame in frames])
    return Actor(track.name, track.category, track.size, frames, poses, moving, points, counts)


def _lanes(layout: Layout) -> tuple[Lane, ...]:
    """Return the painted lines along the road and the kerbs as polylines."""
    s = np.arange(LANES_FROM, END, 2.0)
    road = layout.road
    lines = [(stripe.t, 0.0, stripe.kind) for stripe in road.stripes if stripe.kind]
    lines += [(t, KERB_HEIGHT, "kerb") for t in (road.right, road.left)]
    lanes = []
    for t, z, kind in lines:
        x, y, _ = layout.bend.at(s, t)
        lanes.append(Lane(np.stack([x, y, np.full_like(x, z)], -1), kind))
    return tuple(lanes)
