"""Colours of one room, drawn so that walls stay light and fabrics carry the strong hues."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recgen_bench.datasets.street.textures import linear

Single = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Palette:
    """Linear RGB (3,) of everything that is not drawn anew for each object.

    Attributes:
        wall: Ground of the wallpaper.
        pattern: What is printed on it.
        feature: The one wall in another colour.
        wood: Floor boards.
        timber: Furniture.
        paint: Doors, skirting and window frames.
        fabric: Sofa and chairs.
        accent: Rug, curtains and cushions.
    """

    wall: Single
    pattern: Single
    feature: Single
    wood: Single
    timber: Single
    paint: Single
    fabric: Single
    accent: Single


def shade(hue: float, saturation: float, value: float) -> Single:
    """Return linear RGB (3,) of a hue in turns, a saturation and a display value in 0..1."""
    return linear(colorsys.hsv_to_rgb(hue % 1.0, saturation, value))


def draw_palette(rng: np.random.Generator) -> Palette:
    """Return colours that go together: neighbours and one opposite on the circle of hues."""
    hue = rng.uniform()
    opposite = hue + 0.5 + rng.uniform(-0.12, 0.12)
    brown = rng.uniform(0.055, 0.1)
    return Palette(
        wall=shade(hue, rng.uniform(0.06, 0.25), rng.uniform(0.8, 0.93)),
        pattern=shade(hue + rng.uniform(-0.08, 0.08), rng.uniform(0.3, 0.5), rng.uniform(0.55, 0.75)),
        feature=shade(opposite + rng.uniform(-0.2, 0.2), rng.uniform(0.2, 0.45), rng.uniform(0.6, 0.85)),
        wood=shade(brown, rng.uniform(0.35, 0.6), rng.uniform(0.5, 0.85)),
        timber=shade(brown + 0.01, rng.uniform(0.3, 0.65), rng.uniform(0.4, 0.85)),
        paint=shade(rng.uniform(), rng.uniform(0.0, 0.12), rng.uniform(0.86, 0.95)),
        fabric=shade(opposite, rng.uniform(0.25, 0.65), rng.uniform(0.35, 0.75)),
        accent=shade(hue + rng.uniform(-0.15, 0.15), rng.uniform(0.5, 0.75), rng.uniform(0.5, 0.8)),
    )
