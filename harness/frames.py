"""Storing rendered frames: what is on disk is what gets scored."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.errors import DataError, MethodFailed
from recgen_bench.harness.files import write_atomic
from recgen_bench.harness.images import read_rgb8, write_png
from recgen_bench.harness.method import Rendering
from recgen_bench.harness.record import image_hash
from recgen_bench.harness.scene import Depth, Image, View


def write_frame(
    folder: Path, view: View, rendering: Rendering, with_depth: bool
) -> tuple[Image, Depth | None]:
    """Store one rendering as an 8-bit PNG (and its depth as NPZ) and return what `read_frame` will.

    Raises:
        MethodFailed: The rendering has another size than its camera, or values that are not finite.
        OutputError: The file cannot be written.
    """
    expected = (view.camera.height, view.camera.width)
    rgb = np.asarray(rendering.rgb)
    if rgb.shape != (*expected, 3):
        raise MethodFailed("rendered the wrong size", got=rgb.shape, expected=(*expected, 3), where=view.name)
    if rgb.dtype.kind != "f":
        # Whole numbers are meant as 0 to 255 and would be clipped to white.
        raise MethodFailed("rendered whole numbers", got=rgb.dtype, expected="0.0 to 1.0", where=view.name)
    if not np.isfinite(rgb).all():
        raise MethodFailed("rendered values that are not finite", where=view.name)
    pixels = quantise(rgb)
    write_png(folder / f"{view.name}.png", pixels)
    depth_path = folder / f"{view.name}.npz"
    if not with_depth or rendering.depth is None:
        depth_path.unlink(missing_ok=True)  # An attempt before a change of the method may have had one.
        return pixels, None
    depth = np.asarray(rendering.depth, np.float32)
    if depth.shape != expected:
        raise MethodFailed(
            "rendered depth of the wrong size", got=depth.shape, expected=expected, where=view.name
        )
    if not (np.isfinite(depth).all() and depth.min() >= 0):
        what = "rendered depth that is negative or not finite"
        raise MethodFailed(what, expected="0 where nothing was hit", where=view.name)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, depth=depth)
    write_atomic(depth_path, buffer.getvalue())
    return pixels, depth


def read_frame(folder: Path, view: View) -> tuple[Image, Depth | None]:
    """Return the stored pixels and depth of a view.

    Raises:
        DataError: The frame is missing or damaged.
    """
    depth_path = folder / f"{view.name}.npz"
    depth = None
    if depth_path.exists():
        try:
            # From memory, because numpy leaves the file open when it is damaged.
            with np.load(io.BytesIO(depth_path.read_bytes()), allow_pickle=False) as stored:
                depth = stored["depth"]
        except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error) as error:
            raise DataError(f"the stored depth cannot be read: {error}", where=str(depth_path)) from error
    return read_rgb8(folder / f"{view.name}.png"), depth


def frame_hash(pixels: Image, depth: Depth | None) -> str:
    """Return what tells a stored frame from a changed one, its depth included."""
    return image_hash(pixels) + ("" if depth is None else f" {image_hash(depth)}")


def quantise(rgb: NDArray) -> Image:
    """Return values in [0, 1] as 8-bit pixels, rounded to nearest and clipped.

    >>> quantise(np.array([[[0.0, 0.5, 1.2]]])).tolist()
    [[[0, 128, 255]]]
    """
    return (np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8)
