"""Range images of a v1 record to points."""

from __future__ import annotations

from typing import Any

import numpy as np

from recgen_bench.datasets.waymo.messages import parse
from recgen_bench.datasets.waymo.range_image import Laser, decompress, to_points
from recgen_bench.datasets.waymo.rig import laser_name, transform
from recgen_bench.datasets.waymo.tfrecord import Record, read_record
from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.scene import Float


def scanned(message: Any) -> bool:
    """Whether a `Frame` message has range images; some published copies have them stripped."""
    return any(
        echo.range_image_compressed
        for laser in message.lasers
        for echo in (laser.ri_return1, laser.ri_return2)
    )


def read_points(record: Record) -> Float:
    """Return the (N, 3) points of all lasers and both returns, in the vehicle axes of the frame.

    The record's CRC was checked when the segment was opened.

    Raises:
        DataError: A range image is damaged, or its laser has no calibration.
    """
    with located(record.where):
        message = parse("Frame", read_record(record, check=False), record.where)
        ego = transform(message.pose.transform, "vehicle pose")
        lasers = dict(_laser(each, record.where) for each in message.context.laser_calibrations)
        clouds = [np.zeros((0, 3))]
        for scan in message.lasers:
            clouds += _scan(scan, lasers, ego, record.where)
        return np.concatenate(clouds)


def _scan(scan: Any, lasers: dict[int, Laser], ego: Float, where: str) -> list[Float]:
    echoes = [echo.range_image_compressed for echo in (scan.ri_return1, scan.ri_return2)]
    if not any(echoes):
        return []
    name = laser_name(scan.name) or str(scan.name)
    if scan.name not in lasers:
        raise DataError(f"laser {name} has range images but no calibration")
    with located(f"{where}, laser {name}"):
        # The second return shares the poses that are stored with the first.
        packed = scan.ri_return1.range_image_pose_compressed
        poses = decompress(packed, "pose image") if packed else None
        return [
            to_points(decompress(echo, "range image"), lasers[scan.name], poses, ego)
            for echo in echoes
            if echo
        ]


def _laser(calibration: Any, where: str) -> tuple[int, Laser]:
    name = laser_name(calibration.name) or str(calibration.name)
    with located(f"{where}, calibration of laser {name}"):
        return calibration.name, Laser(
            name,
            transform(calibration.extrinsic.transform, "laser pose"),
            np.array(calibration.beam_inclinations) if calibration.beam_inclinations else None,
            calibration.beam_inclination_min,
            calibration.beam_inclination_max,
        )
