"""EIG as the released code of FaithFusion computes it with FisherRF's rasteriser, in float64 on the CPU.

Facts were read from FaithFusion at deeeab3304bc; the text is ours. It differs from the exact information
of `eig.py`: per pixel and Gaussian the three channels are summed before squaring (but for the colours),
pixels are weighted by one over the length of their list up to the last hit (training) or by 1 (the new
view), squares are summed over all parameters of a Gaussian whatever their units, and the ratio of two such
sums is blended like a colour. It renders on black with harmonics of degree 1. The derivative of the mean
reads there the harmonics of another Gaussian; here it reads the right ones, unless `slip` is asked for.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from recgen_bench.harness.errors import MethodFailed
from recgen_bench.methods.splats import native
from recgen_bench.methods.splats.calling import kernel_threads
from recgen_bench.methods.splats.fisher import FisherDiagonal
from recgen_bench.methods.splats.raster import Gaussians, Pinhole

DEGREE = 1
"""Highest degree of the harmonics that the released code uses for information."""

FEW = 1e-6
"""Least length of a list that a pixel is divided by."""

SEEN_DEPTH = 0.1
"""Where the depth, not divided by alpha, is below this, the gain is 0. The released code calls it opacity."""

SCALE = 1000.0
"""The released code's divisor of the gain."""

SKY = 0.5
"""Masks below this are sky: the released code's threshold, 0.9 of a sky mask, for masks of zeros and ones."""


@dataclass(frozen=True, eq=False)
class Planes:
    """A view as that rasteriser renders it.

    Attributes:
        rgb: (H, W, 3) on black.
        depth: (H, W) sum of z-depth times weight, not divided by alpha.
        through: (H, W) transmittance behind the last Gaussian.
        last: (H, W) int32 position, from 1, of the last blended Gaussian in the list of its tile of 16x16
            pixels; 0 where nothing was blended.
        blended: (H, W) values of the Gaussians, blended like a colour.
    """

    rgb: Tensor
    depth: Tensor
    through: Tensor
    last: Tensor
    blended: Tensor


def observe(
    gaussians: Gaussians, cameras: Iterable[Pinhole], masks: Iterable[Tensor | None] | None = None
) -> FisherDiagonal:
    """Return the squares summed over training views, float64 in the shapes of the parameters.

    Args:
        gaussians: Activated parameters; quaternions of any norm.
        cameras: One per view; their backgrounds are not used.
        masks: Per view (H, W); pixels below 0.5 (sky) count nothing.

    Raises:
        MethodFailed: There are masks, but not one for each camera, or one has the wrong shape.
    """
    cameras = list(cameras)
    each: list[Tensor | None] = [None] * len(cameras) if masks is None else list(masks)
    if len(each) != len(cameras):
        raise MethodFailed("every camera needs its mask", got=f"{len(each)} for {len(cameras)} cameras")
    total = squares(gaussians, None, None)
    for camera, mask in zip(cameras, each, strict=True):
        weight = 1 / render(gaussians, camera).last.double().clamp_min(FEW)
        if mask is not None:
            if mask.shape != weight.shape:
                got, expected = tuple(mask.shape), tuple(weight.shape)
                raise MethodFailed("the mask of a view has the wrong shape", got=got, expected=expected)
            weight = torch.where(mask.cpu() >= SKY, weight, 0.0)
        total += squares(gaussians, camera, weight)
    return total


def eig(
    gaussians: Gaussians, camera: Pinhole, known: FisherDiagonal, regulariser: float
) -> tuple[Tensor, Tensor]:
    """Return log(1 + gain) + 1e-9 of each pixel and alpha, each (H, W) float32.

    Raises:
        MethodFailed: The regulariser is not positive.
    """
    if not 0 < regulariser < float("inf"):
        raise MethodFailed("the regulariser must be positive", got=regulariser)
    device = gaussians.means.device
    view = squares(gaussians, camera, torch.ones(camera.height, camera.width, dtype=torch.float64))
    ratio = per_gaussian(view) / (per_gaussian(known).cpu() + regulariser)
    planes = render(gaussians, camera, ratio)
    gain = planes.blended * (planes.depth > SEEN_DEPTH) / planes.last.double().clamp_min(FEW) / SCALE
    values = torch.log1p(gain) + 1e-9
    return values.float().to(device), (1 - planes.through).float().to(device)


def per_gaussian(squared: FisherDiagonal) -> Tensor:
    """Return (N,) float64, the squares of all parameters of each Gaussian added up."""
    return torch.stack(
        [g.double().flatten(1).sum(1) if g.ndim > 1 else g.double() for g in squared.groups]
    ).sum(0)


