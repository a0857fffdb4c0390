"""The hand-held camera: an arc of an ellipse through the free space, looking across the room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.scene import Camera

FRAMES = 60
RATE = 10.0
"""Frames per second."""
WIDTH, HEIGHT, FOCAL = 240, 160, 150.0
"""Pixels of the default image and its focal length; other widths scale the focal length."""
SENSOR = "camera"
LOWEST = 1.38
"""Metres above the floor that the camera never goes below."""
MARGIN = 1.15
"""Metres between the ellipse and the walls."""


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """Where the camera is and what it looks at: places and targets (FRAMES, 3), roll (FRAMES,) radians."""

    places: NDArray[np.float64]
    targets: NDArray[np.float64]
    roll: NDArray[np.float64]


def draw_path(rng: np.random.Generator, size: tuple[float, float, float]) -> Path:
    """Return a path that fits a room of this size; hands sway slowly and by centimetres."""
    start, sweep = rng.uniform(0, 2 * np.pi), rng.choice([-1, 1]) * rng.uniform(2.4, 3.4)
    time = np.linspace(0, 1, FRAMES)
    angle = start + sweep * (time - 0.5)
    reach = np.array([size[0] / 2 - MARGIN, size[1] / 2 - MARGIN])
    circle = np.stack([np.cos(angle), np.sin(angle)], -1)
    height = rng.uniform(1.48, 1.58)
    places = np.concatenate([circle * reach, np.full((FRAMES, 1), height)], 1)
    places += np.stack([_sway(rng, time, scale) for scale in (0.03, 0.03, 0.04)], -1)
    # The focus follows on the far side, with less of a swing than the camera has.
    far = start + np.pi + 0.6 * sweep * (time - 0.5)
    targets = np.stack([np.cos(far), np.sin(far), 0 * far], -1) * [size[0] * 0.33, size[1] * 0.33, 0]
    targets[:, 2] = rng.uniform(0.85, 1.0) + _sway(rng, time, 0.12)
    return Path(places, targets, _sway(rng, time, 0.015))


def _sway(rng: np.random.Generator, time: NDArray, scale: float) -> NDArray:
    """Return a smooth wander of at most `scale`."""
    rates, phases = rng.uniform(1, 4, 3), rng.uniform(0, 2 * np.pi, 3)
    return scale * np.mean([np.sin(2 * np.pi * r * time + p) for r, p in zip(rates, phases, strict=True)], 0)


def path_camera(path: Path, frame: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Camera:
    """Return the camera of a frame, `size` being width and height in pixels."""
    forward = path.targets[frame] - path.places[frame]
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    cos, sin = np.cos(path.roll[frame]), np.sin(path.roll[frame])
    c2w = np.eye(4)
    c2w[:3, 0], c2w[:3, 1], c2w[:3, 2] = cos * right + sin * down, cos * down - sin * right, forward
    c2w[:3, 3] = path.places[frame]
    width, height = size
    focal = FOCAL * width / WIDTH
    K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    return Camera(K, c2w, width, height, frame / RATE, frame, SENSOR)
