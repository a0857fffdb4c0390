"""Storing rendered frames: what is on disk is what gets scored."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
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

    An expected information gain goes into `<view>.eig.npz` under "eig".

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
    depth_path, eig_path = folder / f"{view.name}.npz", folder / f"{view.name}.eig.npz"
    for path in (depth_path, eig_path):
        path.unlink(missing_ok=True)  # An attempt before a change of the method may have had one.
    if rendering.eig is not None:
        _write_plane(eig_path, "eig", _checked_plane(rendering.eig, "information gain", view))
    if not with_depth or rendering.depth is None:
        return pixels, None
    depth = _checked_plane(rendering.depth, "depth", view)
    _write_plane(depth_path, "depth", depth)
    return pixels, depth


def read_frame(folder: Path, view: View) -> tuple[Image, Depth | None]:
    """Return the stored pixels and depth of a view.

    Raises:
        DataError: The frame is missing or damaged.
    """
    depth = read_depth(folder, view)
    return read_pixels(folder, view), depth() if depth else None


def read_pixels(folder: Path, view: View) -> Image:
    """Return the stored (H, W, 3) uint8 pixels of a view.

    Raises:
        DataError: The frame is missing or damaged.
    """
    return read_rgb8(folder / f"{view.name}.png")


def read_depth(folder: Path, view: View) -> Callable[[], Depth] | None:
    """Return what reads the stored depth of a view; None where none was stored."""
    path = folder / f"{view.name}.npz"
    return partial(_read_plane, path, "depth") if path.exists() else None


def read_eig(folder: Path, view: View) -> Callable[[], NDArray[np.float32]] | None:
    """Return what reads the stored expected information gain of a view; None where none was stored."""
    path = folder / f"{view.name}.eig.npz"
    return partial(_read_plane, path, "eig") if path.exists() else None


def frame_hash(pixels: Image, depth: Depth | None, eig: NDArray[np.float32] | None = None) -> str:
    """Return what tells a stored frame from a changed one, its depth and information gain included."""
    parts = [image_hash(pixels)]
    parts += [image_hash(depth)] if depth is not None else []
    parts += ["eig", image_hash(eig)] if eig is not None else []
    return " ".join(parts)


def quantise(rgb: NDArray) -> Image:
    """Return values in [0, 1] as 8-bit pixels, rounded to nearest and clipped.

    >>> quantise(np.array([[[0.0, 0.5, 1.2]]])).tolist()
    [[[0, 128, 255]]]
    """
    return (np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8)


def _read_plane(path: Path, key: str) -> NDArray[np.float32]:
    """Return the (H, W) array of an .npz under a key; errors name the file."""
    try:
        # From memory, because numpy leaves the file open when it is damaged.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            plane: NDArray[np.float32] = stored[key]
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error) as error:
        raise DataError(f"the stored {key} cannot be read: {error}", where=str(path)) from error
    return plane


def _checked_plane(plane: NDArray, kind: str, view: View) -> NDArray[np.float32]:
    """Return a rendered (H, W) plane as float32.

    Raises:
        MethodFailed: It has another size than the camera, or values that are negative or not finite.
    """
    expected = (view.camera.height, view.camera.width)
    array = np.asarray(plane, np.float32)
    if array.shape != expected:
        raise MethodFailed(
            f"rendered {kind} of the wrong size", got=array.shape, expected=expected, where=view.name
        )
    if not (np.isfinite(array).all() and array.min() >= 0):
        hint = "0 where nothing was hit" if kind == "depth" else None
        raise MethodFailed(f"rendered {kind} that is negative or not finite", expected=hint, where=view.name)
    return array


def _write_plane(path: Path, key: str, plane: NDArray[np.float32]) -> None:
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {key: plane}
    np.savez_compressed(buffer, **arrays)
    write_atomic(path, buffer.getvalue())
