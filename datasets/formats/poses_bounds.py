"""LLFF's poses_bounds.npy: one row per image in text order with pose, size, focal length and depth bounds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recgen_bench.datasets.formats.distortion import Lens
from recgen_bench.datasets.formats.npy import parse_npy
from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.scene import Float, rigid

_ROW = 17
_WHAT = "a table of poses and bounds"


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
    """Return (N, 17) float64."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}", where=str(path)) from error
    table = parse_npy(data, str(path), _WHAT, "f")
    if table.ndim != 2 or table.shape[1] != _ROW or table.shape[0] < 1:
        raise DataError(
            f"not {_WHAT}",
            got=f"shape {table.shape}",
            expected=f"(N, {_ROW})",
            where=str(path),
        )
    return table
