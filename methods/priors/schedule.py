"""The noise schedule of Stable Diffusion and the one step from a latent to its clean estimate."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

TIMESTEP = 199
"""Where Difix calls its UNet (the paper says tau = 200, counting from one)."""


@cache
def signal_level(timestep: int) -> float:
    """Return the cumulative product of 1 - beta of the scaled-linear schedule; 0.7552381 at 199.

    Args:
        timestep: 0 to 999.
    """
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float32, device="cpu") ** 2
    return float(torch.cumprod(1 - betas, dim=0)[timestep])


def to_clean(latents: Tensor, noise: Tensor, timestep: int = TIMESTEP) -> Tensor:
    """Return x0 = (z - sqrt(1 - a) eps) / sqrt(a), a the signal level: one DDPM step that ends at x0.

    Args:
        latents: z, any shape; no noise was added to it (Difix reads the rendering's errors as the noise).
        noise: eps, the network's prediction, same shape.
        timestep: At which the network was called.
    """
    level = signal_level(timestep)
    return (latents - (1 - level) ** 0.5 * noise) / level**0.5
