"""What stands on a pavement: lamps, signs, signals, bins, benches, bollards, shelters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recgen_bench.datasets.street.shapes import Mesh, box, disc, join, polygon, tube
from recgen_bench.datasets.street.textures import Material, linear

P = Material.PAINT
STEEL = (0.16, 0.17, 0.18)


def lamp(rng: np.random.Generator) -> Mesh:
    """Return a street lamp whose arm reaches towards +y."""
    height, reach = rng.uniform(5.5, 7.5), rng.uniform(0.9, 1.8)
    tone = np.array(STEEL) * rng.uniform(0.5, 2.0)
    top = [(0, 0, height), (0, reach * 0.4, height + 0.35), (0, reach, height + 0.45)]
    return join([
        tube([(0, 0, 0), (0, 0, 1.0)], 0.12, P, tone, 7),
        tube([(0, 0, 0), (0, 0, height)], [0.085, 0.055], P, tone, 6),
        *(tube(top[i : i + 2], 0.045, P, tone, 5) for i in range(2)),
        box((-0.14, reach - 0.1, height + 0.36), (0.14, reach + 0.55, height + 0.5), P, tone * 1.4),
    ])  # fmt: skip


def sign(rng: np.random.Generator) -> Mesh:
    """Return a traffic sign that faces -x: a prohibition, an order, a warning or a direction."""
    z = rng.uniform(2.2, 2.6)
    post = tube([(0, 0, 0), (0, 0, z + 0.3)], 0.04, P, (0.3, 0.3, 0.31), 6)
    kind = rng.integers(4)
    red, white = (0.5, 0.02, 0.02), (0.8, 0.8, 0.8)
    if kind == 0:
        rim = disc((-0.05, 0, z), (1, 0, 0), 0.36, P, red)
        face = disc((-0.06, 0, z), (1, 0, 0), 0.26, P, white)
        return join([post, rim, face, _facing(-0.07, (0, z), (0.24, 0.2), (0.03, 0.03, 0.03))])
    if kind == 1:
        face = disc((-0.05, 0, z), (1, 0, 0), 0.36, P, (0.02, 0.1, 0.45))
        return join([post, face, _facing(-0.06, (0, z), (0.1, 0.42), white)])
    if kind == 2:
        layers = [post]
        for x, scale, colour in ((-0.05, 1.0, red), (-0.06, 0.66, white)):
            low, high, half = z - 0.24 * scale, z + 0.48 * scale, 0.42 * scale
            layers.append(polygon([(x, -half, low), (x, half, low), (x, 0, high)], P, colour))
        return join(layers)
    board = linear(np.array([(0.1, 0.25, 0.6), (0.05, 0.4, 0.25)])[rng.integers(2)])
    panel = box((-0.05, -0.4, z - 0.3), (-0.02, 0.4, z + 0.3), P, board)
    return join([post, panel, _facing(-0.06, (0, z), (0.56, 0.11), white)])


def _facing(x: float, at: tuple[float, float], size: tuple[float, float], colour: ArrayLike) -> Mesh:
    """Return an upright rectangle across x, centred at y, z."""
    (y, z), (w, h) = at, (size[0] / 2, size[1] / 2)
    return polygon([(x, y - w, z - h), (x, y + w, z - h), (x, y + w, z + h), (x, y - w, z + h)], P, colour)


def signal(rng: np.random.Generator) -> Mesh:
    """Return a traffic light that faces -x."""
    parts = [tube([(0, 0, 0), (0, 0, 3.3)], 0.07, P, np.array(STEEL) * 0.8, 6)]
    parts.append(box((-0.16, -0.17, 2.35), (0.08, 0.17, 3.35), P, (0.015, 0.016, 0.016)))
    lit = int(rng.integers(3))
    for index, colour in enumerate(((0.7, 0.02, 0.02), (0.75, 0.35, 0.02), (0.05, 0.6, 0.2))):
        glow = np.array(colour) * (1.0 if index == lit else 0.08)
        parts.append(disc((-0.17, 0, 3.2 - 0.32 * index), (1, 0, 0), 0.12, P, glow))
    return join(parts)


def bin_(rng: np.random.Generator) -> Mesh:
    """Return a litter bin or a wheeled refuse bin."""
    colour = linear(
        [(0.12, 0.35, 0.2), (0.25, 0.25, 0.27), (0.1, 0.2, 0.4), (0.45, 0.3, 0.12)][rng.integers(4)]
    )
    if rng.random() < 0.5:
        round_ = tube([(0, 0, 0), (0, 0, 0.9)], [0.24, 0.28], P, colour, 10)
        return join([round_, disc((0, 0, 0.9), (0, 0, 1), 0.28, P, colour * 0.4)])
    lid = box((-0.33, -0.31, 1.0), (0.33, 0.33, 1.1), P, colour * 1.3)
    return join([box((-0.29, -0.28, 0.05), (0.29, 0.28, 1.0), P, colour), lid])


def bench(rng: np.random.Generator) -> Mesh:
    """Return a bench along x whose back is at +y."""
    wood = linear(np.array([0.5, 0.36, 0.22]) * rng.uniform(0.7, 1.2))
    parts = [
        box((-0.85, -0.25, 0.4), (0.85, 0.2, 0.47), P, wood),
        box((-0.85, 0.2, 0.55), (0.85, 0.26, 0.9), P, wood),
    ]
    parts += [box((x - 0.05, -0.22, 0), (x + 0.05, 0.24, 0.55), P, STEEL) for x in (-0.7, 0.7)]
    return join(parts)


def bollard(rng: np.random.Generator) -> Mesh:
    """Return a bollard with a pale ring."""
    tone = np.array(STEEL) * rng.uniform(0.3, 1.2)
    ring = tube([(0, 0, 0.7), (0, 0, 0.8)], 0.085, P, (0.6, 0.6, 0.58))
    return join(
        [tube([(0, 0, 0), (0, 0, 0.95)], 0.08, P, tone), ring, disc((0, 0, 0.95), (0, 0, 1), 0.08, P, tone)]
    )


def shelter(rng: np.random.Generator) -> Mesh:
    """Return a bus shelter along x that opens towards -y."""
    tone = np.array(STEEL) * rng.uniform(0.6, 1.6)
    parts = [box((-2.0, -0.9, 2.35), (2.0, 0.7, 2.5), P, tone)]
    parts += [box((x - 0.05, 0.5, 0), (x + 0.05, 0.6, 2.35), P, tone) for x in (-1.95, -0.65, 0.65, 1.95)]
    for left in (-1.85, -0.55, 0.75):
        parts.append(box((left, 0.54, 0.35), (left + 1.1, 0.57, 2.2), Material.GLASS, (2.2, 2.4, 2.5)))
    poster = linear(rng.uniform(0.25, 0.85, 3))
    parts.append(box((1.9, -0.6, 0.3), (2.0, 0.5, 2.2), P, tone))
    parts += [_poster(x, poster, rng) for x in (1.88, 2.02)]
    parts.append(box((-1.4, 0.1, 0.45), (1.2, 0.45, 0.52), P, linear((0.5, 0.4, 0.28))))
    return join(parts)


def _poster(x: float, colour: NDArray, rng: np.random.Generator) -> Mesh:
    parts = [_facing(x, (-0.05, 1.25), (0.94, 1.7), colour)]
    above = x + float(np.sign(x - 1.95)) * 0.01
    for _ in range(3):
        at = float(rng.uniform(-0.25, 0.2)), float(rng.uniform(0.7, 1.8))
        parts.append(_facing(above, at, (0.4, 0.35), linear(rng.uniform(0.2, 0.9, 3))))
    return join(parts)


def cabinet(rng: np.random.Generator) -> Mesh:
    """Return a switch cabinet."""
    colour = linear(np.array([0.55, 0.57, 0.52]) * rng.uniform(0.6, 1.2))
    return join(
        [
            box((-0.55, -0.2, 0), (0.55, 0.2, 1.25), P, colour),
            box((-0.6, -0.24, 1.25), (0.6, 0.24, 1.32), P, colour * 0.8),
        ]
    )


MAKERS: dict[str, Callable[[np.random.Generator], Mesh]] = {
    "lamp": lamp, "sign": sign, "signal": signal, "bin": bin_, "bench": bench, "bollard": bollard,
    "shelter": shelter, "cabinet": cabinet,
}  # fmt: skip
"""How each piece is made, by the name the layout gives it."""
