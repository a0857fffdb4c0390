"""What stands where: the size of the room, its openings and its furniture, all drawn from the seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from recgen_bench.datasets.room.path import LOWEST, Path, draw_path
from recgen_bench.datasets.street.shapes import stand
from recgen_bench.datasets.street.textures import stream

Size = tuple[float, float, float]

CLEARANCE = 0.42
"""Metres that draws keep between the camera's path and anything solid; 0.3 is promised."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A window, or a door where `bottom` is 0, in the axes of a wall: x along it, z up, metres."""

    wall: int
    left: float
    right: float
    bottom: float
    top: float


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One piece of furniture: kind, (length, depth, height) in metres, (4, 4) pose and its own seed."""

    kind: str
    size: Size
    pose: NDArray[np.float64]
    seed: int

    def footprint(self) -> tuple[NDArray, NDArray]:
        """Return the lowest and highest (x, y) it covers in the world; pieces are turned by right angles."""
        length, depth, _ = self.size
        corners = np.array([(-length / 2, 0.0), (length / 2, depth)])
        placed = corners @ self.pose[:2, :2].T + self.pose[:2, 3]
        return placed.min(0), placed.max(0)


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """One room, centred on the origin with its floor at z = 0.

    Attributes:
        seed: Any non-negative integer.
        size: Extent along x, y and z in metres.
        windows: At least one.
        door: The door.
        items: Furniture.
        feature: The wall in another colour.
        rug: Whether a rug lies in the middle.
        path: The camera's path.
    """

    seed: int
    size: Size
    windows: tuple[Opening, ...]
    door: Opening
    items: tuple[Item, ...]
    feature: int
    rug: bool
    path: Path


def wall_pose(size: Size, wall: int) -> NDArray[np.float64]:
    """Return the (4, 4) pose of wall 0 to 3: x along it, y into the room, z up, origin in its corner."""
    x, y = size[0] / 2, size[1] / 2
    corner = [(-x, -y), (x, -y), (x, y), (-x, y)][wall]
    return stand(*corner, 0.0, wall * np.pi / 2)


@lru_cache(maxsize=64)
def draw_layout(seed: int) -> Layout:
    """Return the room of a seed."""
    rng = stream(seed, "room")
    size = rng.uniform(4.9, 6.6), rng.uniform(4.3, 5.5), rng.uniform(2.55, 2.85)
    path = draw_path(rng, size)
    first = int(rng.integers(4))
    walls = [first] if rng.random() < 0.45 else [first, (first + int(rng.integers(1, 3))) % 4]
    windows = tuple(opening for wall in walls for opening in _windows(rng, size[wall % 2], wall))
    free = [wall for wall in range(4) if wall not in walls]
    wall = free[int(rng.integers(len(free)))]
    left = rng.uniform(0.35, size[wall % 2] - 1.3)
    door = Opening(wall, left, left + 0.9, 0.0, 2.05)
    feature = (first + 2) % 4
    items = _furnish(rng, size, (*windows, door), path)
    return Layout(seed, size, windows, door, items, feature, rng.random() < 0.7, path)


def _windows(rng: np.random.Generator, length: float, wall: int) -> list[Opening]:
    count = 1 if rng.random() < 0.5 else 2
    wide = rng.uniform(1.3, 2.2) if count == 1 else rng.uniform(0.9, 1.2)
    bottom = rng.uniform(0.75, 0.95)
    centres = length * (np.arange(count) + 1) / (count + 1) + rng.uniform(-0.15, 0.15)
    return [Opening(wall, float(x - wide / 2), float(x + wide / 2), bottom, 2.15) for x in centres]


def _furnish(
    rng: np.random.Generator, size: Size, openings: Sequence[Opening], path: Path
) -> tuple[Item, ...]:
    """Return the middle group and then whatever of a shuffled wish list finds a place along the walls."""
    items = _middle(rng, size)
    main = "bed" if rng.random() < 0.25 else "sofa"
    others = ["shelf", "shelf", "cabinet", "cabinet", "table", "wardrobe", "plant", "plant", "lamp", "boxes"]
    others += ["armchair", "chair"]
    wishes = [main, "shelf", "cabinet", *rng.permutation(others)]
    for kind in wishes:
        wanted = _size(rng, kind)
        for _ in range(40):
            item = _against_wall(rng, size, kind, wanted)
            if _fits(item, items, size, openings) and _clear(item, path):
                items.append(item)
                break
    return tuple(items)


def _size(rng: np.random.Generator, kind: str) -> Size:
    low, high = {
        "sofa": ((1.7, 0.8, 0.75), (2.3, 0.92, 0.88)),
        "armchair": ((0.8, 0.75, 0.75), (0.95, 0.85, 0.85)),
        "bed": ((1.4, 1.95, 0.55), (1.7, 2.05, 0.55)),
        "shelf": ((0.8, 0.28, 1.2), (1.7, 0.36, 2.15)),
        "cabinet": ((0.9, 0.38, 0.55), (1.7, 0.5, 1.05)),
        "wardrobe": ((1.0, 0.55, 1.9), (1.4, 0.6, 2.1)),
        "table": ((1.1, 0.6, 0.72), (1.5, 0.75, 0.76)),
        "plant": ((0.5, 0.5, 0.8), (0.6, 0.6, 1.2)),
        "lamp": ((0.42, 0.42, 1.65), (0.42, 0.42, 1.65)),
        "boxes": ((0.5, 0.4, 0.7), (0.65, 0.5, 0.9)),
        "chair": ((0.42, 0.42, 0.9), (0.46, 0.46, 0.95)),
    }[kind]
    length, depth, height = rng.uniform(low, high)
    return float(length), float(depth), float(height)


def _middle(rng: np.random.Generator, size: Size) -> list[Item]:
    """Return a coffee table, a dining table with chairs, or nothing; all below the camera's path."""
    style = int(rng.integers(3))
    turn = int(rng.integers(2)) * np.pi / 2
    centre = stand(rng.uniform(-0.2, 0.2), rng.uniform(-0.2, 0.2), 0.0, turn)
    seeds = rng.integers(0, 2**31, 5)
    if style == 0:
        return [Item("table", (1.1, 0.6, 0.42), centre @ stand(0, -0.3), int(seeds[0]))]
    if style == 1:
        items = [Item("table", (1.5, 0.85, 0.74), centre @ stand(0, -0.42), int(seeds[0]))]
        for index, (x, y) in enumerate([(-0.4, -0.85), (0.4, -0.85), (-0.4, 0.85), (0.4, 0.85)]):
            pose = centre @ stand(x, y, 0.0, 0.0 if y < 0 else np.pi)
            items.append(Item("chair", (0.44, 0.44, 0.93), pose, int(seeds[index + 1])))
        return items
    return []


