"""A sky infinitely far away: a texture of all directions, seen where the Gaussians are transparent.

The octahedron around the unit sphere is unfolded into the square [-1, 1]^2: the upper half (z >= 0) is the
inner diamond, the lower half the four corners folded outwards. Seams are in the lower half: ground.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import grid_sample

from recgen_bench.harness.scene import Camera
from recgen_bench.methods.splats.calling import call


def behind(rgb: Tensor, alpha: Tensor, sky: Tensor, camera: Camera) -> Tensor:
    """Return an image with the sky behind it, rgb + (1 - alpha) sky, differentiable by all three.

    Args:
        rgb: (H, W, 3) float32, composited on black.
        alpha: (H, W) float32.
        sky: (S, S, 3) float32.
        camera: Whose pixels they are.
    """
    if sky.device.type == "cpu":
        return _Behind.apply(rgb, alpha, sky, camera)
    return behind_reference(rgb, alpha, sky, camera)


def behind_reference(rgb: Tensor, alpha: Tensor, sky: Tensor, camera: Camera) -> Tensor:
    """Do the same in plain torch: for CUDA, and to test the kernel."""
    return rgb + (1 - alpha)[..., None] * look_up(sky, unfold(directions(camera, sky.device)))


class _Lens(ctypes.Structure):
    """Mirrors `Lens` in native/sky.cpp."""

    _fields_ = (
        *((axis, ctypes.c_float * 3) for axis in ("right", "down", "forward")),
        *((name, ctypes.c_float) for name in ("fx", "fy", "cx", "cy")),
        *((name, ctypes.c_int32) for name in ("width", "height", "size")),
    )


def _lens(camera: Camera, size: int) -> Any:
    axes = ((ctypes.c_float * 3)(*axis) for axis in camera.c2w[:3, :3].T)
    K = camera.K
    return ctypes.byref(_Lens(*axes, K[0, 0], K[1, 1], K[0, 2], K[1, 2], camera.width, camera.height, size))


class _Behind(torch.autograd.Function):
    """native/sky.cpp."""

    @staticmethod
    def forward(ctx: Any, rgb: Tensor, alpha: Tensor, sky: Tensor, camera: Camera) -> Tensor:
        rgb, alpha, sky = rgb.contiguous(), alpha.contiguous(), sky.contiguous()
        out = torch.empty_like(rgb)
        call("sky_behind", _lens(camera, len(sky)), rgb, alpha, sky, out)
        ctx.save_for_backward(alpha, sky)
        ctx.camera = camera
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        alpha, sky = ctx.saved_tensors
        upstream = upstream.contiguous()
        by_alpha, by_sky = torch.empty_like(alpha), torch.zeros_like(sky)
        call("sky_behind_backward", _lens(ctx.camera, len(sky)), upstream, alpha, sky, by_alpha, by_sky)
        return upstream, by_alpha, by_sky, None


def directions(camera: Camera, device: str | torch.device = "cpu") -> Tensor:
    """Return the (H, W, 3) float32 directions of a camera's pixels in the world, not normalised."""
    x = (torch.arange(camera.width, dtype=torch.float64) + 0.5 - camera.K[0, 2]) / camera.K[0, 0]
    y = (torch.arange(camera.height, dtype=torch.float64) + 0.5 - camera.K[1, 2]) / camera.K[1, 1]
    right, down, forward = torch.from_numpy(camera.c2w[:3, :3].T.copy())
    columns = x[:, None] * right + forward
    return (columns[None] + (y[:, None] * down)[:, None]).float().to(device)


def unfold(directions: Tensor) -> Tensor:
    """Return positions (..., 2) in [-1, 1]^2 for directions (..., 3) of any positive length."""
    flat = directions / directions.abs().sum(-1, keepdim=True)
    plane, z = flat[..., :2], flat[..., 2:]
    sign = torch.where(plane >= 0, 1.0, -1.0)
    return torch.where(z >= 0, plane, (1 - plane.flip(-1).abs()) * sign)


def look_up(sky: Tensor, positions: Tensor) -> Tensor:
    """Return the (H, W, 3) colours of a (S, S, 3) sky at unfolded positions (H, W, 2), bilinear."""
    image = sky.permute(2, 0, 1)[None]
    seen = grid_sample(image, positions[None], mode="bilinear", padding_mode="border", align_corners=False)
    return seen[0].permute(1, 2, 0)


def painted(views: Iterable[tuple[Camera, Tensor]], size: int) -> Tensor:
    """Return a (size, size, 3) sky of the mean colour that images (H, W, 3) uint8 show in each direction.

    Directions that no image shows get the mean of the others.
    """
    total, count = (
        torch.zeros(size * size, 3, dtype=torch.float64),
        torch.zeros(size * size, dtype=torch.float64),
    )
    for camera, image in views:
        cells = ((unfold(directions(camera)) + 1) * (size / 2)).long().clamp_(0, size - 1)
        index = (cells[..., 1] * size + cells[..., 0]).reshape(-1)
        colours = image.reshape(-1, 3).double() / 255
        total.index_add_(0, index, colours)
        count.index_add_(0, index, torch.ones(len(index), dtype=torch.float64))
    mean = total.sum(0) / count.sum().clamp_min(1)
    sky = torch.where(count[:, None] > 0, total / count.clamp_min(1)[:, None], mean)
    return sky.float().reshape(size, size, 3)
