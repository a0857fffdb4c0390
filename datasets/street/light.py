"""Sun, sky and haze of one world, and how linear light becomes display values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recgen_bench.datasets.street.pyramid import Pyramid
from recgen_bench.datasets.street.textures import noise, stream

Single = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """Weather; colours are linear RGB of diffuse irradiance over pi, so albedo times colour is radiance.

    Attributes:
        sun: (3,) unit direction towards the sun, world axes.
        sunlight: (3,) from the sun on a surface that faces it.
        above: (3,) from the whole sky on a surface that faces up.
        below: (3,) from the ground on a surface that faces down.
        zenith: (3,) radiance of the sky overhead.
        horizon: (3,) radiance of the sky at the horizon, and of haze.
        haze: Metres over which 63 % of a surface's contrast is lost.
        cover: Share of the sky in clouds, 0..1.
    """

    sun: Single
    sunlight: Single
    above: Single
    below: Single
    zenith: Single
    horizon: Single
    haze: float
    cover: float

    def ambient(self, normals: Single) -> Single:
        """Return (N, 3) light from sky and ground for (N, 3) unit normals."""
        up = 0.5 + 0.5 * normals[:, 2:3]
        return self.below + (self.above - self.below) * up


def draw_light(seed: int) -> Light:
    """Return the weather of one world: sunny, hazy or overcast."""
    rng = stream(seed, "light")
    elevation, azimuth = np.radians(rng.uniform(28, 58)), rng.uniform(0, 2 * np.pi)
    sun = [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
    weather = rng.choice(3, p=[0.6, 0.22, 0.18])
    strength, fill, cover = [(1.0, 0.58, rng.uniform(0.2, 0.5)), (0.5, 0.82, 0.6), (0.08, 1.12, 0.85)][
        weather
    ]
    warmth = np.array([1.0, 0.93, 0.80]) ** rng.uniform(0.5, 1.3)
    clear = np.array([0.86, 0.95, 1.10]) ** (1.4 if weather == 0 else 0.5)
    zenith = [np.array([0.17, 0.33, 0.66]), np.array([0.32, 0.44, 0.62]), np.array([0.48, 0.53, 0.60])][
        weather
    ]
    horizon = [np.array([0.62, 0.72, 0.82]), np.array([0.68, 0.73, 0.78]), np.array([0.66, 0.69, 0.72])][
        weather
    ]
    tone = rng.uniform(0.92, 1.08)
    return Light(
        np.array(sun, np.float32),
        (1.35 * strength * warmth).astype(np.float32),
        (fill * clear * tone).astype(np.float32),
        (0.42 * fill * np.array([1.0, 0.96, 0.9]) + 0.1 * strength).astype(np.float32),
        (zenith * tone).astype(np.float32),
        (horizon * tone).astype(np.float32),
        float(rng.uniform(450, 900) / (1 + 0.25 * weather)),
        float(cover),
    )


class Sky:
    """The sky's radiance by direction: a gradient, a glow around the sun, and drifting clouds."""

    def __init__(self, light: Light, seed: int) -> None:
        rng = stream(seed, "clouds")
        layers = [noise(rng, 1.45, 1, 28)[..., None], noise(rng, 1.2, 2, 40)[..., None]]
        self._clouds = Pyramid(layers, np.array([[7.0, 7.0], [2.6, 2.6]]), 4)
        self._light = light

    def radiance(self, directions: Single) -> Single:
        """Return (N, 3) linear RGB along (N, 3) unit directions."""
        light = self._light
        up = np.maximum(directions[:, 2:3], 0)
        blend = (1 - up) ** 4
        colour = light.zenith + (light.horizon - light.zenith) * blend
        facing = np.maximum(np.einsum("ni,i->n", directions, light.sun), 0)[:, None]
        colour = colour + (facing**24 * 0.12 + facing**4 * 0.05) * light.sunlight
        plane = (directions[:, :2] / (up + 0.16)).astype(np.float32)
        layer = np.zeros(len(plane), np.int32)
        footprint = np.full(len(plane), 0.02, np.float32)
        field = self._clouds.sample(layer, plane, footprint)
        field = field + 0.45 * self._clouds.sample(layer + 1, plane, footprint)
        # The threshold is the quantile of a normal field that leaves `cover` of the sky above it.
        threshold = 1.1 * (0.5 - light.cover) * 2
        density = np.clip((field - threshold) / 1.6, 0, 1)
        density = density * density * (3 - 2 * density) * np.clip(up / 0.22, 0, 1)
        white = light.above * 0.42 + light.sunlight * 0.45 + 0.18
        shade = 1 - 0.22 * np.clip(field - threshold - 0.6, 0, 1.5)
        return (colour + (white * shade - colour) * density * 0.85).astype(np.float32)


_STEPS = 4096


def encode(radiance: Single) -> NDArray[np.uint8]:
    """Return uint8 sRGB of linear light; highlights are rolled off above 0.6 instead of clipped."""
    high = radiance - 0.6
    rolled = np.where(high > 0, 0.6 + 0.4 * (1 - np.exp(-np.maximum(high, 0) / 0.4)), radiance)
    # A table keeps the power function out of the inner loop.
    index = np.rint(np.sqrt(np.clip(rolled, 0, 1)) * (_STEPS - 1)).astype(np.int32)
    return _TABLE[index]


def _srgb_table() -> NDArray[np.uint8]:
    value = (np.arange(_STEPS) / (_STEPS - 1)) ** 2
    display = np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)
    return np.rint(display * 255).astype(np.uint8)


_TABLE = _srgb_table()
