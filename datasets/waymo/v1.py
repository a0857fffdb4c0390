"""Segments of release 1: `segment-<context name>_with_camera_labels.tfrecord`.

Opening reads the records of the wanted time steps once, to check their CRCs and keep poses, boxes and
calibrations, and record 0, which alone holds the map. Images and range images are dropped and read again, one
record at a time, when they are asked for; no other record's data are touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from recgen_bench.datasets.formats.images import decode
from recgen_bench.datasets.waymo.boxes import make_box
from recgen_bench.datasets.waymo.maps import Map, read_map
from recgen_bench.datasets.waymo.messages import parse
from recgen_bench.datasets.waymo.rig import (
    FROM_OPENCV,
    camera_name,
    category_name,
    lens,
    positions,
    transform,
)
from recgen_bench.datasets.waymo.segment import Box, Frame, Mount, Segment, Shot, Window, check_order
from recgen_bench.datasets.waymo.tfrecord import Record, index_records, read_record
from recgen_bench.datasets.waymo.v1_lidar import read_points, scanned
from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.scene import Float, Image

MAP_DRIFT = 0.05
"""Metres that the map's offset may change within a segment without being mentioned."""


@dataclass(frozen=True, slots=True, eq=False)
class _Labelled:
    """What a frame's record tells without its pixels."""

    frame: Frame
    context: str
    mounts: tuple[Mount, ...]
    offset: Float
    strangers: frozenset[int]


def open_v1(path: Path, window: Window, cameras: tuple[str, ...]) -> Segment:
    """Return the wanted part of a segment.

    Args:
        path: The tfrecord file.
        window: Wanted time steps.
        cameras: Wanted cameras, by name.

    Raises:
        DataError: A record is damaged, cut short or inconsistent; the message names it.
        PluginError: protobuf is not installed.
    """
    records = index_records(path)
    steps = window.steps(len(records), str(path))
    found = [_labelled(records[step], cameras) for step in steps]
    check_order(tuple(each.frame for each in found))
    mounts = next((each.mounts for each in found if each.mounts), ())
    offsets = np.stack([each.offset for each in found])
    the_map = _map(records[0], offsets[0])
    return Segment(
        found[0].context,
        tuple(each.frame for each in found),
        mounts,
        the_map.lanes,
        _notes(found, the_map, offsets),
    )


def _labelled(record: Record, cameras: tuple[str, ...]) -> _Labelled:
    with located(record.where):
        message = parse("Frame", read_record(record), record.where)
        ego = transform(message.pose.transform, "vehicle pose")
        mounts = _mounts(message.context.camera_calibrations, record.where)
        boxes = tuple(_box(label, ego, record.where) for label in message.laser_labels)
        shots = _shots(message.images, record, cameras)
        calibrated = {mount.name for mount in mounts}
        for shot in shots:
            if shot.camera not in calibrated:
                known = ", ".join(sorted(calibrated)) or "none"
                raise DataError("the camera has no calibration", got=shot.camera, expected=known)
        offset = message.map_pose_offset
        return _Labelled(
            Frame(
                record.number,
                message.timestamp_micros / 1e6,
                ego,
                shots,
                boxes,
                partial(read_points, record) if scanned(message) else None,
                record.where,
            ),
            message.context.name.decode("utf-8", "backslashreplace"),
            mounts,
            positions(np.array([offset.x, offset.y, offset.z]), "map's offset"),
            frozenset(image.name for image in message.images if camera_name(image.name) is None),
        )


def _mounts(calibrations: Any, where: str) -> tuple[Mount, ...]:
    mounts = {}
    for calibration in calibrations:
        name = camera_name(calibration.name)
        if name is None:
            continue
        with located(f"{where}, calibration of camera {name}"):
            pose = transform(calibration.extrinsic.transform, "camera pose") @ FROM_OPENCV
            bent = lens(calibration.intrinsic, calibration.width, calibration.height)
            mounts[name] = Mount(name, bent, pose)
    return tuple(mounts.values())


def _shots(images: Any, record: Record, cameras: tuple[str, ...]) -> tuple[Shot, ...]:
    shots = {}
    for image in images:
        name = camera_name(image.name)
        if name not in cameras or name is None or not image.image:
            continue
        where = f"{record.where}, camera {name}"
        with located(where):
            ego = transform(image.pose.transform, "vehicle pose") if image.HasField("pose") else None
        shots[name] = Shot(name, partial(_read_image, record, image.name, where), where, ego)
    return tuple(shots[name] for name in cameras if name in shots)


def _box(label: Any, ego: Float, where: str) -> Box:
    box, track = label.box, label.id.decode("utf-8", "backslashreplace")
    numbers = np.array(
        [box.center_x, box.center_y, box.center_z, box.length, box.width, box.height, box.heading]
    )
    speed = None
    if label.HasField("metadata"):
        speed = float(np.hypot(label.metadata.speed_x, label.metadata.speed_y))
    top = "num_top_lidar_points_in_box"
    points = int(getattr(label, top)) if label.HasField(top) else None
    with located(f"{where}, label {track!r}"):
        return make_box(track, category_name(label.type), numbers, ego, speed, points)


def _read_image(record: Record, number: int, where: str) -> Image:
    message = parse("Frame", read_record(record, check=False), record.where)
    for image in message.images:
        if image.name == number:
            return decode(Path(where), image.image)
    raise DataError("the image is gone: the file changed since it was opened", where=where)


def _map(record: Record, offset: Float) -> Map:
    message = parse("Frame", read_record(record), record.where)
    return read_map(message.map_features, offset, record.where)


def _notes(found: list[_Labelled], the_map: Map, offsets: Float) -> tuple[str, ...]:
    notes = []
    if not the_map.lanes:
        notes.append("The file has no map, so there are no lanes; maps came with release 1.4.2.")
    elif (drift := float(np.abs(offsets - offsets[0]).max())) > MAP_DRIFT:
        notes.append(f"The map's offset changes by up to {drift:.2f} m; that of the first time step is used.")
    strangers = sorted(set().union(*(each.strangers for each in found)))
    if strangers:
        numbers = ", ".join(map(str, strangers))
        notes.append(f"Images of cameras with an unknown number are left out: {numbers}.")
    return tuple(notes)
