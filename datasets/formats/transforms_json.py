"""nerfstudio's transforms.json, and the instant-ngp and Blender files it grew from.

Frames hold OpenGL camera-to-world matrices (x right, y up, z back), which become OpenCV's here. Keys in a
frame override those of the file. `applied_transform` and `applied_scale` are already in the poses and in
`ply_file_path`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recgen_bench.datasets.formats.camera_models import SUPPORTED, lens_of, unsupported
from recgen_bench.datasets.formats.distortion import Lens
from recgen_bench.datasets.formats.paths import relative
from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.scene import Float, rigid

_FROM_OPENGL = np.array([1.0, -1.0, -1.0, 1.0])
"""Signs of the columns of a camera-to-world matrix."""

_RADIAL = ("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "PERSPECTIVE")
_FISHEYE = ("OPENCV_FISHEYE", "FISHEYE", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE")


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """What the file says of a frame's camera; None where it says nothing.

    Attributes:
        model: Name in capitals; "" when none is given.
        width: Pixels.
        height: Pixels.
        fx: Pixels.
        fy: Pixels.
        cx: Pixels.
        cy: Pixels.
        angle_x: Horizontal field of view in radians.
        angle_y: Vertical field of view in radians.
        k: k1 to k6.
        p: p1 and p2.
    """

    model: str
    width: int | None
    height: int | None
    fx: float | None
    fy: float | None
    cx: float | None
    cy: float | None
    angle_x: float | None
    angle_y: float | None
    k: tuple[float, ...]
    p: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame.

    Attributes:
        file: Clean relative name.
        c2w: (4, 4) rigid, OpenCV axes.
        intrinsics: Its own, or the file's.
        mask: Clean relative name.
        depth: Clean relative name.
        bad: The file flags it with "is_bad", as ScanNet++ does with blurred photographs.
    """

    file: str
    c2w: Float
    intrinsics: Intrinsics
    mask: str | None
    depth: str | None
    bad: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Transforms:
    """A whole file.

    Attributes:
        path: The file.
        frames: In text order of their file names.
        points: Relative name of the point cloud, in the same world as the poses.
        applied: (4, 4) similarity from the world of the COLMAP model to that of the poses; None when the file
            does not say.
        depth_unit: World units per stored depth value.
    """

    path: Path
    frames: tuple[Frame, ...]
    points: str | None
    applied: Float | None
    depth_unit: float


def read_transforms(path: Path, key: str = "frames", required: bool = True) -> Transforms:
    """Read a file.

    Args:
        path: The file.
        key: List of frames to read; ScanNet++ keeps its test frames under "test_frames".
        required: Whether the list must be there; else no frames are returned when it is absent.

    Raises:
        DataError: Not JSON, wrong types, a frame listed twice, or a pose that is not rigid; the message names
            the file and the frame or line.
    """
    data = _json(path)
    with located(str(path)):
        listed = data.get(key)
        absent = listed is None and not required
        listed = [] if absent else listed
        if not isinstance(listed, list) or not (listed or absent):
            raise DataError(
                f'there is no list "{key}" of frames', got=_shown(listed), expected="at least one frame"
            )
        frames, seen = [], set()
        for index, entry in enumerate(listed):
            frame = _frame(data, entry, f"{path}, frame {index}")
            if frame.file in seen:
                raise DataError("a frame is listed twice", got=frame.file, where=f"{path}, frame {index}")
            seen.add(frame.file)
            frames.append(frame)
        frames.sort(key=lambda frame: frame.file)
        points = data.get("ply_file_path")
        points = None if not points else relative(points, f'{path}, "ply_file_path"')
        unit = _number(data, "depth_unit_scale_factor")
        return Transforms(path, tuple(frames), points, _applied(data), 1e-3 if unit is None else unit)


def lens(intrinsics: Intrinsics, size: tuple[int, int]) -> Lens:
    """Return the lens of a frame.

    The principal point defaults to the centre, fy to fx, and the camera model to OPENCV when there are
    coefficients.

    Args:
        intrinsics: Of the frame.
        size: Width and height of the full image, used where the file gives none.

    Raises:
        DataError: No focal length, or a camera model that is not supported.
    """
    width, height = intrinsics.width or size[0], intrinsics.height or size[1]
    fx = _focal(intrinsics.fx, intrinsics.angle_x, width)
    fy = _focal(intrinsics.fy, intrinsics.angle_y if intrinsics.fx is None else None, height)
    fx, fy = fx if fx is not None else fy, fy if fy is not None else fx
    if fx is None or fy is None:
        raise DataError("there is no focal length", expected="fl_x or camera_angle_x")
    cx = width / 2 if intrinsics.cx is None else intrinsics.cx
    cy = height / 2 if intrinsics.cy is None else intrinsics.cy
    k, p, model = intrinsics.k, intrinsics.p, intrinsics.model
    model = model or ("OPENCV" if any(k) or any(p) else "PINHOLE")
    if model.endswith("PINHOLE") and (any(k) or any(p)):
        raise DataError(
            f"a {model} camera has distortion coefficients", got=[*k, *p], expected="all 0, or OPENCV"
        )
    if model in _RADIAL and not any(k[4:]):
        return Lens(width, height, fx, fy, cx, cy, "perspective", (*k[:4], *p, 0.0, 0.0, 0.0))
    if model in _FISHEYE and not any(k[4:]) and not any(p):
        return Lens(width, height, fx, fy, cx, cy, "fisheye", k[:4])
    if model == "FULL_OPENCV":
        return lens_of(model, width, height, (fx, fy, cx, cy, k[0], k[1], *p, *k[2:]))
    if model in (*_RADIAL, *_FISHEYE):
        raise DataError(f"{model} does not have these coefficients", got=f"k {list(k)}, p {list(p)}")
    error = unsupported(model)
    error.expected = ", ".join(name for name in SUPPORTED if name in (*_RADIAL, *_FISHEYE, "FULL_OPENCV"))
    raise error


