"""What a data set delivers and a method sees: cameras, views, points, actors, lanes.

One convention everywhere: camera-to-world poses, OpenCV axes (x right, y down, z forward), pixel centres
at +0.5, metres where the data set is metric. Vehicle axes are x forward, y left, z up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.errors import DataError, located

Float = NDArray[np.float64]
Image = NDArray[np.uint8]
Depth = NDArray[np.float32]
Mask = NDArray[np.bool_]

RIGID_TOLERANCE = 1e-3
"""Largest entry of |R^T R - I| still taken for rounding (nerfstudio exports are float32 text)."""


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """An undistorted pinhole camera at one instant.

    Attributes:
        K: (3, 3) intrinsics in pixels of this width and height, pixel centres at +0.5.
        c2w: (4, 4) rigid camera-to-world, OpenCV axes, world units.
        width: Pixels.
        height: Pixels.
        time: Seconds since the start of the capture.
        frame: Time step in the capture; actors are posed per frame.
        sensor: Name of the physical camera.
        ego: (4, 4) rigid vehicle-to-world (x forward, y left, z up), None when there is no vehicle.
    """

    K: Float
    c2w: Float
    width: int
    height: int
    time: float = 0.0
    frame: int = 0
    sensor: str = "camera"
    ego: Float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "K", np.asarray(self.K, np.float64))
        object.__setattr__(self, "c2w", rigid(self.c2w, "camera pose"))
        if self.ego is not None:
            object.__setattr__(self, "ego", rigid(self.ego, "vehicle pose"))
        if self.K.shape != (3, 3) or not np.isfinite(self.K).all():
            raise DataError("the intrinsics are not a finite 3x3 matrix", got=self.K.tolist())
        if min(self.K[0, 0], self.K[1, 1]) <= 0:
            focal = f"fx {self.K[0, 0]:g}, fy {self.K[1, 1]:g}"
            raise DataError("the focal length must be positive", got=focal, expected="pixels above 0")
        if min(self.width, self.height) <= 0:
            raise DataError("the image size must be positive", got=f"{self.width}x{self.height}")

    @property
    def w2c(self) -> Float:
        """(4, 4) world-to-camera, the exact inverse of a rigid `c2w`."""
        return invert_rigid(self.c2w)

    @property
    def centre(self) -> Float:
        """(3,) camera centre in the world."""
        return self.c2w[:3, 3]

    def resized(self, width: int, height: int) -> Camera:
        """Return the same view at another pixel size; each axis scales by its own factor."""
        K = self.K * np.array([[width / self.width], [height / self.height], [1.0]])
        return replace(self, K=K, width=width, height=height)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A camera and what was seen through it; pixels are decoded only when asked for.

    Attributes:
        name: Unique in the scene and usable as a file name, for example "000012" or "000012_left3m".
        camera: Where and how; width and height are those of the decoded image.
        read_image: () -> (H, W, 3) uint8 sRGB, or None where no image exists or it must stay hidden.
        read_mask: () -> (H, W) bool, True where the pixel counts.
        read_depth: () -> (H, W) float32 z-depth in world units, 0 where unknown.
        source: The file it came from, for error messages.
        shift: Lateral shift in metres, left positive, that moved this view off the recorded track.
        read_paint: () -> (H, W) bool, True on visible lane paint; only generated worlds know it.
    """

    name: str
    camera: Camera
    read_image: Callable[[], Image] | None = None
    read_mask: Callable[[], Mask] | None = None
    read_depth: Callable[[], Depth] | None = None
    source: str = ""
    shift: float = 0.0
    read_paint: Callable[[], Mask] | None = None

    @property
    def image(self) -> Image:
        """(H, W, 3) uint8 sRGB, decoded now.

        Raises:
            DataError: There is no image, or its size is not the camera's.
        """
        if self.read_image is None:
            raise DataError("this view has no image", where=self.source or self.name)
        with located(self.source or self.name):
            pixels = self.read_image()
            expected = (self.camera.height, self.camera.width, 3)
            if pixels.shape != expected or pixels.dtype != np.uint8:
                got = f"{pixels.dtype} {pixels.shape}"
                raise DataError("decoded to the wrong size", got=got, expected=f"uint8 {expected}")
            return pixels

    @property
    def mask(self) -> Mask | None:
        """(H, W) bool, True where the pixel counts; None when every pixel does."""
        return self._plane(self.read_mask, np.dtype(np.bool_), "mask")

    @property
    def depth(self) -> Depth | None:
        """(H, W) float32 z-depth in world units, 0 where unknown; None when there is none."""
        return self._plane(self.read_depth, np.dtype(np.float32), "depth")

    def hidden(self) -> View:
        """Return the same camera without image, depth and paint: what a method may know of a test view."""
        return replace(self, read_image=None, read_depth=None, read_mask=None, read_paint=None)

    def _plane(self, read: Callable[[], NDArray] | None, dtype: np.dtype, kind: str) -> NDArray | None:
        if read is None:
            return None
        with located(self.source or self.name):
            plane = read()
            expected = (self.camera.height, self.camera.width)
            if plane.shape != expected or plane.dtype != dtype:
                got = f"{plane.dtype} {plane.shape}"
                raise DataError(f"the {kind} has the wrong size", got=got, expected=f"{dtype} {expected}")
            return plane


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """A coloured point cloud: xyz (N, 3) float64 in world units, rgb (N, 3) uint8."""

    xyz: Float = field(default_factory=lambda: np.zeros((0, 3)))
    rgb: Image = field(default_factory=lambda: np.zeros((0, 3), np.uint8))

    def __post_init__(self) -> None:
        if self.xyz.ndim != 2 or self.xyz.shape[1:] != (3,) or self.xyz.shape != self.rgb.shape:
            got = f"xyz {self.xyz.shape}, rgb {self.rgb.shape}"
            raise DataError("points need one colour per position", got=got, expected="(N, 3) and (N, 3)")
        if not np.isfinite(self.xyz).all():
            raise DataError("a point has a position that is not finite")

    def __len__(self) -> int:
        return len(self.xyz)


