"""Furniture; every piece stands on the origin with its back at y = 0, centred along x, facing +y."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recgen_bench.datasets.room.palette import Palette, shade
from recgen_bench.datasets.room.surfaces import Surface
from recgen_bench.datasets.street.shapes import Mesh, blob, box, disc, join, polygon, sheet, stand, tube

Size = tuple[float, float, float]


def slab(low: Sequence[float], high: Sequence[float], surface: Surface, tint: ArrayLike) -> Mesh:
    """Return a box with all six sides."""
    (x0, y0, z0), (x1, y1, _) = low, high
    under = polygon([(x0, y0, z0), (x0, y1, z0), (x1, y1, z0), (x1, y0, z0)], surface, tint)
    return join([box(low, high, surface, tint), under])


def legs(size: Size, thick: float, tint: ArrayLike) -> Mesh:
    """Return four square legs below a top of this (length, depth, height)."""
    length, depth, height = size
    parts = []
    for x in (-length / 2 + 0.03, length / 2 - 0.03 - thick):
        for y in (0.03, depth - 0.03 - thick):
            parts.append(box((x, y, 0), (x + thick, y + thick, height), Surface.WOOD, tint))
    return join(parts)


def sofa(rng: np.random.Generator, palette: Palette, size: Size) -> Mesh:
    """Return a sofa or, where it is short, an armchair, with cushions."""
    length, depth, height = size
    half, arm, seat = length / 2, 0.16, 0.42
    cloth = Surface.FABRIC, palette.fabric
    parts = [
        box((-half, 0, 0.08), (half, 0.22, height), *cloth),
        box((-half, 0.22, 0.08), (-half + arm, depth, 0.6), *cloth),
        box((half - arm, 0.22, 0.08), (half, depth, 0.6), *cloth),
        box((-half + arm, 0.22, 0.08), (half - arm, depth - 0.02, seat - 0.14), *cloth),
    ]
    count = max(round((length - 2 * arm) / 0.7), 1)
    edges = np.linspace(-half + arm, half - arm, count + 1)
    for left, right in pairwise(edges):
        parts.append(slab((left + 0.01, 0.24, seat - 0.13), (right - 0.01, depth, seat), *cloth))
        pillow = blob((0.2, 0.09, 0.17), 0.03, rng, Surface.CUSHION, 8).tinted(palette.accent)
        if rng.random() < 0.75:
            parts.append(pillow.moved(stand((left + right) / 2, 0.36, seat + 0.15, rng.uniform(-0.4, 0.4))))
    return join(parts)


def bed(rng: np.random.Generator, palette: Palette, size: Size) -> Mesh:
    """Return a bed with its head at the wall."""
    length, depth, _ = size
    half = length / 2
    parts = [
        box((-half, 0, 0), (half, 0.08, 1.05), Surface.WOOD, palette.timber),
        box((-half, 0.08, 0.08), (half, depth, 0.3), Surface.WOOD, palette.timber),
        box((-half + 0.03, 0.1, 0.3), (half - 0.03, depth - 0.03, 0.5), Surface.PLAIN, (0.8, 0.79, 0.76)),
        slab((-half, 0.75, 0.28), (half, depth + 0.01, 0.54), Surface.CUSHION, palette.accent),
    ]
    for x in (-half / 2, half / 2):
        pillow = blob((0.32, 0.2, 0.1), 0.02, rng, Surface.CUSHION, 8).tinted((0.75, 0.75, 0.72))
        parts.append(pillow.moved(stand(x, 0.4, 0.56)))
    return join(parts)


def books(rng: np.random.Generator, length: float, depth: float, height: float) -> Mesh:
    """Return a row of books from x = 0 to about `length` on z = 0, their spines at y = depth."""
    parts: list[Mesh] = []
    x = 0.0
    while x < length - 0.06:
        thick, tall = rng.uniform(0.018, 0.055), height * rng.uniform(0.65, 0.95)
        tint = shade(rng.uniform(), rng.uniform(0.15, 0.75), rng.uniform(0.25, 0.9))
        high = (x + thick, depth - rng.uniform(0, 0.03), tall)
        parts.append(box((x, 0.02, 0), high, Surface.PLAIN, tint))
        if rng.random() < 0.6:
            band = tall * rng.uniform(0.6, 0.85)
            low = (x, high[1] - 0.001, band - tall * 0.08)
            parts.append(box(low, (x + thick, high[1] + 0.002, band), Surface.PLAIN, (0.7, 0.6, 0.35)))
        x += thick + 0.002
        if rng.random() < 0.06:
            x += rng.uniform(0.05, 0.15)
    return join(parts) if parts else vase(rng)


def shelf(rng: np.random.Generator, palette: Palette, size: Size) -> Mesh:
    """Return open shelves filled with books, boxes and vases."""
    length, depth, height = size
    half, board, tint = length / 2, 0.03, palette.timber
    parts = [
        box((-half, 0, 0), (half, 0.015, height), Surface.WOOD, tint * 0.8),
        box((-half, 0, 0), (-half + board, depth, height), Surface.WOOD, tint),
        box((half - board, 0, 0), (half, depth, height), Surface.WOOD, tint),
        slab((-half, 0, height - board), (half, depth, height), Surface.WOOD, tint),
    ]
    levels = np.linspace(0.05, height - board, max(round(height / 0.36), 2) + 1)
    for low, high in pairwise(levels):
        parts.append(slab((-half + board, 0, low), (half - board, depth, low + board), Surface.WOOD, tint))
        room = high - low - board
        inner = length - 2 * board
        if rng.random() < 0.75:
            row = books(rng, inner * rng.uniform(0.55, 1.0), depth - 0.06, room)
            parts.append(row.moved(stand(-half + board, 0, low + board)))
        else:
            for x in np.arange(-half + 0.25, half - 0.2, 0.36):
                thing = _basket(rng, room) if rng.random() < 0.5 else vase(rng)
                parts.append(thing.moved(stand(float(x), depth / 2, low + board)))
    return join(parts)


def _basket(rng: np.random.Generator, room: float) -> Mesh:
    tint = shade(rng.uniform(), rng.uniform(0.2, 0.6), rng.uniform(0.4, 0.9))
    return box((-0.15, -0.12, 0), (0.15, 0.12, room * 0.7), Surface.FABRIC, tint)


def vase(rng: np.random.Generator) -> Mesh:
    """Return a turned vase around the origin, at most 0.24 m high."""
    height = rng.uniform(0.14, 0.24)
    z = np.linspace(0, height, 6)
    radii = 0.035 + 0.05 * np.sin(np.linspace(0.5, 3.0, 6) * rng.uniform(0.7, 1.05))
    path = np.stack([0 * z, 0 * z, z], -1)
    return tube(path, radii, Surface.PLAIN, shade(rng.uniform(), 0.5, rng.uniform(0.4, 0.9)), 10)


def cabinet(rng: np.random.Generator, palette: Palette, size: Size) -> Mesh:
    """Return a chest with doors or drawers, and things on it where it is low."""
    length, depth, height = size
    half = length / 2
    painted = rng.random() < 0.4
    surface, tint = (Surface.PLAIN, palette.paint * 0.9) if painted else (Surface.WOOD, palette.timber)
    parts = [box((-half, 0, 0), (half, depth - 0.02, height), surface, tint * 0.85)]
    columns, rows = max(round(length / 0.55), 1), int(rng.integers(1, 4)) if height < 1.2 else 1
    for column in range(columns):
        for row in range(rows):
            x0, x1 = (-half + length * (column + edge) / columns for edge in (0, 1))
            z0, z1 = (0.06 + (height - 0.08) * (row + edge) / rows for edge in (0, 1))
            front = (x0 + 0.012, depth - 0.02, z0 + 0.012), (x1 - 0.012, depth, z1 - 0.012)
            parts.append(slab(*front, surface, tint * 1.05))
            knob = ((x0 + x1) / 2 - 0.04, depth, (z0 + z1) / 2)
            end = (knob[0] + 0.08, depth + 0.02, knob[2] + 0.02)
            parts.append(slab(knob, end, Surface.PLAIN, (0.3, 0.28, 0.25)))
    if height < 1.2:
        for x in np.arange(-half + 0.15, half - 0.1, 0.32):
            if rng.random() < 0.65:
                parts.append(_ornament(rng, palette).moved(stand(float(x), depth / 2, height)))
    return join(parts)


def _ornament(rng: np.random.Generator, palette: Palette) -> Mesh:
    kind = int(rng.integers(4))
    if kind == 0:
        return vase(rng)
    if kind == 1:
        return table_lamp(palette)
    if kind == 2:
        return books(rng, 0.24, 0.16, 0.26).moved(stand(-0.12, -0.08))
    return plant(rng, 0.4)


def table(rng: np.random.Generator, palette: Palette, size: Size) -> Mesh:
    """Return a table with a few things on it."""
    length, depth, height = size
    half = length / 2
    top = slab((-half, 0, height - 0.04), (half, depth, height), Surface.WOOD, palette.timber)
    parts = [top, legs((length, depth, height - 0.04), 0.06, palette.timber * 0.9)]
    for x in np.linspace(-half + 0.25, half - 0.25, 3):
        pose = stand(float(x), depth * rng.uniform(0.35, 0.65), height, rng.uniform(0, 3))
        if rng.random() < 0.7:
            kind = int(rng.integers(3))
            parts.append([vase(rng), _stack(rng), _bowl(rng)][kind].moved(pose))
    return join(parts)


def _stack(rng: np.random.Generator) -> Mesh:
    parts, z = [], 0.0
    for _ in range(int(rng.integers(2, 5))):
        thick = rng.uniform(0.02, 0.04)
        tint = shade(rng.uniform(), 0.5, rng.uniform(0.3, 0.9))
        cover = box((-0.11, -0.08, z), (0.11, 0.08, z + thick), Surface.PLAIN, tint)
        parts.append(cover.moved(stand(0, 0, 0, rng.uniform(-0.3, 0.3))))
        z += thick
    return join(parts)


def _bowl(rng: np.random.Generator) -> Mesh:
    shell = tube(
        [(0, 0, 0), (0, 0, 0.04), (0, 0, 0.08)], [0.05, 0.11, 0.14], Surface.PLAIN, (0.6, 0.6, 0.6), 12
    )
    fruit = [
        blob((0.045,) * 3, 0.03, rng, Surface.PLAIN, 6)
        .tinted(shade(rng.uniform(0.0, 0.25), 0.8, 0.85))
        .moved(stand(0.06 * np.cos(angle), 0.06 * np.sin(angle), 0.08))
        for angle in (0.3, 1.9, 3.4, 5.0)
    ]
    return join([shell, *fruit])


def chair(rng: np.random.Generator, palette: Palette, size: Size) -> Mesh:
    """Return a chair with a slatted back."""
    length, depth, height = size
    half = length / 2
    parts = [
        legs((length, depth, 0.43), 0.04, palette.timber),
        slab((-half, 0, 0.43), (half, depth, 0.47), Surface.CUSHION, palette.fabric),
        slab((-half, 0, height - 0.1), (half, 0.03, height), Surface.WOOD, palette.timber),
    ]
    for x in np.linspace(-half, half - 0.035, 5):
        parts.append(box((x, 0, 0.47), (x + 0.035, 0.03, height - 0.1), Surface.WOOD, palette.timber))
    return join(parts)


def boxes(rng: np.random.Generator, palette: Palette, size: Size) -> Mesh:
    """Return removal boxes, one or two on top of each other."""
    length, depth, height = size
    parts = [box((-length / 2, 0, 0), (length / 2, depth, height * 0.55), Surface.CARDBOARD)]
    upper = box((-0.17, -0.14, 0), (0.17, 0.14, height * 0.45), Surface.CARDBOARD, (0.9, 0.85, 0.8))
    return join([*parts, upper.moved(stand(0, depth / 2, height * 0.55, rng.uniform(-0.3, 0.3)))])


def plant(rng: np.random.Generator, height: float) -> Mesh:
    """Return a pot with arching leaves around the origin."""
    pot = 0.3 * height
    tint = shade(rng.uniform(), rng.uniform(0.1, 0.6), rng.uniform(0.4, 0.9))
    line = [(0, 0, 0), (0, 0, pot * 0.5), (0, 0, pot)]
    parts = [tube(line, np.array([0.13, 0.16, 0.18]) * height, Surface.PLAIN, tint, 12)]
    parts.append(disc((0, 0, pot * 0.92), (0, 0, 1), 0.17 * height, Surface.LEAVES, (0.08, 0.06, 0.05)))
    green = shade(rng.uniform(0.22, 0.36), rng.uniform(0.45, 0.7), rng.uniform(0.4, 0.62))
    for index in range(int(rng.integers(14, 24))):
        reach, rise = rng.uniform(0.15, 0.36) * height, rng.uniform(0.35, 0.7) * height
        t = np.linspace(0, 1, 6)
        x, z = reach * t**1.3, pot * 0.9 + rise * (1.25 * t - 0.35 * t**3)
        wide = 0.055 * height * np.sin(np.pi * (0.12 + 0.86 * t))
        rows = [np.stack([x, sign * wide, z + 0.0 * t], -1) for sign in (1, -1)]
        leaf = sheet(rows, Surface.LEAVES, green * rng.uniform(0.7, 1.3))
        parts.append(leaf.moved(stand(0, 0, 0, index * 2.4 + rng.uniform(-0.3, 0.3))))
    return join(parts)


def table_lamp(palette: Palette) -> Mesh:
    """Return a small lamp around the origin, 0.42 m high."""
    foot = tube(
        [(0, 0, 0), (0, 0, 0.1), (0, 0, 0.25)], [0.06, 0.05, 0.015], Surface.PLAIN, palette.accent, 10
    )
    return join([foot, _lampshade(0.22, 0.42, 0.12, 0.08)])


def floor_lamp(palette: Palette) -> Mesh:
    """Return a standing lamp around the origin, 1.65 m high."""
    pole = tube([(0, 0, 0.02), (0, 0, 1.4)], 0.014, Surface.PLAIN, (0.12, 0.12, 0.12), 6)
    foot = tube([(0, 0, 0), (0, 0, 0.025)], 0.15, Surface.PLAIN, (0.12, 0.12, 0.12), 14)
    top = disc((0, 0, 0.025), (0, 0, 1), 0.15, Surface.PLAIN, (0.12, 0.12, 0.12))
    return join([pole, foot, top, _lampshade(1.35, 1.65, 0.2, 0.14)])


def pendant(height: float, drop: float) -> Mesh:
    """Return a lamp that hangs `drop` metres below a ceiling at this height."""
    cord = tube([(0, 0, height - drop), (0, 0, height)], 0.008, Surface.PLAIN, (0.2, 0.2, 0.2), 5)
    return join([cord, _lampshade(height - drop - 0.2, height - drop, 0.24, 0.12)])


def _lampshade(bottom: float, top: float, wide: float, narrow: float) -> Mesh:
    return tube([(0, 0, bottom), (0, 0, top)], [wide, narrow], Surface.GLOW, (1.0, 0.86, 0.62), 14)


def painting(index: int, size: tuple[float, float], tint: NDArray) -> Mesh:
    """Return a framed picture hung at y = 0, its lower edge at z = 0."""
    width, height = size
    half, rim = width / 2, 0.035
    parts = [slab((-half - rim, 0, -rim), (half + rim, 0.025, height + rim), Surface.WOOD, tint)]
    ring = [(half, 0.027, 0), (-half, 0.027, 0), (-half, 0.027, height), (half, 0.027, height)]
    # The picture fills its frame whatever its size.
    uv = np.array([[(0, 0), (0, 0.75)], [(1, 0), (1, 0.75)]], np.float64)
    lattice = np.array([[ring[0], ring[3]], [ring[1], ring[2]]])
    picture = sheet(lattice, Surface.PICTURE + index, uv=uv, smooth=False)
    return join([*parts, picture])
