"""A recorded drive as all four forms of the data set describe it; pixels and lidar are read when asked for.

"World" here is Waymo's own; vehicle axes are x forward, y left, z up; camera axes are OpenCV's.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from recgen_bench.datasets.formats.distortion import Lens
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.scene import Float, Image, Lane


@dataclass(frozen=True, slots=True)
class Window:
    """Which time steps are wanted: `first` and the `count` that follow, all of them where it is None."""

    first: int = 0
    count: int | None = None

    def steps(self, total: int, where: str) -> range:
        """Return the time steps among `total`.

        Raises:
            DataError: One of them does not exist, or none is wanted.
        """
        last = total if self.count is None else self.first + self.count
        if not 0 <= self.first < last <= total:
            got = f"first {self.first}, count {'all' if self.count is None else self.count}"
            expected = f"at least one time step between 0 and {total - 1}"
            raise DataError("a time step does not exist", got=got, expected=expected, where=where)
        return range(self.first, last)


@dataclass(frozen=True, slots=True, eq=False)
class Mount:
    """A camera on the car: its name, its lens at full size, and its (4, 4) camera-to-vehicle pose."""

    name: str
    lens: Lens
    pose: Float


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """An image of one time step.

    Attributes:
        camera: Name of the camera.
        read: () -> (H, W, 3) uint8 as it lies on disk, distorted and at full size.
        where: File and frame, for messages.
        ego: (4, 4) vehicle-to-world when the shutter was open; None where only the frame's pose is known.
    """

    camera: str
    read: Callable[[], Image]
    where: str
    ego: Float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """A labelled object at one time step.

    Attributes:
        track: Id of the object in the segment.
        category: "vehicle", "pedestrian", "sign", "cyclist" or "unknown".
        size: (3,) length, width, height in metres.
        pose: (4, 4) box-to-world: centred, x along the heading, z up.
        speed: Metres per second over ground; None where the form does not say.
        points: Points of the top lidar inside; None where the form does not say.
    """

    track: str
    category: str
    size: Float
    pose: Float
    speed: float | None = None
    points: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One time step.

    Attributes:
        step: Its number in the segment, from 0.
        time: Seconds; only differences mean something.
        ego: (4, 4) vehicle-to-world.
        shots: The images there are, of the wanted cameras.
        boxes: The labelled objects.
        read_points: () -> (N, 3) lidar points in vehicle axes; None when there are none.
        where: File and frame, for messages.
    """

    step: int
    time: float
    ego: Float
    shots: tuple[Shot, ...]
    boxes: tuple[Box, ...]
    read_points: Callable[[], Float] | None
    where: str


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """A recorded drive.

    Attributes:
        name: Waymo's context name where it is known, else the name of the folder.
        frames: The wanted time steps, at least one, ascending in step and time.
        mounts: The calibrated cameras; every shot's camera is among them.
        lanes: In world coordinates.
        notes: What was skipped or assumed, in sentences for the user.
    """

    name: str
    frames: tuple[Frame, ...]
    mounts: tuple[Mount, ...]
    lanes: tuple[Lane, ...] = ()
    notes: tuple[str, ...] = ()

    def mount(self, name: str) -> Mount:
        """Return the camera of a name.

        Raises:
            DataError: It is not calibrated.
        """
        for mount in self.mounts:
            if mount.name == name:
                return mount
        known = ", ".join(mount.name for mount in self.mounts) or "none"
        raise DataError("the camera has no calibration", got=name, expected=known, where=self.frames[0].where)


def check_order(frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
    """Return the frames if their times ascend.

    Raises:
        DataError: Two frames are in the wrong order or have one time.
    """
    for before, after in itertools.pairwise(frames):
        if not after.time > before.time:
            got = f"{after.time:.6f} s after {before.time:.6f} s"
            raise DataError("the frames are not in order of time", got=got, where=after.where)
    return frames
