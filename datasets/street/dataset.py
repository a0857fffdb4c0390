"""`street/<seed>` as a data set: a capture that knows the truth everywhere."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recgen_bench.datasets.street import store
from recgen_bench.datasets.street.cameras import HEIGHT, MOUNTS, WIDTH, ego_camera
from recgen_bench.datasets.street.layout import Layout, draw_layout
from recgen_bench.datasets.street.road import END
from recgen_bench.datasets.street.scenery import KERB_HEIGHT
from recgen_bench.datasets.street.traffic import FRAMES, Track
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError, did_you_mean
from recgen_bench.harness.protocol import Resolution
from recgen_bench.harness.scene import Actor, Camera, Capture, Depth, Image, Lane, Points, View, World

if TYPE_CHECKING:
    from recgen_bench.datasets.street.world import World as StreetWorld

SEED = re.compile(r"0|[1-9][0-9]{0,79}")
LARGEST = 8192
"""Pixels along either side of an image; more is a slip of the keyboard."""
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
        seed = _seed(request.scene)
        sensors = _sensors(request.cameras)
        size = _size(request.resolution)
        frames = _frames(request.first, request.count)
        layout = draw_layout(seed)
        oracle = StreetOracle(seed)
        views = []
        for frame in frames:
            for sensor in sensors:
                camera = ego_camera(layout, frame, sensor, size)
                views.append(oracle.view(f"{frame:06d}_{sensor}", camera))
        static, *seen = store.kept_points(seed, partial(_gather, seed))
        moving = zip(layout.moving, seen, strict=True)
        actors = [_actor(layout, track, True, points) for track, points in moving]
        actors += [_actor(layout, track, False, Points()) for track in layout.parked]
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


def _seed(scene: str | None) -> int:
    if scene is None or not SEED.fullmatch(scene):
        hint = "write street/0, or any other integer; seeds from 1000 to 1999 train the priors"
        expected = "a non-negative integer of at most 80 digits, without leading zeros"
        raise DataError("not a scene of the street worlds", got=repr(scene), expected=expected, hint=hint)
    return int(scene)


def _sensors(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the requested sensors in the order of `MOUNTS`, the front camera when none is named."""
    for name in names:
        if name not in MOUNTS:
            raise DataError("the street has no such camera", got=repr(name), hint=did_you_mean(name, MOUNTS))
    if len(set(names)) < len(names):
        raise DataError("a camera is asked for twice", got=", ".join(names), expected="each name once")
    return tuple(name for name in MOUNTS if name in names) or ("front",)


def _size(resolution: Resolution) -> tuple[int, int]:
    """Return width and height in pixels; any aspect ratio can be rendered."""
    width, height, downscale = resolution.width, resolution.height, resolution.downscale
    if resolution.filter != "area":
        hint = "worlds are rendered at the requested size, each pixel averaged over its area"
        raise DataError("the street has one filter", got=repr(resolution.filter), expected="area", hint=hint)
    if (width is None) != (height is None) or (width is not None and downscale is not None):
        got = f"downscale {downscale}, width {width}, height {height}"
        raise DataError("the size is not clear", got=got, expected="downscale alone, or width and height")
    if width is None or height is None:
        factor = 1.0 if downscale is None else downscale
        if not (np.isfinite(factor) and factor > 0):
            raise DataError("the downscale must be a positive number", got=downscale)
        width, height = (int(min(full / factor, 2.0 * LARGEST)) for full in (WIDTH, HEIGHT))
    if min(width, height) < 1 or max(width, height) > LARGEST:
        expected = f"1 to {LARGEST} pixels along either side"
        raise DataError("the image size is out of range", got=f"{width}x{height}", expected=expected)
    return width, height


def _frames(first: int, count: int | None) -> range:
    """Return the requested time steps."""
    last = FRAMES if count is None else first + count
    if first < 0 or last > FRAMES or last <= first:
        got = f"first {first}, count {count}"
        expected = f"at least one time step between 0 and {FRAMES - 1}"
        raise DataError("a time step does not exist", got=got, expected=expected)
    return range(first, last)


def _actor(layout: Layout, track: Track, moving: bool, points: Points) -> Actor:
    frames = np.arange(FRAMES, dtype=np.int64)
    poses = np.stack([track.pose(layout.bend, int(frame)) for frame in frames])
    return Actor(track.name, track.category, track.size, frames, poses, moving, points)


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
