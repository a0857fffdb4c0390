"""Scenes preprocessed as by EmerNeRF and DriveStudio, which DriveDreamer4D and FaithFusion share.

Three-digit file names; `extrinsics` are camera-to-vehicle in Waymo's camera axes; boxes are posed in Waymo's
world. There are no times, speeds, maps, or poses per image.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from recgen_bench.datasets.waymo.folder import (
    list_frames,
    list_pictures,
    read_json,
    read_mounts,
    read_pose,
    read_shots,
    wanted,
)
from recgen_bench.datasets.waymo.range_image import FARTHEST
from recgen_bench.datasets.waymo.rig import FROM_OPENCV, category_name, transform
from recgen_bench.datasets.waymo.segment import Box, Frame, Segment, Window
from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.scene import Float

WIDTH = 3
RATE = 10.0
"""Frames per second of the data set."""

COLUMNS = 14
"""float32 numbers a point: origin 3, position 3, flow 3, flow class, ground, intensity, elongation, laser."""


def open_drivestudio(folder: Path, window: Window, cameras: tuple[str, ...]) -> Segment:
    """Return the wanted part of a scene.

    Raises:
        DataError: A file is missing, damaged or inconsistent.
    """
    steps = wanted(list_frames(folder, WIDTH), window, folder)
    images = list_pictures(folder, WIDTH)
    boxes, notes = _read_boxes(folder / "instances" / "instances_info.json", set(steps))
    notes += (
        "These folders have no times, so frames are taken to be 0.1 s apart.",
        "These folders have no map, so there are no lanes.",
    )
    frames = tuple(
        Frame(
            step,
            step / RATE,
            read_pose(folder / "ego_pose" / f"{step:03d}.txt", "vehicle pose"),
            read_shots(images, step, cameras, lambda _: None),
            tuple(boxes.get(step, ())),
            partial(read_lidar, path) if (path := folder / "lidar" / f"{step:03d}.bin").is_file() else None,
            f"{folder}, time step {step}",
        )
        for step in steps
    )
    mounts = read_mounts(folder, images, steps, cameras, FROM_OPENCV)
    return Segment(folder.resolve().name, frames, mounts, (), notes)


def read_lidar(path: Path) -> Float:
    """Return the (N, 3) points of one sweep in vehicle axes; first returns only, as DriveStudio writes them.

    Raises:
        DataError: The file is cut short, or a point is absurd.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}", where=str(path)) from error
    if len(data) % (4 * COLUMNS):
        expected = f"a multiple of {4 * COLUMNS}, {COLUMNS} float32 numbers a point"
        raise DataError(
            "not whole lidar points", got=f"{len(data)} bytes", expected=expected, where=str(path)
        )
    with np.errstate(invalid="ignore"):  # Damage can leave signalling NaNs, which are found next.
        points = np.frombuffer(data, "<f4").reshape(-1, COLUMNS)[:, 3:6].astype(np.float64)
    if not np.all(np.abs(points) < FARTHEST):
        raise DataError("a lidar point is not finite or absurdly far", where=str(path))
    return points


def _read_boxes(path: Path, steps: set[int]) -> tuple[dict[int, list[Box]], tuple[str, ...]]:
    if not path.is_file():
        return {}, (f"There is no {path.parent.name}/{path.name}, so the scene has no actors.",)
    boxes: dict[int, list[Box]] = {}
    for key, track in read_json(path).items():
        with located(f"{path}, track {key!r}"):
            for step, box in _track(track, steps):
                boxes.setdefault(step, []).append(box)
    return boxes, ()


def _track(track: Any, steps: set[int]) -> list[tuple[int, Box]]:
    try:
        name, category = str(track["id"]), category_name(track["class_name"])
        seen = track["frame_annotations"]
        rows = list(zip(seen["frame_idx"], seen["obj_to_world"], seen["box_size"], strict=True))
        chosen = [(int(step), pose, size) for step, pose, size in rows if int(step) in steps]
        return [(step, _box(name, category, pose, size)) for step, pose, size in chosen]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        expected = "id, class_name, frame_annotations {frame_idx, obj_to_world, box_size} of equal length"
        raise DataError(f"not a track: {error}", expected=expected) from error


def _box(track: str, category: str, pose: Any, size: Any) -> Box:
    sides = np.asarray(size, np.float64)
    if sides.shape != (3,) or not np.all(sides < FARTHEST) or not sides.min() > 0:
        raise DataError("not a usable box size", got=sides.tolist(), expected="three lengths above 0")
    return Box(track, category, sides, transform(np.asarray(pose, np.float64), "box pose"))
