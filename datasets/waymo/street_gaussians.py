"""Scenes preprocessed as by Street Gaussians, which StreetCrafter and ReconDreamer share.

Six-digit file names; `extrinsics` are camera-to-vehicle in OpenCV camera axes; boxes are in vehicle axes and
have speeds; every image has a vehicle pose of its own. `pointcloud.npz` holds pickled dictionaries, which can
run code when they are read, so it is left alone.
"""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import numpy as np

from recgen_bench.datasets.waymo.boxes import make_box
from recgen_bench.datasets.waymo.folder import (
    LARGEST_JSON,
    list_frames,
    list_pictures,
    read_json,
    read_mounts,
    read_pose,
    read_shots,
    read_text,
    wanted,
)
from recgen_bench.datasets.waymo.rig import CAMERAS, category_name
from recgen_bench.datasets.waymo.segment import Box, Frame, Segment, Window, check_order
from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.scene import Float

WIDTH = 6
COLUMNS = 12
"""Words of a track row: frame track class alpha height width length x y z heading speed."""


def open_street_gaussians(folder: Path, window: Window, cameras: tuple[str, ...]) -> Segment:
    """Return the wanted part of a scene.

    Raises:
        DataError: A file is missing, damaged or inconsistent.
    """
    steps = wanted(list_frames(folder, WIDTH), window, folder)
    images = list_pictures(folder, WIDTH)
    times = _times(folder / "timestamps.json", steps)
    egos = {step: read_pose(folder / "ego_pose" / f"{step:06d}.txt", "vehicle pose") for step in steps}
    boxes, notes = _read_boxes(folder / "track" / "track_info.txt", egos)
    notes += ("These folders have no map, so there are no lanes.",)
    if (folder / "pointcloud.npz").is_file():
        notes += ("pointcloud.npz is a pickle and is not read; take the lidar from the tfrecord file.",)
    frames = tuple(
        Frame(
            step,
            time,
            egos[step],
            read_shots(images, step, cameras, partial(_own_pose, folder, step)),
            tuple(boxes.get(step, ())),
            None,
            f"{folder}, time step {step}",
        )
        for step, time in zip(steps, times, strict=True)
    )
    mounts = read_mounts(folder, images, steps, cameras, np.eye(4))
    return Segment(folder.resolve().name, check_order(frames), mounts, (), notes)


def _own_pose(folder: Path, step: int, camera: str) -> Float | None:
    path = folder / "ego_pose" / f"{step:06d}_{CAMERAS.index(camera)}.txt"
    return read_pose(path, "vehicle pose") if path.is_file() else None


def _times(path: Path, steps: tuple[int, ...]) -> tuple[float, ...]:
    table = read_json(path).get("FRAME")
    times = []
    for step in steps:
        value = table.get(f"{step:06d}") if isinstance(table, dict) else None
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise DataError(
                "there is no time for a time step",
                got=repr(value)[:80],
                where=f'{path}, "FRAME" "{step:06d}"',
            )
        times.append(float(value))
    return tuple(times)


def _read_boxes(path: Path, egos: dict[int, Float]) -> tuple[dict[int, list[Box]], tuple[str, ...]]:
    if not path.is_file():
        return {}, (f"There is no {path.parent.name}/{path.name}, so the scene has no actors.",)
    boxes: dict[int, list[Box]] = {}
    for number, line in enumerate(read_text(path, LARGEST_JSON).splitlines()):
        words = line.split()
        if not words or (number == 0 and words[0] == "frame_id"):
            continue
        with located(f"{path}, line {number + 1}"):
            row = _row(words)
            if row[0] in egos:
                track, category, numbers, speed = row[1:]
                boxes.setdefault(row[0], []).append(make_box(track, category, numbers, egos[row[0]], speed))
    return boxes, ()


def _row(words: list[str]) -> tuple[int, str, str, Float, float | None]:
    if len(words) != COLUMNS:
        raise DataError("not a row of a track", got=f"{len(words)} words", expected=COLUMNS)
    try:
        height, width, length, x, y, z, heading, speed = map(float, words[4:])
        step = int(words[0])
    except ValueError as error:
        raise DataError(f"not a row of a track: {error}") from error
    numbers = np.array([x, y, z, length, width, height, heading])
    return step, words[1], category_name(words[2]), numbers, speed
