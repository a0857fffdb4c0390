"""Pictures of a world: rays, filtered textures, sun and sky, and more rays where a pixel is not plain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recgen_bench.datasets.street.light import Light, Sky, encode
from recgen_bench.datasets.street.pyramid import Pyramid
from recgen_bench.datasets.street.road import BEGIN, Stripe, coverage
from recgen_bench.datasets.street.scenery import CELL, MAP_LENGTH, MAP_WIDTH
from recgen_bench.datasets.street.textures import Material
from recgen_bench.datasets.street.tracing import STATIC, Hits, Tracer
from recgen_bench.harness.scene import Camera

Single = NDArray[np.float32]

WHITE_PAINT = np.array([0.54, 0.54, 0.51], np.float32)
YELLOW_PAINT = np.array([0.54, 0.36, 0.08], np.float32)
FLAT = (Material.ASPHALT, Material.PAVING, Material.GRASS)
"""Materials whose uv are street coordinates, so that the ground map and the paint apply."""
REFINE = 0.08
"""Spread of display brightness within a pixel's neighbourhood above which it gets more rays."""
COARSE, DENSE = 2, 3
"""Rays along each side of a plain and of a refined pixel."""
BLOCK = 1 << 17
"""Rays that are shaded together."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Everything about surfaces that is not geometry."""

    textures: Pyramid
    ground: Pyramid
    stripes: tuple[Stripe, ...]
    light: Light
    sky: Sky
    sizes: NDArray[np.float64]
    """(A, 3) boxes of the moving actors."""


