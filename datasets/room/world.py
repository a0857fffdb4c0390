"""One built room: ground truth through any camera."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from recgen_bench.datasets.room import store
from recgen_bench.datasets.room.baking import Lamps, Pane, bake, refine
from recgen_bench.datasets.room.layout import Layout, draw_layout, wall_pose
from recgen_bench.datasets.room.palette import draw_palette
from recgen_bench.datasets.room.render import RoomRenderer
from recgen_bench.datasets.room.shell import build_outside, build_room
from recgen_bench.datasets.room.surfaces import UNLIT, Surface, room_textures
from recgen_bench.datasets.street.shapes import Mesh, join
from recgen_bench.datasets.street.store import kept_depth
from recgen_bench.datasets.street.textures import stream
from recgen_bench.datasets.street.tracing import Hits, Tracer
from recgen_bench.harness.scene import Camera, Depth, Image

Single = NDArray[np.float32]

STILL = np.zeros((0, 4, 4))
"""Poses of the moving actors: a room has none."""


class World:
    """A room of one seed with everything built and lit; the light is kept on disk.

    Args:
        seed: Any non-negative integer.
    """

    def __init__(self, seed: int) -> None:
        self.layout: Layout = draw_layout(seed)
        rng = stream(seed, "surfaces")
        palette = draw_palette(rng)
        room = refine(build_room(self.layout, palette))
        solid = _tracer(_only(room, room.material != Surface.GLOW))
        lamps = draw_lamps(self.layout)
        light = kept_depth(store.light_path(seed), lambda: bake(room, solid, lamps))
        lit = ~np.isin(room.material, UNLIT)
        tint = np.where(lit[:, None, None], room.tint * light, room.tint).astype(np.float32)
        tracer = _tracer(join([replace(room, tint=tint), build_outside()]))
        albedo = np.concatenate([room.tint, np.zeros((len(tracer.mesh) - len(room), 3, 3), np.float32)])
        self.mesh = room
        self.renderer = RoomRenderer(
            tracer, solid, room_textures(rng, palette), (albedo, *draw_sun(self.layout))
        )

    def image(self, camera: Camera) -> Image:
        """Return the (H, W, 3) uint8 sRGB picture, anti-aliased."""
        return self.renderer.image(camera, STILL)

    def depth(self, camera: Camera) -> Depth:
        """Return the (H, W) float32 z-depth at pixel centres in metres."""
        return self.renderer.depth(camera, STILL)

    def colours(self, origin: NDArray, directions: Single, cone: float) -> tuple[Single, Hits]:
        """Return the (N, 3) linear radiance along rays of a cone of this width in radians, and their hits."""
        return self.renderer.colours(origin, directions, STILL, cone)


def draw_lamps(layout: Layout) -> Lamps:
    """Return the lamps and windows of a room, from a grey morning to an evening with the lamps on."""
    rng = stream(layout.seed, "light")
    day, lamp = rng.uniform(3.0, 6.0), rng.uniform(0.15, 0.5)
    sky = np.array([0.92, 0.98, 1.06], np.float32) ** np.float32(rng.uniform(0.2, 1.2))
    warm = np.array([1.1, 0.98, 0.78], np.float32) ** np.float32(rng.uniform(0.5, 1.1))
    panes = []
    for hole in layout.windows:
        pose = wall_pose(layout.size, hole.wall)
        middle = np.array([(hole.left + hole.right) / 2, -0.05, (hole.bottom + hole.top) / 2])
        across = pose[:3, 0] * (hole.right - hole.left) / 2
        up = np.array([0, 0, (hole.top - hole.bottom) / 2])
        place = pose[:3, :3] @ middle + pose[:3, 3]
        panes.append(Pane(place, across, up, pose[:3, 1], (day * sky).astype(np.float32)))
    bulbs = [(0.0, 0.0, layout.size[2] - 0.4)]
    for item in layout.items:
        if item.kind == "lamp":
            x, y = item.pose[:2, :2] @ [0, item.size[1] / 2] + item.pose[:2, 3]
            bulbs.append((float(x), float(y), 1.5))
    filling = 0.3 * (sky + warm) / 2 * rng.uniform(0.9, 1.2)
    return Lamps(
        tuple(panes),
        np.array(bulbs),
        (lamp * warm).astype(np.float32),
        filling.astype(np.float32),
        (filling * np.array([0.85, 0.75, 0.64])).astype(np.float32),
    )


def draw_sun(layout: Layout) -> tuple[Single, Single]:
    """Return the unit direction towards the sun, which shines in through the first window, and its light."""
    rng = stream(layout.seed, "sun")
    outward = -wall_pose(layout.size, layout.windows[0].wall)[:2, 1]
    azimuth = np.arctan2(outward[1], outward[0]) + rng.uniform(-0.7, 0.7)
    elevation = np.radians(rng.uniform(25, 48))
    level = np.cos(elevation)
    sun = np.array([level * np.cos(azimuth), level * np.sin(azimuth), np.sin(elevation)], np.float32)
    strength = 0.0 if rng.random() < 0.35 else rng.uniform(0.5, 1.0)
    return sun, (strength * np.array([1.0, 0.92, 0.78])).astype(np.float32)


def _tracer(mesh: Mesh) -> Tracer:
    return Tracer(mesh, [], np.zeros((0, 3)))


def _only(mesh: Mesh, rows: NDArray) -> Mesh:
    return Mesh(mesh.corners[rows], mesh.uv[rows], mesh.normals[rows], mesh.tint[rows], mesh.material[rows])


@lru_cache(maxsize=2)
def build_world(seed: int) -> World:
    """Return the world of a seed; the last two are kept."""
    return World(seed)
