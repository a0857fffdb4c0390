"""Walls, floor and ceiling, windows and doors, and the world behind the glass."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from recgen_bench.datasets.room import furniture
from recgen_bench.datasets.room.furniture import slab
from recgen_bench.datasets.room.layout import Item, Layout, Opening, wall_pose
from recgen_bench.datasets.room.palette import Palette
from recgen_bench.datasets.room.surfaces import OUTSIDE_SIZE, PICTURES, RUG_SIZE, Surface
from recgen_bench.datasets.street.shapes import Mesh, disc, join, polygon, sheet, stand
from recgen_bench.datasets.street.textures import numbers, stream

BACKDROP = 9.0
"""Metres from the middle of the room to the painted world outside."""
GROUND, HEAVEN = -4.0, 10.0
"""Heights between which the backdrop stands."""


def build_room(layout: Layout, palette: Palette) -> Mesh:
    """Return everything inside, in the world; the normals point into the room."""
    rng = stream(layout.seed, "things")
    x, y, height = layout.size[0] / 2, layout.size[1] / 2, layout.size[2]
    floor = [(-x, -y, 0), (x, -y, 0), (x, y, 0), (-x, y, 0)]
    ceiling = [(-x, -y, height), (-x, y, height), (x, y, height), (x, -y, height)]
    parts = [polygon(floor, Surface.FLOOR), polygon(ceiling, Surface.CEILING)]
    for wall in range(4):
        pieces = [_wall(layout, wall, palette)]
        for opening in (one for one in layout.windows if one.wall == wall):
            # The same numbers for every window, so that frames and curtains match.
            pieces.append(_window(opening, palette, stream(layout.seed, "windows"), height))
        if layout.door.wall == wall:
            pieces.append(_door(layout.door, palette))
        pieces += _pictures(layout, wall, rng, palette)
        parts.append(join(pieces).moved(wall_pose(layout.size, wall)))
    if layout.rug:
        long, wide = RUG_SIZE[0] / 2, RUG_SIZE[1] / 2
        ring = [(-long, -wide, 0.012), (long, -wide, 0.012), (long, wide, 0.012), (-long, wide, 0.012)]
        parts.append(polygon(ring, Surface.RUG).moved(stand(0, 0, 0, rng.uniform(-0.15, 0.15))))
    parts.append(furniture.pendant(height, 0.3))
    parts += [build_item(item, palette).moved(item.pose) for item in layout.items]
    return join(parts)


def build_item(item: Item, palette: Palette) -> Mesh:
    """Return one piece of furniture on the origin, its back at y = 0."""
    rng = numbers(item.seed)
    if item.kind in ("plant", "lamp"):
        pose = stand(0, item.size[1] / 2)
        thing = furniture.plant(rng, item.size[2]) if item.kind == "plant" else furniture.floor_lamp(palette)
        return thing.moved(pose)
    builders = {
        "sofa": furniture.sofa,
        "armchair": furniture.sofa,
        "bed": furniture.bed,
        "shelf": furniture.shelf,
        "cabinet": furniture.cabinet,
        "wardrobe": furniture.cabinet,
        "table": furniture.table,
        "chair": furniture.chair,
        "boxes": furniture.boxes,
    }
    return builders[item.kind](rng, palette, item.size)


def build_outside() -> Mesh:
    """Return the closed drum around the room that is seen through the windows."""
    angle = np.linspace(0, 2 * np.pi, 97)
    circle = BACKDROP * np.stack([np.cos(angle), np.sin(angle)], -1)
    points, uv = np.zeros((97, 2, 3)), np.zeros((97, 2, 2))
    for row, z in enumerate((GROUND, HEAVEN)):
        points[:, row, :2], points[:, row, 2] = circle, z
        uv[:, row, 0], uv[:, row, 1] = angle / (2 * np.pi) * 3 * OUTSIDE_SIZE[0], z - GROUND
    ground = disc((0, 0, GROUND + 0.01), (0, 0, 1), BACKDROP + 0.5, Surface.GLOW, (0.16, 0.25, 0.08))
    heaven = disc((0, 0, HEAVEN - 0.01), (0, 0, 1), BACKDROP + 0.5, Surface.GLOW, (0.6, 0.75, 1.0))
    return join([sheet(points, Surface.OUTSIDE, uv=uv), ground, heaven])


def _panel(low: tuple[float, float], high: tuple[float, float], y: float, surface: int) -> Mesh:
    """Return an upright rectangle that faces +y, from (x, z) to (x, z); its uv are those of the wall."""
    (x0, z0), (x1, z1) = low, high
    points = np.array([[(x1, y, z0), (x1, y, z1)], [(x0, y, z0), (x0, y, z1)]])
    return sheet(points, surface, uv=points[..., [0, 2]] * [-1, 1], smooth=False)


def _wall(layout: Layout, wall: int, palette: Palette) -> Mesh:
    """Return one wall with its holes, in its own axes."""
    length, height = layout.size[wall % 2], layout.size[2]
    surface = Surface.FEATURE if wall == layout.feature else Surface.WALLPAPER
    windows = sorted((o for o in layout.windows if o.wall == wall), key=lambda o: o.left)
    parts, x = [], 0.0
    for hole in windows:
        parts.append(_panel((x, 0), (hole.left, height), 0.0, surface))
        parts.append(_panel((hole.left, 0), (hole.right, hole.bottom), 0.0, surface))
        parts.append(_panel((hole.left, hole.top), (hole.right, height), 0.0, surface))
        x = hole.right
    parts.append(_panel((x, 0), (length, height), 0.0, surface))
    parts.append(slab((0, 0, 0), (length, 0.016, 0.09), Surface.PLAIN, palette.paint))
    return join(parts)


def _window(hole: Opening, palette: Palette, rng: np.random.Generator, height: float) -> Mesh:
    """Return reveal, frame, bars, sill and curtains of a window."""
    left, right, bottom, top = hole.left, hole.right, hole.bottom, hole.top
    paint = Surface.PLAIN, palette.paint
    bars = [
        ((left - 0.05, -0.16, bottom - 0.05), (left + 0.05, -0.1, top + 0.05)),
        ((right - 0.05, -0.16, bottom - 0.05), (right + 0.05, -0.1, top + 0.05)),
        ((left, -0.16, bottom - 0.05), (right, -0.1, bottom + 0.05)),
        ((left, -0.16, top - 0.05), (right, -0.1, top + 0.05)),
        ((left - 0.02, -0.12, bottom - 0.03), (left, 0.02, top + 0.02)),
        ((right, -0.12, bottom - 0.03), (right + 0.02, 0.02, top + 0.02)),
        ((left, -0.12, top), (right, 0.02, top + 0.02)),
        ((left - 0.08, -0.12, bottom - 0.04), (right + 0.08, 0.14, bottom)),
    ]
    panes = 2 if right - left < 1.5 else 3
    for x in np.linspace(left, right, panes + 1)[1:-1]:
        bars.append(((x - 0.025, -0.15, bottom), (x + 0.025, -0.11, top)))
    if rng.random() < 0.5:
        z = bottom + 0.68 * (top - bottom)
        bars.append(((left, -0.15, z - 0.02), (right, -0.11, z + 0.02)))
    parts = [slab(low, high, *paint) for low, high in bars]
    if rng.random() < 0.75:
        drop = 0.06 if rng.random() < 0.5 else bottom - 0.15
        tint = palette.accent if rng.random() < 0.6 else palette.wall * 1.05
        wide = rng.uniform(0.22, 0.36)
        for x in (left - 0.12, right + 0.12 - wide):
            parts.append(_curtain(x, x + wide, drop, height - 0.12, tint))
        rail = (left - 0.25, 0.07, height - 0.13), (right + 0.25, 0.1, height - 0.1)
        parts.append(slab(*rail, Surface.WOOD, palette.timber))
    return join(parts)


def _curtain(left: float, right: float, bottom: float, top: float, tint: ArrayLike) -> Mesh:
    x = np.linspace(right, left, 25)
    points = np.zeros((25, 2, 3))
    points[..., 0] = x[:, None]
    points[..., 1] = 0.17 + 0.03 * np.sin((x - left) * 2 * np.pi / 0.11)[:, None]
    points[..., 2] = bottom, top
    return sheet(points, Surface.FABRIC, tint)


def _door(hole: Opening, palette: Palette) -> Mesh:
    left, right, top = hole.left, hole.right, hole.top
    paint, middle = palette.paint, (hole.left + hole.right) / 2
    parts = [slab((left, 0, 0), (right, 0.03, top), Surface.PLAIN, paint)]
    for low, high in ((0.2, 0.9), (1.05, 1.9)):
        for x0, x1 in ((left + 0.12, middle - 0.05), (middle + 0.05, right - 0.12)):
            parts.append(slab((x0, 0.03, low), (x1, 0.042, high), Surface.PLAIN, paint * 0.85))
    for x in (left - 0.08, right):
        parts.append(slab((x, 0, 0), (x + 0.08, 0.05, top + 0.08), Surface.PLAIN, paint))
    parts.append(slab((left, 0, top), (right, 0.05, top + 0.08), Surface.PLAIN, paint))
    parts.append(
        slab((left + 0.05, 0.03, 0.98), (left + 0.18, 0.08, 1.01), Surface.PLAIN, (0.45, 0.42, 0.35))
    )
    return join(parts)


def _pictures(layout: Layout, wall: int, rng: np.random.Generator, palette: Palette) -> list[Mesh]:
    """Return paintings where the wall is free above the furniture."""
    length = layout.size[wall % 2]
    taken = [(o.left - 0.35, o.right + 0.35) for o in (*layout.windows, layout.door) if o.wall == wall]
    back = np.linalg.inv(wall_pose(layout.size, wall))
    for item in layout.items:
        low, high = (back[:2, :2] @ corner + back[:2, 3] for corner in item.footprint())
        near = min(low[1], high[1]) < 0.45
        if near and (item.size[2] > 1.2 or item.kind in ("plant", "bed")):
            taken.append((min(low[0], high[0]) - 0.05, max(low[0], high[0]) + 0.05))
    found: list[Mesh] = []
    for _ in range(12):
        width = rng.uniform(0.4, 0.95)
        size = width, width * rng.uniform(0.65, 1.1)
        x = rng.uniform(0.3 + width / 2, length - 0.3 - width / 2)
        if all(x + width / 2 < low or x - width / 2 > high for low, high in taken) and len(found) < 3:
            tint = palette.timber if rng.random() < 0.5 else np.array([0.08, 0.08, 0.08], np.float32)
            picture = furniture.painting(int(rng.integers(PICTURES)), size, tint)
            found.append(picture.moved(stand(x, 0.0, 1.75 - size[1] / 2 - 0.1)))
            taken.append((x - width / 2 - 0.12, x + width / 2 + 0.12))
    return found
