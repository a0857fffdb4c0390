"""The static half of a world as one mesh, and the map of wear and shade that lies on its ground."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from recgen_bench.datasets.street import buildings, furniture, plants, vehicles
from recgen_bench.datasets.street.facades import Style
from recgen_bench.datasets.street.layout import LAST_PLOT, Layout, Prop, Verge
from recgen_bench.datasets.street.road import BEGIN, END, Centreline
from recgen_bench.datasets.street.shapes import Mesh, join, sheet
from recgen_bench.datasets.street.textures import Material, linear, noise, numbers, stream
from recgen_bench.datasets.street.traffic import Track

KERB_HEIGHT = 0.13
CELL = 0.1
"""Metres per texel of the ground map."""
SAPLINGS = 12
"""Different trees of each kind."""
MAP_LENGTH, MAP_WIDTH = 3328, 640
"""Texels of the ground map along and across the road; t = 0 is its middle row."""


def build_static(layout: Layout, styles: list[Style]) -> Mesh:
    """Return everything that stands, in the world."""
    parts = [*_ground(layout), _horizon(layout)]
    for plot in layout.plots:
        kerb = layout.verges[(plot.side + 1) // 2].kerb
        house = buildings.build(plot, styles[plot.style])
        parts.append(_lay(house, layout.bend, (plot.begin, plot.side * (kerb + plot.front), plot.side)))
    parts += _row_ends(layout, styles)
    for prop in layout.props:
        mesh = _make(prop)
        parts.append(mesh.moved(layout.bend.pose(prop.s, prop.t, _level(layout, prop.t), prop.turn)))
    for track in layout.parked:
        parts.append(build_actor(track).moved(track.pose(layout.bend, 0)))
    return join(parts)


def build_actor(track: Track) -> Mesh:
    """Return an actor in its box axes."""
    return vehicles.build(track.kind, track.colour, track.seed)


def _make(prop: Prop) -> Mesh:
    rng = numbers(prop.seed)
    if prop.kind == "hedge":
        return plants.hedge(prop.size, 0.55, float(rng.uniform(0.8, 1.4)), rng)
    if prop.kind.startswith("tree/"):
        mesh = _grown(prop.kind.removeprefix("tree/"), prop.seed % SAPLINGS)
        hue = linear(0.9 + rng.uniform(-0.12, 0.14, 3))
        return replace(mesh.tinted(hue), corners=(mesh.corners * prop.size).astype(np.float32))
    return furniture.MAKERS[prop.kind](rng)


@cache
def _grown(kind: str, variety: int) -> Mesh:
    """Return one of the trees that all worlds share, each in its own place, size and hue."""
    return plants.tree(kind, numbers(97 * variety + len(kind)))


def _level(layout: Layout, t: float) -> float:
    """Return the height of the ground beside or on the road."""
    raised = any(band.use == "median" and band.low < t < band.high for band in layout.road.bands)
    return KERB_HEIGHT if raised or not layout.road.right < t < layout.road.left else 0.0


def _lay(mesh: Mesh, bend: Centreline, at: tuple[float, float, int]) -> Mesh:
    """Return a mesh given in plot axes (along, away from the road, up) bent into the world."""
    s, t, side = at
    street = mesh.corners * [1, side, 1] + [s, t, 0]
    _, _, heading = bend.at(street[..., 0], street[..., 1])
    cos, sin = np.cos(heading), np.sin(heading)
    x, y, z = mesh.normals[..., 0], mesh.normals[..., 1] * side, mesh.normals[..., 2]
    normals = np.stack([cos * x - sin * y, sin * x + cos * y, z], -1).astype(np.float32)
    return replace(mesh, corners=bend.bend(street), normals=normals)


def _strip(
    layout: Layout, span: tuple[float, float], across: list[tuple[float, float]], material: int
) -> Mesh:
    """Return a surface along the road through (t, z) places; uv are s and, on level parts, t."""
    s = np.linspace(*span, max(int((span[1] - span[0]) / 3), 1) + 1)
    lattice = np.zeros((len(s), len(across), 3))
    lattice[..., 0] = s[:, None]
    lattice[..., 1:] = across
    rise = np.abs(np.diff([z for _, z in across], prepend=across[0][1])).cumsum()
    uv = np.stack([lattice[..., 0], lattice[..., 1] + rise], -1)
    return sheet(layout.bend.bend(lattice), material, uv=uv, smooth=False)


def _ground(layout: Layout) -> list[Mesh]:
    """Return the road, kerbs, pavements, gardens, side streets and medians."""
    road = layout.road
    edges = np.linspace(road.right, road.left, 7)
    parts = [_strip(layout, (BEGIN, END), [(float(t), 0.0) for t in edges], Material.ASPHALT)]
    for verge in layout.verges:
        cuts = [BEGIN, *(s for gap in verge.gaps for s in gap), END]
        for begin, end in zip(cuts[::2], cuts[1::2], strict=True):
            parts += _pavement(layout, verge, (begin, end))
        for begin, end in verge.gaps:
            places = [(verge.side * (verge.kerb + depth), 0.0) for depth in np.linspace(0, 46, 5)]
            parts.append(_strip(layout, (begin, end), places, Material.ASPHALT))
    for band in road.bands:
        if band.use == "median":
            low, high = band.low, band.high
            rim = [(low, 0.0), (low, KERB_HEIGHT), (low + 0.15, KERB_HEIGHT)]
            back = [(high - 0.15, KERB_HEIGHT), (high, KERB_HEIGHT), (high, 0.0)]
            parts += [_strip(layout, (BEGIN, END), edge, Material.KERB) for edge in (rim, back)]
            parts.append(_strip(layout, (BEGIN, END), [rim[-1], back[0]], Material.GRASS))
    return parts


def _pavement(layout: Layout, verge: Verge, span: tuple[float, float]) -> list[Mesh]:
    side, kerb, walk = verge.side, verge.kerb, verge.walk
    stone = [(side * kerb, 0.0), (side * kerb, KERB_HEIGHT), (side * (kerb + 0.18), KERB_HEIGHT)]
    slabs = [(side * (kerb + 0.18), KERB_HEIGHT), (side * (kerb + walk), KERB_HEIGHT)]
    garden = [slabs[-1], (side * (kerb + walk + 40), KERB_HEIGHT)]
    parts = [
        _strip(layout, span, stone, Material.KERB),
        _strip(layout, span, slabs, Material.PAVING),
        _strip(layout, span, garden, Material.GRASS),
    ]
    for s in span:
        if BEGIN < s < END:
            # The cut end of the pavement at a side street.
            places = [[(s, side * (kerb + d), z) for z in (0.0, KERB_HEIGHT)] for d in (0.0, walk, 46.0)]
            parts.append(sheet(layout.bend.bend(np.array(places)), Material.KERB, smooth=False))
    return parts


def _row_ends(layout: Layout, styles: list[Style]) -> list[Mesh]:
    """Return the houses that close the side streets and, in half of the worlds, the street itself."""
    rng = stream(layout.seed, "ends")
    parts = []
    for verge in layout.verges:
        for begin, end in verge.gaps:
            plot = _closing(rng, len(styles), (begin - 8, end - begin + 16))
            house = buildings.build(plot, styles[plot.style])
            parts.append(_lay(house, layout.bend, (plot.begin, verge.side * (verge.kerb + 44), verge.side)))
    if rng.random() < 0.5:
        t = layout.road.right - 30
        while t < layout.road.left + 30:
            plot = _closing(rng, len(styles), (0.0, float(rng.uniform(12, 20))))
            turn = layout.bend.pose(LAST_PLOT + 6, t + plot.length, 0.0, -np.pi / 2)
            parts.append(buildings.build(plot, styles[plot.style]).moved(turn))
            t += plot.length
    return parts


def _closing(rng: np.random.Generator, styles: int, span: tuple[float, float]) -> buildings.Plot:
    style, floors = int(rng.integers(styles)), int(rng.integers(1, 5))
    roof = buildings.ROOFS[rng.integers(len(buildings.ROOFS))]
    return buildings.Plot(*span, 0.0, 9.0, 1, floors, style, -1, roof, int(rng.integers(1 << 31)))


def _horizon(layout: Layout) -> Mesh:
    """Return a wide plain with hills around it, so that no ray below the horizon meets the sky."""
    rng = stream(layout.seed, "horizon")
    angle = np.linspace(0, 2 * np.pi, 73)
    height = 16 + 9 * np.interp(angle, np.linspace(0, 2 * np.pi, 25), np.append(rng.uniform(0, 1, 24), 0.5))
    height[-1] = height[0]
    rings = []
    for radius, rise in ((1.0, 0.0), (330.0, 0.0), (420.0, 0.5), (520.0, 1.0), (600.0, 0.0)):
        ring = np.stack([radius * np.cos(angle) + 90, radius * np.sin(angle), rise * height - 0.03], -1)
        rings.append(ring)
    plain = sheet(rings[:2], Material.GRASS, uv=np.array(rings[:2])[..., :2], smooth=False)
    hills = sheet(rings[1:], Material.LEAVES, linear((0.80, 0.88, 0.98)), uv=np.array(rings[1:])[..., :2] / 9)
    return join([plain, hills])


def ground_map(layout: Layout) -> NDArray[np.float32]:
    """Return (MAP_WIDTH, MAP_LENGTH, 2): brightness of the surface around 1, and ambient light reaching it.

    Row 0 is the left-most t, column 0 is s = `BEGIN`; the map wraps, far from any pixel that is seen.
    """
    rng = stream(layout.seed, "wear")
    wear = np.ones((MAP_WIDTH, MAP_LENGTH), np.float32)
    grain = cv2.resize(noise(rng, 1.2, 1, 30), (MAP_LENGTH, MAP_WIDTH), interpolation=cv2.INTER_LINEAR)
    wear += 0.035 * grain
    _patch(rng, layout, wear)
    _crack(rng, layout, wear)
    for band in layout.road.bands:
        if band.use == "lane":
            for offset in (-0.75, 0.75):
                rows = _rows(band.middle + offset - 0.3, band.middle + offset + 0.3)
                wear[rows] *= 0.95
            wear[_rows(band.middle - 0.3, band.middle + 0.3)] *= 0.93
    for t, inward in ((layout.road.right, 1), (layout.road.left, -1)):
        wear[_rows(*sorted((t, t + inward * 0.35)))] *= 0.86
    soft = cv2.GaussianBlur(wear, (0, 0), 0.8)
    return np.stack([soft, _ambient(layout)], -1).astype(np.float32)


def _rows(low: float, high: float) -> slice:
    """Return the rows of the ground map between two t."""
    middle = MAP_WIDTH / 2
    return slice(max(round(middle - high / CELL), 0), max(round(middle - low / CELL), 0))


def _columns(low: float, high: float) -> slice:
    return slice(max(round((low - BEGIN) / CELL), 0), max(round((high - BEGIN) / CELL), 0))


def _patch(rng: np.random.Generator, layout: Layout, wear: NDArray[np.float32]) -> None:
    """Repair the road with rectangles of other asphalt and set manhole covers."""
    right, left = layout.road.right, layout.road.left
    for _ in range(rng.integers(14, 34)):
        s, t = rng.uniform(-10, 150), rng.uniform(right + 0.5, left - 2)
        long, wide = rng.uniform(0.8, 9), rng.uniform(0.5, 2.0)
        wear[_rows(t, t + wide), _columns(s, s + long)] *= rng.choice([0.72, 0.8, 0.87, 1.14, 1.22])
    for _ in range(rng.integers(5, 14)):
        s, t = rng.uniform(0, 120), rng.uniform(right + 0.8, left - 0.8)
        centre = round((s - BEGIN) / CELL), round(MAP_WIDTH / 2 - t / CELL)
        cv2.circle(wear, centre, 4, 0.62, -1, cv2.LINE_AA)
        cv2.circle(wear, centre, 2, 0.8, -1, cv2.LINE_AA)


def _crack(rng: np.random.Generator, layout: Layout, wear: NDArray[np.float32]) -> None:
    """Draw wandering dark cracks, most of them along the road."""
    for _ in range(rng.integers(10, 30)):
        s, t = rng.uniform(-10, 130), rng.uniform(layout.road.right, layout.road.left)
        heading = rng.choice([0.0, np.pi / 2], p=[0.7, 0.3])
        path = [(s, t)]
        for _ in range(rng.integers(6, 26)):
            heading += rng.normal() * 0.25
            s, t = s + 0.7 * np.cos(heading), t + 0.7 * np.sin(heading)
            if not layout.road.right < t < layout.road.left:
                break
            path.append((s, t))
        line = [[(s - BEGIN) / CELL * 16, (MAP_WIDTH / 2 - t / CELL) * 16] for s, t in path]
        tone = float(rng.uniform(0.6, 0.78))
        cv2.polylines(wear, [np.rint(line).astype(np.int32)], False, tone, 1, cv2.LINE_AA, 4)


def _ambient(layout: Layout) -> NDArray[np.float32]:
    """Return how much of the sky's light reaches the ground beside and below things."""
    open_ = np.ones((MAP_WIDTH, MAP_LENGTH), np.float32)
    tight = np.ones_like(open_)
    for track in layout.parked:
        (length, width, _) = track.size
        area = (
            _rows(track.t - width / 2, track.t + width / 2),
            _columns(track.s - length / 2, track.s + length / 2),
        )
        open_[area], tight[area] = 0.35, 0.25
    for plot in layout.plots:
        verge = layout.verges[(plot.side + 1) // 2]
        t = plot.side * (verge.kerb + plot.front)
        span = sorted((t, t + plot.side * plot.depth))
        open_[_rows(*span), _columns(plot.begin, plot.begin + plot.length)] = 0.3
    for prop in layout.props:
        reach = {"hedge": 0.3}.get(prop.kind, 1.3 if prop.kind.startswith("tree/") else 0.3)
        end = prop.s + (prop.size if prop.kind == "hedge" else reach)
        area = (
            _rows(prop.t - reach, prop.t + reach),
            _columns(prop.s - (0 if prop.kind == "hedge" else reach), end),
        )
        open_[area] = np.minimum(open_[area], 0.6)
    shade = cv2.GaussianBlur(open_, (0, 0), 8) * cv2.GaussianBlur(tight, (0, 0), 2.2)
    return np.clip(shade, 0.15, 1.0).astype(np.float32)
