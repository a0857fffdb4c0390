"""Facade textures: walls with windows, doors and shop fronts, drawn once per style and tiled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recgen_bench.datasets.street.textures import SIZE, Material, Single, bond, linear, noise

STYLES = 8
"""Styles of upper storeys, each with a ground floor of the same wall."""
SHOPS = 4
"""Styles of shop fronts."""
FIRST = len(Material)
"""Index of the first facade texture: upper storeys, then their ground floors, then shops."""

WALLS = ((0.80, 0.74, 0.62), (0.62, 0.34, 0.25), (0.73, 0.66, 0.58), (0.84, 0.80, 0.74), (0.55, 0.38, 0.30),
         (0.74, 0.60, 0.48), (0.58, 0.60, 0.60), (0.80, 0.66, 0.44), (0.66, 0.72, 0.70), (0.72, 0.52, 0.44),
         (0.45, 0.42, 0.40), (0.86, 0.84, 0.80))  # fmt: skip
"""Display colours of walls: renders, bricks and stones as towns have them."""


@dataclass(frozen=True, slots=True)
class Style:
    """What a facade is made of, known before anything is drawn.

    Attributes:
        wall: Linear RGB of the bare wall.
        brick: Bricks instead of render.
        bay: Metres from window to window.
        storey: Metres from floor to floor.
    """

    wall: tuple[float, float, float]
    brick: bool
    bay: float
    storey: float
    lobby: float
    """Metres that the picture of the ground floor covers in width."""


HOME_HEIGHT = 3.2
SHOP_HEIGHT = 3.9
SHOP_WIDTH = 6.6


class _Canvas:
    """A picture in metres: origin at the lower left, drawn with area coverage at its edges."""

    def __init__(self, picture: Single, tile: tuple[float, float]) -> None:
        self.picture = picture
        self.scale = SIZE / tile[0], SIZE / tile[1]
        self.tile = tile

    def fill(self, at: tuple, colour: NDArray | tuple, opacity: float = 1.0) -> None:
        """Blend a rectangle (x, y of its lower left corner, width, height) over the picture."""
        x, y, w, h = at
        columns, across = _cover(x * self.scale[0], (x + w) * self.scale[0])
        rows, up = _cover(SIZE - (y + h) * self.scale[1], SIZE - y * self.scale[1])
        area = self.picture[rows, columns]
        area += (opacity * up[:, None] * across)[..., None] * (np.asarray(colour, np.float32) - area)


def _cover(low: float, high: float) -> tuple[slice, Single]:
    """Return the texels that an interval touches and how much of each it covers."""
    low, high = max(low, 0.0), min(high, float(SIZE))
    first, last = int(low), max(int(np.ceil(high)), int(low))
    edges = np.clip(np.arange(first, last + 1), low, max(high, low))
    return slice(first, last), np.diff(edges).astype(np.float32)


def draw_styles(rng: np.random.Generator) -> list[Style]:
    """Return the `STYLES` facade styles of one world."""
    picks = rng.permutation(len(WALLS))[:STYLES]
    styles = []
    for pick in picks:
        wall = linear(np.array(WALLS[pick]) * rng.uniform(0.88, 1.05) + rng.uniform(-0.03, 0.03, 3))
        red, green, blue = (float(channel) for channel in np.clip(wall, 0.03, 0.8))
        brick = bool(rng.random() < (0.8 if red > 1.9 * blue else 0.25))
        bay, storey, lobby = rng.uniform(2.5, 3.8), rng.uniform(2.9, 3.4), rng.uniform(4.8, 7.0)
        styles.append(Style((red, green, blue), brick, float(bay), float(storey), float(lobby)))
    return styles


def facade_textures(rng: np.random.Generator, styles: list[Style]) -> tuple[list[Single], list[tuple]]:
    """Return the (SIZE, SIZE, 3) pictures from index `FIRST` on, and the metres (width, height) of each."""
    pictures, tiles = [], []
    for style in styles:
        tiles.append((2 * style.bay, 2 * style.storey))
        pictures.append(_upper_storeys(rng, style))
    for style in styles:
        tiles.append((style.lobby, HOME_HEIGHT))
        canvas = _Canvas(_wall(rng, style), tiles[-1])
        _home(canvas, rng)
        pictures.append(canvas.picture)
    for _ in range(SHOPS):
        tiles.append((SHOP_WIDTH, SHOP_HEIGHT))
        canvas = _Canvas(_wall(rng, styles[rng.integers(len(styles))]), tiles[-1])
        _shop(canvas, rng)
        pictures.append(canvas.picture)
    return pictures, tiles


def _upper_storeys(rng: np.random.Generator, style: Style) -> Single:
    """Return two bays by two storeys of windows."""
    bay, storey = style.bay, style.storey
    canvas = _Canvas(_wall(rng, style), (2 * bay, 2 * storey))
    kind = rng.integers(4)
    width = bay * (rng.uniform(0.36, 0.5) if kind < 2 else rng.uniform(0.5, 0.78))
    height = storey * rng.uniform(0.48, 0.64)
    frame = linear(rng.choice([0.88, 0.80, 0.30, 0.45])) * np.array([1.0, 0.98, 0.94])
    trim = linear(rng.choice([0.82, 0.72, 0.6])) * np.array([1.0, 0.97, 0.92])
    pane: Callable[..., None] = _wide_window if kind >= 2 else _sash_window
    for row in range(2):
        canvas.fill((0, row * storey - 0.1, 2 * bay, 0.14), trim, 0.5 if kind % 2 else 0.12)
        for column in range(2):
            x, y = (column + 0.5) * bay - width / 2, row * storey + storey * 0.26
            if kind % 2 == 0:
                canvas.fill((x - 0.12, y - 0.1, width + 0.24, height + 0.24), trim, 0.8)
            canvas.fill((x - 0.1, y - 0.12, width + 0.2, 0.12), trim)
            canvas.fill((x - 0.06, y - 0.45, width + 0.12, 0.33), (0.05, 0.05, 0.05), 0.12)
            pane(canvas, rng, (x, y, width, height), frame)
    return canvas.picture


def _wall(rng: np.random.Generator, style: Style) -> Single:
    field = 1 + 0.05 * noise(rng, 1.3, 1, 12) + 0.035 * noise(rng, 0.6, 6, 70)
    if style.brick:
        field = field * bond(rng, 24, 86)
    return (np.array(style.wall, np.float32) * field[..., None]).astype(np.float32)


def _glass(canvas: _Canvas, rng: np.random.Generator, at: tuple[float, float, float, float]) -> None:
    """Draw a pane: dark below, a reflection of the sky above, sometimes a curtain or a lamp behind."""
    x, y, w, h = at
    # The wall tint multiplies the whole picture later, so panes are kept neutral.
    low, high = np.array([0.065, 0.075, 0.085]), np.array([0.17, 0.21, 0.26]) * rng.uniform(0.6, 1.3)
    for step in range(6):
        canvas.fill((x, y + h * step / 6, w, h / 6), low + (high - low) * (step / 5) ** 1.5)
    chance = rng.random()
    if chance < 0.35:
        canvas.fill((x, y, w * rng.uniform(0.18, 0.3), h), (0.42, 0.40, 0.36), 0.75)
        canvas.fill((x + w * 0.78, y, w * 0.22, h), (0.42, 0.40, 0.36), 0.75)
    elif chance < 0.6:
        drop = rng.uniform(0.3, 0.7)
        canvas.fill((x, y + h * drop, w, h * (1 - drop)), (0.40, 0.38, 0.33), 0.8)
    canvas.fill((x, y + h - 0.10, w, 0.10), (0.02, 0.02, 0.02), 0.6)


def _sash_window(canvas: _Canvas, rng: np.random.Generator, at: tuple, frame: NDArray) -> None:
    x, y, w, h = at
    canvas.fill((x, y, w, h), frame)
    _glass(canvas, rng, (x + 0.07, y + 0.07, w - 0.14, h - 0.14))
    canvas.fill((x, y + h * 0.52, w, 0.07), frame)
    canvas.fill((x + w / 2 - 0.03, y, 0.06, h), frame)


def _wide_window(canvas: _Canvas, rng: np.random.Generator, at: tuple, frame: NDArray) -> None:
    x, y, w, h = at
    canvas.fill((x, y, w, h), frame)
    panes = 2 if w < 1.9 else 3
    for pane in range(panes):
        left = x + 0.06 + pane * (w - 0.06) / panes
        _glass(canvas, rng, (left, y + 0.06, (w - 0.06) / panes - 0.06, h - 0.12))


def _shop(canvas: _Canvas, rng: np.random.Generator) -> None:
    width, height = canvas.tile
    accent = linear(np.clip(rng.choice(WALLS) * rng.uniform(0.4, 1.0) + rng.uniform(-0.1, 0.1, 3), 0.06, 0.8))
    frame = linear(rng.choice([0.16, 0.25, 0.7])) * np.ones(3)
    canvas.fill((0.15, 0.0, width - 0.3, height - 0.35), accent)
    door = rng.uniform(1.0, width - 2.2)
    for left, right in ((0.35, door - 0.1), (door + 1.1, width - 0.35)):
        if right - left > 0.5:
            canvas.fill((left, 0.45, right - left, 2.15), frame)
            _glass(canvas, rng, (left + 0.07, 0.52, right - left - 0.14, 2.0))
            _goods(canvas, rng, (left + 0.15, right - 0.15))
    canvas.fill((door, 0.05, 1.0, 2.55), frame)
    _glass(canvas, rng, (door + 0.12, 0.35, 0.76, 2.1))
    sign = linear(np.clip(1.0 - accent, 0.1, 0.9))
    canvas.fill((0.3, 2.75, width - 0.6, 0.6), accent * 0.55)
    at = rng.uniform(0.6, width * 0.35)
    while at < width * 0.75:
        letter = rng.uniform(0.16, 0.34)
        canvas.fill((at, 2.9, letter, 0.3), sign, 0.85)
        at += letter + rng.choice([0.08, 0.08, 0.3])


def _goods(canvas: _Canvas, rng: np.random.Generator, span: tuple[float, float]) -> None:
    """Put blurred goods behind a shop window."""
    at = span[0]
    while at < span[1] - 0.3:
        w, h = rng.uniform(0.15, 0.5), rng.uniform(0.25, 1.1)
        canvas.fill((at, 0.55, min(w, span[1] - at), h), linear(rng.uniform(0.15, 0.75, 3)), 0.55)
        at += w + rng.uniform(0.05, 0.5)


def _home(canvas: _Canvas, rng: np.random.Generator) -> None:
    width = canvas.tile[0]
    frame = linear(rng.choice([0.88, 0.8, 0.35])) * np.array([1.0, 0.98, 0.94])
    canvas.fill((0, 0, width, 0.45), (0.25, 0.24, 0.23), 0.55)
    door = rng.uniform(0.5, width - 1.6)
    canvas.fill((door - 0.12, 0, 1.24, 2.45), frame)
    colour = linear(rng.uniform(0.1, 0.55, 3))
    canvas.fill((door, 0.05, 1.0, 2.1), colour)
    for panel in (0.3, 1.2):
        canvas.fill((door + 0.15, panel, 0.7, 0.7), colour * 0.7)
    canvas.fill((door, 2.15, 1.0, 0.28), (0.08, 0.09, 0.1))
    canvas.fill((door - 0.3, 0, 1.6, 0.12), (0.4, 0.39, 0.37))
    for left, right in ((0.0, door - 0.2), (door + 1.2, width)):
        if right - left > 1.3:
            w = min(right - left - 0.5, 1.9)
            at = ((left + right - w) / 2, 0.9, w, 1.5)
            canvas.fill((at[0] - 0.1, 0.78, w + 0.2, 0.12), (0.55, 0.53, 0.5))
            _sash_window(canvas, rng, at, frame)