@dataclass(frozen=True, slots=True, eq=False)
class Actor:
    """A tracked rigid object.

    Attributes:
        track: Unique id in the scene.
        category: "vehicle", "pedestrian" or "cyclist".
        size: (3,) length, width, height in metres along the box's x, y, z.
        frames: (T,) int64 time steps at which it was seen, ascending.
        poses: (T, 4, 4) rigid box-to-world; the box is centred at its origin, x along its heading, z up.
        moving: Faster than 1.0 m/s at some time; static actors may be treated as background.
        points: Points on the object, in box axes.
        counts: (T,) int64 points of the top lidar in the box at each time step; None where nobody counted.
    """

    track: str
    category: str
    size: Float
    frames: NDArray[np.int64]
    poses: Float
    moving: bool
    points: Points = field(default_factory=Points)
    counts: NDArray[np.int64] | None = None

    def pose_at(self, frame: int) -> Float | None:
        """Return the (4, 4) box-to-world at a time step, None when the object was not seen then."""
        index = int(np.searchsorted(self.frames, frame))
        if index < len(self.frames) and self.frames[index] == frame:
            return self.poses[index]
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """A painted or physical line on the road: polyline (P, 3) in the world and its kind."""

    polyline: Float
    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """How scene coordinates relate to the files they came from.

    Attributes:
        to_source: (4, 4) similarity that maps scene coordinates back to the source's world.
        unit: "metre" or "arbitrary" (structure from motion).
    """

    to_source: Float = field(default_factory=lambda: np.eye(4))
    unit: str = "arbitrary"


class Oracle(Protocol):
    """Ground truth at any pose: what only a generated world can give."""

    def view(self, name: str, camera: Camera) -> View:
        """Return the view through a camera; its image and depth are rendered when read."""
        ...


