"""The vehicle's cameras: where they sit, and the views they take at 10 Hz."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recgen_bench.datasets.street.layout import Layout
from recgen_bench.datasets.street.traffic import RATE
from recgen_bench.harness.scene import Camera

WIDTH, HEIGHT, FOCAL = 240, 160, 200.0
"""Pixels of the default image and its focal length; other widths scale the focal length."""

MOUNTS = {
    "front": (1.5, 0.0, 1.6, 0.0),
    "left": (1.3, 0.3, 1.6, 55.0),
    "right": (1.3, -0.3, 1.6, -55.0),
}
"""Sensor name -> x, y, z in vehicle axes (metres) and yaw to the left in degrees."""

_FORWARD = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Columns are the axes of a camera that looks along x, in vehicle axes."""


def ego_pose(layout: Layout, frame: int) -> NDArray[np.float64]:
    """Return the (4, 4) vehicle-to-world at a time step: x forward, y left, z up, origin on the road."""
    s, t, turn = layout.drive.place(frame)
    return layout.bend.pose(s, t, 0.0, turn)


def ego_camera(layout: Layout, frame: int, sensor: str, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Camera:
    """Return one of the vehicle's cameras at a time step, `size` being width and height in pixels."""
    x, y, z, yaw = MOUNTS[sensor]
    angle = np.radians(yaw)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    mount = np.eye(4)
    mount[:3, :3] = turn @ _FORWARD
    mount[:3, 3] = x, y, z
    ego = ego_pose(layout, frame)
    width, height = size
    focal = FOCAL * width / WIDTH
    K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    return Camera(K, ego @ mount, width, height, frame / RATE, frame, sensor, ego)
