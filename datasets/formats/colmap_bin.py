"""The binary files of a COLMAP sparse model: little endian, no padding, every count checked."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from recgen_bench.datasets.formats.camera_models import COLMAP_MODELS, unsupported
from recgen_bench.datasets.formats.colmap_model import SparseCamera, SparseImage
from recgen_bench.datasets.formats.cursor import opened
from recgen_bench.harness.scene import Float, Image

_CAMERA = struct.Struct("<iiQQ")
_IMAGE = struct.Struct("<i4d3di")
_POINT_HEAD = 43
"""Bytes before the track: u64 id, three f64, three u8, f64 error."""
_TRACK = struct.Struct("<Q")


def cameras(path: Path) -> list[SparseCamera]:
    """Read cameras.bin.

    Raises:
        DataError: Truncated, damaged, or with an unknown model.
    """
    found = []
    with opened(path) as cursor:
        for index in range(cursor.count("cameras", _CAMERA.size + 3 * 8)):
            what = f"camera {index + 1}"
            camera_id, model, width, height = cursor.take(_CAMERA, what)
            if not 0 <= model < len(COLMAP_MODELS):
                error = unsupported(f"model number {model}")
                error.where = f"{path}, byte {cursor.at - _CAMERA.size}, camera {camera_id}"
                raise error
            name, size = COLMAP_MODELS[model]
            params = cursor.take(struct.Struct(f"<{size}d"), f"the parameters of {what}")
            found.append(SparseCamera(camera_id, name, width, height, params))
        cursor.finish("camera")
    return found


def images(path: Path) -> list[SparseImage]:
    """Read images.bin; the 2D points are stepped over.

    Raises:
        DataError: Truncated or damaged.
    """
    found = []
    with opened(path) as cursor:
        for index in range(cursor.count("images", _IMAGE.size + 1 + 8)):
            what = f"image {index + 1}"
            image_id, qw, qx, qy, qz, tx, ty, tz, camera_id = cursor.take(_IMAGE, what)
            name = cursor.text(f"the name of {what}")
            if not name:
                raise cursor.error(f"{what} has no name")
            cursor.skip(24 * cursor.count(f"points in {name[:80]}", 24), f"the points of {name[:80]}")
            found.append(SparseImage(image_id, name, camera_id, (qw, qx, qy, qz), (tx, ty, tz)))
        cursor.finish("image")
    return found


def points(path: Path) -> tuple[Float, Image]:
    """Read points3D.bin: (N, 3) float64 positions and (N, 3) uint8 colours; tracks are stepped over.

    Raises:
        DataError: Truncated or damaged.
    """
    with opened(path) as cursor:
        count = cursor.count("points", _POINT_HEAD + _TRACK.size)
        data, size, at = cursor.data, len(cursor.data), cursor.at
        starts = np.empty(count, np.int64)
        for index in range(count):  # Records differ in length, so only their starts are found one by one.
            if at + _POINT_HEAD + 8 > size:
                cursor.at = at
                raise cursor.error(f"the file ends inside point {index + 1} of {count}")
            starts[index] = at
            (track,) = _TRACK.unpack_from(data, at + _POINT_HEAD)
            at += _POINT_HEAD + 8 + 8 * track
        cursor.at = at
        if at > size:
            cursor.at = int(starts[-1]) + _POINT_HEAD
            raise cursor.error("the file ends inside the track of the last point")
        cursor.finish("point")
        # Copied strip by strip: an index array over all bytes would be eight times the file.
        raw = np.frombuffer(data, np.uint8) if count else np.zeros(0, np.uint8)
        records = np.empty((count, 27), np.uint8)
        for first in range(0, count, 65536):
            rows = starts[first : first + 65536]
            records[first : first + 65536] = raw[rows[:, None] + np.arange(8, 35)]
        del raw  # The map cannot be closed while an array looks into it.
    xyz = np.ascontiguousarray(records[:, :24]).view("<f8").astype(np.float64)
    return xyz, records[:, 24:].copy()
