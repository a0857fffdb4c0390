"""One built street: ground truth through any camera."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from recgen_bench.datasets.street import scenery
from recgen_bench.datasets.street.facades import draw_styles, facade_textures
from recgen_bench.datasets.street.layout import Layout, draw_layout
from recgen_bench.datasets.street.light import Sky, draw_light
from recgen_bench.datasets.street.pyramid import Pyramid
from recgen_bench.datasets.street.render import Look, Renderer, ground_pyramid
from recgen_bench.datasets.street.textures import TILE, base_textures, stream
from recgen_bench.datasets.street.tracing import Tracer
from recgen_bench.harness.scene import Camera, Depth, Image, Mask


class World:
    """A street of one seed with everything drawn, built in about a second.

    Args:
        seed: Any non-negative integer.
    """

    def __init__(self, seed: int) -> None:
        self.layout: Layout = draw_layout(seed)
        rng = stream(seed, "textures")
        styles = draw_styles(rng)
        pictures, tiles = facade_textures(rng, styles)
        tile = [(metres, metres) for metres in TILE.values()] + tiles
        textures = Pyramid(base_textures(rng) + pictures, np.array(tile), 9)
        static = scenery.build_static(self.layout, styles)
        moving = self.layout.moving
        sizes = np.array([track.size for track in moving]).reshape(-1, 3)
        self.tracer = Tracer(static, [scenery.build_actor(track) for track in moving], sizes)
        light = draw_light(seed)
        ground = ground_pyramid(scenery.ground_map(self.layout))
        look = Look(textures, ground, self.layout.road.stripes, light, Sky(light, seed), sizes)
        self.renderer = Renderer(self.tracer, look)

    def poses(self, frame: int) -> NDArray[np.float64]:
        """Return the (A, 4, 4) box-to-world poses of the moving actors at any time step."""
        poses = [track.pose(self.layout.bend, frame) for track in self.layout.moving]
        return np.stack(poses) if poses else np.zeros((0, 4, 4))

    def image(self, camera: Camera) -> Image:
        """Return the (H, W, 3) uint8 sRGB picture, anti-aliased."""
        return self.renderer.image(camera, self.poses(camera.frame))

    def depth(self, camera: Camera) -> Depth:
        """Return the (H, W) float32 z-depth at pixel centres in metres, 0 for the sky."""
        return self.renderer.depth(camera, self.poses(camera.frame))

    def paint(self, camera: Camera) -> Mask:
        """Return (H, W) True where the ray through a pixel centre ends on lane paint."""
        return self.renderer.paint(camera, self.poses(camera.frame))

    def actors(self, camera: Camera) -> NDArray[np.int32]:
        """Return (H, W) the index of the moving actor in the layout at each pixel centre, -1 elsewhere."""
        return self.renderer.owners(camera, self.poses(camera.frame))


@lru_cache(maxsize=2)
def build_world(seed: int) -> World:
    """Return the world of a seed; the last two are kept."""
    return World(seed)
