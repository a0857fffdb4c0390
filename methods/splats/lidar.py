"""Sparse depth of a camera from the scene's points, for poses where nothing was recorded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.scene import Actor, Camera, Depth, Float, Points, Scene
from recgen_bench.methods.splats.actors import modelled, outside

NEAR = 0.1
"""Points closer to the camera plane are not drawn, world units."""


def static_points(scene: Scene) -> Points:
    """Return the points that belong to no moving actor."""
    return outside(scene.points, scene.actors)


def sparse_depth(static: Points, scene: Scene, camera: Camera) -> Depth | None:
    """Return the z-depth of the nearest point in each pixel, None when no point is seen.

    Points of actors stand where the actor is at the camera's time step. Where an actor's box is seen, static
    points would show through between its few points, so they are left out there; release code of FaithFusion:
    it fills the box with random points that blank 13 pixels around each.

    Args:
        static: See `static_points`.
        scene: Its actors.
        camera: Where to look from.

    Returns:
        (H, W) float32, world units, 0 where no point is.
    """
    depth = np.full((camera.height, camera.width), np.inf, np.float32)
    _draw(depth, static.xyz, camera)
    for actor in modelled(scene.actors):
        pose = actor.pose_at(camera.frame)
        if pose is None:
            continue
        covered = _silhouette(actor, pose, camera)
        if covered is not None:
            nearest = _along(_corners(actor, pose), camera).min()
            depth[covered & (depth > nearest)] = np.inf
        _draw(depth, actor.points.xyz @ pose[:3, :3].T + pose[:3, 3], camera)
    depth[~np.isfinite(depth)] = 0
    return depth if depth.any() else None


def _draw(depth: Depth, points: Float, camera: Camera) -> None:
    """Put points into a z-buffer, in place."""
    local = points @ camera.w2c[:3, :3].T + camera.w2c[:3, 3]
    local = local[local[:, 2] > NEAR]
    pixels = np.floor(_projected(local, camera)).astype(np.int64)
    inside = ((pixels >= 0) & (pixels < (camera.width, camera.height))).all(-1)
    x, y = pixels[inside].T
    np.minimum.at(depth, (y, x), local[inside, 2].astype(np.float32))


def _projected(local: Float, camera: Camera) -> Float:
    """Return pixels (N, 2) of points (N, 3) in camera axes."""
    return local[:, :2] / local[:, 2:] * camera.K[[0, 1], [0, 1]] + camera.K[:2, 2]


def _corners(actor: Actor, pose: Float) -> Float:
    signs = np.stack(np.meshgrid(*[(-0.5, 0.5)] * 3, indexing="ij"), -1).reshape(8, 3)
    return (signs * np.asarray(actor.size)) @ pose[:3, :3].T + pose[:3, 3]


def _along(points: Float, camera: Camera) -> Float:
    return points @ camera.w2c[2, :3] + camera.w2c[2, 3]


def _silhouette(actor: Actor, pose: Float, camera: Camera) -> NDArray[np.bool_] | None:
    """Return the pixels (H, W) that an actor's box covers, None when a corner lies behind the camera."""
    import cv2

    corners = _corners(actor, pose) @ camera.w2c[:3, :3].T + camera.w2c[:3, 3]
    if corners[:, 2].min() <= NEAR:
        return None
    pixels = _projected(corners, camera)
    filled = np.zeros((camera.height, camera.width), np.uint8)
    hull = cv2.convexHull(np.clip(pixels, -1e4, 1e4).round().astype(np.int32))
    return cv2.fillConvexPoly(filled, hull, 1).astype(bool)
