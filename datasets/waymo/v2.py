"""Segments of release 2: `<tag>/<context name>.parquet`, one table per component.

Release 2 has no map. Poses, boxes and calibrations are read when a segment is opened; images and range images
row by row when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from recgen_bench.datasets.formats.images import decode
from recgen_bench.datasets.waymo.boxes import make_box
from recgen_bench.datasets.waymo.rig import FROM_OPENCV, camera_name, category_name, lens, transform
from recgen_bench.datasets.waymo.segment import Box, Frame, Mount, Segment, Shot, Window, check_order
from recgen_bench.datasets.waymo.tables import Cells, Table
from recgen_bench.datasets.waymo.v2_lidar import Lidar, open_lidar
from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.scene import Float, Image

TIME = "key.frame_timestamp_micros"
_POSE = "[VehiclePoseComponent].world_from_vehicle.transform"
_IMAGE = "[CameraImageComponent]"
_LENS = "[CameraCalibrationComponent]"
_BOX = "[LiDARBoxComponent]"
_INTRINSICS = ("f_u", "f_v", "c_u", "c_v", "k1", "k2", "p1", "p2", "k3")
_GEOMETRY = ("center.x", "center.y", "center.z", "size.x", "size.y", "size.z", "heading")


@dataclass(frozen=True, slots=True, eq=False)
class _Clock:
    """The wanted time steps: their numbers, microseconds and vehicle poses."""

    steps: range
    times: tuple[int, ...]
    egos: tuple[Float, ...]


def open_v2(root: Path, name: str, window: Window, cameras: tuple[str, ...]) -> Segment:
    """Return the wanted part of a segment.

    Args:
        root: Folder that holds the tables' folders.
        name: Context name.
        window: Wanted time steps.
        cameras: Wanted cameras, by name.

    Raises:
        DataError: `vehicle_pose` is missing, or a table is damaged or inconsistent.
        PluginError: pyarrow is not installed.
    """

    def table(tag: str) -> Table | None:
        path = root / tag / f"{name}.parquet"
        return Table(path) if path.is_file() else None

    def where(step: int) -> str:
        return f"{root}, segment {name}, time step {step}"

    notes = ["Release 2 has no map, so there are no lanes."]
    poses = table("vehicle_pose")
    if poses is None:
        raise DataError(
            "the segment has no vehicle poses", where=str(root / "vehicle_pose" / f"{name}.parquet")
        )
    clock = _clock(poses, window)
    images, calibrations, labels = table("camera_image"), table("camera_calibration"), table("lidar_box")
    mounts = () if calibrations is None else _mounts(calibrations)
    shots = [()] * len(clock.times) if images is None else _shots(images, clock, cameras)
    boxes = [()] * len(clock.times) if labels is None else _boxes(labels, clock)
    for tag, found in (("camera_image", images), ("lidar_box", labels)):
        if found is None:
            notes.append(f"There is no {tag} table for this segment.")
    lidar = open_lidar(table)
    frames = tuple(
        Frame(step, time / 1e6, ego, seen, known, _reader(lidar, time, ego), where(step))
        for step, time, ego, seen, known in zip(
            clock.steps, clock.times, clock.egos, shots, boxes, strict=True
        )
    )
    return Segment(name, check_order(frames), mounts, (), tuple(notes))


def read_poses(table: Table) -> tuple[tuple[int, Float], ...]:
    """Return (microseconds, (4, 4) vehicle-to-world) of all time steps of `vehicle_pose`, by time.

    Raises:
        DataError: A pose is not rigid, or a time appears twice.
    """
    times = [int(time) for time in table.numbers(TIME, np.int64)]
    poses = {}
    for time, numbers in zip(times, table.objects(_POSE), strict=True):
        with located(f"{table.path}, time {time}"):
            if time in poses:
                raise DataError("two vehicle poses have the same time")
            poses[time] = _transform(numbers, "vehicle pose")
    return tuple(sorted(poses.items(), key=lambda item: item[0]))


def _clock(table: Table, window: Window) -> _Clock:
    poses = read_poses(table)
    steps = window.steps(len(poses), str(table.path))
    return _Clock(steps, tuple(poses[step][0] for step in steps), tuple(poses[step][1] for step in steps))


def _mounts(table: Table) -> tuple[Mount, ...]:
    names = [camera_name(value) for value in table.objects("key.camera_name")]
    intrinsics = np.stack([table.numbers(f"{_LENS}.intrinsic.{each}") for each in _INTRINSICS], axis=-1)
    extrinsics = table.objects(f"{_LENS}.extrinsic.transform")
    widths = table.numbers(f"{_LENS}.width", np.int64)
    heights = table.numbers(f"{_LENS}.height", np.int64)
    mounts = []
    for row, name in enumerate(names):
        if name is None:
            continue
        with located(f"{table.path}, camera {name}"):
            pose = _transform(extrinsics[row], "camera pose") @ FROM_OPENCV
            bent = lens(intrinsics[row].tolist(), int(widths[row]), int(heights[row]))
            mounts.append(Mount(name, bent, pose))
    return tuple(mounts)


def _shots(table: Table, clock: _Clock, cameras: tuple[str, ...]) -> list[tuple[Shot, ...]]:
    names = [camera_name(value) for value in table.objects("key.camera_name")]
    times = table.numbers(TIME, np.int64)
    pose = f"{_IMAGE}.pose.transform"
    egos = table.objects(pose) if pose in table.names else [None] * table.rows
    rows = {(int(time), name): row for row, (time, name) in enumerate(zip(times, names, strict=True))}
    cells = table.cells(f"{_IMAGE}.image")
    shots: list[tuple[Shot, ...]] = []
    for step, time in zip(clock.steps, clock.times, strict=True):
        seen = []
        for name in cameras:
            row = rows.get((time, name))
            if row is None:
                continue
            where = f"{table.path}, time step {step}, camera {name}"
            with located(where):
                ego = None if egos[row] is None else _transform(egos[row], "vehicle pose")
            seen.append(Shot(name, partial(_read_image, cells, row, where), where, ego))
        shots.append(tuple(seen))
    return shots


def _read_image(cells: Cells, row: int, where: str) -> Image:
    (cell,) = cells[row]
    content = cell.as_py()
    if not isinstance(content, bytes):
        raise DataError("the image is empty", got=type(content).__name__, where=where)
    return decode(Path(where), content)


def _boxes(table: Table, clock: _Clock) -> list[tuple[Box, ...]]:
    times = table.numbers(TIME, np.int64)
    tracks = table.objects("key.laser_object_id")
    kinds = table.objects(f"{_BOX}.type")
    geometry = np.stack([table.numbers(f"{_BOX}.box.{each}") for each in _GEOMETRY], axis=-1)
    speeds = None
    if {f"{_BOX}.speed.x", f"{_BOX}.speed.y"} <= table.names:
        speeds = np.hypot(*(table.numbers(f"{_BOX}.speed.{axis}") for axis in "xy"))
    top = f"{_BOX}.num_top_lidar_points_in_box"
    counts = table.numbers(top) if top in table.names else np.full(len(times), np.nan)
    steps = {time: index for index, time in enumerate(clock.times)}
    boxes: list[list[Box]] = [[] for _ in clock.times]
    for row, time in enumerate(times):
        index = steps.get(int(time))
        if index is None:
            continue
        speed = None if speeds is None or np.isnan(speeds[row]) else float(speeds[row])
        points = None if np.isnan(counts[row]) else int(counts[row])
        with located(f"{table.path}, time step {clock.steps[index]}, label {tracks[row]!r}"):
            category, ego = category_name(kinds[row]), clock.egos[index]
            boxes[index].append(make_box(str(tracks[row]), category, geometry[row], ego, speed, points))
    return [tuple(each) for each in boxes]


def _reader(lidar: Lidar | None, time: int, ego: Float) -> Callable[[], Float] | None:
    return partial(lidar.points, time, ego) if lidar is not None and lidar.has(time) else None


def _transform(numbers: Any, kind: str) -> Float:
    if not isinstance(numbers, list) or len(numbers) != 16 or None in numbers:
        raise DataError(f"the {kind} is not a 4x4 matrix", got=repr(numbers)[:80])
    return transform(numbers, kind)
