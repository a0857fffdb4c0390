"""Lidar of a whole segment: coloured static points, the points of moving actors, and sparse depth per view.

Everything here is computed when it is first asked for, frame by frame, so opening a scene reads no lidar and
memory holds one sweep besides the thinned result.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recgen_bench.datasets.waymo.segment import Frame
from recgen_bench.harness.errors import located
from recgen_bench.harness.scene import Actor, Camera, Depth, Float, Image, Points, View, invert_rigid

STATIC_VOXEL, ACTOR_VOXEL = 0.1, 0.05
"""Metres; one point is kept in each cube of this side, the earliest."""

MARGIN = 0.1
"""Metres by which a moving actor's box grows on every side before its points are taken out."""

NEAREST = 0.5
"""Metres before a camera; what is nearer belongs to the car."""

GREY = 128

_PENDING = 1_000_000


class LazyPoints(Points):
    """Points that are computed when their positions or colours are first asked for.

    Args:
        read: () -> the points; called every time, so it caches.
    """

    __slots__ = ("_read",)
    _read: Callable[[], Points]

    def __init__(self, read: Callable[[], Points]) -> None:
        object.__setattr__(self, "_read", read)

    @property
    def xyz(self) -> Float:
        """(N, 3) positions in world units."""
        return self._read().xyz

    @property
    def rgb(self) -> Image:
        """(N, 3) uint8 colours."""
        return self._read().rgb

    def __reduce__(self) -> tuple[object, ...]:
        # What computes them may hold open files; another process gets the result.
        return Points, (self.xyz, self.rgb)


@dataclass(frozen=True, slots=True, eq=False)
class Sweeps:
    """The lidar points of each time step in scene coordinates.

    Attributes:
        frames: The time steps.
        origin: (4, 4) rigid scene-to-world.
    """

    frames: Sequence[Frame]
    origin: Float

    def at(self, index: int) -> Float:
        """Return the (N, 3) points of the frame at a position in `frames`, none where it has no lidar."""
        frame = self.frames[index]
        if frame.read_points is None:
            return np.zeros((0, 3))
        with located(frame.where):
            points = frame.read_points()
        pose = invert_rigid(self.origin) @ frame.ego
        return points @ pose[:3, :3].T + pose[:3, 3]


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """Static points, and the points of each moving actor in its box axes, by track."""

    static: Points
    actors: tuple[tuple[str, Points], ...]

    def of(self, track: str) -> Points:
        """Return the points of a moving actor."""
        return next(points for name, points in self.actors if name == track)


class Cloud:
    """The thinned lidar of a segment.

    A point is kept where a view of its own time step sees it, and takes the colour of the pixel it falls on;
    what stands in between is not looked for. Views that a split holds out later colour points too, as they do
    in a COLMAP cloud. Where no view of the scene has an image, all points are kept, in grey.

    Args:
        sweeps: The lidar.
        views: (index in the sweeps' frames, view) of every view with an image.
        moving: The actors whose points are taken out.
    """

    def __init__(self, sweeps: Sweeps, views: Sequence[tuple[int, View]], moving: Sequence[Actor]) -> None:
        self._sweeps = sweeps
        self._views = tuple(views)
        self._moving = tuple(moving)

    def static(self) -> Points:
        """Return the static points."""
        return self._gathered.static

    def of(self, track: str) -> Points:
        """Return the points of a moving actor, in its box axes."""
        return self._gathered.of(track)

    @functools.cached_property
    def _gathered(self) -> Gathered:
        static = _Thinner(STATIC_VOXEL)
        actors = {actor.track: _Thinner(ACTOR_VOXEL) for actor in self._moving}
        for index, frame in enumerate(self._sweeps.frames):
            seen = [view for at, view in self._views if at == index]
            if frame.read_points is None or (self._views and not seen):
                continue
            xyz = self._sweeps.at(index)
            rgb = np.full((len(xyz), 3), GREY, np.uint8)
            if self._views:
                visible, rgb = colours(xyz, seen)
                xyz, rgb = xyz[visible], rgb[visible]
            for actor in self._moving:
                pose = actor.pose_at(frame.step)
                if pose is None:
                    continue
                local = (xyz - pose[:3, 3]) @ pose[:3, :3]
                inside = (np.abs(local) <= actor.size / 2 + MARGIN).all(axis=1)
                actors[actor.track].add(local[inside], rgb[inside])
                xyz, rgb = xyz[~inside], rgb[~inside]
            static.add(xyz, rgb)
        return Gathered(static.points(), tuple((name, each.points()) for name, each in actors.items()))


def colours(xyz: Float, views: Sequence[View]) -> tuple[NDArray[np.bool_], Image]:
    """Return which of (N, 3) points in the world some view sees, and the colours the first one gives them."""
    seen = np.zeros(len(xyz), np.bool_)
    rgb = np.zeros((len(xyz), 3), np.uint8)
    for view in views:
        index, row, column, _ = project(xyz, view.camera)
        fresh = ~seen[index]
        index, row, column = index[fresh], row[fresh], column[fresh]
        rgb[index] = view.image[row, column]
        seen[index] = True
    return seen, rgb


def depth(sweeps: Sweeps, index: int, camera: Camera) -> Depth:
    """Return (H, W) float32 z-depth of the nearest lidar point in each pixel, 0 where there is none.

    All lasers and both returns of the view's own time step. The lasers sit above the cameras and look past
    edges that hide things from these, so some points lie behind what the image shows.
    """
    _, row, column, z = project(sweeps.at(index), camera)
    order = np.argsort(-z, kind="stable")
    plane = np.zeros((camera.height, camera.width), np.float32)
    # The last write wins, so the nearest comes last.
    plane[row[order], column[order]] = z[order]
    return plane


def project(
    xyz: Float, camera: Camera
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], Float]:
    """Return index, pixel row, pixel column and z-depth of those (N, 3) world points that a camera sees."""
    w2c = camera.w2c
    index = np.nonzero(xyz @ w2c[2, :3] + w2c[2, 3] > NEAREST)[0]
    x, y, z = (xyz[index] @ w2c[:3, :3].T + w2c[:3, 3]).T
    u = camera.K[0, 0] * x / z + camera.K[0, 2]
    v = camera.K[1, 1] * y / z + camera.K[1, 2]
    inside = (u >= 0) & (v >= 0) & (u < camera.width) & (v < camera.height)
    return index[inside], v[inside].astype(np.int64), u[inside].astype(np.int64), z[inside]


class _Thinner:
    """Collects points and keeps the first in each cube."""

    def __init__(self, side: float) -> None:
        self._side = side
        self._xyz: list[Float] = []
        self._rgb: list[Image] = []
        self._pending = 0

    def add(self, xyz: Float, rgb: Image) -> None:
        self._xyz.append(xyz)
        self._rgb.append(rgb)
        self._pending += len(xyz)
        if self._pending > _PENDING:
            self._thin()

    def points(self) -> Points:
        self._thin()
        return Points(self._xyz[0], self._rgb[0])

    def _thin(self) -> None:
        xyz = np.concatenate([np.zeros((0, 3)), *self._xyz])
        rgb = np.concatenate([np.zeros((0, 3), np.uint8), *self._rgb])
        # 21 bits an axis: 100 km on either side of the origin, more than any segment.
        cell = np.floor(xyz / self._side).astype(np.int64) + 2**20
        key = (cell[:, 0] << 42) | (cell[:, 1] << 21) | cell[:, 2]
        _, first = np.unique(key, return_index=True)
        first.sort()
        self._xyz, self._rgb, self._pending = [xyz[first]], [rgb[first]], 0
