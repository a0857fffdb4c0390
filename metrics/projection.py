"""Tracked 3D boxes as rectangles in an image: as published scripts project them, and with care.

Rectangles are in pixels of the camera they are projected with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.scene import Actor, Camera, Float

Originals = Mapping[tuple[int, str], Camera]
"""Recorded cameras by time step and sensor."""

LEAST_POINTS = 10
"""Top-lidar points below which a labelled vehicle does not count; the scripts' only proxy for occlusion."""

NEAR = 0.1
"""Metres in front of the camera at which boxes are cut when they are projected with care."""

CORNERS = np.array([(x, y, z) for z in (-1, 1) for x, y in ((1, 1), (-1, 1), (-1, -1), (1, -1))], np.float64)
"""(8, 3) signs of half length, width, height, in the order of the Waymo Open Dataset."""

_EDGES = np.array(
    [(i, j) for i in range(8) for j in range(i) if np.abs(CORNERS[i] - CORNERS[j]).sum() == 2], np.int64
)


def box_corners(pose: Float, size: Float) -> Float:
    """Return the (8, 3) corners in the world of a box of this (4, 4) pose and (3,) size in metres."""
    return (CORNERS * (np.asarray(size, np.float64) / 2)) @ pose[:3, :3].T + pose[:3, 3]


def project(places: Float, camera: Camera) -> tuple[Float, Float]:
    """Return (N, 2) pixels and (N,) depths in metres of (N, 3) places in the world.

    Places behind the camera come out mirrored, as in a formula without a test; a depth of 0 gives infinity.
    """
    local = places @ camera.w2c[:3, :3].T + camera.w2c[:3, 3]
    flat = local @ camera.K.T
    with np.errstate(divide="ignore", invalid="ignore"):
        return flat[:, :2] / flat[:, 2:], local[:, 2]


def published_box(pose: Float, size: Float, camera: Camera, needs_front: bool) -> NDArray[np.int64] | None:
    """Return the (4,) whole-pixel rectangle around the eight projected corners, None where scripts drop it.

    Coordinates are truncated towards zero first, and then dropped when one is negative or beyond the image:
    nothing is clipped. A box with some corners behind the camera keeps their mirrored images.

    Args:
        pose: (4, 4) box-to-world.
        size: (3,) metres.
        camera: Its width and height are the canvas.
        needs_front: Drop a box that lies wholly behind the camera (DriveDreamer4D); without it such a box
            appears as its mirrored image (ReconDreamer's projection step).
    """
    pixels, depth = project(box_corners(pose, size), camera)
    if needs_front and not (depth > 0).any():
        return None
    sides = np.concatenate([pixels.min(0), pixels.max(0)])
    if not (np.abs(sides) < 1e6).all():
        return None
    whole = np.trunc(sides).astype(np.int64)
    inside = whole.min() >= 0 and whole[2] <= camera.width and whole[3] <= camera.height
    return whole if inside else None


def careful_box(pose: Float, size: Float, camera: Camera) -> Float | None:
    """Return the (4,) rectangle around the part of a box in front of the camera, not clipped to the image.

    Edges are cut `NEAR` in front of the camera, so nothing is mirrored; None for a box wholly behind that.
    """
    corners = box_corners(pose, size)
    depth = corners @ camera.w2c[2, :3] + camera.w2c[2, 3] - NEAR
    a, b = corners[_EDGES[:, 0]], corners[_EDGES[:, 1]]
    depth_a, depth_b = depth[_EDGES[:, 0]], depth[_EDGES[:, 1]]
    cut = (depth_a > 0) != (depth_b > 0)
    share = (depth_a[cut] / (depth_a[cut] - depth_b[cut]))[:, None]
    places = np.concatenate([corners[depth > 0], a[cut] + share * (b[cut] - a[cut])])
    if not len(places):
        return None
    pixels, _ = project(places, camera)
    return np.concatenate([pixels.min(0), pixels.max(0)])


def seen_by(pose: Float, size: Float, camera: Camera) -> bool:
    """Return whether some corner of a box is projected into a camera's image from in front of it."""
    pixels, depth = project(box_corners(pose, size), camera)
    inside = (depth > 0) & (pixels >= 0).all(1) & (pixels < [camera.width, camera.height]).all(1)
    return bool(inside.any())


def labelled(
    actors: Iterable[Actor], frame: int, original: Camera | None, least: int
) -> list[tuple[Float, Float]]:
    """Return poses and sizes of the vehicles that the published label export keeps at a time step.

    Args:
        actors: Of any category.
        frame: Time step.
        original: The recorded camera of this time step, which must see some corner; None when not known.
        least: Top-lidar points that a vehicle must have where they were counted.
    """
    kept = []
    for actor in actors:
        pose = actor.pose_at(frame)
        if actor.category != "vehicle" or pose is None or not has_points(actor, frame, least):
            continue
        if original is None or seen_by(pose, actor.size, original):
            kept.append((pose, actor.size))
    return kept


def has_points(actor: Actor, frame: int, least: int) -> bool:
    """Return whether an actor has this many lidar points at a time step, or nobody counted them."""
    if actor.counts is None:
        return True
    index = int(np.searchsorted(actor.frames, frame))
    return bool(actor.counts[index] >= least)
