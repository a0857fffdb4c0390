"""MVSNet's `*_cam.txt`: extrinsic, intrinsic and depth range of one view.

The layout follows a public write-up of the DTU package; no original file was at hand to check it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recgen_bench.datasets.formats.number_text import numbers, read_text
from recgen_bench.datasets.formats.projection import Pinhole
from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.scene import invert_rigid, rigid


@dataclass(frozen=True, slots=True, eq=False)
class MvsnetCamera:
    """One file.

    Attributes:
        pinhole: K refers to whatever size the images were scaled to; c2w is in the units of the file.
        near: Smallest depth, units of the file.
    """

    pinhole: Pinhole
    near: float


def read_mvsnet_cam(path: Path) -> MvsnetCamera:
    """Read a file: "extrinsic", 4x4 world-to-camera, "intrinsic", 3x3, then "depth_min interval [num max]".

    Raises:
        DataError: Missing, damaged, or not a camera.
    """
    match = re.fullmatch(r"\s*extrinsic\s(.*?)\sintrinsic\s(.*)", read_text(path), re.DOTALL)
    where = str(path)
    if not match:
        raise DataError("not a camera file of MVSNet", expected='"extrinsic", then "intrinsic"', where=where)
    extrinsic, rest = numbers(match[1], where), numbers(match[2], where)
    if len(extrinsic) != 16 or not 11 <= len(rest) <= 13:
        got = f"{len(extrinsic)} and {len(rest)} numbers"
        raise DataError(
            "not a camera file of MVSNet", got=got, expected="16, and 9 with 2 to 4 depths", where=where
        )
    K = rest[:9].reshape(3, 3)
    with located(where), np.errstate(over="ignore", invalid="ignore"):
        w2c = rigid(extrinsic.reshape(4, 4), "camera pose")
        if min(K[0, 0], K[1, 1]) <= 0 or not np.array_equal(K[2], [0, 0, 1]) or any((K[0, 1], K[1, 0])):
            raise DataError("the intrinsics are not those of a pinhole", got=K.tolist())
        return MvsnetCamera(Pinhole(K, invert_rigid(w2c)), float(rest[9]))
