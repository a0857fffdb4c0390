"""Trees and hedges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recgen_bench.datasets.street.shapes import Mesh, blob, join, sheet, tube
from recgen_bench.datasets.street.textures import Material, linear

KINDS = ("round", "tall", "conifer", "wide", "shrub")


def tree(kind: str, rng: np.random.Generator) -> Mesh:
    """Return a tree that stands on the origin; sizes and hues differ with the random numbers."""
    hue = linear(np.array([0.86, 0.9, 0.8]) + rng.uniform(-0.13, 0.15, 3)) * rng.uniform(0.75, 1.25)
    if rng.random() < 0.12:
        hue = hue * np.array([2.2, 1.05, 0.5])
    if kind == "shrub":
        return _shaded(_clump((0.0, 0.0, 0.55), rng.uniform(0.5, 0.8), 0.85, rng), hue)
    if kind == "conifer":
        return _conifer(rng, hue)
    trunk = rng.uniform(2.2, 2.9) if kind != "tall" else rng.uniform(1.2, 1.8)
    lean = rng.uniform(-0.15, 0.15, 2)
    height, spread = {"round": (3.2, 1.5), "tall": (6.2, 1.05), "wide": (3.0, 2.1)}[kind]
    height, spread = height * rng.uniform(0.85, 1.25), spread * rng.uniform(0.85, 1.2)
    girth = rng.uniform(0.12, 0.2)
    top = (lean[0], lean[1], trunk + height * 0.6)
    wood = [
        tube(
            [(0, 0, 0), (lean[0] / 3, lean[1] / 3, trunk * 0.3), top],
            [girth * 1.25, girth, 0.05],
            Material.BARK,
        )
    ]
    clumps = []
    for index in range({"round": 7, "tall": 6, "wide": 9}[kind]):
        share = rng.uniform(0.15, 0.9) if kind != "tall" else (index + 0.7) / 6.4
        reach = spread * np.sqrt(max(1 - (2 * share - 0.9) ** 2, 0.1)) * rng.uniform(0.35, 0.75)
        angle = index * 2.4 + rng.uniform(-0.4, 0.4)
        if kind == "tall":
            reach *= 0.35
        centre = (lean[0] + reach * np.cos(angle), lean[1] + reach * np.sin(angle), trunk + share * height)
        radius, flat = spread * rng.uniform(0.5, 0.72), rng.uniform(0.75, 1.0)
        if kind == "tall":
            radius, flat = spread * np.sqrt(np.sin(np.pi * (0.12 + 0.83 * share))), rng.uniform(1.3, 1.6)
        clumps.append(_clump(centre, radius, flat, rng))
        if index < 4 and kind != "tall":
            start = (lean[0] * 0.6, lean[1] * 0.6, trunk * 0.95)
            wood.append(tube([start, centre], [girth * 0.5, 0.03], Material.BARK, sides=5))
    return join([_shaded(join(clumps), hue), *wood])


def _clump(centre: tuple[float, float, float], radius: float, flat: float, rng: np.random.Generator) -> Mesh:
    pose = np.eye(4)
    pose[:3, 3] = centre
    size = (radius, radius * rng.uniform(0.85, 1.15), radius * flat)
    return blob(size, 0.07, rng, Material.LEAVES, 12 if radius > 0.9 else 9).moved(pose)


def _shaded(crown: Mesh, hue: NDArray) -> Mesh:
    """Darken the inside and the underside of a crown, where little sky is seen."""
    low, high = crown.corners.min((0, 1)), crown.corners.max((0, 1))
    middle, reach = (low + high) / 2, (high - low) / 2
    level = np.linalg.norm((crown.corners - middle) / reach, axis=2, keepdims=True)
    up = (crown.corners[..., 2:] - low[2]) / (high[2] - low[2])
    return crown.tinted(hue * np.clip(0.25 + 0.4 * level**2 + 0.45 * up, 0.2, 1.15))


def _conifer(rng: np.random.Generator, hue: NDArray) -> Mesh:
    height, spread = rng.uniform(5.0, 8.0), rng.uniform(1.2, 1.8)
    layers = 6
    parts = []
    angle = np.linspace(0, 2 * np.pi, 19)
    for layer in range(layers):
        share = layer / layers
        ragged = 1 + 0.12 * rng.standard_normal(18)
        ragged = np.append(ragged, ragged[0])
        bottom = 0.9 + share * (height - 1.4)
        radius = spread * (1 - share) + 0.25
        rings = []
        for inward, lift in ((1.0, 0.0), (0.62, 0.55), (0.15, 1.25)):
            r = radius * inward * ragged
            z = bottom + lift * (height / layers) - 0.25 * (ragged - 1)
            rings.append(np.stack([r * np.cos(angle), r * np.sin(angle), z], -1))
        shade = np.array([0.75, 0.85, 0.95]) * (0.5 + 0.4 * share)
        parts.append(sheet(rings, Material.LEAVES, shade))
    trunk = tube([(0, 0, 0), (0, 0, height * 0.6)], [0.16, 0.05], Material.BARK)
    return join([_shaded(join(parts), hue * 0.8), trunk])


def hedge(length: float, depth: float, height: float, rng: np.random.Generator) -> Mesh:
    """Return a clipped hedge from x = 0 to `length`, its back at y = 0, slightly uneven."""
    steps = max(int(length / 0.5), 2)
    x = np.linspace(0, length, steps + 1)
    profile = np.array(
        [
            (0, 0),
            (0, height * 0.9),
            (-depth * 0.15, height),
            (-depth * 0.85, height),
            (-depth, height * 0.9),
            (-depth, 0),
        ]
    )
    lattice = np.zeros((steps + 1, len(profile), 3))
    lattice[..., 0] = x[:, None]
    lattice[..., 1:] = profile + 0.05 * rng.standard_normal((steps + 1, len(profile), 2))
    ends = [np.stack([row, np.broadcast_to(row.mean(0), row.shape)]) for row in (lattice[0], lattice[-1])]
    mesh = join(
        [sheet(lattice, Material.LEAVES), *(sheet(end, Material.LEAVES, smooth=False) for end in ends)]
    )
    low = np.clip(0.35 + 0.65 * mesh.corners[..., 2:] / height, 0.3, 1.0)
    return mesh.tinted(low * linear(np.array([0.72, 0.8, 0.68]) + rng.uniform(-0.08, 0.08, 3)))