def _against_wall(rng: np.random.Generator, size: Size, kind: str, wanted: Size) -> Item:
    wall = int(rng.integers(4))
    margin = wanted[0] / 2 + 0.04
    x = rng.uniform(margin, size[wall % 2] - margin)
    pose = wall_pose(size, wall) @ stand(x, 0.03)
    return Item(kind, wanted, pose, int(rng.integers(2**31)))


def _fits(item: Item, others: Sequence[Item], size: Size, openings: Sequence[Opening]) -> bool:
    """Return whether nothing else stands there and no door or window is behind it."""
    low, high = item.footprint()
    for other in others:
        from_, to = other.footprint()
        if (low < to + 0.06).all() and (high > from_ - 0.06).all():
            return False
    height = item.size[2] + (0.45 if item.kind in ("cabinet", "table", "bed") else 0.05)
    for opening in openings:
        reach = 0.9 if opening.bottom == 0 else 0.15
        corners = np.array([(opening.left - 0.1, 0.0), (opening.right + 0.1, reach)])
        pose = wall_pose(size, opening.wall)
        zone = corners @ pose[:2, :2].T + pose[:2, 3]
        if height > opening.bottom and (low < zone.max(0)).all() and (high > zone.min(0)).all():
            return False
    return True


def _clear(item: Item, path: Path) -> bool:
    """Return whether the path passes above the item or far enough beside it."""
    height = item.size[2] + (0.45 if item.kind in ("cabinet", "table", "bed") else 0.05)
    low, high = item.footprint()
    spread = 0.2 if item.kind == "plant" else 0.0
    away = np.maximum(np.maximum(low - path.places[:, :2], path.places[:, :2] - high), 0)
    beside = np.linalg.norm(away, axis=1).min() > CLEARANCE + spread
    return bool(beside or height + CLEARANCE < LOWEST)
