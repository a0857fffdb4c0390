"""Buildings: a box of facade textures dressed with cornices, balconies, awnings, bay windows and roofs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recgen_bench.datasets.street.facades import (
    FIRST,
    HOME_HEIGHT,
    SHOP_HEIGHT,
    SHOP_WIDTH,
    STYLES,
    Style,
)
from recgen_bench.datasets.street.shapes import Mesh, box, join, polygon, wall
from recgen_bench.datasets.street.textures import Material, linear, numbers

ROOFS = ("flat", "gable", "hip", "mansard")
TILES = ((0.45, 0.24, 0.18), (0.26, 0.27, 0.30), (0.38, 0.30, 0.25), (0.52, 0.32, 0.22))
"""Display colours of roof tiles and slates."""


@dataclass(frozen=True, slots=True)
class Plot:
    """One building before it is built.

    Attributes:
        begin: Lowest s, metres.
        length: Metres along s.
        front: Metres from the kerb line of its side to the facade.
        depth: Metres.
        side: 1 for the left of the street, -1 for the right.
        floors: Storeys above the ground floor.
        style: Index of the facade style.
        shop: Index of the shop front, -1 for a residential ground floor.
        roof: "flat", "gable", "hip" or "mansard".
        seed: Of the small decisions.
    """

    begin: float
    length: float
    front: float
    depth: float
    side: int
    floors: int
    style: int
    shop: int
    roof: str
    seed: int


def build(plot: Plot, style: Style) -> Mesh:
    """Return the building in its own axes: x along the street, y from the facade into the plot, z up."""
    rng = numbers(plot.seed)
    length, depth = plot.length, plot.depth
    ground = SHOP_HEIGHT if plot.shop >= 0 else HOME_HEIGHT
    top = ground + plot.floors * style.storey
    parts = [_front(plot, style, ground, top)]
    blind = Material.BRICK if style.brick else Material.WALL
    bare = np.array(style.wall)
    sides = [((0.0, 0.0), (0.0, depth)), ((length, 0.0), (length, depth)), ((0.0, depth), (length, depth))]
    parts += [wall(*ends, 0.0, top, blind).tinted(bare) for ends in sides]
    trim = linear(rng.choice([0.85, 0.78, 0.66, 0.5])) * np.array([1.0, 0.97, 0.92])
    parts += _trim(plot, (ground, top), trim, rng)
    if plot.shop >= 0 and rng.random() < 0.5:
        parts += _awnings(length, rng)
    if plot.floors >= 2 and rng.random() < 0.45:
        parts += _balconies(plot, style, ground, rng)
    parts += _roof(plot, top, bare, rng)
    mesh = join(parts).tinted(rng.uniform(0.88, 1.08))
    # Street dirt and a little ambient occlusion near the ground.
    return mesh.tinted(np.clip(0.72 + 0.28 * (mesh.corners[..., 2:] / 2.2), 0.72, 1.0))


def _front(plot: Plot, style: Style, ground: float, top: float) -> Mesh:
    """Return the facade and, at gaps, the flanks behind it with whole bays only."""
    length = plot.length
    floor = FIRST + 2 * STYLES + plot.shop if plot.shop >= 0 else FIRST + STYLES + plot.style
    tile = SHOP_WIDTH if plot.shop >= 0 else style.lobby
    lower = _whole(wall((0, 0), (length, 0), 0.0, ground, floor), tile / (1 if plot.shop >= 0 else 2))
    upper = _whole(wall((0, 0), (length, 0), ground, top, FIRST + plot.style), style.bay)
    return join([lower, upper])


def _whole(mesh: Mesh, bay: float) -> Mesh:
    """Stretch the horizontal texture coordinate so that a whole number of bays fits."""
    length = float(mesh.uv[..., 0].max())
    mesh.uv[..., 0] *= max(round(length / bay), 1) * bay / length
    return mesh


def _trim(plot: Plot, heights: tuple[float, float], trim: NDArray, rng: np.random.Generator) -> list[Mesh]:
    """Return the plinth, the string course, the cornice and corner stones."""
    length, (ground, top) = plot.length, heights
    reach = rng.uniform(0.15, 0.5)
    parts = [box((-0.02, -reach, top - 0.25), (length + 0.02, 0.3, top + 0.12), Material.KERB, trim * 2.2)]
    if rng.random() < 0.7:
        parts.append(box((0, -0.12, ground - 0.14), (length, 0.1, ground + 0.1), Material.KERB, trim * 2.2))
    if rng.random() < 0.35:
        for x in (0.0, length - 0.5):
            parts.append(box((x, -0.08, 0), (x + 0.5, 0.1, top), Material.KERB, trim * 2.0))
    if rng.random() < 0.4:
        parts.append(box((0.25, -0.14, 0), (0.37, -0.02, top), Material.PAINT, (0.09, 0.09, 0.09)))
    return parts


def _awnings(length: float, rng: np.random.Generator) -> list[Mesh]:
    colours = [linear(rng.uniform(0.15, 0.75, 3)), linear(np.array([0.85, 0.83, 0.78]))]
    parts = []
    for left in np.arange(0.4, length - 2.2, SHOP_WIDTH / 2):
        if rng.random() < 0.75:
            stripes = 6
            for stripe in range(stripes):
                x0, x1 = left + 2.6 * stripe / stripes, left + 2.6 * (stripe + 1) / stripes
                ring = [(x0, 0, 2.95), (x1, 0, 2.95), (x1, -1.1, 2.45), (x0, -1.1, 2.45)]
                lip = [(x0, -1.1, 2.45), (x1, -1.1, 2.45), (x1, -1.1, 2.25), (x0, -1.1, 2.25)]
                parts += [polygon(part, Material.PLAIN, colours[stripe % 2]) for part in (ring, lip)]
    return parts


def _balconies(plot: Plot, style: Style, ground: float, rng: np.random.Generator) -> list[Mesh]:
    bays = max(round(plot.length / style.bay), 1)
    width = plot.length / bays
    rail = linear(rng.choice([0.2, 0.35, 0.75])) * np.ones(3)
    chosen = rng.random(bays) < 0.5
    parts = []
    for floor in range(plot.floors):
        z = ground + floor * style.storey
        for bay in np.flatnonzero(chosen):
            left, right = (bay + 0.12) * width, (bay + 0.88) * width
            parts.append(box((left, -0.95, z + 0.02), (right, 0, z + 0.18), Material.KERB, (1.1, 1.1, 1.1)))
            parts.append(box((left, -0.95, z + 0.98), (right, -0.88, z + 1.05), Material.PAINT, rail))
            for x in np.linspace(left, right - 0.07, 5):
                parts.append(box((x, -0.94, z + 0.18), (x + 0.07, -0.88, z + 1.0), Material.PAINT, rail))
            for x in (left, right - 0.06):
                parts.append(box((x, -0.94, z + 0.95), (x + 0.06, 0, z + 1.02), Material.PAINT, rail))
    return parts


def _roof(plot: Plot, top: float, bare: NDArray, rng: np.random.Generator) -> list[Mesh]:
    length, depth = plot.length, plot.depth
    if plot.roof == "flat":
        parts = [box((0, 0, top), (length, 0.3, top + rng.uniform(0.3, 0.9)), Material.WALL, bare)]
        parts.append(box((0, 0.3, top - 0.1), (length, depth, top), Material.WALL, (0.3, 0.3, 0.3)))
        for _ in range(rng.integers(3)):
            x, y = rng.uniform(1, max(length - 3, 1.5)), rng.uniform(1.5, 4)
            parts.append(box((x, y, top), (x + 1.8, y + 1.8, top + 1.5), Material.PAINT, (0.3, 0.31, 0.32)))
        return parts
    tone = linear(np.array(TILES[rng.integers(len(TILES))]))
    mansard = plot.roof == "mansard"
    rise = 2.4 if mansard else rng.uniform(0.32, 0.5) * depth / 2
    inset = {"gable": 0.0, "hip": min(depth / 2, length / 3), "mansard": 1.1}[plot.roof]
    eave, peak = top + 0.05, top + rise
    parts = _slopes(plot, (eave, peak), inset, (tone, bare))
    parts += _dormers(plot, (eave, peak), tone, rng) if rng.random() < 0.6 else []
    ridge = 1.1 if mansard else depth / 2
    for _ in range(1 + rng.integers(2)):
        x, high = rng.uniform(0.5, length - 1.5), peak + rng.uniform(0.5, 1.2)
        brick = (0.32, 0.16, 0.11)
        parts.append(box((x, ridge, peak - 1.2), (x + 0.9, ridge + 0.6, high), Material.BRICK, brick))
    return parts


def _slopes(
    plot: Plot, heights: tuple[float, float], inset: float, colours: tuple[NDArray, NDArray]
) -> list[Mesh]:
    """Return the faces of a pitched roof whose ridge, or flat top, begins `inset` metres from the flanks."""
    length, depth, (eave, peak), (tone, bare) = plot.length, plot.depth, heights, colours
    near = 1.1 if plot.roof == "mansard" else depth / 2
    far = depth - near
    end = length - inset
    front = [(-0.1, -0.4, eave), (length + 0.1, -0.4, eave), (end, near, peak), (inset, near, peak)]
    back = [(length, depth, eave), (0, depth, eave), (inset, far, peak), (end, far, peak)]
    parts = [polygon(slope, Material.ROOF, tone) for slope in (front, back)]
    for x, edge in ((0.0, inset), (length, end)):
        flank = [(x, 0, eave), (x, depth, eave), (edge, far, peak), (edge, near, peak)]
        face = flank if far > near else flank[:3]
        parts.append(polygon(face, *((Material.ROOF, tone) if inset else (Material.WALL, bare))))
    if far > near:
        lid = [(inset, near, peak), (end, near, peak), (end, far, peak), (inset, far, peak)]
        parts.append(polygon(lid, Material.ROOF, tone * 0.8))
    return parts


def _dormers(plot: Plot, heights: tuple[float, float], tone: NDArray, rng: np.random.Generator) -> list[Mesh]:
    eave, peak = heights
    depth = plot.depth / 2 if plot.roof != "mansard" else 1.1
    slope = (peak - eave) / depth
    parts = []
    spacing = rng.uniform(2.8, 4.5)
    for x in np.arange(1.2, plot.length - 2.2, spacing):
        y = 0.35 if plot.roof == "mansard" else 0.8
        z = eave + slope * y
        high = min(z + 1.5, peak)
        parts.append(
            box(
                (x, y - 0.15, z - 0.4),
                (x + 1.3, y + (high - z) / slope, high),
                Material.WALL,
                (0.5, 0.49, 0.46),
            )
        )
        parts.append(
            box((x + 0.18, y - 0.18, z), (x + 1.12, y - 0.15, high - 0.2), Material.GLASS, (1.4, 1.5, 1.7))
        )
        parts.append(
            box(
                (x - 0.12, y - 0.3, high),
                (x + 1.42, y + (high - z) / slope, high + 0.12),
                Material.ROOF,
                tone,
            )
        )
    return parts
