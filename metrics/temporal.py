"""Does the rendered video move as one scene? Neighbouring frames of a track, warped by their own geometry.

Definition of `warp_l1/depth`. Frames of one camera and one shift are taken in the order of their time steps.
For neighbours s and t every pixel centre of s with a rendered depth is lifted into the world and projected
into t, whose image is sampled bilinearly there. The pixel counts when

- it falls between the outermost pixel centres of t, in front of the camera,
- the rendered depth of t at the nearest pixel is within 5 % of the point's depth (visible in both),
- it lies in no moving actor's box, at the time step of s, enlarged by 0.25 m on every side.

The value of a pair is the mean absolute difference of the counted pixels over the three channels, images in
[0, 1]; the value of a track is the mean over its pairs. It judges consistency, not truth: an empty or frozen
world is consistent. `parts["real"]` is the same number for the true images with the same geometry and the
same pixels, where they are known.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.scene import Actor, Camera, Depth, Float, Image, Mask, invert_rigid
from recgen_bench.harness.track import Frame, SceneValue, Track

DEPTH_TOLERANCE = 0.05
"""Relative; of the order of the depth errors of rendered Gaussians, far below those of an occlusion."""

HAIR = np.float32(1e-4)
"""Pixels."""

MARGIN = 0.25
"""Metres; true boxes are tight, and renderings bleed."""


@dataclass(frozen=True, slots=True, eq=False)
class Warp:
    """Where the pixels of one frame lie in the next.

    Attributes:
        x: (H, W) float32 column of the pixel in the other image, pixel centres at integers.
        y: (H, W) float32 row.
        valid: (H, W) bool, True where the pixel counts.
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    valid: Mask


def warp_l1_depth(track: Track) -> SceneValue:
    """Return the mean warping error of neighbouring frames, see the module.

    Raises:
        DataError: An image or a depth map has another size than its camera.
    """
    known = [_bare(frame) for frame in track.frames]
    if not known or any(frame.camera is None or frame.read_depth is None for frame in known):
        return SceneValue(None, 0, reason="the camera and the rendered depth of every frame must be known")
    per_view = {first.view: _compared(first, second, track.actors) for first, second in _neighbours(known)}
    errors = {view: values for view, values in per_view.items() if "error" in values}
    value = from_views(per_view)
    if value is None:
        return SceneValue(None, 0, reason="no two neighbouring frames show a common point")
    parts = {"valid": _mean(per_view, "valid")}
    if all("real" in values for values in errors.values()):
        parts["real"] = _mean(errors, "real")
    facts = {"definition": f"warp_l1/depth, tolerance {DEPTH_TOLERANCE}, margin {MARGIN} m"}
    return SceneValue(value, len(errors), parts=parts, facts=facts, per_view=per_view)


def from_views(per_view: Mapping[str, Mapping[str, float]]) -> float | None:
    """Return the value that follows from a record's statistics: the mean "error" of its views."""
    errors = {view: values for view, values in per_view.items() if "error" in values}
    return _mean(errors, "error") if errors else None


def _compared(first: Frame, second: Frame, actors: tuple[Actor, ...]) -> dict[str, float]:
    """Return the share of "valid" pixels and, where there are any, "error" and that of the "real" images."""
    warp = _warp(first, second, actors)
    values = {"valid": float(warp.valid.mean())}
    if warp.valid.any():
        values["error"] = _error(warp, first.prediction.read(), second.prediction.read())
        if first.reference is not None and second.reference is not None:
            values["real"] = _error(warp, first.reference.read(), second.reference.read())
    return values


def _neighbours(frames: list[Frame]) -> Iterator[tuple[Frame, Frame]]:
    """Yield pairs that follow each other in time, per camera and shift."""
    tracks = defaultdict[tuple[str, float], list[Frame]](list)
    for frame in frames:
        tracks[_camera(frame).sensor, frame.shift].append(frame)
    for track in tracks.values():
        yield from pairwise(sorted(track, key=lambda frame: _camera(frame).frame))


def _warp(first: Frame, second: Frame, actors: tuple[Actor, ...]) -> Warp:
    source, target = _camera(first), _camera(second)
    depth, target_depth = _depth(first), _depth(second)
    points = _lifted(source, depth)
    seen = (points - target.centre) @ target.c2w[:3, :3]
    z = seen[..., 2]
    front = (depth > 0) & (z > 0)
    pixels = seen @ target.K.T
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        x, y = (np.where(front, pixels[..., axis] / z - 0.5, -1.0).astype(np.float32) for axis in (0, 1))
    # Rounding puts pixels that stay where they are a hair outside.
    low, right, bottom = -HAIR, target.width - 1 + HAIR, target.height - 1 + HAIR
    inside = front & (x >= low) & (y >= low) & (x <= right) & (y <= bottom)
    nearest = np.where(inside[..., None], np.rint(np.stack([y, x], axis=-1)), 0).astype(np.int64)
    there = target_depth[nearest[..., 0], nearest[..., 1]]
    visible = inside & (np.abs(there - z) <= DEPTH_TOLERANCE * z)
    return Warp(x, y, visible & ~_on_moving(points, source.frame, actors))


def _lifted(camera: Camera, depth: Depth) -> Float:
    """Return the (H, W, 3) world points of the pixel centres at a z-depth."""
    columns, rows = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    pixels = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    rays = pixels @ np.linalg.inv(camera.K).T
    return rays * depth[..., None].astype(np.float64) @ camera.c2w[:3, :3].T + camera.centre


def _on_moving(points: Float, frame: int, actors: tuple[Actor, ...]) -> Mask:
    inside = np.zeros(points.shape[:-1], np.bool_)
    for actor in actors:
        pose = actor.pose_at(frame) if actor.moving else None
        if pose is not None:
            local = points @ invert_rigid(pose)[:3, :3].T + invert_rigid(pose)[:3, 3]
            inside |= (np.abs(local) <= actor.size / 2 + MARGIN).all(axis=-1)
    return inside


def _mean(per_view: Mapping[str, Mapping[str, float]], name: str) -> float:
    return math.fsum(values[name] for values in per_view.values()) / len(per_view)


def _error(warp: Warp, first: Image, second: Image) -> float:
    if first.shape[:2] != warp.valid.shape:
        raise DataError(
            "an image has another size than its camera", got=first.shape[:2], expected=warp.valid.shape
        )
    sampled = cv2.remap(
        second.astype(np.float32), warp.x, warp.y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    difference = np.abs(np.asarray(sampled) - first)[warp.valid]
    return float(np.mean(difference, dtype=np.float64)) / 255


def _depth(frame: Frame) -> Depth:
    assert frame.read_depth is not None
    depth, camera = frame.read_depth(), _camera(frame)
    expected = (camera.height, camera.width)
    if depth.shape != expected:
        raise DataError(
            "the depth has another size than its camera", got=depth.shape, expected=expected, where=frame.view
        )
    # What is not a distance is nothing rendered.
    return np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(0))


def _bare(frame: Frame) -> Frame:
    """Return a frame without what is not needed here, since all of them are held at once."""
    return Frame(frame.view, frame.shift, frame.prediction, frame.reference, frame.camera, frame.read_depth)


def _camera(frame: Frame) -> Camera:
    assert frame.camera is not None
    return frame.camera