@runtime_checkable
class PaintOracle(Protocol):
    """An oracle that also knows where lane paint is seen."""

    def paint(self, camera: Camera) -> Mask:
        """Return (H, W) bool, True where a camera sees lane paint at the centre of a pixel."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Capture:
    """Everything a data set knows of one scene, before a protocol divides it into train and test.

    Attributes:
        dataset: Name of the data set.
        id: Name of the scene.
        views: All views in the data set's canonical order, which index-based splits refer to.
        points: Static points, empty when there are none.
        actors: Tracked objects.
        lanes: Lines on the road.
        has_sky: The scene is outdoors, so rays may end in the sky.
        world: The transform and unit the adapter applied.
        drivable: Largest lateral shifts (right, left) in metres that stay on the road, both positive.
        oracle: Ground truth at any pose, None for recorded data.
        notes: What the adapter skipped or assumed, in sentences for the user.
    """

    dataset: str
    id: str
    views: tuple[View, ...]
    points: Points = field(default_factory=Points)
    actors: tuple[Actor, ...] = ()
    lanes: tuple[Lane, ...] = ()
    has_sky: bool = False
    world: World = field(default_factory=World)
    drivable: tuple[float, float] | None = None
    oracle: Oracle | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A capture divided by a protocol: what a method trains on and where it will be tested.

    Attributes:
        dataset: Name of the data set.
        id: Name of the scene.
        train: Views with images.
        test: Views to be rendered; a method receives them `hidden`.
        points: Static points, empty when there are none.
        actors: Tracked objects.
        lanes: Lines on the road.
        has_sky: Rays may end in the sky.
        world: The transform and unit the adapter applied.
        drivable: Largest lateral shifts (right, left) that stay on the road, see `Capture`.
    """

    dataset: str
    id: str
    train: tuple[View, ...]
    test: tuple[View, ...]
    points: Points = field(default_factory=Points)
    actors: tuple[Actor, ...] = ()
    lanes: tuple[Lane, ...] = ()
    has_sky: bool = False
    world: World = field(default_factory=World)
    drivable: tuple[float, float] | None = None

    def without_answers(self) -> Scene:
        """Return the scene as a method may see it: test cameras without their images."""
        return replace(self, test=tuple(view.hidden() for view in self.test))


def rigid(matrix: NDArray, kind: str) -> Float:
    """Check and return a (4, 4) rigid transform as float64.

    Raises:
        DataError: It is not 4x4, not finite, mirrored, scaled, or its last row is not 0 0 0 1.
    """
    pose = np.asarray(matrix, np.float64)
    if pose.shape != (4, 4):
        raise DataError(f"the {kind} is not a 4x4 matrix", got=f"shape {pose.shape}")
    if not np.isfinite(pose).all():
        raise DataError(f"the {kind} holds NaN or infinity", got=pose[~np.isfinite(pose)].tolist())
    R = pose[:3, :3]
    error = float(np.abs(R.T @ R - np.eye(3)).max())
    if error > RIGID_TOLERANCE or not np.array_equal(pose[3], [0, 0, 0, 1]) or np.linalg.det(R) < 0:
        got = f"|R^T R - I| = {error:.3g}, det R = {np.linalg.det(R):.3g}, last row {pose[3].tolist()}"
        raise DataError(f"the {kind} is not a rotation and a translation", got=got)
    return pose


def invert_rigid(pose: Float) -> Float:
    """Return the inverse of a (..., 4, 4) rigid transform without a general solve."""
    inverse = np.zeros_like(pose)
    inverse[..., :3, :3] = np.swapaxes(pose[..., :3, :3], -1, -2)
    inverse[..., :3, 3] = -np.einsum("...ij,...j->...i", inverse[..., :3, :3], pose[..., :3, 3])
    inverse[..., 3, 3] = 1
    return inverse
