"""`room/<seed>` as a data set: an indoor capture that knows the truth everywhere."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from recgen_bench.datasets.room import store
from recgen_bench.datasets.room.layout import draw_layout
from recgen_bench.datasets.room.path import FRAMES, HEIGHT, SENSOR, WIDTH, path_camera
from recgen_bench.datasets.street.requests import (
    Kind,
    wanted_frames,
    wanted_seed,
    wanted_sensors,
    wanted_size,
)
from recgen_bench.datasets.street.store import kept_depth, kept_image, kept_points
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.scene import Camera, Capture, Depth, Image, Points, View
from recgen_bench.harness.scene import World as Units

if TYPE_CHECKING:
    from recgen_bench.datasets.room.world import World

ROOM = Kind("room", (SENSOR,), (SENSOR,), (WIDTH, HEIGHT), FRAMES)


class Room:
    """The embedded indoor world; needs no files and takes any non-negative integer as scene."""

    def scenes(self, source: Path | None) -> tuple[str, ...]:
        """Return the public test scenes, the seeds below 1000; any other non-negative integer opens too."""
        return tuple(str(seed) for seed in range(1000))

    def open(self, request: Request) -> Capture:
        """Return one room; `source` is not used, and pixels are rendered when a view is read.

        Raises:
            DataError: The scene is no non-negative integer, or there is no such camera, size or time step.
        """
        seed = wanted_seed(ROOM, request.scene)
        wanted_sensors(ROOM, request.cameras)
        size = wanted_size(ROOM, request.resolution)
        frames = wanted_frames(ROOM, request.first, request.count)
        path = draw_layout(seed).path
        oracle = RoomOracle(seed)
        views = [oracle.view(f"{frame:06d}", path_camera(path, frame, size)) for frame in frames]
        (points,) = kept_points(store.points_path(seed), partial(_gather, seed))
        return Capture("room", str(seed), tuple(views), points, world=Units(unit="metre"), oracle=oracle)


class RoomOracle:
    """Ground truth of one room through any camera.

    Args:
        seed: The room.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def view(self, name: str, camera: Camera) -> View:
        """Return the view through a camera; image and depth are rendered when read, then kept on disk."""
        image, depth = partial(self._image, camera), partial(self._depth, camera)
        return View(name, camera, image, None, depth, f"room/{self.seed} {name}")

    def _image(self, camera: Camera) -> Image:
        return kept_image(store.entry(self.seed, camera, ".png"), lambda: _world(self.seed).image(camera))

    def _depth(self, camera: Camera) -> Depth:
        return kept_depth(store.entry(self.seed, camera, ".npy"), lambda: _world(self.seed).depth(camera))


def _world(seed: int) -> World:
    from recgen_bench.datasets.room.world import build_world

    return build_world(seed)


def _gather(seed: int) -> tuple[Points, ...]:
    from recgen_bench.datasets.room.points import gather_points

    return (gather_points(_world(seed)),)
