"""Camera models by the names and numbers of COLMAP, which nerfstudio shares."""

from __future__ import annotations

from recgen_bench.datasets.formats.distortion import Lens
from recgen_bench.harness.errors import DataError

COLMAP_MODELS: tuple[tuple[str, int], ...] = (
    ("SIMPLE_PINHOLE", 3),
    ("PINHOLE", 4),
    ("SIMPLE_RADIAL", 4),
    ("RADIAL", 5),
    ("OPENCV", 8),
    ("OPENCV_FISHEYE", 8),
    ("FULL_OPENCV", 12),
    ("FOV", 5),
    ("SIMPLE_RADIAL_FISHEYE", 4),
    ("RADIAL_FISHEYE", 5),
    ("THIN_PRISM_FISHEYE", 12),
    ("RAD_TAN_THIN_PRISM_FISHEYE", 16),
)
"""Name and number of parameters; the position is COLMAP's model id."""

SUPPORTED = tuple(name for name, _ in COLMAP_MODELS[:11])


def parameter_count(name: str) -> int:
    """Return how many parameters a COLMAP model has.

    Raises:
        DataError: The model is unknown.
    """
    for known, count in COLMAP_MODELS:
        if known == name:
            return count
    raise unsupported(name)


def unsupported(model: object) -> DataError:
    """Return the error for a camera model that cannot be undistorted here."""
    return DataError(
        "this camera model is not supported",
        got=model,
        expected=", ".join(SUPPORTED),
        hint="undistort the images first, for example with COLMAP's image_undistorter",
    )


def lens_of(name: str, width: int, height: int, params: tuple[float, ...]) -> Lens:
    """Return the lens for a COLMAP camera, parameters in COLMAP's order.

    Raises:
        DataError: The model is not supported, or the parameters are not usable.
    """
    if name not in SUPPORTED:
        raise unsupported(name)
    if len(params) != parameter_count(name):
        raise DataError(
            f"wrong number of parameters for {name}", got=len(params), expected=parameter_count(name)
        )
    if name in ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE"):
        (f, cx, cy), rest = params[:3], params[3:]
        fx = fy = f
    else:
        (fx, fy, cx, cy), rest = params[:4], params[4:]
    if name == "FOV":
        return Lens(width, height, fx, fy, cx, cy, "fov", rest)
    if name == "THIN_PRISM_FISHEYE":
        return Lens(width, height, fx, fy, cx, cy, "thin-prism-fisheye", rest)
    if name.endswith("FISHEYE"):
        return Lens(width, height, fx, fy, cx, cy, "fisheye", (*rest, 0.0, 0.0, 0.0)[:4])
    if name in ("OPENCV", "FULL_OPENCV"):
        k1, k2, p1, p2, k3, d1, d2, d3 = (*rest, 0.0, 0.0, 0.0, 0.0)[:8]
        return Lens(width, height, fx, fy, cx, cy, "perspective", (k1, k2, k3, 0.0, p1, p2, d1, d2, d3))
    return Lens(width, height, fx, fy, cx, cy, "perspective", (*rest, *(0.0,) * 9)[:9])
