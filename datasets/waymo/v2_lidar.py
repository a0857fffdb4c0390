"""Range images of the release 2 tables to points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from recgen_bench.datasets.waymo.range_image import Laser, Matrix, shaped, to_points
from recgen_bench.datasets.waymo.rig import laser_name, transform
from recgen_bench.datasets.waymo.tables import Table, floats
from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.scene import Float

_TIME = "key.frame_timestamp_micros"
_NAME = "key.laser_name"
_SCAN = "[LiDARComponent].range_image_return"
_POSES = "[LiDARPoseComponent].range_image_return1"
_CALIBRATION = "[LiDARCalibrationComponent]"

_Rows = dict[tuple[int, str], int]


class Lidar:
    """The range images of a segment.

    Args:
        scans: `lidar`.
        lasers: The calibrated lasers.
        poses: `lidar_pose`; None when the copy has none, and the top laser's own motion is then ignored.
    """

    def __init__(self, scans: Table, lasers: tuple[Laser, ...], poses: Table | None) -> None:
        self._where = str(scans.path)
        self._lasers = lasers
        self._rows = _rows(scans)
        self._times = {time for time, _ in self._rows}
        self._scans = scans.cells(
            *(f"{_SCAN}{echo}.{part}" for echo in (1, 2) for part in ("values", "shape"))
        )
        self._pose_rows = {} if poses is None else _rows(poses)
        self._poses = None if poses is None else poses.cells(f"{_POSES}.values", f"{_POSES}.shape")

    def has(self, time: int) -> bool:
        """Whether there is a scan of this time, in microseconds."""
        return time in self._times

    def points(self, time: int, ego: Float) -> Float:
        """Return the (N, 3) points of all lasers and both returns, in the vehicle axes of a frame.

        Args:
            time: Microseconds.
            ego: (4, 4) vehicle-to-world of the frame.

        Raises:
            DataError: A range image is damaged, or its laser has no calibration.
        """
        clouds = [np.zeros((0, 3))]
        known = {laser.name: laser for laser in self._lasers}
        for name in sorted(name for at, name in self._rows if at == time):
            with located(f"{self._where}, time {time}, laser {name}"):
                if name not in known:
                    raise DataError("the laser has range images but no calibration")
                cells = self._scans[self._rows[time, name]]
                echoes = (_matrix(cells[:2], "range image"), _matrix(cells[2:], "range image"))
                poses = self._pose_image(time, name)
                clouds += [to_points(echo, known[name], poses, ego) for echo in echoes if echo is not None]
        return np.concatenate(clouds)

    def _pose_image(self, time: int, name: str) -> Matrix | None:
        row = self._pose_rows.get((time, name))
        return None if row is None or self._poses is None else _matrix(self._poses[row], "pose image")


def open_lidar(table: Callable[[str], Table | None]) -> Lidar | None:
    """Return the lidar of a segment, None when it has no `lidar` table.

    Args:
        table: (tag) -> the table, None when it does not exist.

    Raises:
        DataError: The calibration is missing, or a table is damaged.
    """
    scans, calibrations = table("lidar"), table("lidar_calibration")
    if scans is None:
        return None
    if calibrations is None:
        hint = "download the folder lidar_calibration too"
        raise DataError("there are range images but no laser calibrations", hint=hint, where=str(scans.path))
    return Lidar(scans, _lasers(calibrations), table("lidar_pose"))


def _lasers(table: Table) -> tuple[Laser, ...]:
    names = [laser_name(value) for value in table.objects(_NAME)]
    poses = table.objects(f"{_CALIBRATION}.extrinsic.transform")
    inclination = f"{_CALIBRATION}.beam_inclination"
    lowest, highest = (table.numbers(f"{inclination}.{end}") for end in ("min", "max"))
    values = table.objects(f"{inclination}.values")
    lasers = []
    for row, name in enumerate(names):
        if name is None:
            continue
        with located(f"{table.path}, laser {name}"):
            if not isinstance(poses[row], list) or None in poses[row]:
                raise DataError("the laser pose is not a 4x4 matrix", got=repr(poses[row])[:80])
            pose = transform(poses[row], "laser pose")
            rows = np.array(values[row], np.float64) if values[row] else None
            lasers.append(Laser(name, pose, rows, float(lowest[row]), float(highest[row])))
    return tuple(lasers)


def _rows(table: Table) -> _Rows:
    times = table.numbers(_TIME, np.int64)
    names = table.objects(_NAME)
    return {
        (int(time), laser_name(name) or str(name)): row
        for row, (time, name) in enumerate(zip(times, names, strict=True))
    }


def _matrix(cells: tuple[Any, ...], kind: str) -> Matrix | None:
    """Return the matrix of a values cell and a shape cell, None where there are no values."""
    values = floats(cells[0])
    if not values.size:
        return None
    dims = cells[1].as_py() or []
    return shaped(values, [int(side or 0) for side in dims], kind)
