"""LLFF's poses_bounds.npy: one row per image in text order with pose, size, focal length and depth bounds."""

from __future__ import annotations

import io
import math
import tokenize
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recgen_bench.datasets.formats.distortion import Lens
from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.scene import Float, rigid

_MAX_HEADER = 4096
_ROW = 17


@dataclass(frozen=True, slots=True, eq=False)
class PosedRow:
    """One row of the file.

    Attributes:
        c2w: (4, 4) rigid camera-to-world, OpenCV axes.
        lens: Pinhole at the declared size, principal point in the centre.
        near: Depth of the nearest points, world units.
        far: Depth of the farthest points, world units.
    """

    c2w: Float
    lens: Lens
    near: float
    far: float


def read_poses_bounds(path: Path) -> tuple[PosedRow, ...]:
    """Read the file; the columns of its rotations (down, right, back) become OpenCV's (right, down, forward).

    Raises:
        DataError: Damaged, not (N, 17), or a row that is no camera; the message names the row, counted from
            0.
    """
    table = _table(path)
    rows = []
    for index, row in enumerate(table):
        with located(f"{path}, row {index}"), np.errstate(over="ignore", invalid="ignore"):
            if not np.isfinite(row).all():
                raise DataError("the row holds NaN or infinity", got=row.tolist())
            pose = row[:15].reshape(3, 5)
            height, width, focal = pose[:, 4]
            c2w = np.eye(4)
            c2w[:3] = np.stack([pose[:, 1], pose[:, 0], -pose[:, 2], pose[:, 3]], axis=1)
            if height != round(height) or width != round(width):
                raise DataError("the image size is not whole", got=f"{width:g}x{height:g}")
            lens = Lens(int(width), int(height), focal, focal, width / 2, height / 2)
            rows.append(PosedRow(rigid(c2w, "camera pose"), lens, float(row[15]), float(row[16])))
    return tuple(rows)


def _table(path: Path) -> Float:
    """Return (N, 17) float64, having checked the header against the bytes before anything is allocated."""
    damage = (
        ValueError,
        SyntaxError,
        TypeError,
        EOFError,
        OverflowError,
        RecursionError,
        tokenize.TokenError,
    )
    try:
        data = path.read_bytes()
        stream = io.BytesIO(data)
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[
            version
        ]
        shape, by_column, dtype = read(stream, max_header_size=_MAX_HEADER)
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}", where=str(path)) from error
    except (*damage, KeyError, UserWarning) as error:
        raise DataError(
            "the header is not that of a .npy file", got=str(error)[:120], where=str(path)
        ) from error
    if dtype.kind != "f" or len(shape) != 2 or shape[1] != _ROW or shape[0] < 1:
        got = f"{dtype} {shape}"
        raise DataError(
            "not a table of poses and bounds", got=got, expected=f"float (N, {_ROW})", where=str(path)
        )
    left = len(data) - stream.tell()
    if left != math.prod(shape) * dtype.itemsize:
        expected = f"{math.prod(shape) * dtype.itemsize} after byte {stream.tell()}"
        raise DataError(
            "the file has the wrong length", got=f"{left} bytes", expected=expected, where=str(path)
        )
    values = np.frombuffer(data, dtype, offset=stream.tell())
    return values.reshape(shape, order="F" if by_column else "C").astype(np.float64)
