"""What is written: poses, cameras, lasers, labelled objects, pictures and lidar."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

ORDER = (1, 2, 4, 3, 5)
"""Cameras in the order that images of real records come in."""
LASER_ORDER = (2, 5, 3, 4, 1)
NAMES = {1: "FRONT", 2: "FRONT_LEFT", 3: "FRONT_RIGHT", 4: "SIDE_LEFT", 5: "SIDE_RIGHT"}
LASER_NAMES = {1: "TOP", 2: "FRONT", 3: "SIDE_LEFT", 4: "SIDE_RIGHT", 5: "REAR"}
KINDS = {"vehicle": 1, "pedestrian": 2, "sign": 3, "cyclist": 4}
OFFSET = np.array([100.0, -50.0, 2.0])
CONTEXT = "10359308928573410754_720_000_740_000"

_scans: dict = {}
"""Scans that were cast before: casting is the slow part of the suite."""


def turned(roll=0.0, pitch=0.0, yaw=0.0, at=(0.0, 0.0, 0.0)) -> np.ndarray:
    """Return the (4, 4) pose Rz(yaw) Ry(pitch) Rx(roll) at a position."""
    (cr, cp, cy), (sr, sp, sy) = np.cos([roll, pitch, yaw]), np.sin([roll, pitch, yaw])
    pose = np.eye(4)
    rz = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    ry = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    rx = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    pose[:3, :3], pose[:3, 3] = rz @ ry @ rx, at
    return pose


@dataclass
class Body:
    """A labelled object: its size, and its world position and heading at each frame."""

    track: str
    kind: str
    size: tuple[float, float, float]
    start: tuple[float, float, float]
    velocity: tuple[float, float]
    heading: float

    def pose(self, step: int) -> np.ndarray:
        x, y, z = self.start
        return turned(
            yaw=self.heading, at=(x + 0.1 * step * self.velocity[0], y + 0.1 * step * self.velocity[1], z)
        )


@dataclass
class Drive:
    """What is written; `points[step]` are the lidar points of a frame in its vehicle axes, once scanned."""

    count: int = 5
    width: int = 96
    height: int = 64
    side_height: int = 44
    lidar: bool = True
    bodies: list[Body] = field(default_factory=list)

    def __post_init__(self):
        self.rng = np.random.default_rng(7)
        # World: x about east; the car heads 30 degrees left of it, slightly tilted, 2 km from the origin.
        self.egos = [
            turned(0.01, -0.02, 0.5 + 0.02 * t, (2000 + 0.8 * t, -1500 + 0.45 * t, 30.0))
            for t in range(self.count)
        ]
        self.times = [1_550_000_000_000_000 + 100_003 * t for t in range(self.count)]
        ahead = self.egos[0] @ [9.0, 1.0, 1.0, 1]
        beside = self.egos[0] @ [12.0, -4.0, 0.9, 1]
        if not self.bodies:
            self.bodies = [
                Body("car", "vehicle", (4.5, 1.9, 1.7), tuple(ahead[:3]), (7.0, 4.0), 0.5),
                Body("parked", "vehicle", (4.2, 1.8, 1.5), tuple(beside[:3]), (0.0, 0.0), 0.7),
                Body("walker", "pedestrian", (0.8, 0.8, 1.7), (2010.0, -1488.0, 31.0), (0.6, 0.0), 0.1),
                Body("stop", "sign", (0.2, 0.9, 0.9), (2020.0, -1490.0, 33.0), (0.0, 0.0), 2.0),
            ]
        yaws = {1: 0.0, 2: 0.8, 3: -0.8, 4: 1.55, 5: -1.55}
        self.mounts = {n: turned(0.01, 0.005, yaw, (1.5, 0.1 * yaw, 2.1)) for n, yaw in yaws.items()}
        self.lasers = {
            1: turned(0.004, -0.003, 2.6, (1.4, 0.0, 2.2)),
            2: turned(yaw=0.01, at=(4.0, 0.0, 0.7)),
            3: turned(yaw=1.57, at=(3.2, 1.0, 1.0)),
            4: turned(yaw=-1.57, at=(3.2, -1.0, 1.0)),
            5: turned(yaw=3.14, at=(-1.1, 0.0, 0.5)),
        }
        self.inclinations = np.sort(self.rng.uniform(-0.3, 0.04, 16))

    def size(self, camera: int) -> tuple[int, int]:
        return self.width, self.height if camera <= 3 else self.side_height

    def intrinsics(self, camera: int) -> list[float]:
        w, h = self.size(camera)
        return [1.05 * w, 1.04 * w, w / 2 - 1.3, h / 2 + 0.7, 0.04, -0.33, 0.001, -0.0015, 0.0]

    def image_ego(self, step: int, camera: int) -> np.ndarray:
        """Return the vehicle pose at a camera's exposure, some centimetres from the frame's."""
        return self.egos[step] @ turned(at=(0.01 * camera, 0.0, 0.0))

    def pixels(self, step: int, camera: int) -> np.ndarray:
        """Return a picture whose colour tells the position: red across, green down, blue the time step."""
        w, h = self.size(camera)
        x, y = np.meshgrid(np.arange(w) + 0.5, np.arange(h) + 0.5)
        blue = np.full((h, w), 40.0 * step + 5)
        return np.stack([255 * x / w, 255 * y / h, blue], -1).round().astype(np.uint8)

    def picture(self, step: int, camera: int) -> bytes:
        """Return it without loss, so that tests can compare; real files are JPEG, which decode alike."""
        buffer = io.BytesIO()
        Image.fromarray(self.pixels(step, camera)).save(buffer, "PNG")
        return buffer.getvalue()

    def box(self, body: Body, step: int) -> tuple[np.ndarray, float]:
        """Return centre and heading in vehicle axes; both are exact only without roll and pitch."""
        local = np.linalg.inv(self.egos[step]) @ body.pose(step)
        return local[:3, 3], float(np.arctan2(local[1, 0], local[0, 0]))

    def scan(self, step: int, laser: int) -> tuple[list[np.ndarray], np.ndarray | None, np.ndarray]:
        """Return both (H, W, 4) returns, the (H, W, 6) poses of the top laser, and the points (N, 3).

        Rays are cast from the laser, where the car is when each pixel is measured, at the ground (the plane
        z = 30 of the world) and at the boxes; every third column has a second return 0.5 m behind the first.
        """
        key = (step, laser, repr(self.bodies))
        if key not in _scans:
            _scans[key] = self._scan(step, laser)
        return _scans[key]

    def _scan(self, step: int, laser: int) -> tuple[list[np.ndarray], np.ndarray | None, np.ndarray]:
        E = self.lasers[laser]
        H, W = (16, 90) if laser == 1 else (8, 20)
        if laser == 1:
            rows = self.inclinations[::-1]
        else:
            step_size = np.radians(120) / H
            rows = [np.radians(30) - step_size * (row + 0.5) for row in range(H)]
        first, second = np.zeros((H, W, 4), np.float32), np.zeros((H, W, 4), np.float32)
        poses = np.zeros((H, W, 6), np.float32)
        points: list[list[np.ndarray]] = [[], []]
        yaw_of_laser = np.arctan2(E[1, 0], E[0, 0])
        for row in range(H):
            for column in range(W):
                # The sweep turns clockwise, from straight back, while the car moves on by 0.9 m.
                share = (column + 0.5) / W
                azimuth = np.pi - 2 * np.pi * share - yaw_of_laser
                ray = np.array(
                    [
                        np.cos(rows[row]) * np.cos(azimuth),
                        np.cos(rows[row]) * np.sin(azimuth),
                        np.sin(rows[row]),
                    ]
                )
                pose = self.egos[step]
                if laser == 1:
                    late = share - 0.5
                    angles = np.float32([0.01 + 0.01 * late, -0.02, 0.5 + 0.02 * (step + late)])
                    at = np.float32([2000 + 0.8 * (step + late), -1500 + 0.45 * (step + late), 30.0])
                    poses[row, column] = [*angles, *at]
                    pose = turned(*angles.astype(float), at.astype(float))
                sensor = pose @ E
                reach = self._cast(step, sensor[:3, 3], sensor[:3, :3] @ ray)
                for echo, image in enumerate((first, second)):
                    if reach is None or (echo == 1 and column % 3):
                        continue
                    r = np.float32(reach + 0.5 * echo)
                    image[row, column] = [r, 0.5, 0.1, -1]
                    world = sensor @ [*(float(r) * ray), 1]
                    points[echo].append((np.linalg.inv(self.egos[step]) @ world)[:3])
        return [first, second], poses if laser == 1 else None, np.array(points[0] + points[1]).reshape(-1, 3)

    def _cast(self, step: int, origin: np.ndarray, ray: np.ndarray) -> float | None:
        nearest = np.inf
        if ray[2] < 0:
            nearest = (30.0 - origin[2]) / ray[2]
        for body in self.bodies:
            pose = body.pose(step)
            o, d = pose[:3, :3].T @ (origin - pose[:3, 3]), pose[:3, :3].T @ ray
            with np.errstate(divide="ignore"):
                a, b = (-np.array(body.size) / 2 - o) / d, (np.array(body.size) / 2 - o) / d
            near, far = np.minimum(a, b).max(), np.maximum(a, b).min()
            if 0 < near < far:
                nearest = min(nearest, near)
        return float(nearest) if nearest < 60 else None

    def points(self, step: int) -> np.ndarray:
        return np.concatenate([self.scan(step, laser)[2] for laser in LASER_NAMES])
