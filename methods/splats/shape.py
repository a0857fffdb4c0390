"""Keeping Gaussians compact: needles and plates that fit the recorded views tear apart beside the track."""

from __future__ import annotations

import torch
from torch import Tensor

from recgen_bench.methods.splats.model import BACKGROUND, SplatModel


def sharpness(scales: Tensor, ratio: float) -> Tensor:
    """Return the mean over Gaussians of how far their longest axis exceeds `ratio` times their shortest.

    The regulariser "sharp shape" of the release of FaithFusion, after PhysGaussian (Xie et al. 2024).

    Args:
        scales: (N, 3) log-scales.
        ratio: From which a Gaussian is too long.
    """
    longest = (scales.amax(dim=-1) - scales.amin(dim=-1)).exp()
    return (longest - ratio).clamp_min(0).mean()


def size(scales: Tensor) -> Tensor:
    """Return the mean square of the longest axis, square world units ("max s square" of the release)."""
    return (2 * scales.amax(dim=-1)).exp().mean()


def add_shape_gradients(model: SplatModel, *, sharp: float, ratio: float, large: float) -> None:
    """Add the gradients of both regularisers to those of a model; call it as part of `edit_gradients`.

    Args:
        model: In training.
        sharp: Weight of `sharpness`, 0 for none.
        ratio: See there.
        large: Weight of `size`, on the background only, 0 for none.
    """
    scales = model.gaussians.scales
    loss = torch.zeros((), device=scales.device)
    if sharp:
        loss = loss + sharp * sharpness(scales, ratio)
    rows = model.owner == BACKGROUND
    if large and rows.any():
        loss = loss + large * size(scales[rows])
    if loss.requires_grad:
        loss.backward()  # type: ignore[no-untyped-call] # torch does not annotate it.
