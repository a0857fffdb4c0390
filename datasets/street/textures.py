"""Surface textures made from filtered noise: every one tiles, and none is finer than its own texels."""

from __future__ import annotations

import zlib
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

Single = NDArray[np.float32]

SIZE = 256
"""Texels along each side of every texture."""


class Material(IntEnum):
    """Index of a texture; facades follow after the last one, see `recgen_bench.datasets.street.facades`."""

    ASPHALT = 0
    PAVING = 1
    KERB = 2
    GRASS = 3
    LEAVES = 4
    BARK = 5
    PLAIN = 6
    GLASS = 7
    ROOF = 8
    WALL = 9
    BRICK = 10
    PAINT = 11


TILE = {
    Material.ASPHALT: 5.0,
    Material.PAVING: 3.6,
    Material.KERB: 2.0,
    Material.GRASS: 6.0,
    Material.LEAVES: 2.4,
    Material.BARK: 1.0,
    Material.PLAIN: 2.0,
    Material.GLASS: 1.5,
    Material.ROOF: 4.0,
    Material.WALL: 6.0,
    Material.BRICK: 3.2,
    Material.PAINT: 2.0,
}
"""Metres that one texture covers, in both directions."""


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the random numbers of one aspect of a world, independent of all other aspects."""
    words = [zlib.crc32(name.encode()), seed]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))


def numbers(seed: int) -> np.random.Generator:
    """Return the random numbers of one small thing, whose seed the layout drew."""
    return np.random.Generator(np.random.PCG64(seed))


def linear(colour: ArrayLike) -> Single:
    """Return linear light from display values in 0..1."""
    return np.power(np.asarray(colour, np.float32), 2.2)


def noise(rng: np.random.Generator, beta: float, coarse: float = 1.0, fine: float = 64.0) -> Single:
    """Return (SIZE, SIZE) tileable noise with mean 0 and standard deviation 1.

    Args:
        rng: Source of the phases.
        beta: Fall of the amplitude with frequency; 1 looks like clouds, 0 like grain.
        coarse: Lowest frequency in cycles per tile.
        fine: Highest frequency in cycles per tile.
    """
    frequency = np.fft.fftfreq(SIZE) * SIZE
    radius = np.hypot(frequency[:, None], frequency[None, : SIZE // 2 + 1])
    band = (radius >= coarse) / np.maximum(radius, 1.0) ** beta * np.exp(-((radius / fine) ** 2))
    spectrum = np.fft.rfft2(rng.standard_normal((SIZE, SIZE)).astype(np.float32))
    field = np.fft.irfft2(spectrum * band, s=(SIZE, SIZE))
    return (field / field.std()).astype(np.float32)


def grey(rng: np.random.Generator, base: ArrayLike, *layers: tuple[float, float, float, float]) -> Single:
    """Return a colour modulated by noises given as (strength, beta, coarse, fine)."""
    field = sum(strength * noise(rng, *band) for strength, *band in layers)
    return np.clip(np.asarray(base, np.float32) * (1 + np.asarray(field)[..., None]), 0.004, 0.95)


def base_textures(rng: np.random.Generator) -> list[Single]:
    """Return the (SIZE, SIZE, 3) linear RGB texture of every `Material`, in order."""
    tone = rng.uniform(0.75, 1.3)
    warm = np.array([1.0 + rng.uniform(-0.02, 0.05), 1.0, 1.0 - rng.uniform(-0.03, 0.04)])
    asphalt = grey(rng, 0.115 * tone * warm, (0.07, 1.0, 2, 40), (0.055, 0.2, 24, 80), (0.06, 1.6, 1, 8))
    leaves = _leaves(rng)
    plain = np.ones((SIZE, SIZE, 3), np.float32)
    return [
        asphalt,
        _paving(rng),
        _blocks(rng, (0.36, 0.35, 0.33), 2, 2),
        grey(rng, (0.075, 0.125, 0.035), (0.25, 0.7, 2, 60), (0.15, 1.5, 1, 6)),
        leaves,
        grey(rng, (0.10, 0.075, 0.055), (0.35, 0.5, 6, 60)),
        plain * (1 + 0.04 * noise(rng, 1.0, 1, 24)[..., None]),
        grey(rng, (0.035, 0.045, 0.055), (0.25, 1.5, 1, 6)),
        _roof(rng),
        grey(rng, (0.9, 0.9, 0.9), (0.05, 0.8, 3, 60), (0.06, 1.5, 1, 10)),
        _brick(rng, 12, 43),
        plain,
    ]


def _leaves(rng: np.random.Generator) -> Single:
    clumps = noise(rng, 0.6, 4, 30)
    twigs = noise(rng, 0.2, 14, 60)
    light = np.clip(0.62 + 0.2 * clumps + 0.1 * twigs, 0.15, 1.3)[..., None]
    hue = np.clip(0.5 + 0.3 * noise(rng, 1.0, 2, 20), 0, 1)[..., None]
    return (light * (hue * linear((0.42, 0.52, 0.2)) + (1 - hue) * linear((0.3, 0.46, 0.18)))).astype(
        np.float32
    )


def _cells(columns: int, rows: int, shift: float) -> tuple[NDArray, NDArray, NDArray]:
    """Return the cell id and the distance to the nearest joint in texels (x, y) of a running bond."""
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    row = np.floor(y * rows / SIZE).astype(int)
    along = x * columns / SIZE + shift * (row % 2)
    column = np.floor(along).astype(int) % columns
    to_x = (0.5 - np.abs(along - np.floor(along) - 0.5)) * SIZE / columns
    to_y = (0.5 - np.abs(y * rows / SIZE - row - 0.5)) * SIZE / rows
    return row * columns + column, to_x, to_y


def bond(rng: np.random.Generator, columns: int, rows: int) -> Single:
    """Return (SIZE, SIZE) brightness around 1 of bricks laid in running bond."""
    return _masonry(rng, 1.0, 0.72, 0.11, _cells(columns, rows, 0.5))[..., 0]


def _masonry(rng: np.random.Generator, base: ArrayLike, joint: float, spread: float, cells: tuple) -> Single:
    """Return courses of stones: `joint` is the brightness of joints, `spread` the variety of stones."""
    index, to_x, to_y = cells
    tones = 1 + spread * rng.standard_normal(index.max() + 1)
    edge = np.clip(np.minimum(to_x, to_y) - 0.3, 0, 1)
    field = tones[index] * (joint + (1 - joint) * edge) * (1 + 0.05 * noise(rng, 0.8, 4, 70))
    return np.clip(np.asarray(base, np.float32) * field[..., None], 0.004, 1.4).astype(np.float32)


def _paving(rng: np.random.Generator) -> Single:
    columns, rows, shift = [(6, 6, 0.0), (6, 9, 0.5), (4, 8, 0.5), (12, 12, 0.5)][rng.integers(4)]
    base = 0.27 * rng.uniform(0.8, 1.25) * np.array([1.0, rng.uniform(0.93, 1.0), rng.uniform(0.82, 0.97)])
    stones = _masonry(rng, base, 0.62, 0.08, _cells(columns, rows, shift))
    return stones * (1 + 0.07 * noise(rng, 1.4, 1, 10)[..., None])


def _blocks(rng: np.random.Generator, base: ArrayLike, columns: int, rows: int) -> Single:
    return _masonry(rng, base, 0.6, 0.05, _cells(columns, rows, 0.0))


def _brick(rng: np.random.Generator, columns: int, rows: int) -> Single:
    stones = _masonry(rng, (0.9, 0.9, 0.9), 0.72, 0.11, _cells(columns, rows, 0.5))
    return np.clip(stones * (1 + 0.08 * noise(rng, 1.4, 1, 12)[..., None]), 0.01, 1.2)


def _roof(rng: np.random.Generator) -> Single:
    return np.clip(_masonry(rng, (0.85, 0.85, 0.85), 0.6, 0.09, _cells(14, 16, 0.5)), 0.01, 1.0)
