"""Physical lenses: where a ray through the camera lands in the distorted photograph.

Pixel centres are at +0.5 and (x, y) are ray coordinates on the plane z = 1, x right, y down. The formulas are
those of COLMAP's `doc/cameras.rst` and OpenCV's `calib3d`; nerfstudio's fourth radial coefficient multiplies
r^8.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from recgen_bench.datasets.formats.images import MAX_SIDE
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.scene import Float

Model = Literal["perspective", "fisheye", "thin-prism-fisheye", "fov"]
COEFFICIENTS: dict[Model, int] = {"perspective": 9, "fisheye": 4, "thin-prism-fisheye": 8, "fov": 1}

MAX_ZOOM = 2.0
"""Coefficients that hide more than half of the field of view describe no real photograph."""


@dataclass(frozen=True, slots=True)
class Lens:
    """Intrinsics and distortion of a photograph as it lies on disk.

    Attributes:
        width: Pixels.
        height: Pixels.
        fx: Pixels.
        fy: Pixels.
        cx: Pixels, 0 at the left edge of the image.
        cy: Pixels, 0 at its upper edge.
        model: "perspective" (no distortion when all coefficients are 0), "fisheye" (OpenCV's, equidistant),
            "thin-prism-fisheye" (COLMAP's), or "fov" (Devernay and Faugeras).
        coefficients: perspective: k1 k2 k3 k4 (radial: r^2, r^4, r^6, r^8), p1 p2, d1 d2 d3 (radial, divided
            by);
            fisheye: k1 k2 k3 k4; thin-prism-fisheye: k1 k2 p1 p2 k3 k4 sx sy; fov: omega in radians.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    model: Model = "perspective"
    coefficients: tuple[float, ...] = (0.0,) * 9

    def __post_init__(self) -> None:
        if not 0 < min(self.width, self.height) <= max(self.width, self.height) <= MAX_SIDE:
            size = f"{self.width}x{self.height}"
            raise DataError("not a usable image size", got=size, expected=f"1 to {MAX_SIDE} pixels a side")
        numbers = (self.fx, self.fy, self.cx, self.cy, *self.coefficients)
        if not all(map(math.isfinite, numbers)):
            raise DataError("the intrinsics hold NaN or infinity", got=list(numbers))
        if min(self.fx, self.fy) <= 0:
            focal = f"fx {self.fx:g}, fy {self.fy:g}"
            raise DataError("the focal length must be positive", got=focal, expected="pixels above 0")

    @property
    def K(self) -> Float:
        """(3, 3) intrinsics in pixels."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1.0]])

    @property
    def straight(self) -> bool:
        """Whether the photograph is a pinhole image already."""
        return self.model in ("perspective", "fov") and not any(self.coefficients)

    def resized(self, width: int, height: int) -> Lens:
        """Return the same lens for the image at another size; each axis scales by its own factor."""
        x, y = width / self.width, height / self.height
        return replace(
            self, width=width, height=height, fx=self.fx * x, fy=self.fy * y, cx=self.cx * x, cy=self.cy * y
        )

    def project(self, x: Float, y: Float) -> tuple[Float, Float]:
        """Return the distorted pixel positions of rays (x, y, 1), any shape."""
        xd, yd = (x, y) if self.straight else _distort(self.model, self.coefficients, x, y)
        return xd * self.fx + self.cx, yd * self.fy + self.cy

    def pinhole(self) -> Lens:
        """Return the undistorted camera: same centre, and the same focal length or one just long enough.

        The focal length grows only as far as is needed for every undistorted pixel to have been seen by the
        lens, so that no pixel is made up at the border.

        Raises:
            DataError: The distortion folds the image, or hides more than half of it.
        """
        zoom = 1.0 if self.straight else _zoom(self)
        return Lens(self.width, self.height, self.fx * zoom, self.fy * zoom, self.cx, self.cy)


def _distort(model: Model, coefficients: tuple[float, ...], x: Float, y: Float) -> tuple[Float, Float]:
    if model == "perspective":
        return _perspective(coefficients, x, y)
    r = np.hypot(x, y)
    if model == "fov":
        (omega,) = coefficients
        scale = _ratio(np.arctan(r * 2 * math.tan(omega / 2)), r * omega, 2 * math.tan(omega / 2) / omega)
        return x * scale, y * scale
    theta = np.arctan(r)
    scale = _ratio(theta, r, 1.0)
    x, y, t2 = x * scale, y * scale, theta * theta
    if model == "fisheye":
        k1, k2, k3, k4 = coefficients
        radial = 1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4)))
        return x * radial, y * radial
    k1, k2, p1, p2, k3, k4, sx, sy = coefficients
    radial = 1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4)))
    xd = x * radial + 2 * p1 * x * y + p2 * (t2 + 2 * x * x) + sx * t2
    yd = y * radial + 2 * p2 * x * y + p1 * (t2 + 2 * y * y) + sy * t2
    return xd, yd


def _perspective(coefficients: tuple[float, ...], x: Float, y: Float) -> tuple[Float, Float]:
    k1, k2, k3, k4, p1, p2, d1, d2, d3 = coefficients
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * (k3 + r2 * k4)))
    if d1 or d2 or d3:
        radial = radial / (1 + r2 * (d1 + r2 * (d2 + r2 * d3)))
    xd = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    yd = y * radial + 2 * p2 * x * y + p1 * (r2 + 2 * y * y)
    return xd, yd


def _ratio(over: Float, under: Float, limit: float) -> Float:
    """Return over / under with its limit where both vanish."""
    tiny = np.abs(under) < 1e-9
    return np.where(tiny, limit, over / np.where(tiny, 1, under))


@functools.lru_cache(maxsize=4096)
def _zoom(lens: Lens) -> float:
    """Return the smallest focal factor >= 1 at which every border pixel looks inside the photograph.

    Rays from the centre to the border are followed outwards: past the point where the distorted radius stops
    growing, a polynomial folds back and shows other content, so that part counts as unseen too.
    """
    along = np.arange(9) / 8
    near, far = np.zeros(9), np.ones(9)
    across, down = np.concatenate([along, along, near, far]), np.concatenate([near, far, along, along])
    x = ((0.5 + across * (lens.width - 1) - lens.cx) / lens.fx)[:, None]
    y = ((0.5 + down * (lens.height - 1) - lens.cy) / lens.fy)[:, None]
    steps = np.linspace(0, 1, 33)[None]
    with np.errstate(all="ignore"):  # Absurd coefficients overflow here and are refused below.
        us, vs = lens.project(x * steps, y * steps)
        growing = np.diff(np.hypot((us - lens.cx) / lens.fx, (vs - lens.cy) / lens.fy), axis=1) >= 0
    if not bool(_sees(lens, 0 * x, 0 * y).all()):
        raise DataError(
            "the principal point of a distorted image lies outside it", got=f"{lens.cx:g}, {lens.cy:g}"
        )
    high = np.where(growing.all(axis=1), 1.0, np.maximum(np.argmin(growing, axis=1) - 1, 0) / 32)[:, None]
    low = np.where(_sees(lens, x * high, y * high), high, 0.0)
    if low.min() == 1:
        return 1.0
    for _ in range(24):
        middle = (low + high) / 2
        seen = _sees(lens, x * middle, y * middle)
        low, high = np.where(seen, middle, low), np.where(seen, high, middle)
    if low.min() < 1 / MAX_ZOOM:
        raise DataError(
            "the distortion coefficients fold the image",
            got=f"{lens.model} {list(lens.coefficients)}",
            expected="a distortion that can be undone on at least half of the field of view",
        )
    return float(1 / low.min())


def _sees(lens: Lens, x: Float, y: Float) -> np.ndarray:
    with np.errstate(all="ignore"):
        u, v = lens.project(x, y)
        return (u >= 0) & (u <= lens.width) & (v >= 0) & (v <= lens.height)