def squares(
    gaussians: Gaussians, camera: Pinhole | None, upstream: Tensor | None, *, slip: bool = False
) -> FisherDiagonal:
    """Return the squared derivatives of the weighted channels in float64; zeros without a camera.

    Args:
        gaussians: Activated parameters.
        camera: The view.
        upstream: (H, W) weight of each pixel.
        slip: Repeat the released kernel's wrong offset into the harmonics, for comparison with it.
    """
    parameters = _doubles(gaussians)
    sums = [torch.zeros_like(tensor) for tensor in parameters]
    if camera is not None and upstream is not None:
        weight = upstream.to("cpu", torch.float64).contiguous()
        exposure = _exposure(gaussians, parameters, camera, slip)
        pointers = (ctypes.c_void_p(tensor.data_ptr()) for tensor in (weight, *sums))
        native.check(native.kernel("fisherrf_squares")(ctypes.byref(exposure), *pointers))
    shapes = (g.shape for g in (gaussians.means, gaussians.quats, gaussians.scales, gaussians.opacities))
    groups = [
        total.reshape(shape) for total, shape in zip(sums, (*shapes, gaussians.colors.shape), strict=True)
    ]
    return FisherDiagonal(*groups)


def render(gaussians: Gaussians, camera: Pinhole, values: Tensor | None = None) -> Planes:
    """Render a view, and blend `values` (N,) like a colour when given."""
    parameters = _doubles(gaussians)
    size = (camera.height, camera.width)
    rgb, last = torch.empty(*size, 3, dtype=torch.float64), torch.empty(size, dtype=torch.int32)
    depth, through, blended = (torch.empty(size, dtype=torch.float64) for _ in range(3))
    values = None if values is None else values.detach().to("cpu", torch.float64).contiguous()
    planes = _Planes(*(tensor.data_ptr() for tensor in (rgb, depth, through, blended, last)))
    exposure = _exposure(gaussians, parameters, camera, False)
    run = native.kernel("fisherrf_render")
    native.check(run(ctypes.byref(exposure), ctypes.c_void_p(native.address(values)), ctypes.byref(planes)))
    return Planes(rgb, depth, through, last, blended)


class _Exposure(ctypes.Structure):
    """Mirrors `Exposure` in native/fisherrf.cpp."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("means", "quats", "scales", "opacities", "colors")),
        ("size", ctypes.c_int64),
        ("rotation", ctypes.c_double * 9),
        ("translation", ctypes.c_double * 3),
        ("centre", ctypes.c_double * 3),
        *((name, ctypes.c_double) for name in ("fx", "fy", "cx", "cy")),
        *(
            (name, ctypes.c_int32)
            for name in ("width", "height", "degree", "coefficients", "slip", "threads")
        ),
    )


class _Planes(ctypes.Structure):
    """Mirrors `Planes` in native/fisherrf.cpp."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("rgb", "depth", "through", "blended", "last"))


def _doubles(gaussians: Gaussians) -> list[Tensor]:
    g = gaussians
    colors = g.colors if g.sh_degree is not None else g.colors[:, None]
    # That rasteriser takes unit quaternions. One of length zero becomes NaN here and is left out.
    unit = g.quats.double() / g.quats.double().norm(dim=1, keepdim=True)
    tensors = (g.means, unit, g.scales, g.opacities, colors)
    return [tensor.detach().to("cpu", torch.float64).contiguous() for tensor in tensors]


def _exposure(gaussians: Gaussians, parameters: list[Tensor], camera: Pinhole, slip: bool) -> _Exposure:
    """Return the kernel's view of float64 contiguous parameters; it borrows their memory."""
    w2c = camera.w2c.detach().to("cpu", torch.float64)
    K = camera.K.detach().to("cpu", torch.float64)
    degree = -1 if gaussians.sh_degree is None else min(gaussians.sh_degree, DEGREE)
    triple = ctypes.c_double * 3
    return _Exposure(
        *(tensor.data_ptr() for tensor in parameters),
        len(parameters[0]),
        (ctypes.c_double * 9)(*w2c[:3, :3].flatten().tolist()),
        triple(*w2c[:3, 3].tolist()),
        triple(*torch.linalg.inv(w2c)[:3, 3].tolist()),
        *(float(K[at]) for at in ((0, 0), (1, 1), (0, 2), (1, 2))),
        camera.width,
        camera.height,
        degree,
        parameters[4].shape[1],
        int(slip),
        kernel_threads(),
    )
