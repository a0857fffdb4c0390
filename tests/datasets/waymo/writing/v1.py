"""The drive as a tfrecord file."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

from .drive import CONTEXT, KINDS, LASER_NAMES, LASER_ORDER, OFFSET, ORDER, Drive


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = b""
    while True:
        out += bytes([(value & 127) | (128 if value > 127 else 0)])
        value >>= 7
        if not value:
            return out


def num(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def dbl(number: int, value: float) -> bytes:
    return varint(number << 3 | 1) + struct.pack("<d", value)


def sub(number: int, content: bytes | str) -> bytes:
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


def dbls(number: int, values, packed: bool = False) -> bytes:
    if packed:
        return sub(number, np.asarray(values, "<f8").tobytes())
    return b"".join(dbl(number, float(value)) for value in values)


def pose_message(pose: np.ndarray) -> bytes:
    return dbls(1, pose.reshape(-1))


def matrix_message(values: np.ndarray) -> bytes:
    dims = b"".join(num(1, side) for side in values.shape)
    return zlib.compress(sub(1, values.astype("<f4").tobytes()) + sub(2, dims))


def vector(point) -> bytes:
    return dbls(1, point[:1]) + dbls(2, point[1:2]) + dbls(3, point[2:])


_TABLE = []
for _n in range(256):
    for _ in range(8):
        _n = _n >> 1 ^ (0x82F63B78 if _n & 1 else 0)
    _TABLE.append(_n)


def masked(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def framed(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked(length)) + data + struct.pack("<I", masked(data))


def map_features(drive: Drive) -> list[bytes]:
    """Return one feature of every kind; world positions have the offset added."""
    line = drive.egos[0][:3, 3] + np.array([[0, 0, 0], [5, 3, 0], [10, 6, 0.0]]) + OFFSET
    path = b"".join(sub(2, vector(point)) for point in line)
    area = b"".join(sub(1, vector(point)) for point in line)
    lane = b"".join(sub(8, vector(point)) for point in line)
    return [
        num(1, 11) + sub(3, dbl(1, 25.0) + num(2, 2) + lane),
        num(1, 12) + sub(4, num(1, 2) + path),
        num(1, 13) + sub(5, num(1, 1) + path),
        num(1, 14) + sub(7, num(1, 11) + sub(2, vector(line[0]))),
        num(1, 15) + sub(8, area),
        num(1, 16) + sub(9, area),
        num(1, 17) + sub(10, area),
        num(1, 18) + sub(14, b"a kind that does not exist yet"),
    ]


def frame_message(drive: Drive, step: int, **without: bool) -> bytes:
    """Return a `Frame`; without(images=, labels=, cameras=, lasers=, lidar=, map=) leaves parts out."""
    context = sub(1, CONTEXT)
    if not without.get("cameras"):
        for n in ORDER:
            w, h = drive.size(n)
            calibration = num(1, n) + dbls(2, drive.intrinsics(n), packed=n == 3)
            calibration += sub(3, pose_message(drive.mounts[n])) + num(4, w) + num(5, h) + num(6, 2)
            context += sub(2, calibration)
    if not without.get("lasers"):
        for n in LASER_ORDER:
            beams = dbls(2, drive.inclinations) if n == 1 else b""
            lowest = dbl(3, np.radians(-90)) + dbl(4, np.radians(30))
            context += sub(3, num(1, n) + beams + lowest + sub(5, pose_message(drive.lasers[n])))
    ego = drive.egos[step]
    frame = sub(1, context) + num(2, drive.times[step]) + sub(3, pose_message(ego))
    for n in () if without.get("images") else ORDER:
        image = num(1, n) + sub(2, drive.picture(step, n)) + sub(3, pose_message(drive.image_ego(step, n)))
        image += sub(4, b"") + dbl(5, drive.times[step] / 1e6 + 0.01 * n)
        frame += sub(4, image)
    for n in LASER_NAMES:
        laser = num(1, n)
        if drive.lidar and not without.get("lidar"):
            (first, second), poses, _ = drive.scan(step, n)
            echo = sub(2, matrix_message(first))
            echo += sub(4, matrix_message(poses)) if poses is not None else b""
            laser += sub(2, echo) + sub(3, sub(2, matrix_message(second)))
        frame += sub(5, laser)
    for body in () if without.get("labels") else drive.bodies:
        centre, heading = drive.box(body, step)
        length, width, height = body.size
        box = b"".join(dbl(i + 1, v) for i, v in enumerate([*centre, width, length, height, heading]))
        label = sub(1, box) + sub(2, dbl(1, body.velocity[0]) + dbl(2, body.velocity[1]))
        label += num(3, KINDS[body.kind]) + sub(4, body.track) + num(7, 30) + num(13, 20)
        frame += sub(6, label)
    if step == 0 and not without.get("map"):
        frame += b"".join(sub(10, feature) for feature in map_features(drive))
    return frame + sub(11, vector(OFFSET)) + num(200, 5)


def write_v1(folder: Path, drive: Drive, name: str | None = None, **without: bool) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (name or f"segment-{CONTEXT}_with_camera_labels.tfrecord")
    records = [framed(frame_message(drive, step, **without)) for step in range(drive.count)]
    path.write_bytes(b"".join(records))
    return path
