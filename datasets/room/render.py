"""Pictures of a room: baked light times filtered textures, and the sun's sharp patches on top."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recgen_bench.datasets.street.pyramid import Pyramid
from recgen_bench.datasets.street.render import Caster
from recgen_bench.datasets.street.tracing import Hits, Tracer

Single = NDArray[np.float32]

STEEPEST = 0.05
"""Smallest cosine between ray and normal that widens the footprint of a sample."""


class RoomRenderer(Caster):
    """Renders one room through any pinhole camera.

    Args:
        tracer: Everything that is seen; the tint is albedo times baked light, or radiance where unlit.
        solid: What keeps the sun out.
        textures: Textures by material.
        sun: (F, 3, 3) albedo per corner, 0 on what the sun does not light, the (3,) direction towards
            the sun and its (3,) light on a surface that faces it.
    """

    def __init__(
        self, tracer: Tracer, solid: Tracer, textures: Pyramid, sun: tuple[Single, Single, Single]
    ) -> None:
        super().__init__(tracer)
        self._solid = solid
        self._textures = textures
        self._albedo, self._sun, self._sunlight = sun

    def colours(
        self, origin: NDArray, directions: Single, poses: NDArray, cone: float
    ) -> tuple[Single, Hits]:
        """Return the (N, 3) linear radiance along rays of a cone of this width in radians, and their hits."""
        hits = self._tracer.first(origin, directions, poses)
        colour = np.zeros((len(directions), 3), np.float32)
        rows = np.flatnonzero(hits.face >= 0)
        values = self._interpolate(hits, rows)
        normals, tint = values[:, 2:5], values[:, 5:]
        facing = (normals * directions[rows]).sum(1)
        distance = hits.distance[rows]
        wide = distance * cone / np.sqrt(np.maximum(np.abs(facing), STEEPEST))
        texture = self._textures.sample(self._material[hits.face[rows]], values[:, :2], wide)
        if self._sunlight.any():
            places = origin.astype(np.float32) + distance[:, None] * directions[rows]
            tint = tint + self._sunshine(hits, rows, places, normals)
        colour[rows] = texture * tint
        return colour, hits

    def _sunshine(self, hits: Hits, rows: NDArray, places: Single, normals: Single) -> Single:
        """Return the (R, 3) light that the sun adds at hits, times their albedo."""
        added = np.zeros((len(rows), 3), np.float32)
        facing = (normals * self._sun).sum(1)
        albedo = self._albedo[hits.face[rows], 0]
        sunny = np.flatnonzero((facing > 0) & (albedo.sum(1) > 0))
        start = places[sunny] + 0.01 * normals[sunny]
        lit = ~self._solid.blocked(start, self._sun, np.zeros((0, 4, 4)))
        added[sunny] = (facing[sunny] * lit)[:, None] * albedo[sunny] * self._sunlight
        return added
