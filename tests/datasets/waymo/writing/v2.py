"""The drive as parquet tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .drive import CONTEXT, KINDS, LASER_NAMES, LASER_ORDER, NAMES, ORDER, Drive


def write_v2(folder: Path, drive: Drive, texts: bool = False, double: bool = True, group: int = 7) -> Path:
    """Write the tables; rows are shuffled, `texts` writes names and `double` float64."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    real = pa.float64() if double else pa.float32()

    def write(tag: str, columns: dict[str, tuple[pa.DataType, list]], big: bool = False) -> None:
        (folder / tag).mkdir(parents=True, exist_ok=True)
        order = drive.rng.permutation(len(next(iter(columns.values()))[1]))
        names = {"key.segment_context_name": (pa.string(), [CONTEXT] * len(order)), **columns}
        table = pa.table(
            {name: pa.array([values[i] for i in order], kind) for name, (kind, values) in names.items()}
        )
        size = group if big else len(order)
        pq.write_table(table, folder / tag / f"{CONTEXT}.parquet", row_group_size=size)

    def flat(matrices) -> tuple[pa.DataType, list]:
        kind = pa.list_(real, 16) if not double else pa.list_(real)
        return kind, [matrix.reshape(-1).tolist() for matrix in matrices]

    def named(numbers, names) -> tuple[pa.DataType, list]:
        return (pa.string(), [names[n] for n in numbers]) if texts else (pa.int8(), list(numbers))

    steps = range(drive.count)
    write(
        "vehicle_pose",
        {
            "key.frame_timestamp_micros": (pa.int64(), drive.times),
            "[VehiclePoseComponent].world_from_vehicle.transform": flat(drive.egos),
        },
    )
    pairs = [(step, n) for step in steps for n in ORDER]
    write(
        "camera_image",
        {
            "key.frame_timestamp_micros": (pa.int64(), [drive.times[step] for step, _ in pairs]),
            "key.camera_name": named([n for _, n in pairs], NAMES),
            "[CameraImageComponent].image": (pa.binary(), [drive.picture(*pair) for pair in pairs]),
            "[CameraImageComponent].pose.transform": flat([drive.image_ego(*pair) for pair in pairs]),
        },
        big=True,
    )
    parts = ("f_u", "f_v", "c_u", "c_v", "k1", "k2", "p1", "p2", "k3")
    lens = "[CameraCalibrationComponent]"
    intrinsics = [drive.intrinsics(n) for n in ORDER]
    write(
        "camera_calibration",
        {
            "key.camera_name": named(ORDER, NAMES),
            **{f"{lens}.intrinsic.{p}": (real, [row[i] for row in intrinsics]) for i, p in enumerate(parts)},
            f"{lens}.extrinsic.transform": flat([drive.mounts[n] for n in ORDER]),
            f"{lens}.width": (pa.int32(), [drive.size(n)[0] for n in ORDER]),
            f"{lens}.height": (pa.int32(), [drive.size(n)[1] for n in ORDER]),
        },
    )
    labels = [(step, body, *drive.box(body, step)) for step in steps for body in drive.bodies]
    box = "[LiDARBoxComponent]"
    columns = {
        "key.frame_timestamp_micros": (pa.int64(), [drive.times[step] for step, *_ in labels]),
        "key.laser_object_id": (pa.string(), [body.track for _, body, *_ in labels]),
        f"{box}.type": named(
            [KINDS[body.kind] for _, body, *_ in labels], {n: f"TYPE_{k.upper()}" for k, n in KINDS.items()}
        ),
        f"{box}.box.heading": (real, [heading for *_, heading in labels]),
    }
    for i, axis in enumerate("xyz"):
        columns[f"{box}.box.center.{axis}"] = (real, [centre[i] for _, _, centre, _ in labels])
        columns[f"{box}.box.size.{axis}"] = (real, [body.size[i] for _, body, *_ in labels])
        columns[f"{box}.speed.{axis}"] = (real, [(*body.velocity, 0.0)[i] for _, body, *_ in labels])
    write("lidar_box", columns)
    if drive.lidar:
        _write_v2_lidar(write, flat, named, drive, real)
    return folder


def _write_v2_lidar(write, flat, named, drive: Drive, real) -> None:
    import pyarrow as pa

    scans = [(step, n, *drive.scan(step, n)) for step in range(drive.count) for n in LASER_NAMES]
    keys = {
        "key.frame_timestamp_micros": (pa.int64(), [drive.times[step] for step, *_ in scans]),
        "key.laser_name": named([n for _, n, *_ in scans], LASER_NAMES),
    }
    columns = dict(keys)
    for echo in (0, 1):
        images = [both[echo] for _, _, both, _, _ in scans]
        name = f"[LiDARComponent].range_image_return{echo + 1}"
        columns[f"{name}.values"] = (pa.list_(pa.float32()), [image.reshape(-1).tolist() for image in images])
        columns[f"{name}.shape"] = (pa.list_(pa.int32()), [list(image.shape) for image in images])
    write("lidar", columns, big=True)
    tops = [(step, n, poses) for step, n, _, poses, _ in scans if poses is not None]
    name = "[LiDARPoseComponent].range_image_return1"
    write(
        "lidar_pose",
        {
            "key.frame_timestamp_micros": (pa.int64(), [drive.times[step] for step, *_ in tops]),
            "key.laser_name": named([n for _, n, _ in tops], LASER_NAMES),
            f"{name}.values": (pa.list_(pa.float32()), [poses.reshape(-1).tolist() for *_, poses in tops]),
            f"{name}.shape": (pa.list_(pa.int32()), [list(poses.shape) for *_, poses in tops]),
        },
        big=True,
    )
    calibration = "[LiDARCalibrationComponent]"
    beams = [drive.inclinations.tolist() if n == 1 else None for n in LASER_ORDER]
    write(
        "lidar_calibration",
        {
            "key.laser_name": named(LASER_ORDER, LASER_NAMES),
            f"{calibration}.extrinsic.transform": flat([drive.lasers[n] for n in LASER_ORDER]),
            f"{calibration}.beam_inclination.min": (pa.float64(), [np.radians(-90)] * 5),
            f"{calibration}.beam_inclination.max": (pa.float64(), [np.radians(30)] * 5),
            f"{calibration}.beam_inclination.values": (pa.list_(pa.float64()), beams),
        },
    )
