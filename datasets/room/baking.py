"""Soft light, computed once per corner: daylight from the windows, lamps, and what walls give back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recgen_bench.datasets.street.shapes import Mesh
from recgen_bench.datasets.street.tracing import Tracer

Single = NDArray[np.float32]

FINEST = 0.15
"""Longest edge in metres after refinement; shadows cannot be sharper than this."""
LIFT = 0.03
"""Metres off the surface, and away from its borders, where light is gathered; more than a skirting."""
AROUND = 72
"""Directions in which the surroundings are looked at."""
GRID = 3
"""Points along each side of a window at which its light starts."""


@dataclass(frozen=True, slots=True, eq=False)
class Pane:
    """A window as a lamp: middle (3,), half of its width and of its height as vectors (3,), colour (3,)."""

    middle: NDArray[np.float64]
    across: NDArray[np.float64]
    up: NDArray[np.float64]
    inward: NDArray[np.float64]
    colour: Single


@dataclass(frozen=True, slots=True, eq=False)
class Lamps:
    """Light of a room; colours (3,) are radiance, and intensity at one metre.

    Attributes:
        panes: The windows.
        bulbs: (L, 3) places of the lamps.
        glow: Intensity of each lamp.
        filling: What comes from open space above, walls included.
        bounce: What comes from open space below.
    """

    panes: tuple[Pane, ...]
    bulbs: NDArray[np.float64]
    glow: Single
    filling: Single
    bounce: Single


def refine(mesh: Mesh, longest: float = FINEST) -> Mesh:
    """Return the same surfaces with every edge at most this long, halving the longest edges."""
    packed = np.concatenate([mesh.corners, mesh.uv, mesh.normals, mesh.tint], 2)
    material, done = mesh.material, []
    while len(packed):
        edges = np.linalg.norm(np.roll(packed[..., :3], -1, 1) - packed[..., :3], axis=2)
        split = edges.max(1) > longest
        done.append((packed[~split], material[~split]))
        first = edges[split].argmax(1)
        # The longest edge runs from corner 0 to corner 1 after this.
        order = (first[:, None] + np.arange(3)) % 3
        faces = np.take_along_axis(packed[split], order[..., None], 1)
        middle = (faces[:, 0] + faces[:, 1]) / 2
        one = np.stack([faces[:, 0], middle, faces[:, 2]], 1)
        two = np.stack([middle, faces[:, 1], faces[:, 2]], 1)
        packed, material = np.concatenate([one, two]), np.tile(material[split], 2)
    faces = np.concatenate([part for part, _ in done])
    corners, uv, normals, tint = (
        np.ascontiguousarray(faces[..., low:high]) for low, high in ((0, 3), (3, 5), (5, 8), (8, 11))
    )
    return Mesh(corners, uv, normals, tint, np.concatenate([part for _, part in done]))


def bake(mesh: Mesh, tracer: Tracer, lamps: Lamps) -> Single:
    """Return the (F, 3, 3) light that arrives at every corner; albedo times it is radiance.

    Args:
        mesh: Refined surfaces with their normals towards the room.
        tracer: What casts shadows; lampshades are left out, they let light through.
        lamps: Where light comes from.
    """
    corners, normals = mesh.corners.reshape(-1, 3), mesh.normals.reshape(-1, 3)
    inwards = (mesh.corners.mean(1, keepdims=True) - mesh.corners).reshape(-1, 3)
    key = np.concatenate([np.rint(corners * 1000), np.rint(normals * 20)], 1).astype(np.int32)
    _, first, index = np.unique(key.view([("", key.dtype)] * 6), return_index=True, return_inverse=True)
    index = index.ravel()
    # Corners shared by a whole neighbourhood stay; those on a border move inside, off what stands there.
    count = np.bincount(index)
    drift = np.stack([np.bincount(index, inwards[:, axis]) / count for axis in range(3)], -1)
    drift *= np.minimum(1.0, LIFT / np.maximum(np.linalg.norm(drift, axis=1, keepdims=True), 1e-9))
    normal = normals[first]
    place = (corners[first] + drift + LIFT * normal).astype(np.float32)
    light = _surroundings(tracer, place, normal, lamps)
    for pane in lamps.panes:
        light += _daylight(tracer, place, normal, pane)
    for bulb in lamps.bulbs:
        light += _lamplight(tracer, place, normal, bulb)[:, None] * lamps.glow
    return light[index].reshape(-1, 3, 3).astype(np.float32)


def _surroundings(tracer: Tracer, place: Single, normal: Single, lamps: Lamps) -> Single:
    """Return what arrives from all around: dark from near surfaces, full from those some metres away."""
    step = np.arange(AROUND) + 0.5
    z = 1 - 2 * step / AROUND
    turn = step * np.pi * (3 - np.sqrt(5))
    flat = np.sqrt(1 - z * z)
    light = np.zeros((len(place), 3), np.float32)
    total = np.zeros(len(place), np.float32)
    for direction in np.stack([flat * np.cos(turn), flat * np.sin(turn), z], -1).astype(np.float32):
        facing = _dot(normal, direction)
        rows = np.flatnonzero(facing > 0.02)
        away = np.minimum(tracer.reach(place[rows], _same(direction, len(rows))), 6.0)
        share = 0.5 + 0.5 * direction[2]
        colour = lamps.bounce + (lamps.filling - lamps.bounce) * share
        light[rows] += ((1 - np.exp(-away / 0.8)) * facing[rows])[:, None] * colour
        total[rows] += facing[rows]
    return (light / np.maximum(total, 1e-6)[:, None]).astype(np.float32)


def _daylight(tracer: Tracer, place: Single, normal: Single, pane: Pane) -> Single:
    """Return the light of one window, from a grid of points on it."""
    steps = (2 * np.arange(GRID) + 1) / GRID - 1
    area = 4 * np.linalg.norm(pane.across) * np.linalg.norm(pane.up) / GRID**2
    light = np.zeros(len(place), np.float32)
    for a in steps:
        for b in steps:
            point = pane.middle + a * pane.across + b * pane.up
            way, distance, facing = _towards(place, normal, point)
            leaving = np.maximum(-_dot(way, pane.inward.astype(np.float32)), 0)
            rows = np.flatnonzero((facing > 0) & (leaving > 0))
            # Very near a pane its points would show one by one.
            form = facing[rows] * leaving[rows] * area / (np.pi * np.maximum(distance[rows], 0.45) ** 2)
            open_ = tracer.reach(place[rows], way[rows]) > distance[rows] - 0.02
            light[rows] += (form * open_).astype(np.float32)
    return light[:, None] * pane.colour


def _lamplight(tracer: Tracer, place: Single, normal: Single, bulb: NDArray) -> Single:
    """Return the light of one lamp of intensity 1, from points around its middle."""
    light = np.zeros(len(place), np.float32)
    offsets = np.array([(1, 0, 0.3), (-1, 0, -0.3), (0, 1, 0.3), (0, -1, -0.3)]) * 0.12
    for offset in offsets:
        way, distance, facing = _towards(place, normal, bulb + offset)
        rows = np.flatnonzero(facing > 0)
        open_ = tracer.reach(place[rows], way[rows]) > distance[rows] - 0.02
        light[rows] += facing[rows] * open_ / np.maximum(distance[rows], 0.5) ** 2 / len(offsets)
    return light


def _towards(place: Single, normal: Single, point: NDArray) -> tuple[Single, Single, Single]:
    """Return unit directions to a point, distances, and how much each surface faces it."""
    way = point.astype(np.float32) - place
    distance = np.sqrt((way * way).sum(1))
    way = way / np.maximum(distance, 1e-6)[:, None]
    return way, distance, (normal * way).sum(1)


def _same(direction: Single, count: int) -> Single:
    return np.ascontiguousarray(np.broadcast_to(direction, (count, 3)))


def _dot(vectors: Single, vector: Single) -> Single:
    return vectors[:, 0] * vector[0] + vectors[:, 1] * vector[1] + vectors[:, 2] * vector[2]
