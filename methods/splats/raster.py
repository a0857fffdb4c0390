"""One interface to the two differentiable rasterisers: our C++ kernels on the CPU, gsplat on CUDA."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recgen_bench.harness.errors import MethodFailed, did_you_mean

KINDS = ("3dgs", "2dgs")
MAX_DEGREE = 3
MAX_SIDE = 32768


@dataclass(frozen=True)
class Rendered:
    """An image of Gaussians, with gradients where the parameters have them.

    Attributes:
        rgb: (H, W, 3) colours with the background composited.
        alpha: (H, W) one minus the transmittance that is left behind the last Gaussian.
        depth: (H, W) expected z-depth sum(w z) / sum(w), world units, 0 where alpha is 0.
        contributors: (H, W) int32 number of Gaussians blended into the pixel.
        radii: (N,) float32 screen radius in whole pixels, 0 where the Gaussian is not visible.
        screen: (N, 2) leaf of zeros; after backward its `.grad` is dLoss/d(projected centre) in pixels.
    """

    rgb: Tensor
    alpha: Tensor
    depth: Tensor
    contributors: Tensor
    radii: Tensor
    screen: Tensor


@dataclass(frozen=True)
class Gaussians:
    """Activated parameters as the rasterisers take them: see `rasterize` for shapes and ranges."""

    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    colors: Tensor
    sh_degree: int | None = None

    def __post_init__(self) -> None:
        if self.means.ndim != 2:
            raise _shape("means", self.means, "(N, 3)")
        n = self.means.shape[0]
        wanted = {"means": (n, 3), "quats": (n, 4), "scales": (n, 3), "opacities": (n,)}
        for name, shape in wanted.items():
            if getattr(self, name).shape != shape:
                raise _shape(name, getattr(self, name), str(shape))
        if self.sh_degree is None:
            if self.colors.shape != (n, 3):
                raise _shape("colors", self.colors, f"({n}, 3) RGB, or a value for sh_degree")
        elif not 0 <= self.sh_degree <= MAX_DEGREE:
            raise MethodFailed(
                "unknown degree of harmonics", got=self.sh_degree, expected=f"0 to {MAX_DEGREE}"
            )
        else:
            least = (self.sh_degree + 1) ** 2
            colors = self.colors
            if colors.ndim != 3 or colors.shape[::2] != (n, 3) or colors.shape[1] < least:
                raise _shape("colors", colors, f"({n}, K, 3) with K at least {least}")
        devices = {getattr(self, name).device for name in (*wanted, "colors")}
        if len(devices) > 1:
            got = ", ".join(sorted(map(str, devices)))
            raise MethodFailed("the Gaussians lie on several devices", got=got, expected="one device")


@dataclass(frozen=True)
class Pinhole:
    """A camera as the rasterisers take it: see `rasterize` for axes, units and ranges."""

    w2c: Tensor
    K: Tensor
    width: int
    height: int
    background: Tensor | None = None
    near: float = 0.01
    eps2d: float = 0.3

    def __post_init__(self) -> None:
        if self.w2c.shape != (4, 4):
            raise _shape("w2c", self.w2c, "(4, 4)")
        if self.K.shape != (3, 3):
            raise _shape("K", self.K, "(3, 3)")
        if self.background is not None and self.background.shape != (3,):
            raise _shape("background", self.background, "(3,)")
        if not (0 < self.width <= MAX_SIDE and 0 < self.height <= MAX_SIDE):
            got, expected = f"{self.width}x{self.height}", f"sides of 1 to {MAX_SIDE} pixels"
            raise MethodFailed("the image size cannot be rendered", got=got, expected=expected)
        if not (torch.isfinite(self.w2c).all() and torch.isfinite(self.K).all()):
            raise MethodFailed("the camera holds NaN or infinity", expected="finite w2c and K")
        if not (self.K[0, 0] > 0 and self.K[1, 1] > 0):
            got = f"fx {float(self.K[0, 0]):g}, fy {float(self.K[1, 1]):g}"
            raise MethodFailed("the focal length must be positive", got=got, expected="pixels above 0")


def rasterize(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor,
    *,
    w2c: Tensor,
    K: Tensor,
    width: int,
    height: int,
    sh_degree: int | None = None,
    background: Tensor | None = None,
    near: float = 0.01,
    eps2d: float = 0.3,
    kind: str = "3dgs",
) -> Rendered:
    """Render activated Gaussians through a pinhole camera, differentiably.

    Both back ends follow gsplat 1.5 in its "classic" mode: pixel centres at +0.5, contributions of alpha
    below 1/255 are dropped, alpha is clamped at 0.999, a pixel stops before its transmittance would reach
    1e-4. On the CPU the result is the same bit for bit for any number of threads, and a Gaussian with a
    parameter that is not finite is left out and has zero gradients.

    Args:
        means: (N, 3) centres in the world.
        quats: (N, 4) rotations as w x y z, any norm above zero.
        scales: (N, 3) standard deviations in world units.
        opacities: (N,) in (0, 1); larger values count as 1.
        colors: (N, 3) RGB, or (N, K, 3) harmonics when `sh_degree` is given, K >= (sh_degree + 1)^2;
            harmonics give max(sum + 0.5, 0), seen from the camera centre.
        w2c: (4, 4) rigid world-to-camera, OpenCV axes; any device and float type, not differentiated.
        K: (3, 3) intrinsics in pixels; any device and float type, not differentiated.
        width: Pixels.
        height: Pixels.
        sh_degree: 0 to 3, None for RGB.
        background: (3,) colour behind the Gaussians, black when None; not differentiated.
        near: Gaussians with a centre nearer than this z-depth are left out, world units.
        eps2d: Added to both variances on the screen, square pixels.
        kind: "3dgs"; "2dgs" is not available yet.

    Raises:
        MethodFailed: A shape, a size, a device or the kind is wrong, or the kernels are not built.
    """
    if kind == "2dgs":
        raise MethodFailed("2D Gaussians cannot be rendered yet", got=kind, expected="3dgs")
    if kind not in KINDS:
        raise MethodFailed("unknown kind of Gaussians", got=kind, hint=did_you_mean(kind, KINDS))
    gaussians = Gaussians(means, quats, scales, opacities, colors, sh_degree)
    camera = Pinhole(w2c, K, width, height, background, near, eps2d)
    if means.device.type == "cpu":
        from recgen_bench.methods.splats.raster_cpu import render
    elif means.device.type == "cuda":
        from recgen_bench.methods.splats.raster_cuda import render
    else:
        raise MethodFailed("no rasteriser for this device", got=means.device, expected="cpu or cuda")
    return render(gaussians, camera)


def _shape(name: str, tensor: Tensor, expected: str) -> MethodFailed:
    return MethodFailed(f"{name} has the wrong shape", got=tuple(tensor.shape), expected=expected)