class Caster:
    """Casts the rays of pinhole cameras into a world; how surfaces look is left to the class of the world.

    Args:
        tracer: The meshes.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        mesh = tracer.mesh
        # One row per face, so that a hit costs one gather instead of four.
        self._corners = np.concatenate([mesh.uv, mesh.normals, mesh.tint], 2).reshape(len(mesh), 24)
        self._material = mesh.material

    def colours(
        self, origin: NDArray, directions: Single, poses: NDArray, cone: float
    ) -> tuple[Single, Hits]:
        """Return the (N, 3) linear radiance along rays of a cone of this width in radians, and their hits."""
        raise NotImplementedError

    def image(self, camera: Camera, poses: NDArray) -> NDArray[np.uint8]:
        """Return the (H, W, 3) sRGB picture with the actors at (A, 4, 4) poses."""
        width, height = camera.width, camera.height
        y, x = (grid.ravel() for grid in np.mgrid[:height, :width])
        pixels = self._pixels(camera, poses, (x, y), COARSE)
        # Display brightness is about the square root of light; green stands for all three channels.
        value = np.sqrt(np.clip(pixels[:, :, 1], 0, 1)).reshape(height, width, -1)
        low = _around(_fold(value, np.minimum), np.minimum)
        high = _around(_fold(value, np.maximum), np.maximum)
        rough = np.flatnonzero((high - low > REFINE).ravel())
        result = _mean(pixels)
        result[rough] = _mean(self._pixels(camera, poses, (x[rough], y[rough]), DENSE))
        return encode(result).reshape(height, width, 3)

    def depth(self, camera: Camera, poses: NDArray) -> Single:
        """Return the (H, W) z-depth at pixel centres in metres, 0 where the sky is seen."""
        hits, directions = self._centres(camera, poses)
        forward = camera.c2w[:3, 2].astype(np.float32)
        met = hits.face >= 0
        z = np.where(met, hits.distance, 0) * _dots(directions, forward[None])
        return z.astype(np.float32).reshape(camera.height, camera.width)

    def owners(self, camera: Camera, poses: NDArray) -> NDArray[np.int32]:
        """Return (H, W) the index of the moving actor at each pixel centre, -1 elsewhere."""
        return self._centres(camera, poses)[0].owner.reshape(camera.height, camera.width)

    def _pixels(self, camera: Camera, poses: NDArray, at: tuple[NDArray, NDArray], side: int) -> Single:
        """Return (P, side², 3) radiance at a grid of samples in each of P pixels."""
        offset = (np.arange(side) + 0.5) / side
        cone = 1 / (side * float(np.sqrt(camera.K[0, 0] * camera.K[1, 1])))
        parts = []
        # Blocks bound the memory of large pictures; they do not change the result.
        for start in range(0, len(at[0]), max(BLOCK // side**2, 1)):
            block = slice(start, start + max(BLOCK // side**2, 1))
            x = np.repeat((at[0][block, None] + offset)[:, None, :], side, 1)
            y = np.repeat((at[1][block, None] + offset)[:, :, None], side, 2)
            directions = rays(camera, x.ravel(), y.ravel())
            colour, _ = self.colours(camera.centre, directions, poses, cone)
            parts.append(np.minimum(colour, 1.5).reshape(-1, side * side, 3))
        return np.concatenate(parts) if parts else np.zeros((0, side * side, 3), np.float32)

    def _centres(self, camera: Camera, poses: NDArray) -> tuple[Hits, Single]:
        y, x = (grid.ravel() + 0.5 for grid in np.mgrid[: camera.height, : camera.width])
        directions = rays(camera, x, y)
        return self._tracer.first(camera.centre, directions, poses), directions

    def _interpolate(self, hits: Hits, rows: NDArray) -> Single:
        """Return (R, 8) uv, normal and tint at hits."""
        packed = self._corners[hits.face[rows]]
        u, v = hits.weights[rows, 0:1], hits.weights[rows, 1:2]
        return packed[:, :8] * (1 - u - v) + packed[:, 8:16] * u + packed[:, 16:] * v


class Renderer(Caster):
    """Renders one street through any pinhole camera."""

    def __init__(self, tracer: Tracer, look: Look) -> None:
        super().__init__(tracer)
        self._look = look

    def colours(
        self, origin: NDArray, directions: Single, poses: NDArray, cone: float
    ) -> tuple[Single, Hits]:
        """Return the (N, 3) linear radiance along rays of a cone of this width in radians, and their hits."""
        hits = self._tracer.first(origin, directions, poses)
        colour = np.empty((len(directions), 3), np.float32)
        missed = np.flatnonzero(hits.face < 0)
        colour[missed] = self._look.sky.radiance(directions[missed])
        rows = np.flatnonzero(hits.face >= 0)
        colour[rows] = self._shade(hits, rows, (origin.astype(np.float32), directions[rows], cone), poses)
        return colour, hits

    def paint(self, camera: Camera, poses: NDArray) -> NDArray[np.bool_]:
        """Return (H, W) True where the ray through a pixel centre ends on lane paint."""
        hits, _ = self._centres(camera, poses)
        mask = np.zeros(len(hits.face), bool)
        rows = np.flatnonzero((hits.face >= 0) & (self._material[hits.face] == Material.ASPHALT))
        uv = self._interpolate(hits, rows)[:, :2]
        # Positions along the street are float32: a smaller footprint would be lost beside them.
        bare = np.full((len(rows), 2), 0.01, np.float32)
        mask[rows] = coverage(self._look.stripes, uv, bare).sum(1) > 0.5
        return mask.reshape(camera.height, camera.width)

    def _shade(self, hits: Hits, rows: NDArray, ray: tuple[Single, Single, float], poses: NDArray) -> Single:
        """Return (R, 3) radiance of surfaces towards the eye."""
        origin, directions, cone = ray
        look, light = self._look, self._look.light
        values = self._interpolate(hits, rows)
        uv, normals, tint = values[:, :2], values[:, 2:5].copy(), values[:, 5:]
        owner = hits.owner[rows]
        for index, pose in enumerate(poses):
            own = np.flatnonzero(owner == index)
            normals[own] = np.einsum("ni,ji->nj", normals[own], pose[:3, :3].astype(np.float32))
        length = np.sqrt(_dots(normals, normals))
        facing = _dots(normals, directions) / np.maximum(length, 1e-6)
        normals *= (-np.sign(facing) / np.maximum(length, 1e-6))[:, None]
        steep = np.maximum(np.abs(facing), 0.02)
        distance = hits.distance[rows]
        places = origin + distance[:, None] * directions
        material = self._material[hits.face[rows]]
        albedo = look.textures.sample(material, uv, distance * cone / np.sqrt(steep)) * tint
        ambient = light.ambient(normals)
        flat = np.flatnonzero(np.isin(material, FLAT) & (owner == STATIC))
        footprint = distance[flat] * cone, distance[flat] * cone / steep[flat]
        albedo[flat], open_ = self._ground(
            uv[flat], material[flat], albedo[flat], (directions[flat], *footprint)
        )
        ambient[flat] *= (open_ * self._beneath(places[flat], poses))[:, None]
        facing_sun = _dots(normals, light.sun[None])
        sunny = np.flatnonzero(facing_sun > 0)
        start = places[sunny] + 0.02 * normals[sunny]
        lit = ~self._tracer.blocked(start, light.sun, poses)
        total = ambient
        total[sunny] += (facing_sun[sunny] * lit)[:, None] * light.sunlight
        fog = (1 - np.exp(-distance / light.haze))[:, None]
        return albedo * total * (1 - fog) + light.horizon * fog

    def _ground(
        self, st: Single, material: NDArray, albedo: Single, view: tuple[Single, Single, Single]
    ) -> tuple[Single, Single]:
        """Return the albedo of ground with wear and paint, and the share of the sky above it."""
        directions, wide, long = view
        place = np.stack([st[:, 0] - BEGIN, st[:, 1] + MAP_WIDTH * CELL / 2], -1)
        layer = np.zeros(len(st), np.int32)
        wear = self._look.ground.sample(layer, place, np.sqrt(wide * long))
        albedo = albedo * wear[:, :1]
        road = np.flatnonzero(material == Material.ASPHALT)
        level = np.sqrt(directions[road, 0] ** 2 + directions[road, 1] ** 2) + 1e-6
        # The bend is gentle enough to take the world's x for the road's direction.
        ahead, aside = np.abs(directions[road, 0]) / level, np.abs(directions[road, 1]) / level
        extent = np.stack(
            [
                np.hypot(ahead * long[road], aside * wide[road]),
                np.hypot(aside * long[road], ahead * wide[road]),
            ],
            -1,
        )
        share = coverage(self._look.stripes, st[road], extent) * np.clip(0.35 + 0.6 * wear[road, :1], 0, 1)
        bare = 1 - share.sum(1, keepdims=True)
        albedo[road] = albedo[road] * bare + share[:, :1] * WHITE_PAINT + share[:, 1:] * YELLOW_PAINT
        return albedo, wear[:, 1]

    def _beneath(self, places: Single, poses: NDArray) -> Single:
        """Return the share of the sky that moving actors leave to the ground around and below them."""
        left = np.ones(len(places), np.float32)
        for pose, size in zip(poses, self._look.sizes, strict=True):
            away = places[:, :2] - pose[:2, 3].astype(np.float32)
            near = np.flatnonzero(np.abs(away).max(1) < size[0] / 2 + 2.5)
            local = np.abs(np.einsum("ni,ij->nj", away[near], pose[:2, :2].astype(np.float32)))
            outside = np.maximum(local - size[:2].astype(np.float32) / 2, -0.25) + 0.25
            reach = np.sqrt((outside**2).sum(1)) / 0.55
            left[near] *= 1 - 0.82 * np.exp(-reach * reach)
        return left


def rays(camera: Camera, x: NDArray, y: NDArray) -> Single:
    """Return (N, 3) unit directions in the world through pixel positions (centres at +0.5)."""
    K, turn = camera.K, camera.c2w[:3, :3]
    down = (y - K[1, 2]) / K[1, 1]
    right = (x - K[0, 2] - K[0, 1] * down) / K[0, 0]
    length = np.sqrt(right * right + down * down + 1)
    right, down, ahead = (part.astype(np.float32) for part in (right / length, down / length, 1 / length))
    directions = np.empty((len(x), 3), np.float32)
    for axis in range(3):
        row = turn[axis].astype(np.float32)
        directions[:, axis] = row[0] * right + row[1] * down + row[2] * ahead
    return directions


def ground_pyramid(picture: Single) -> Pyramid:
    """Return the ground map for look-ups at (s - BEGIN, t + half of its breadth)."""
    return Pyramid([picture], np.array([[MAP_LENGTH * CELL, MAP_WIDTH * CELL]]), 5)


def _dots(a: Single, b: Single) -> Single:
    return a[:, 0] * b[:, 0] + a[:, 1] * b[:, 1] + a[:, 2] * b[:, 2]


def _fold(value: Single, choose: np.ufunc) -> Single:
    """Return the extreme over the last axis; faster than a reduction for so few samples."""
    result = value[..., 0]
    for index in range(1, value.shape[-1]):
        result = choose(result, value[..., index])
    return result


def _mean(samples: Single) -> Single:
    """Return (P, 3) averages of (P, S, 3) samples, summed in order."""
    total = samples[:, 0].copy()
    for index in range(1, samples.shape[1]):
        total += samples[:, index]
    return total / np.float32(samples.shape[1])


def _around(value: Single, choose: np.ufunc) -> Single:
    """Return the extreme over each pixel and its four neighbours."""
    result = value.copy()
    for axis in (0, 1):
        for step in (-1, 1):
            shifted = np.roll(value, step, axis)
            edge = [slice(None), slice(None)]
            edge[axis] = 0 if step > 0 else -1  # type: ignore[call-overload]  # An index instead of a slice.
            shifted[tuple(edge)] = value[tuple(edge)]
            result = choose(result, shifted)
    return result


def describe() -> str:
    """Return the version of the ray tracer; trace one ray to show that it works.

    Raises:
        ImportError: The library does not load on this machine.
    """
    import importlib.metadata

    from recgen_bench.datasets.street.shapes import box

    tracer = Tracer(box((1, -1, -1), (2, 1, 1), Material.PLAIN), [], np.zeros((0, 3)))
    hit = tracer.first(np.zeros(3), np.array([[1, 0, 0]], np.float32), np.zeros((0, 4, 4)))
    return f"embreex {importlib.metadata.version('embreex')}, test ray {float(hit.distance[0]):g} m"
