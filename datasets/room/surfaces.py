"""The room's textures: floors, wallpapers, cloth, rugs, paintings and what is seen through the window."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from recgen_bench.datasets.room.palette import Palette, shade
from recgen_bench.datasets.street.pyramid import Pyramid
from recgen_bench.datasets.street.textures import SIZE, bond, grey, linear, noise

Single = NDArray[np.float32]


class Surface(IntEnum):
    """Index of a texture; those from `PICTURE` on are paintings."""

    FLOOR = 0
    WALLPAPER = 1
    FEATURE = 2
    CEILING = 3
    WOOD = 4
    FABRIC = 5
    CUSHION = 6
    PLAIN = 7
    LEAVES = 8
    CARDBOARD = 9
    RUG = 10
    OUTSIDE = 11
    GLOW = 12
    PICTURE = 13


PICTURES = 4
"""Different paintings in a room."""
FRAME = (1.0, 0.75)
"""Metres that a painting covers before it is scaled by its frame."""
RUG_SIZE = (2.4, 1.7)
OUTSIDE_SIZE = (2 * np.pi * 9.0 / 3, 14.0)
"""Metres of the backdrop that one copy of the view covers."""
UNLIT = (Surface.OUTSIDE, Surface.GLOW)
"""Surfaces that shine by themselves: their colour is their radiance."""

_TILES = [(2.4, 2.4), (1.2, 1.2), (1.6, 1.6), (3.0, 3.0), (1.2, 1.2), (0.5, 0.5), (0.4, 0.4)]
_TILES += [(1.5, 1.5), (0.5, 0.5), (0.8, 0.8), RUG_SIZE, OUTSIDE_SIZE, (1.0, 1.0)]


def room_textures(rng: np.random.Generator, palette: Palette) -> Pyramid:
    """Return the textures of every `Surface` in order, linear RGB."""
    plain = np.ones((SIZE, SIZE, 3), np.float32)
    images = [
        _floor(rng, palette),
        _wallpaper(rng, palette.wall, palette.pattern, int(rng.integers(5))),
        _wallpaper(rng, palette.feature, palette.wall, int(rng.integers(5))),
        grey(rng, (0.82, 0.81, 0.79), (0.02, 0.5, 8, 80), (0.03, 1.5, 1, 6)),
        _wood(rng, 0.16),
        _cloth(rng, int(rng.integers(3))),
        _cloth(rng, int(rng.integers(1, 4))),
        grey(rng, (0.97, 0.97, 0.97), (0.03, 1.2, 1, 40)),
        grey(rng, (0.8, 0.8, 0.8), (0.25, 0.7, 4, 40)),
        grey(rng, (0.42, 0.29, 0.17), (0.06, 1.0, 2, 30)) * (0.9 + 0.1 * bond(rng, 1, 3)[..., None]),
        _rug(rng, palette),
        _outside(rng),
        plain,
    ]
    images += [_picture(rng, style) for style in rng.permutation(5)[:PICTURES]]
    tiles = np.array(_TILES + [FRAME] * PICTURES)
    return Pyramid([np.clip(image, 0.004, 2.0) for image in images], tiles, 8)


def _grid() -> tuple[Single, Single]:
    """Return (SIZE, SIZE) x to the right and y downwards, both 0..1, at texel centres."""
    y, x = (np.mgrid[:SIZE, :SIZE].astype(np.float32) + 0.5) / SIZE
    return x, y


def _mix(share: NDArray, low: Single, high: Single) -> Single:
    """Return (SIZE, SIZE, 3) from `low` where the share is 0 to `high` where it is 1."""
    part = np.clip(share, 0, 1)[..., None]
    return (low * (1 - part) + high * part).astype(np.float32)


def _streaks(rng: np.random.Generator) -> Single:
    """Return noise eight times as long as it is broad, along x."""
    rows = (np.arange(SIZE) * 8) % SIZE
    return noise(rng, 0.7, 1, 9)[rows]


def _wood(rng: np.random.Generator, strength: float) -> Single:
    field = 1 + strength * _streaks(rng) + 0.5 * strength * noise(rng, 1.2, 1, 12)
    return np.repeat(field[..., None], 3, 2).astype(np.float32) * 0.9


def _floor(rng: np.random.Generator, palette: Palette) -> Single:
    style = int(rng.integers(4))
    if style == 0:
        boards = bond(rng, 2, int(rng.integers(12, 20)))
        return palette.wood * _wood(rng, 0.12) * (boards**1.6)[..., None]
    if style == 1:
        count = int(rng.integers(4, 9))
        x, y = _grid()
        odd = (np.floor(x * count) + np.floor(y * count)) % 2
        even = count % 2 == 0
        joints = np.maximum(np.abs((x * count) % 1 - 0.5), np.abs((y * count) % 1 - 0.5))
        tiles = _mix(odd * (0.9 if even else 0.0), linear((0.82, 0.8, 0.76)), palette.pattern * 0.7)
        tiles *= (1 + 0.1 * noise(rng, 1.1, 2, 60))[..., None]
        return tiles * np.where(joints > 0.48, 0.55, 1.0)[..., None].astype(np.float32)
    if style == 2:
        pile = 1 + 0.14 * noise(rng, 0.1, 20, 100) + 0.1 * noise(rng, 1.3, 1, 10)
        flecks = noise(rng, 0.5, 6, 40)
        return _mix(0.35 + 0.3 * flecks, palette.fabric, palette.wall * 0.6) * pile[..., None]
    return palette.wood * _parquet(rng)


def _parquet(rng: np.random.Generator) -> Single:
    """Return squares of strips, each turned against its neighbours."""
    x, y = _grid()
    count, strips = 6, 4
    turned = (np.floor(x * count) + np.floor(y * count)) % 2 == 1
    across = np.where(turned, x, y) * count * strips
    index = (np.floor(across) + 7 * np.floor(x * count) + 31 * np.floor(y * count)).astype(int) % 97
    tones = 1 + 0.14 * rng.standard_normal(97)
    grain = np.where(turned, _streaks(rng).T, _streaks(rng))
    edge = np.where(np.abs(across % 1 - 0.5) > 0.44, 0.72, 1.0)
    field = tones[index] * edge * (0.9 + 0.1 * grain)
    return np.repeat(field[..., None], 3, 2).astype(np.float32)


def _wallpaper(rng: np.random.Generator, ground: Single, ink: Single, style: int) -> Single:
    x, y = _grid()
    turn = 2 * np.pi
    if style == 0:
        count = int(rng.integers(4, 9))
        share = (np.abs((x * count) % 1 - 0.5) < rng.uniform(0.1, 0.25)) * 0.8
        share = share + (np.abs((x * count + 0.5) % 1 - 0.5) < 0.03) * 0.6
    elif style == 1:
        a, b = np.cos(turn * 3 * x), np.cos(turn * 3 * y)
        c = np.cos(turn * 6 * x) * np.cos(turn * 6 * y) + 0.5 * np.cos(turn * 9 * (x + y))
        share = 0.7 / (1 + np.exp(-9 * (a * b + 0.45 * c - 0.35)))
    elif style == 2:
        share = np.zeros((SIZE, SIZE))
        for _ in range(60):
            away = np.hypot(*((grid - rng.uniform() + 0.5) % 1 - 0.5 for grid in (x, y)))
            petals = 0.03 * rng.uniform(0.6, 1.5) * (1 + 0.35 * np.cos(5 * turn * away / 0.1))
            share = np.maximum(share, (away < petals) * rng.uniform(0.5, 0.95))
    elif style == 3:
        share = 0.09 * noise(rng, 1.2, 1, 40) + 0.08 * noise(rng, 0.6, 10, 90)
        return (ground * (1 + 1.1 * share[..., None])).astype(np.float32)
    else:
        count = 8
        boards = np.where(np.abs((x * count) % 1 - 0.5) > 0.46, 0.62, 1.0)
        tones = 1 + 0.08 * rng.standard_normal(count)
        field = boards * tones[np.floor(x * count).astype(int)] * (1 + 0.06 * _streaks(rng).T)
        return (ground * field[..., None]).astype(np.float32)
    return _mix(share, ground, ink) * (1 + 0.03 * noise(rng, 0.6, 4, 80)[..., None])


def _cloth(rng: np.random.Generator, style: int) -> Single:
    """Return a pattern around 1, to be tinted: weave, stripes, checks or dots."""
    x, y = _grid()
    weave = 1 + 0.12 * noise(rng, 0.2, 20, 90) + 0.08 * noise(rng, 1.2, 1, 12)
    pattern = np.ones((SIZE, SIZE))
    if style == 1:
        pattern = np.where((x * 4) % 1 < 0.3, 1.6, 0.85)
    elif style == 2:
        pattern = 0.75 + 0.3 * ((x * 3) % 1 < 0.4) + 0.3 * ((y * 3) % 1 < 0.4)
    elif style == 3:
        pattern = np.where(np.hypot((x * 4) % 1 - 0.5, (y * 4) % 1 - 0.5) < 0.25, 1.8, 0.8)
    return np.repeat((weave * pattern)[..., None], 3, 2).astype(np.float32)


def _rug(rng: np.random.Generator, palette: Palette) -> Single:
    x, y = _grid()
    field = noise(rng, 0.9, 2, 14)
    field = field + field[:, ::-1] + field[::-1] + field[::-1, ::-1]
    medallion = np.cos(9 * np.hypot(2 * x - 1, 1.4 * (y - 0.5)))
    image = _mix(1 / (1 + np.exp(-6 * (field - 0.4))), palette.accent * 0.7, palette.wall * 0.8)
    image = _mix((medallion > 0.55) * 0.8, image, palette.fabric)
    edge = np.minimum(np.minimum(x, 1 - x) * RUG_SIZE[0], np.minimum(y, 1 - y) * RUG_SIZE[1])
    image = _mix(((edge > 0.1) & (edge < 0.16)) | (edge < 0.03), image, palette.wall * 0.9)
    image = _mix((edge > 0.03) & (edge < 0.1) & ((10 * (x + y)) % 1 < 0.5), image, palette.fabric * 0.6)
    return image * (1 + 0.1 * noise(rng, 0.2, 20, 100)[..., None])


def _outside(rng: np.random.Generator) -> Single:
    """Return bright sky, far trees and a few houses; row 0 is 10 m above the floor, the last 4 m below."""
    x, y = _grid()
    height = 10 - 14 * y
    cloud = np.clip(0.3 + 0.5 * noise(rng, 1.5, 1, 30), 0, 1)
    image = _mix(cloud, np.array([0.5, 0.68, 0.95], np.float32), np.array([1.0, 1.0, 1.0], np.float32))
    for _ in range(int(rng.integers(2, 5))):
        centre, half, top = rng.uniform(), rng.uniform(0.06, 0.12), rng.uniform(1.0, 4.5)
        away = np.abs((x - centre + 0.5) % 1 - 0.5)
        house = (away < half) & (height < top + 1.6 * np.clip(1 - away / half, 0, 1))
        windows = ((away * 60) % 1 < 0.4) & ((height * 0.7) % 1 < 0.5) & (height < top)
        wall = shade(rng.uniform(0.02, 0.12), rng.uniform(0.1, 0.5), rng.uniform(0.6, 0.9)) * 0.9
        image = _mix(house, image, wall)
        image = _mix(house & windows, image, np.array([0.1, 0.12, 0.15], np.float32))
    crown = 0.6 + 0.9 * noise(rng, 1.1, 1, 20)[0][None] + 0.1 * noise(rng, 0.4, 4, 40)
    leaves = linear((0.36, 0.46, 0.24)) * (1 + 0.3 * noise(rng, 0.4, 6, 60))[..., None]
    image = _mix(0.5 + 5 * (crown - height), image, leaves.astype(np.float32))
    return image * 1.15


def _picture(rng: np.random.Generator, style: int) -> Single:
    """Return a painting: hills, blocks of colour, contour bands, discs or a still life of strokes."""
    x, y = _grid()
    hue = rng.uniform()
    image = np.broadcast_to(shade(hue, 0.2, 0.9), (SIZE, SIZE, 3)).astype(np.float32)
    if style == 0:
        image = _mix(y, shade(hue, 0.5, 0.9), shade(hue + 0.4, 0.15, 0.98))
        for layer in range(5):
            crest = 0.35 + 0.13 * layer + 0.06 * noise(rng, 1.4, 1, 12)[0][None]
            image = _mix(y > crest, image, shade(hue + 0.1 * layer, 0.5, 0.75 - 0.12 * layer))
    elif style == 1:
        for _ in range(22):
            low = rng.uniform(-0.1, 0.9, 2)
            high = low + rng.uniform(0.08, 0.4, 2)
            inside = (x > low[0]) & (x < high[0]) & (y > low[1]) & (y < high[1])
            image = _mix(inside, image, shade(rng.uniform(), 0.65, rng.uniform(0.3, 0.95)))
    elif style == 2:
        field = noise(rng, 1.6, 1, 16)
        for level in np.linspace(-1.6, 1.6, 8):
            image = _mix(field > level, image, shade(hue + 0.12 * level, 0.6, 0.55 + 0.2 * level))
    elif style == 3:
        for _ in range(26):
            away = np.hypot(x - rng.uniform(), (y - rng.uniform()) * 0.75)
            radius = rng.uniform(0.04, 0.2)
            image = _mix(away < radius, image, shade(hue + rng.uniform(0, 0.5), 0.6, rng.uniform(0.3, 0.95)))
    else:
        for _ in range(70):
            angle, place = rng.uniform(0, np.pi), rng.uniform(0, 1, 2)
            along = (x - place[0]) * np.cos(angle) + (y - place[1]) * np.sin(angle)
            aside = (y - place[1]) * np.cos(angle) - (x - place[0]) * np.sin(angle)
            stroke = (np.abs(along) < rng.uniform(0.05, 0.25)) & (np.abs(aside) < rng.uniform(0.006, 0.03))
            image = _mix(stroke, image, shade(hue + rng.uniform(-0.2, 0.5), 0.7, rng.uniform(0.2, 0.9)))
    return image * (1 + 0.05 * noise(rng, 0.4, 8, 90)[..., None])
