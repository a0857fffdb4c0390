"""What a protocol lets a method see of a capture: masks, a moving window, some of the points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.errors import ProtocolError
from recgen_bench.harness.protocol import Protocol, Window
from recgen_bench.harness.scene import Camera, Mask, Points, View


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Pixels from the upper left corner (x, y), inside the image."""

    x: int
    y: int
    width: int
    height: int


def window_at(window: Window, camera: Camera) -> Rectangle:
    """Return where the window is at the camera's frame.

    >>> [window_at(Window(6, 4, 1, 0, 2), Camera(np.eye(3), np.eye(4), 10, 6, frame=f)).x for f in range(5)]
    [1, 3, 1, 3, 1]

    Raises:
        ProtocolError: The window does not fit into the image there.
    """
    corner = []
    for start, side, full in (
        (window.x, window.width, camera.width),
        (window.y, window.height, camera.height),
    ):
        if start + side > full:
            got = f"{window.width}x{window.height} at {window.x}, {window.y}"
            expected = f"inside {camera.width}x{camera.height}"
            raise ProtocolError("the window does not fit into the images", got=got, expected=expected)
        low = start % window.step
        stops = (full - side - low) // window.step
        place = (start // window.step + camera.frame) % (2 * stops) if stops else 0
        corner.append(low + window.step * min(place, 2 * stops - place))
    return Rectangle(corner[0], corner[1], window.width, window.height)


def shown_views(
    train: Sequence[View], test: Sequence[View], protocol: Protocol
) -> tuple[tuple[View, ...], tuple[View, ...]]:
    """Return training and test views with the protocol's masks and window; pixels are still read later.

    Raises:
        ProtocolError: The window does not fit into the images.
    """
    if protocol.masks != "all":
        train = [replace(view, read_mask=None) for view in train]
    if protocol.masks == "none":
        test = [replace(view, read_mask=None) for view in test]
    if protocol.window is not None:
        train = [_windowed(view, window_at(protocol.window, view.camera)) for view in train]
    return tuple(train), tuple(test)


def kept_points(points: Points, train: Sequence[View], protocol: Protocol) -> Points:
    """Return the points that the protocol leaves to a method.

    A point is in a training view when it lies in front of the camera and projects into the image, or into
    the window where there is one; nothing is known of what hides it.
    """
    if protocol.points == "all" or not len(points):
        return points
    kept = np.zeros(len(points), np.bool_)
    for view in train if protocol.points == "in-train-views" else ():
        camera = view.camera
        if protocol.window is None:
            area = Rectangle(0, 0, camera.width, camera.height)
        else:
            area = window_at(protocol.window, camera)
        rest = np.flatnonzero(~kept)
        local = points.xyz[rest] @ camera.w2c[:3, :3].T + camera.w2c[:3, 3]
        rest, local = rest[local[:, 2] > 0], local[local[:, 2] > 0]
        x, y = (local @ camera.K.T)[:, :2].T / local[:, 2]
        inside = (x >= area.x) & (x < area.x + area.width) & (y >= area.y) & (y < area.y + area.height)
        kept[rest[inside]] = True
    return Points(points.xyz[kept], points.rgb[kept])


def _windowed(view: View, area: Rectangle) -> View:
    return replace(
        view,
        read_image=None if view.read_image is None else partial(_only, view.read_image, area),
        read_mask=partial(_window_mask, view, area),
        read_depth=None if view.read_depth is None else partial(_only, view.read_depth, area),
    )


def _only(read: Callable[[], NDArray], area: Rectangle) -> NDArray:
    pixels = read()
    shown = np.zeros_like(pixels)
    part = np.s_[area.y : area.y + area.height, area.x : area.x + area.width]
    shown[part] = pixels[part]
    return shown


def _window_mask(view: View, area: Rectangle) -> Mask:
    shape = (view.camera.height, view.camera.width)
    read = view.read_mask or partial(np.ones, shape, np.bool_)
    return _only(read, area)
