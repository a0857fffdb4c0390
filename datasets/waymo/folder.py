"""What both preprocessed layouts share: numbered text files, images named frame_camera, calibrations."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from recgen_bench.datasets.formats.images import decode, probe
from recgen_bench.datasets.waymo.rig import CAMERAS, lens, transform
from recgen_bench.datasets.waymo.segment import Mount, Shot, Window
from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.scene import Float

LARGEST_TEXT = 65_536
LARGEST_JSON = 2**30
"""Bytes; boxes of a whole segment take some megabytes."""

_IMAGE = re.compile(r"(\d{3}|\d{6})_([0-4])\.(jpg|jpeg|png)")

Images = dict[tuple[int, str], Path]
"""(time step, camera) to the file."""


def list_frames(folder: Path, width: int) -> tuple[int, ...]:
    """Return the time steps that have an `ego_pose/<step>.txt` with this many digits, ascending.

    Raises:
        DataError: There are none, or the folder cannot be listed.
    """
    pattern = re.compile(rf"(\d{{{width}}})\.txt")
    poses = folder / "ego_pose"
    steps = sorted(int(match[1]) for name in _listing(poses) if (match := pattern.fullmatch(name)))
    if not steps:
        raise DataError("there are no vehicle poses", expected=f"{'0' * width}.txt", where=str(poses))
    return tuple(steps)


def wanted(steps: tuple[int, ...], window: Window, folder: Path) -> tuple[int, ...]:
    """Return the time steps of a window; without a count, all that are there from its first on.

    Raises:
        DataError: One of them has no vehicle pose.
    """
    chosen = window.steps(steps[-1] + 1, str(folder))
    if window.count is None:
        return tuple(step for step in steps if step >= window.first)
    missing = sorted(set(chosen) - set(steps))
    if missing:
        what = "a wanted time step has no vehicle pose"
        raise DataError(what, got=f"step {missing[0]}", where=str(folder / "ego_pose"))
    return tuple(chosen)


def list_pictures(folder: Path, width: int) -> Images:
    """Return the images of a scene; only their names are read."""
    images: Images = {}
    for name in sorted(_listing(folder / "images")):
        match = _IMAGE.fullmatch(name)
        if match and len(match[1]) == width:
            images.setdefault((int(match[1]), CAMERAS[int(match[2])]), folder / "images" / name)
    return images


def read_mounts(
    folder: Path, images: Images, steps: tuple[int, ...], cameras: tuple[str, ...], axes: Float
) -> tuple[Mount, ...]:
    """Return the wanted cameras that have images.

    The files give no image size, so it is read from the header of each camera's first image.

    Args:
        folder: The scene.
        images: See `list_pictures`.
        steps: Wanted time steps.
        cameras: Wanted cameras.
        axes: (4, 4) that takes OpenCV camera axes to those of the files in `extrinsics`.

    Raises:
        DataError: A calibration or an image is missing or damaged.
    """
    mounts = []
    for name in cameras:
        first = next((images[step, name] for step in steps if (step, name) in images), None)
        if first is None:
            continue
        number = CAMERAS.index(name)
        inner, outer = (folder / kind / f"{number}.txt" for kind in ("intrinsics", "extrinsics"))
        with located(str(inner)):
            bent = lens(read_numbers(inner).tolist(), *probe(first))
        mounts.append(Mount(name, bent, read_pose(outer, "camera pose") @ axes))
    return tuple(mounts)


def read_shots(
    images: Images, step: int, cameras: tuple[str, ...], ego: Callable[[str], Float | None]
) -> tuple[Shot, ...]:
    """Return the images of a time step; `ego` gives the vehicle pose at a camera's exposure."""
    return tuple(
        Shot(name, partial(decode, path), str(path), ego(name))
        for name in cameras
        if (path := images.get((step, name))) is not None
    )


def read_pose(path: Path, kind: str) -> Float:
    """Return the (4, 4) rigid transform in a text file.

    Raises:
        DataError: Missing, damaged or not rigid.
    """
    with located(str(path)):
        return transform(read_numbers(path), kind)


def read_numbers(path: Path) -> Float:
    """Return all numbers of a small text file.

    Raises:
        DataError: Missing, too large, or something in it is no number.
    """
    words = read_text(path, LARGEST_TEXT).split()
    try:
        return np.array([float(word) for word in words])
    except ValueError as error:
        raise DataError(
            "the file holds something that is no number", got=str(error), where=str(path)
        ) from error


def read_text(path: Path, largest: int) -> str:
    """Return the text of a file of limited size.

    Raises:
        DataError: Missing, too large or not text.
    """
    try:
        if (size := path.stat().st_size) > largest:
            raise DataError("the file is too large", got=f"{size} bytes", where=str(path))
        return path.read_text("utf-8")
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise DataError("the file is not UTF-8 text", where=str(path)) from error


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        DataError: Missing, damaged or not an object.
    """
    try:
        content = json.loads(read_text(path, LARGEST_JSON))
    except (ValueError, RecursionError) as error:
        raise DataError(f"the file is not JSON: {error}", where=str(path)) from error
    if not isinstance(content, dict):
        raise DataError("the file holds no JSON object", got=type(content).__name__, where=str(path))
    return content


def _listing(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"the folder cannot be listed: {error.strerror}", where=str(folder)) from error
