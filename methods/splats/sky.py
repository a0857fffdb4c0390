"""A sky infinitely far away: a square texture of the sphere of directions, seen where the Gaussians are transparent.

The octahedron around the unit sphere is unfolded into the square [-1, 1]^2: the upper half (z >= 0) is the inner
diamond, the lower half the four corners folded outwards. Seams lie in the lower half, where there is ground.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample

from recgen_bench.harness.scene import Camera


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


def painted(views: Iterable[tuple[Camera, NDArray[np.uint8]]], size: int) -> Tensor:
    """Return a (size, size, 3) sky of the mean colour that images (H, W, 3) show in each direction.

    Directions that no image shows get the mean of the others.
    """
    total, count = torch.zeros(size * size, 3, dtype=torch.float64), torch.zeros(size * size, dtype=torch.float64)
    for camera, image in views:
        cells = ((unfold(directions(camera)) + 1) * (size / 2)).long().clamp_(0, size - 1)
        index = (cells[..., 1] * size + cells[..., 0]).reshape(-1)
        colours = torch.from_numpy(image).reshape(-1, 3).double() / 255
        total.index_add_(0, index, colours)
        count.index_add_(0, index, torch.ones(len(index), dtype=torch.float64))
    mean = total.sum(0) / count.sum().clamp_min(1)
    sky = torch.where(count[:, None] > 0, total / count.clamp_min(1)[:, None], mean)
    return sky.float().reshape(size, size, 3)
