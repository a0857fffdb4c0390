"""Bringing frames to a size that a network takes, and its output back to the frame's."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def padded(images: Tensor, multiple: int) -> Tensor:
    """Return (..., H, W) grown at the bottom and the right to multiples, by reflection at the border.

    Reflection repeats where an image is smaller than what it lacks.
    """
    for axis in (-2, -1):
        size = images.shape[axis]
        wanted = -(-size // multiple) * multiple
        if wanted != size:
            index = _reflected(torch.arange(wanted, device=images.device), size)
            images = images.index_select(axis, index)
    return images


def resized(images: Tensor, height: int, width: int) -> Tensor:
    """Return (B, C, H, W) at another size with Pillow's Lanczos filter (what Difix's callers use).

    Release code differs: it resizes 8-bit images; here values keep their precision. Not differentiable.
    """
    if images.shape[-2:] == (height, width):
        return images
    planes = images.flatten(0, 1).cpu().numpy().astype(np.float32)
    made = [
        np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.LANCZOS))
        for plane in planes
    ]
    return torch.from_numpy(np.stack(made)).reshape(*images.shape[:2], height, width).to(images.device)


def _reflected(positions: Tensor, size: int) -> Tensor:
    """Return where each position of an endlessly mirrored axis lies within [0, size)."""
    period = max(2 * size - 2, 1)
    position = positions % period
    return torch.where(position < size, position, period - position)
