"""Bodies of vehicles and of people, each drawn in its own box: x along the heading, y left, z up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recgen_bench.datasets.street.shapes import Mesh, box, disc, join, polygon, sheet, tube
from recgen_bench.datasets.street.textures import Material, linear, numbers

COLOURS = ((0.92, 0.92, 0.92), (0.75, 0.76, 0.78), (0.42, 0.44, 0.46), (0.13, 0.13, 0.14), (0.16, 0.24, 0.42),
           (0.55, 0.12, 0.12), (0.72, 0.14, 0.10), (0.20, 0.32, 0.26), (0.62, 0.56, 0.46), (0.30, 0.46, 0.62),
           (0.85, 0.62, 0.15), (0.40, 0.28, 0.22))  # fmt: skip
"""Display colours of car paint, the common ones first."""


@dataclass(frozen=True, slots=True)
class Body:
    """The silhouette of a car: places as shares of its length from the rear, heights as shares of its height.

    Attributes:
        size: Length, width and height in metres.
        hood: Height of the bonnet at the front and at the windscreen.
        deck: Height of the tail.
        cabin: Where the rear window starts, the roof starts, the roof ends, and the windscreen ends.
        wheel: Radius of the wheels in metres.
        glass: Share of the roof's length with side windows, counted from the front.
    """

    size: tuple[float, float, float]
    hood: tuple[float, float]
    deck: float
    cabin: tuple[float, float, float, float]
    wheel: float = 0.32
    glass: float = 1.0


BODIES = {
    "sedan": Body((4.6, 1.82, 1.46), (0.50, 0.64), 0.66, (0.13, 0.27, 0.56, 0.72)),
    "hatch": Body((4.0, 1.76, 1.50), (0.50, 0.64), 0.62, (0.02, 0.12, 0.58, 0.75)),
    "estate": Body((4.7, 1.84, 1.50), (0.49, 0.62), 0.62, (0.02, 0.08, 0.58, 0.73)),
    "suv": Body((4.6, 1.90, 1.70), (0.56, 0.66), 0.62, (0.02, 0.09, 0.60, 0.74), 0.38),
    "van": Body((5.0, 1.95, 2.00), (0.46, 0.56), 0.55, (0.00, 0.02, 0.78, 0.90), 0.34, 0.35),
    "coupe": Body((4.4, 1.82, 1.34), (0.50, 0.64), 0.68, (0.08, 0.30, 0.52, 0.70)),
}
CARS = tuple(BODIES)


def size_of(kind: str) -> tuple[float, float, float]:
    """Return the exact length, width and height in metres of a kind of actor."""
    others = {"bus": (10.5, 2.5, 3.05), "truck": (7.2, 2.4, 3.1), "pedestrian": (0.5, 0.56, 1.74),
              "cyclist": (1.75, 0.56, 1.78)}  # fmt: skip
    return BODIES[kind].size if kind in BODIES else others[kind]


def build(kind: str, colour: int, seed: int) -> Mesh:
    """Return the mesh of an actor, centred in its box and filling it exactly."""
    paint = linear(COLOURS[colour % len(COLOURS)])
    if kind in BODIES:
        mesh = _car(BODIES[kind], paint)
    elif kind in ("bus", "truck"):
        mesh = _coach(paint) if kind == "bus" else _truck(paint)
    else:
        mesh = _person(paint, seed) if kind == "pedestrian" else _cyclist(paint, seed)
    return mesh.fitted(size_of(kind))


def _car(body: Body, paint: NDArray) -> Mesh:
    length, width, height = body.size
    parts = [_hull(body, paint), *_cabin(body, paint), *_wheels(length, width, body.wheel)]
    front, rear, half = length / 2, -length / 2, width / 2
    hood, deck = body.hood[0] * height, body.deck * height
    for side in (-1, 1):
        y = side * half * 0.66
        parts.append(_plate(front + 0.012, (y, hood * 0.80), (0.42, 0.17), (0.85, 0.85, 0.80)))
        parts.append(
            _plate(rear - 0.012, (side * half * 0.76, deck * 0.80), (0.30, 0.24), (0.45, 0.015, 0.015))
        )
        mirror = body.cabin[3] * length - length / 2 - 0.25
        low = (mirror, min(side * half * 0.9, side * half), body.hood[1] * height)
        parts.append(
            box(low, (mirror + 0.12, low[1] + half * 0.1, low[2] + 0.14), Material.PAINT, paint * 0.7)
        )
    parts.append(_plate(front + 0.012, (0, hood * 0.62), (width * 0.55, 0.20), (0.012, 0.012, 0.014)))
    parts.append(_plate(front + 0.015, (0, hood * 0.50), (0.5, 0.12), (0.7, 0.7, 0.66)))
    parts.append(_plate(rear - 0.015, (0, deck * 0.62), (0.5, 0.12), (0.7, 0.68, 0.5)))
    parts.append(_plate(rear - 0.012, (0, 0.36), (width * 0.86, 0.2), (0.03, 0.03, 0.032)))
    return join(parts)


def _plate(x: float, at: tuple[float, float], size: tuple[float, float], colour: Sequence[float]) -> Mesh:
    (y, z), (w, h) = at, (size[0] / 2, size[1] / 2)
    ring = [(x, y - w, z - h), (x, y + w, z - h), (x, y + w, z + h), (x, y - w, z + h)]
    return polygon(ring, Material.PAINT, colour)


def _hull(body: Body, paint: NDArray) -> Mesh:
    """Return the lower body: a lofted tub whose sections narrow towards the ends."""
    length, width, height = body.size
    hood, cowl, deck = body.hood[0] * height, body.hood[1] * height, body.deck * height
    belt = 0.5 * (cowl + deck)
    stations = [(0.0, deck * 0.88, 0.90), (0.015, deck * 0.97, 0.95), (0.10, deck, 0.99), (0.30, belt, 1.0),
                (body.cabin[3], cowl, 1.0), (0.5 + body.cabin[3] / 2, 0.4 * cowl + 0.6 * hood, 0.98),
                (0.965, hood * 0.98, 0.93), (1.0, hood * 0.84, 0.86)]  # fmt: skip
    rows = []
    for share, top, narrow in stations:
        half = width / 2 * narrow
        side = [
            (half * 0.93, 0.2),
            (half, 0.34),
            (half, top * 0.62),
            (half * 0.98, top * 0.88),
            (half * 0.9, top),
        ]
        profile = [(-y, z) for y, z in side] + [(0.0, top + 0.015)] + [(y, z) for y, z in reversed(side)]
        rows.append([((share - 0.5) * length, y, z) for y, z in profile])
    ends = [[(row[0][0], 0.0, 0.4)] * len(row) for row in (rows[0], rows[-1])]
    mesh = sheet(rows, Material.PAINT, paint)
    caps = [
        sheet([row, end], Material.PAINT, paint, smooth=False)
        for row, end in zip((rows[0], rows[-1]), ends, strict=True)
    ]
    hull = join([mesh, *caps])
    # The lower flanks mirror the road and end in dark sills.
    shade = np.clip(0.35 + 0.65 * (hull.corners[..., 2:3] - 0.2) / 0.45, 0.35, 1.0)
    return hull.tinted(shade)


def _cabin(body: Body, paint: NDArray) -> list[Mesh]:
    """Return roof, pillars and windows."""
    length, width, height = body.size
    x = [(share - 0.5) * length for share in body.cabin]
    low = [body.deck * height - 0.01, height, height, body.hood[1] * height - 0.01]
    belt, roof = width / 2 * 0.93, width / 2 * 0.74
    half = [belt, roof, roof, belt]
    crown = [low[0], height - 0.03, height - 0.03, low[3]]
    rows = [
        [
            (x[i], -half[i], crown[i]),
            (x[i], -half[i] * 0.6, low[i]),
            (x[i], half[i] * 0.6, low[i]),
            (x[i], half[i], crown[i]),
        ]
        for i in range(4)
    ]
    parts = [sheet(rows, Material.PAINT, paint, smooth=False)]
    sides = [np.array([row[edge] for row in rows]) for edge in (0, 3)]
    parts += [polygon(side, Material.PAINT, paint * 0.9) for side in sides]
    for side in sides:
        outward = np.array([0.0, np.sign(side[0, 1]) * 0.014, 0.004])
        front = side.copy()
        if body.glass < 1:
            front[0] += (side[3] - side[0]) * (1 - body.glass)
            front[1] += (side[2] - side[1]) * (1 - body.glass)
        for share in ((0.0, 0.47), (0.53, 1.0)) if body.glass == 1 else ((0.0, 1.0),):
            parts.append(polygon(_pane(front, share) + outward, Material.GLASS))
    for rear, upper in ((0, 1), (3, 2)):
        corners = np.array([rows[rear][0], rows[rear][3], rows[upper][3], rows[upper][0]])
        outward = np.array([np.sign(x[rear] - x[upper] + 1e-9) * 0.012, 0.0, 0.012])
        if body.glass == 1 or rear == 3:
            parts.append(polygon(_inset(corners, 0.1) + outward, Material.GLASS, (1.3, 1.35, 1.4)))
    return parts


def _pane(side: NDArray, share: tuple[float, float]) -> NDArray:
    """Return a window between two shares of a side (rear base, rear top, front top, front base)."""
    base = [side[0] + (side[3] - side[0]) * s for s in share]
    top = [side[1] + (side[2] - side[1]) * s for s in share]
    return _inset(np.array([base[0], base[1], top[1], top[0]]), 0.12)


def _inset(ring: NDArray, share: float) -> NDArray:
    return ring + (ring.mean(0) - ring) * share


def _wheels(length: float, width: float, radius: float, axles: Sequence[float] = (-0.31, 0.32)) -> list[Mesh]:
    parts = []
    for share in axles:
        for side in (-1, 1):
            x, y = share * length, side * (width / 2 - 0.005)
            arch = disc((x, y, radius + 0.02), (0, 1, 0), radius * 1.2, Material.PAINT, (0.008, 0.008, 0.009))
            rim = [(x, y - side * 0.2, radius), (x, y + side * 0.012, radius)]
            parts += [arch, tube(rim, radius, Material.PAINT, (0.02, 0.02, 0.022), 14)]
            face = (x, y + side * 0.012, radius)
            parts.append(disc(face, (0, 1, 0), radius, Material.PAINT, (0.022, 0.022, 0.024)))
            hub = (x, y + side * 0.018, radius)
            parts.append(disc(hub, (0, 1, 0), radius * 0.66, Material.PAINT, (0.32, 0.32, 0.34)))
            hub = (x, y + side * 0.022, radius)
            parts.append(disc(hub, (0, 1, 0), radius * 0.22, Material.PAINT, (0.08, 0.08, 0.09)))
    return parts


def _coach(paint: NDArray) -> Mesh:
    """Return a city bus."""
    length, width, height = size_of("bus")
    x, y = length / 2, width / 2
    parts = [box((-x, -y, 0.3), (x, y, height), Material.PAINT, paint)]
    parts.append(box((-x + 0.2, -y - 0.01, 0.3), (x - 0.2, y + 0.01, 0.75), Material.PAINT, paint * 0.45))
    for side in (-1, 1):
        at = side * (y + 0.015)
        for step in range(6):
            left = -x + 0.35 + step * (length - 0.6) / 6
            right = left + (length - 0.6) / 6 - 0.12
            ring = [(left, at, 1.25), (right, at, 1.25), (right, at, 2.5), (left, at, 2.5)]
            parts.append(polygon(ring, Material.GLASS))
        parts.append(_plate(side * (x + 0.012), (0, 1.85), (width * 0.88, 1.3), (0.04, 0.05, 0.06)))
        parts.append(_plate(side * (x + 0.012), (0, 2.75), (width * 0.6, 0.28), (0.5, 0.32, 0.02)))
        for y_light in (-0.95, 0.95):
            colour = (0.85, 0.85, 0.8) if side > 0 else (0.45, 0.015, 0.015)
            parts.append(_plate(side * (x + 0.012), (y_light, 0.75), (0.32, 0.24), colour))
    return join(parts + _wheels(length, width, 0.48, (-0.27, 0.33)))


def _truck(paint: NDArray) -> Mesh:
    """Return a box van: a cab and a tall pale box."""
    length, width, height = size_of("truck")
    x, y = length / 2, width / 2
    pale = np.array([0.62, 0.62, 0.60])
    parts = [box((-x, -y, 0.75), (x - 1.9, y, height), Material.PLAIN, pale)]
    parts.append(box((-x, -y + 0.2, 0.45), (x - 0.3, y - 0.2, 0.74), Material.PAINT, (0.02, 0.02, 0.02)))
    parts.append(box((x - 1.75, -y + 0.1, 0.4), (x, y - 0.1, 1.35), Material.PAINT, paint))
    cab = [[(x - 1.75, -y + 0.1, 1.35), (x - 1.75, y - 0.1, 1.35)], [(x, -y + 0.1, 1.35), (x, y - 0.1, 1.35)]]
    top = [
        [(x - 1.75, -y + 0.2, 2.35), (x - 1.75, y - 0.2, 2.35)],
        [(x - 0.45, -y + 0.2, 2.35), (x - 0.45, y - 0.2, 2.35)],
    ]
    parts.append(sheet([cab[0], top[0], top[1], cab[1]], Material.PAINT, paint, smooth=False))
    screen = np.array([cab[1][0], cab[1][1], top[1][1], top[1][0]])
    parts.append(polygon(_inset(screen, 0.1) + np.array([0.015, 0, 0.01]), Material.GLASS, (1.3, 1.3, 1.4)))
    for side in (0, 1):
        ring = np.array([cab[0][side], cab[1][side], top[1][side], top[0][side]])
        parts.append(polygon(ring, Material.PAINT, paint))
        outward = np.array([0, 0.015 if side else -0.015, 0])
        parts.append(polygon(_inset(ring, 0.18) + outward, Material.GLASS))
        y_light = (side - 0.5) * 1.7
        parts.append(_plate(x + 0.012, (y_light, 0.75), (0.36, 0.2), (0.85, 0.85, 0.8)))
        parts.append(_plate(-x - 0.012, (y_light, 0.9), (0.3, 0.2), (0.45, 0.015, 0.015)))
    parts.append(_plate(-x - 0.008, (0, 1.95), (0.05, 2.1), (0.1, 0.1, 0.1)))
    return join(parts + _wheels(length, width, 0.42, (-0.27, 0.33)))


def _person(paint: NDArray, seed: int) -> Mesh:
    """Return somebody in mid-stride."""
    rng = numbers(seed)
    trousers = linear(rng.uniform(0.08, 0.4)) * np.array([0.9, 0.95, 1.15])
    skin = linear(np.array([0.80, 0.62, 0.50]) * rng.uniform(0.45, 1.05))
    hair = linear(rng.uniform(0.06, 0.45)) * np.array([1.1, 0.9, 0.7])
    paint_ = Material.PLAIN
    parts = [
        tube(
            [(0, 0, 0.82), (0, 0, 1.08), (0, 0, 1.36), (0, 0, 1.46)], [0.16, 0.165, 0.2, 0.09], paint_, paint
        ),
        tube([(0, 0, 1.46), (0.01, 0, 1.54), (0.02, 0, 1.66)], [0.06, 0.1, 0.1], paint_, skin),
        tube([(-0.01, 0, 1.62), (-0.01, 0, 1.68), (0, 0, 1.74)], [0.112, 0.11, 0.03], paint_, hair),
    ]
    for side in (-1, 1):
        foot = 0.22 * side
        parts.append(
            tube([(0, 0.09 * side, 0.86), (foot, 0.1 * side, 0.05)], [0.095, 0.06], paint_, trousers)
        )
        shoe = foot + 0.06, 0.1 * side, 0.0
        parts.append(
            box((shoe[0] - 0.1, shoe[1] - 0.05, 0), (shoe[0] + 0.1, shoe[1] + 0.05, 0.08), paint_, hair)
        )
        arm = [(0, 0.21 * side, 1.38), (-0.12 * side, 0.24 * side, 0.86)]
        parts.append(tube(arm, [0.06, 0.045], paint_, paint * 0.85))
    return join(parts)


def _cyclist(paint: NDArray, seed: int) -> Mesh:
    """Return somebody on a bicycle."""
    skin = linear(np.array([0.80, 0.62, 0.50]) * numbers(seed).uniform(0.45, 1.05))
    trousers, cloth = (0.04, 0.045, 0.06), Material.PLAIN
    parts = [
        *_bicycle(paint),
        tube([(-0.16, 0, 0.9), (0.0, 0, 1.2), (0.16, 0, 1.44)], [0.15, 0.17, 0.12], cloth, paint),
        tube([(0.18, 0, 1.46), (0.2, 0, 1.56), (0.22, 0, 1.66)], [0.07, 0.1, 0.1], cloth, skin),
        tube([(0.2, 0, 1.64), (0.21, 0, 1.71), (0.21, 0, 1.78)], [0.12, 0.11, 0.04], cloth, (0.5, 0.5, 0.5)),
    ]
    for side in (-1, 1):
        knee, foot = (0.18, 0.1 * side, 0.62 + 0.1 * side), (0.0, 0.1 * side, 0.22 + 0.12 * side)
        parts.append(tube([(-0.12, 0.08 * side, 0.9), knee], [0.1, 0.07], cloth, trousers))
        parts.append(tube([knee, foot], [0.07, 0.05], cloth, trousers))
        arm = [(0.12, 0.2 * side, 1.36), (0.4, 0.24 * side, 1.0)]
        parts.append(tube(arm, [0.05, 0.04], cloth, paint * 0.85))
    return join(parts)


def _bicycle(paint: NDArray) -> list[Mesh]:
    dark, tread = (0.02, 0.02, 0.025), np.array([0.0, 0.025, 0.0])
    parts = []
    for x in (-0.52, 0.52):
        angle = np.linspace(0, 2 * np.pi, 17)
        spoke = np.stack([np.cos(angle), 0 * angle, np.sin(angle)], -1)
        ring, inner = (np.array([x, 0, 0.35]) + radius * spoke for radius in (0.33, 0.285))
        parts.append(sheet(np.stack([ring - tread, ring + tread], 1), Material.PAINT, dark))
        parts.append(sheet(np.stack([ring, inner], 1), Material.PAINT, dark))
    bars = [
        [(-0.52, 0, 0.35), (-0.1, 0, 0.85)],
        [(-0.1, 0, 0.85), (0.42, 0, 0.85)],
        [(0.42, 0, 0.95), (0.52, 0, 0.35)],
    ]
    parts += [tube(bar, 0.025, Material.PAINT, paint * 0.6, 5) for bar in bars]
    parts.append(tube([(0.4, -0.27, 1.0), (0.4, 0.27, 1.0)], 0.02, Material.PAINT, dark, 5))
    return parts
