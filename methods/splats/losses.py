"""Losses between a rendering and what was seen: photometric, depth, sky."""

from __future__ import annotations

import ctypes
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from recgen_bench.harness.errors import MethodFailed
from recgen_bench.methods.splats.calling import call

Padding = Literal["valid", "zero"]

WINDOW = 11
"""Taps of the SSIM window; its sigma is 1.5 px (Wang et al. 2004)."""


def photometric(
    rendered: Tensor,
    target: Tensor,
    *,
    structure: float = 0.2,
    padding: Padding = "zero",
    weight: Tensor | None = None,
    structure_weight: Tensor | None = None,
) -> Tensor:
    """Return the scalar (1 - structure) mean(w |x - y|) + structure mean(w' (1 - SSIM)).

    The means are over all pixels (windows) and channels, so a weight of 0.5 everywhere halves the loss.

    Args:
        rendered: (H, W, 3) float32, differentiated.
        target: (H, W, 3) float32 in [0, 1], not differentiated.
        structure: Share of the SSIM term, lambda in Kerbl et al. 2023.
        padding: "zero" takes a window around every pixel with zeros outside the image, as the 3DGS release;
            "valid" only windows inside it.
        weight: (H, W) float32 w, None for 1.
        structure_weight: (H, W) float32 w' at the centre of each window, None for 1.

    Raises:
        MethodFailed: The shapes differ, or the image is smaller than the window.
    """
    planes = [plane for plane in (weight, structure_weight) if plane is not None]
    shapes = [tuple(plane.shape) for plane in planes]
    if rendered.shape != target.shape or any(shape != tuple(rendered.shape[:2]) for shape in shapes):
        got = f"{tuple(rendered.shape)}, {tuple(target.shape)}, weights {shapes}"
        raise MethodFailed("the images and weights of a loss differ in size", got=got)
    if structure and padding == "valid" and min(rendered.shape[:2]) < WINDOW:
        got = f"{rendered.shape[1]}x{rendered.shape[0]}"
        raise MethodFailed(
            "the image is smaller than the window of SSIM", got=got, expected="11 pixels or more"
        )
    compute = _Photometric.apply if rendered.device.type == "cpu" else photometric_reference
    return compute(rendered, target, weight, structure_weight, structure, padding)


class _Photometric(torch.autograd.Function):
    """native/loss.cpp, which computes the gradient together with the value."""

    @staticmethod
    def forward(
        ctx: Any,
        rendered: Tensor,
        target: Tensor,
        weight: Tensor | None,
        structure_weight: Tensor | None,
        structure: float,
        padding: Padding,
    ) -> Tensor:
        planes = (rendered, target, weight, structure_weight)
        inputs = [None if plane is None else plane.detach().float().contiguous() for plane in planes]
        gradient = torch.empty(rendered.shape)
        means = (ctypes.c_double * 2)()
        height, width = rendered.shape[:2]
        border = WINDOW // 2 if padding == "valid" else 0
        call("photometric", *inputs, height, width, border, float(structure), gradient, means)
        ctx.save_for_backward(gradient)
        return rendered.new_tensor((1 - structure) * means[0] + structure * means[1])

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * upstream, None, None, None, None, None


def photometric_reference(
    rendered: Tensor,
    target: Tensor,
    weight: Tensor | None,
    structure_weight: Tensor | None,
    structure: float,
    padding: Padding,
) -> Tensor:
    """Return the same loss in plain torch, in the precision of its inputs: for CUDA and for tests."""
    one = rendered.new_ones(rendered.shape[:2])
    distance = (rendered - target).abs() * (one if weight is None else weight)[..., None]
    if not structure:
        return distance.mean()
    similarity = ssim_map(rendered, target, padding)
    w = one if structure_weight is None else structure_weight
    if padding == "valid":
        border = WINDOW // 2
        w = w[border:-border, border:-border]
    return (1 - structure) * distance.mean() + structure * ((1 - similarity) * w[..., None]).mean()


def ssim_map(a: Tensor, b: Tensor, padding: Padding) -> Tensor:
    """Return the SSIM (H', W', 3) of two images (H, W, 3) with values in [0, 1], see `photometric`."""
    distance = torch.arange(WINDOW, dtype=a.dtype, device=a.device) - WINDOW // 2
    taps = torch.exp(-(distance**2) / (2 * 1.5**2))
    taps = (taps / taps.sum()).expand(15, 1, 1, WINDOW)
    x, y = a.permute(2, 0, 1), b.permute(2, 0, 1)
    maps = torch.cat([x, y, x * x, y * y, x * y])[None]
    side = WINDOW // 2 if padding == "zero" else 0
    maps = conv2d(
        conv2d(maps, taps, padding=(0, side), groups=15), taps.transpose(2, 3), padding=(side, 0), groups=15
    )
    mx, my, xx, yy, xy = torch.split(maps[0], 3)
    product, squares = mx * my, mx * mx + my * my
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * product + c1) * (2 * (xy - product) + c2) / ((squares + c1) * (xx + yy - squares + c2))
    return similarity.permute(1, 2, 0)


def depth_distance(rendered: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the mean over pixels with a known depth of w |rendered - target|, 0 when there is none.

    Args:
        rendered: (H, W) expected z-depth, world units.
        target: (H, W) z-depth, 0 where unknown.
        weight: (H, W) float32, None for 1.
    """
    known = (target > 0).float()
    distance = (rendered - target).abs() * known
    if weight is not None:
        distance = distance * weight
    return distance.sum() / known.sum().clamp_min(1)


def sky_entropy(alpha: Tensor, sky: Tensor) -> Tensor:
    """Return the mean binary cross-entropy between opacity (H, W) in [0, 1] and not sky (H, W) bool."""
    inside = alpha.clamp(1e-6, 1 - 1e-6)
    return -torch.where(sky, torch.log1p(-inside), torch.log(inside)).mean()
