"""Triangle meshes with everything the shader needs per corner, and the few primitives they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Single = NDArray[np.float32]

WHITE = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """A triangle soup; surfaces are two-sided, so the winding does not matter.

    Attributes:
        corners: (F, 3, 3) float32 positions in metres, face by corner by axis.
        uv: (F, 3, 2) float32 texture coordinates in metres on the surface.
        normals: (F, 3, 3) float32 unit shading normals.
        tint: (F, 3, 3) float32 linear RGB that multiplies the texture.
        material: (F,) int16 index of the texture, see `recgen_bench.datasets.street.textures.Material`.
    """

    corners: Single
    uv: Single
    normals: Single
    tint: Single
    material: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.material)

    def moved(self, pose: NDArray) -> Mesh:
        """Return the mesh under a (4, 4) rigid transform."""
        turn = np.asarray(pose[:3, :3])
        corners = np.einsum("fci,ji->fcj", self.corners, turn) + pose[:3, 3]
        normals = np.einsum("fci,ji->fcj", self.normals, turn)
        return replace(self, corners=corners.astype(np.float32), normals=normals.astype(np.float32))

    def tinted(self, rgb: ArrayLike) -> Mesh:
        """Return the mesh with its tint multiplied by a colour, (3,) or one per corner (F, 3, 3)."""
        return replace(self, tint=(self.tint * np.asarray(rgb, np.float32)).astype(np.float32))

    def fitted(self, size: ArrayLike) -> Mesh:
        """Return the mesh centred at the origin and stretched to fill a box of this (3,) size exactly."""
        low, high = self.corners.min((0, 1)), self.corners.max((0, 1))
        corners = (self.corners - (low + high) / 2) * (np.asarray(size) / (high - low))
        return replace(self, corners=corners.astype(np.float32))


def join(meshes: Sequence[Mesh]) -> Mesh:
    """Return all meshes as one."""
    return Mesh(
        np.concatenate([mesh.corners for mesh in meshes]),
        np.concatenate([mesh.uv for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.tint for mesh in meshes]),
        np.concatenate([mesh.material for mesh in meshes]),
    )


def stand(x: float, y: float, z: float = 0.0, heading: float = 0.0) -> NDArray[np.float64]:
    """Return the (4, 4) pose of something upright at a place; the heading turns x towards y in radians."""
    pose = np.eye(4)
    cos, sin = np.cos(heading), np.sin(heading)
    pose[:2, :2] = [[cos, -sin], [sin, cos]]
    pose[:3, 3] = x, y, z
    return pose


def soup(corners: NDArray, uv: NDArray, normals: NDArray, material: int, tint: ArrayLike) -> Mesh:
    """Return a mesh of one material from (F, 3, 3) corners, (F, 3, 2) uv and (F, 3, 3) normals."""
    count = len(corners)
    colour = np.broadcast_to(np.asarray(tint, np.float32), (count, 3, 3)).copy()
    return Mesh(
        np.asarray(corners, np.float32),
        np.asarray(uv, np.float32),
        np.asarray(normals, np.float32),
        colour,
        np.full(count, material, np.int16),
    )


def sheet(
    points: ArrayLike,
    material: int,
    tint: ArrayLike = WHITE,
    uv: ArrayLike | None = None,
    smooth: bool = True,
) -> Mesh:
    """Return a surface through a lattice of points.

    Args:
        points: (M, N, 3) metres.
        material: Index of the texture.
        tint: (3,) linear RGB.
        uv: (M, N, 2) metres; by default the length along each axis of the lattice.
        smooth: Average the normals across the lattice instead of one per triangle.
    """
    grid = np.asarray(points, np.float64)
    if uv is None:
        first = np.linalg.norm(np.diff(grid, axis=0, prepend=grid[:1]), axis=2).max(1).cumsum()
        second = np.linalg.norm(np.diff(grid, axis=1, prepend=grid[:, :1]), axis=2).max(0).cumsum()
        uv = np.stack(np.meshgrid(first, second, indexing="ij"), -1)
    corners = _triangles(grid)
    flat = unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    normals = np.repeat(flat[:, None], 3, 1)
    if smooth:
        along = np.gradient(grid, axis=0)
        across = np.gradient(grid, axis=1)
        shared = np.cross(along, across)
        # A collapsed row has no tangent of its own; its corners keep the normal of their triangle.
        usable = np.linalg.norm(shared, axis=2, keepdims=True) > 1e-9
        lattice = _triangles(np.where(usable, unit(shared), 0.0))
        normals = np.where(np.abs(lattice).sum(2, keepdims=True) > 0, lattice, normals)
    return soup(corners, _triangles(np.asarray(uv, np.float64)), normals, material, tint)


def polygon(points: ArrayLike, material: int, tint: ArrayLike = WHITE) -> Mesh:
    """Return a flat convex polygon from (P, 3) corners; its uv start at the first corner."""
    ring = np.asarray(points, np.float64)
    right = unit(ring[1] - ring[0])
    normal = unit(np.cross(right, ring[-1] - ring[0]))
    up = np.cross(normal, right)
    flat = np.stack([(ring - ring[0]) @ right, (ring - ring[0]) @ up], -1)
    fan = [(0, i, i + 1) for i in range(1, len(ring) - 1)]
    return soup(ring[fan], flat[fan], np.broadcast_to(normal, (len(fan), 3, 3)), material, tint)


def wall(start: ArrayLike, end: ArrayLike, bottom: float, top: float, material: int) -> Mesh:
    """Return an upright quad between two (2,) places; v is the height above `bottom`."""
    (x0, y0), (x1, y1) = np.asarray(start, np.float64), np.asarray(end, np.float64)
    ring = [(x0, y0, bottom), (x1, y1, bottom), (x1, y1, top), (x0, y0, top)]
    return polygon(ring, material)


def box(low: ArrayLike, high: ArrayLike, material: int, tint: ArrayLike = WHITE) -> Mesh:
    """Return an axis-aligned box without its underside; v is the height above `low` on its sides."""
    bounds = np.stack([np.asarray(low, np.float64), np.asarray(high, np.float64)])
    corners = bounds[_BOX[..., 0], 0], bounds[_BOX[..., 1], 1], bounds[_BOX[..., 2], 2]
    local = np.stack(corners, -1) - bounds[0]
    uv = np.take_along_axis(local, _BOX_UV[:, None, :].repeat(3, 1), 2)
    return soup(local + bounds[0], uv, _BOX_NORMALS[:, None].repeat(3, 1), material, tint)


_QUADS = [  # Corners of each side, 0 low and 1 high along x, y, z; the axes of u and v; the normal.
    ([(0, 0, 0), (1, 0, 0), (1, 0, 1), (0, 0, 1)], (0, 2), (0, -1, 0)),
    ([(0, 1, 0), (1, 1, 0), (1, 1, 1), (0, 1, 1)], (0, 2), (0, 1, 0)),
    ([(0, 0, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1)], (1, 2), (-1, 0, 0)),
    ([(1, 0, 0), (1, 1, 0), (1, 1, 1), (1, 0, 1)], (1, 2), (1, 0, 0)),
    ([(0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)], (0, 1), (0, 0, 1)),
]
_BOX = np.array([[quad[i] for i in half] for quad, _, _ in _QUADS for half in ((0, 1, 2), (0, 2, 3))])
_BOX_UV = np.array([axes for _, axes, _ in _QUADS for _ in range(2)])
_BOX_NORMALS = np.array([normal for _, _, normal in _QUADS for _ in range(2)], np.float64)


def tube(path: ArrayLike, radii: ArrayLike, material: int, tint: ArrayLike = WHITE, sides: int = 8) -> Mesh:
    """Return a round tube along (P, 3) points with one radius each, its cross-sections level or upright."""
    line = np.asarray(path, np.float64)
    radius = np.broadcast_to(np.asarray(radii, np.float64), len(line))
    axis = unit(line[-1] - line[0])
    side = unit(np.cross(axis, [0.0, 0.0, 1.0] if abs(axis[2]) < 0.7 else [1.0, 0.0, 0.0]))
    other = np.cross(axis, side)
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    circle = np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * other
    points = line[:, None] + radius[:, None, None] * circle
    mesh = sheet(points, material, tint)
    outward = unit(_triangles(np.broadcast_to(circle, points.shape)))
    return replace(mesh, normals=outward.astype(np.float32))


def disc(centre: ArrayLike, normal: ArrayLike, radius: float, material: int, tint: ArrayLike = WHITE) -> Mesh:
    """Return a flat disc of 14 corners."""
    axis = unit(np.asarray(normal, np.float64))
    side = unit(np.cross(axis, [0.0, 0.0, 1.0] if abs(axis[2]) < 0.7 else [1.0, 0.0, 0.0]))
    angle = np.linspace(0, 2 * np.pi, 14, endpoint=False)[:, None]
    ring = np.asarray(centre) + radius * (np.cos(angle) * side + np.sin(angle) * np.cross(axis, side))
    return polygon(ring, material, tint)


def blob(radii: ArrayLike, rough: float, rng: np.random.Generator, material: int, steps: int = 10) -> Mesh:
    """Return a lumpy ellipsoid around the origin.

    Args:
        radii: (3,) metres.
        rough: Relative height of its lumps.
        rng: Source of the lumps.
        material: Index of the texture.
        steps: Rings from pole to pole; a ring has twice as many corners.
    """
    polar, around = (
        np.linspace(0, np.pi, steps + 1)[:, None],
        np.linspace(0, 2 * np.pi, 2 * steps + 1)[None, :],
    )
    sphere = np.stack(
        [np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar) + 0 * around], -1
    )
    bump = np.zeros(sphere.shape[:2])
    for frequency in (2.0, 3.5, 6.0, 10.0):
        waves, phases = rng.normal(size=(3, 3)) * frequency, rng.uniform(0, 2 * np.pi, 3)
        bump += np.sin(np.einsum("mni,wi->mnw", sphere, waves) + phases).sum(2) / frequency
    size = np.asarray(radii, np.float64)
    mesh = sheet(sphere * size * (1 + rough * bump[..., None]), material, smooth=False)
    # Half-way to the smooth shape's normals, so that lumps catch the light but edges do not show.
    normals = unit(0.6 * _triangles(sphere) / size * size.mean() + 0.6 * mesh.normals * _outward(mesh))
    return replace(mesh, normals=normals.astype(np.float32))


def _outward(mesh: Mesh) -> NDArray:
    """Return (F, 1, 1) signs that turn the flat normals of a shape around the origin outwards."""
    side = np.einsum("fi,fi->f", mesh.normals[:, 0], mesh.corners.mean(1))
    return np.where(side < 0, -1.0, 1.0)[:, None, None]


def unit(vectors: NDArray) -> NDArray:
    """Return vectors of length one along the last axis; a zero vector stays zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(length, 1e-12)


def _triangles(lattice: NDArray) -> NDArray:
    """Return the (2 (M-1)(N-1), 3, C) corners of the two triangles in every cell of an (M, N, C) lattice."""
    a, b, c, d = lattice[:-1, :-1], lattice[1:, :-1], lattice[1:, 1:], lattice[:-1, 1:]
    cells = np.stack([np.stack([a, b, c], 2), np.stack([a, c, d], 2)], 2)
    return cells.reshape(-1, 3, lattice.shape[2])
