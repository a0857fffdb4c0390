"""The text files of a COLMAP sparse model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from recgen_bench.datasets.formats.camera_models import parameter_count
from recgen_bench.datasets.formats.colmap_model import SparseCamera, SparseImage
from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.scene import Float, Image


def cameras(path: Path) -> list[SparseCamera]:
    """Read cameras.txt: id, model, width, height, parameters.

    Raises:
        DataError: A line that is not one camera, or an unknown model.
    """
    found = []
    for number, line in _lines(path):
        with located(f"{path}, line {number}"):
            fields = line.split()
            if not fields or fields[0].startswith("#"):
                continue
            if len(fields) < 5:
                raise DataError(
                    "not a camera", got=line[:80], expected="id, model, width, height, parameters"
                )
            params = tuple(_number(field) for field in fields[4:])
            if len(params) != parameter_count(fields[1]):
                expected = f"{parameter_count(fields[1])} for {fields[1]}"
                raise DataError("wrong number of camera parameters", got=len(params), expected=expected)
            size = _whole(fields[2]), _whole(fields[3])
            found.append(SparseCamera(_whole(fields[0]), fields[1], *size, params))
    return found


def images(path: Path) -> list[SparseImage]:
    """Read images.txt: a line per image, then a line of 2D points that may be empty.

    Raises:
        DataError: A line that is not one image, or points that are not triples.
    """
    found = []
    lines = _lines(path)
    for number, line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        with located(f"{path}, line {number}"):
            fields = line.strip().split(None, 9)
            if len(fields) != 10:
                expected = "id, qw qx qy qz, tx ty tz, camera id, name"
                raise DataError("not an image", got=line[:80], expected=expected)
            qw, qx, qy, qz, tx, ty, tz = (_number(field) for field in fields[1:8])
            pose = (qw, qx, qy, qz), (tx, ty, tz)
            found.append(SparseImage(_whole(fields[0]), fields[9], _whole(fields[8]), *pose))
            points = next(lines, (0, ""))[1]
            if points.count(" ") and len(points.split()) % 3:
                what = "the line of 2D points after an image is not made of triples"
                raise DataError(what, got=points[:80], hint="the line must be there even when it is empty")
    return found


def points(path: Path) -> tuple[Float, Image]:
    """Read points3D.txt: (N, 3) float64 positions and (N, 3) uint8 colours.

    Raises:
        DataError: A line that is not one point.
    """
    xyz, rgb = [], []
    for number, line in _lines(path):
        fields = line.split(None, 8)
        if not fields or fields[0].startswith("#"):
            continue
        with located(f"{path}, line {number}"):
            if len(fields) < 8:
                raise DataError("not a point", got=line[:80], expected="id, x y z, r g b, error, track")
            xyz.append([_number(field) for field in fields[1:4]])
            colour = [_whole(field) for field in fields[4:7]]
            if not all(0 <= value <= 255 for value in colour):
                raise DataError("not a colour", got=colour, expected="0 to 255")
            rgb.append(colour)
    return np.array(xyz, np.float64).reshape(-1, 3), np.array(rgb, np.uint8).reshape(-1, 3)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from enumerate(file, start=1)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("the file cannot be read as text", got=str(error)[:120], where=str(path)) from error


def _number(field: str) -> float:
    try:
        return float(field)
    except ValueError as error:
        raise DataError("not a number", got=field[:40]) from error


def _whole(field: str) -> int:
    try:
        return int(field)
    except ValueError as error:
        raise DataError("not a whole number", got=field[:40]) from error
