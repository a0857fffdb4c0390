"""A segment to a capture: the scene's world, views, actors, lanes and lidar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np

from recgen_bench.datasets.formats.distortion import Lens
from recgen_bench.datasets.formats.resize import check_resolution, target_size
from recgen_bench.datasets.formats.undistort import undistort
from recgen_bench.datasets.waymo.boxes import make_actors
from recgen_bench.datasets.waymo.cloud import Cloud, LazyPoints, Sweeps, depth
from recgen_bench.datasets.waymo.segment import Frame, Mount, Segment, Shot
from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.protocol import Resolution
from recgen_bench.harness.scene import (
    Actor,
    Camera,
    Capture,
    Float,
    Image,
    Lane,
    Points,
    View,
    World,
    invert_rigid,
)

Poses = Literal["frame", "image"]
"""Where the cameras of a time step stand: on the one vehicle pose of the frame (DriveStudio, DriveDreamer4D,
FaithFusion), or each on the vehicle pose at its own exposure (Street Gaussians)."""


def make_capture(
    segment: Segment, scene: str, cameras: Sequence[str], resolution: Resolution, poses: Poses
) -> Capture:
    """Return the capture of a segment.

    Its world has the vehicle pose of the first time step as origin, as in DriveStudio. `Camera.frame` and
    `Actor.frames` count time steps of the whole segment; `Camera.time` is in seconds from the first one used.

    Args:
        segment: The wanted time steps.
        scene: Name of the scene.
        cameras: Wanted cameras, in the order views of one time step take.
        resolution: Of the decoded images.
        poses: See `Poses`.

    Raises:
        DataError: A camera has no calibration, or has no pose of its own where these are wanted.
    """
    check_resolution(resolution)
    origin = segment.frames[0].ego
    sweeps = Sweeps(segment.frames, origin)
    views: list[tuple[int, View]] = []
    for index, frame in enumerate(segment.frames):
        for shot in sorted(frame.shots, key=lambda shot: cameras.index(shot.camera)):
            view = _view(segment, frame, shot, resolution, poses)
            if frame.read_points is not None:
                view = replace(view, read_depth=partial(depth, sweeps, index, view.camera))
            views.append((index, view))
    actors, speeds = make_actors(segment.frames, origin)
    cloud = Cloud(sweeps, views, [actor for actor in actors if actor.moving])
    scanned = any(frame.read_points is not None for frame in segment.frames)
    notes = (
        *_pose_notes(segment, views, poses),
        *_image_notes(segment, cameras),
        *_lidar_notes(segment, cameras, views),
        *(() if speeds else ("Boxes have no speeds; a track counts as moving by the distance it travels.",)),
        *segment.notes,
    )
    return Capture(
        "waymo",
        scene,
        tuple(view for _, view in views),
        LazyPoints(cloud.static) if scanned else Points(),
        tuple(_with_points(actor, cloud) if scanned else actor for actor in actors),
        tuple(_moved(lane, invert_rigid(origin)) for lane in segment.lanes),
        has_sky=True,
        world=World(origin, "metre"),
        notes=notes,
    )


def _view(segment: Segment, frame: Frame, shot: Shot, resolution: Resolution, poses: Poses) -> View:
    with located(shot.where):
        mount = segment.mount(shot.camera)
        size = target_size((mount.lens.width, mount.lens.height), resolution)
        pinhole = mount.lens.pinhole()
        ego = _ego(frame, shot, poses)
        into = invert_rigid(segment.frames[0].ego)
        camera = Camera(
            pinhole.resized(*size).K,
            into @ ego @ mount.pose,
            *size,
            time=frame.time - segment.frames[0].time,
            frame=frame.step,
            sensor=shot.camera,
            ego=into @ ego,
        )
    read = partial(_read, shot, mount, pinhole, size)
    return View(f"{frame.step:06d}_{shot.camera}", camera, read, source=shot.where)


def _ego(frame: Frame, shot: Shot, poses: Poses) -> Float:
    if poses == "frame":
        return frame.ego
    if shot.ego is None:
        hint = "these folders keep one pose per frame; open the scene with those"
        raise DataError("the image has no pose of its own", hint=hint)
    return shot.ego


def _read(shot: Shot, mount: Mount, pinhole: Lens, size: tuple[int, int]) -> Image:
    pixels = shot.read()
    if pixels.shape[1::-1] != (mount.lens.width, mount.lens.height):
        got = f"{pixels.shape[1]}x{pixels.shape[0]}"
        expected = f"{mount.lens.width}x{mount.lens.height}"
        raise DataError("the image has another size than its calibration", got=got, expected=expected)
    return undistort(pixels, mount.lens, pinhole, size)


def _with_points(actor: Actor, cloud: Cloud) -> Actor:
    return replace(actor, points=LazyPoints(partial(cloud.of, actor.track))) if actor.moving else actor


def _moved(lane: Lane, into: Float) -> Lane:
    return Lane(lane.polyline @ into[:3, :3].T + into[:3, 3], lane.kind)


def _pose_notes(segment: Segment, views: Sequence[tuple[int, View]], poses: Poses) -> tuple[str, ...]:
    if not views:
        return ()
    own = [
        float(np.linalg.norm(shot.ego[:3, 3] - frame.ego[:3, 3]))
        for frame in segment.frames
        for shot in frame.shots
        if shot.ego is not None
    ]
    apart = f"; the other choice is up to {100 * max(own):.1f} cm away" if own else ""
    if poses == "frame":
        return (
            f"Cameras stand on the vehicle pose of their frame, as in DriveStudio and FaithFusion{apart}.",
        )
    return (f"Cameras stand on the vehicle pose at their exposure, as in Street Gaussians{apart}.",)


def _image_notes(segment: Segment, cameras: Sequence[str]) -> tuple[str, ...]:
    notes = []
    total = len(segment.frames)
    for name in cameras:
        found = sum(shot.camera == name for frame in segment.frames for shot in frame.shots)
        if found < total:
            notes.append(
                f"{total - found} of {total} time steps have no {name} image and give no view of it."
            )
    lenses = {
        shot.camera: segment.mount(shot.camera).lens for frame in segment.frames for shot in frame.shots
    }
    zooms = [lens.pinhole().fx / lens.fx for lens in lenses.values() if not lens.straight]
    if zooms:
        longer = (
            f", with focal lengths up to {100 * (max(zooms) - 1):.2f} % longer so that every pixel was seen"
        )
        notes.append(f"Images are undistorted{longer if max(zooms) > 1 else ''}; rolling shutter is ignored.")
    return tuple(notes)


def _lidar_notes(
    segment: Segment, cameras: Sequence[str], views: Sequence[tuple[int, View]]
) -> tuple[str, ...]:
    total = len(segment.frames)
    found = sum(frame.read_points is not None for frame in segment.frames)
    if not found:
        return ("There are no lidar range images, so the scene has no points and no depth.",)
    notes = []
    if found < total:
        notes.append(f"{total - found} of {total} time steps have no lidar.")
    if views:
        notes.append(
            f"Lidar points are those that {', '.join(cameras)} sees at their time, one per 10 cm cube."
        )
    else:
        notes.append("No image colours the lidar points; they are grey.")
    return tuple(notes)
