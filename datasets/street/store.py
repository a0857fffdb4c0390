"""Rendered pictures, depths and points on disk, named by everything they depend on."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recgen_bench.datasets.street.traffic import FRAMES
from recgen_bench.harness.cache import cache_folder
from recgen_bench.harness.errors import OutputError
from recgen_bench.harness.files import write_atomic
from recgen_bench.harness.scene import Camera, Depth, Image, Points

VERSION = 2
"""Raised whenever the same seed gives another world or another pixel; part of every cached file's name."""

DIGEST = 32
"""Bytes of SHA-256 after the payload; readers of PNG and NPY ignore what follows the end of their data."""


def entry(seed: int, camera: Camera, suffix: str) -> Path:
    """Return where the picture (".png") or depth (".npy") through a camera is kept."""
    return world_folder("street", seed) / f"{camera_key(VERSION, seed, camera)}{suffix}"


def points_path(seed: int) -> Path:
    """Return where the points of a street are kept."""
    return world_folder("street", seed) / f"points-{VERSION}-{FRAMES}.npz"


def counts_path(seed: int) -> Path:
    """Return where the numbers of lidar points on the actors of a street are kept."""
    return world_folder("street", seed) / f"counts-{VERSION}-{FRAMES}.npy"


def camera_key(version: int, seed: int, camera: Camera) -> str:
    """Return 40 hex digits that name what a world of this version shows through a camera."""
    key = hashlib.sha256(f"{version} {seed} {camera.width} {camera.height} {camera.frame}".encode())
    key.update(camera.K.astype("<f8").tobytes())
    key.update(camera.c2w.astype("<f8").tobytes())
    return key.hexdigest()[:40]


def kept_image(path: Path, render: Callable[[], Image]) -> Image:
    """Return the (H, W, 3) picture kept at `path`, or render and keep it."""
    import cv2

    payload = _read(path)
    if payload is not None:
        pixels = cv2.imdecode(np.frombuffer(payload, np.uint8), cv2.IMREAD_COLOR)
        if pixels is not None:
            return np.ascontiguousarray(pixels[..., ::-1], np.uint8)
    image = render()
    _, png = cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    _write(path, png.tobytes())
    return image


def kept_depth(path: Path, render: Callable[[], Depth]) -> Depth:
    """Return the (H, W) depth kept at `path`, or render and keep it."""
    payload = _read(path)
    if payload is not None:
        return np.load(io.BytesIO(payload), allow_pickle=False)
    depth = render()
    buffer = io.BytesIO()
    np.save(buffer, depth, allow_pickle=False)
    _write(path, buffer.getvalue())
    return depth


def kept_counts(path: Path, count: Callable[[], NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the (A, FRAMES) counts kept at `path`, or count and keep them."""
    payload = _read(path)
    if payload is not None:
        return np.load(io.BytesIO(payload), allow_pickle=False)
    counts = count()
    buffer = io.BytesIO()
    np.save(buffer, counts, allow_pickle=False)
    _write(path, buffer.getvalue())
    return counts


def kept_points(path: Path, gather: Callable[[], tuple[Points, ...]]) -> tuple[Points, ...]:
    """Return the clouds kept at `path`, static points first, or gather them; positions are float32 values."""
    payload = _read(path)
    if payload is None:
        clouds = gather()
        arrays: dict[str, NDArray] = {}
        for index, cloud in enumerate(clouds):
            arrays[f"xyz{index}"], arrays[f"rgb{index}"] = cloud.xyz.astype(np.float32), cloud.rgb
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        payload = buffer.getvalue()
        _write(path, payload)
    with np.load(io.BytesIO(payload), allow_pickle=False) as data:
        count = len(data.files) // 2
        return tuple(Points(data[f"xyz{i}"].astype(np.float64), data[f"rgb{i}"]) for i in range(count))


def world_folder(kind: str, seed: int) -> Path:
    """Return the folder of one world, `kind` being the name of its data set."""
    # Seeds may be longer than file names.
    name = str(seed) if seed < 10**12 else hashlib.sha256(str(seed).encode()).hexdigest()[:20]
    return cache_folder() / kind / name


def _read(path: Path) -> bytes | None:
    """Return what was written, None when there is nothing or it is damaged; damaged files are rewritten."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    payload, digest = data[:-DIGEST], data[-DIGEST:]
    return payload if hashlib.sha256(payload).digest() == digest else None


def _write(path: Path, payload: bytes) -> None:
    # A cache that cannot be written costs time only; results have their own, loud errors.
    with suppress(OutputError):
        write_atomic(path, payload + hashlib.sha256(payload).digest())