def _focal(focal: float | None, angle: float | None, side: int) -> float | None:
    if focal is not None or angle is None:
        return focal
    if not 0 < angle < math.pi:
        raise DataError("a field of view must lie between 0 and pi", got=angle)
    return 0.5 * side / math.tan(angle / 2)


def _json(path: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}", where=str(path)) from error
    except json.JSONDecodeError as error:
        where = f"{path}, line {error.lineno}, column {error.colno}"
        raise DataError(f"not valid JSON: {error.msg}", where=where) from error
    except (ValueError, RecursionError) as error:
        raise DataError("not valid JSON", got=ascii(str(error))[:120], where=str(path)) from error
    if not isinstance(data, dict):
        raise DataError("the file must hold one JSON object", got=_shown(data), where=str(path))
    return data


def _frame(data: Mapping[str, Any], entry: object, where: str) -> Frame:
    with located(where):
        if not isinstance(entry, dict):
            raise DataError("a frame is not an object", got=_shown(entry))
        if "file_path" not in entry:
            raise DataError('the frame has no "file_path"', got=", ".join(map(str, entry))[:120])
        file = relative(entry["file_path"], f'{where}, "file_path"')
    # Absurd numbers overflow in the check of the pose, which then refuses them.
    with located(f"{where} ({file})"), np.errstate(over="ignore", invalid="ignore"):
        c2w = rigid(_matrix(entry.get("transform_matrix"), "transform_matrix") * _FROM_OPENGL, "camera pose")
        mask, depth = (
            None if not entry.get(key) else relative(entry[key], f'{where} ({file}), "{key}"')
            for key in ("mask_path", "depth_file_path")
        )
        bad = entry.get("is_bad", False)
        if bad not in (True, False, None):
            raise DataError('"is_bad" is neither true nor false', got=_shown(bad))
        return Frame(file, c2w, _intrinsics({**data, **entry}), mask, depth, bool(bad))


def _intrinsics(values: Mapping[str, Any]) -> Intrinsics:
    model = values.get("camera_model") or ("OPENCV_FISHEYE" if values.get("is_fisheye") is True else "")
    if not isinstance(model, str):
        raise DataError("the camera model is not a name", got=_shown(model))
    fx, fy, cx, cy, angle_x, angle_y = (
        _number(values, key) for key in ("fl_x", "fl_y", "cx", "cy", "camera_angle_x", "camera_angle_y")
    )
    k = tuple(_number(values, f"k{index}") or 0.0 for index in range(1, 7))
    p = tuple(_number(values, f"p{index}") or 0.0 for index in (1, 2))
    width, height = _side(values, "w"), _side(values, "h")
    return Intrinsics(model.upper(), width, height, fx, fy, cx, cy, angle_x, angle_y, k, p)


def _number(values: Mapping[str, Any], key: str) -> float | None:
    """Return a finite number, also when it is written as text; None when the key is absent or null."""
    value = values.get(key)
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f'"{key}" is not a finite number', got=_shown(value))
    return number


def _side(values: Mapping[str, Any], key: str) -> int | None:
    number = _number(values, key)
    if number is None:
        return None
    if number != round(number) or number < 1:
        raise DataError(f'"{key}" is not a number of pixels', got=number)
    return int(number)


def _matrix(value: object, key: str) -> Float:
    """Return a (4, 4) matrix from nested lists; a missing last row is 0 0 0 1."""
    try:
        matrix = np.array(value, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f'"{key}" is not a matrix of numbers', got=_shown(value)) from error
    if matrix.shape == (3, 4):
        matrix = np.vstack([matrix, [0, 0, 0, 1]])
    if matrix.shape != (4, 4):
        raise DataError(
            f'"{key}" is not a 4x4 matrix', got=f"shape {matrix.shape}" if matrix.shape else _shown(value)
        )
    return matrix


def _applied(data: Mapping[str, Any]) -> Float | None:
    scale = _number(data, "applied_scale")
    if "applied_transform" not in data and scale is None:
        return None
    if scale is not None and scale <= 0:
        raise DataError('"applied_scale" must be positive', got=scale)
    value = data.get("applied_transform")
    applied = (
        np.eye(4) if value is None else rigid(_matrix(value, "applied_transform"), '"applied_transform"')
    )
    applied[:3] *= 1.0 if scale is None else scale
    return applied


def _shown(value: object) -> str:
    return ascii(value)[:80]
