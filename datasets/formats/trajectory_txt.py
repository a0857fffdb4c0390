"""Trajectories as text: one row-major 4x4 camera-to-world per line, as Replica's renderings have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recgen_bench.datasets.formats.number_text import numbers, read_text
from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.scene import Float, rigid


def read_trajectory(path: Path) -> Float:
    """Return (N, 4, 4) rigid camera-to-world, in the axes of the file; empty lines are skipped.

    Raises:
        DataError: The file is missing or empty, or a line is not a rigid transform; the line is named,
            counted from 1.
    """
    poses = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        with located(where), np.errstate(over="ignore", invalid="ignore"):
            values = numbers(line, where)
            if len(values) != 16:
                raise DataError("not a camera pose", got=f"{len(values)} numbers", expected="16")
            poses.append(rigid(values.reshape(4, 4), "camera pose"))
    if not poses:
        raise DataError("the trajectory holds no pose", where=str(path))
    return np.stack(poses)
