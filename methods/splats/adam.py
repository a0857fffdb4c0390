"""Adam on one parameter, in place; Gaussians come and go, so no optimiser object holds their parameters."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim.adam import adam as fused_adam

from recgen_bench.methods.splats.calling import call

DECAY = (0.9, 0.999)
EPS = 1e-15
"""As in the 3DGS release: the gradients of Gaussians are small."""


@torch.no_grad()
def adam(
    parameter: Tensor, gradient: Tensor, first: Tensor, second: Tensor, *, step: int, rate: float
) -> None:
    """Update a parameter and its moments as `torch.optim.Adam` does (Kingma and Ba 2015).

    Args:
        parameter: Contiguous float32 of any shape.
        gradient: Of the same shape.
        first: First moments, of the same shape; zeros at the start.
        second: Second moments, likewise.
        step: Number of this step, from 1.
        rate: Learning rate.
    """
    if not parameter.numel():
        return
    if parameter.device.type == "cpu":
        count = parameter.numel()
        call("adam", parameter.detach(), gradient.contiguous(), first, second, count, step, rate, *DECAY, EPS)
    else:
        adam_reference(parameter, gradient, first, second, step=step, rate=rate)


@torch.no_grad()
def adam_reference(
    parameter: Tensor, gradient: Tensor, first: Tensor, second: Tensor, *, step: int, rate: float
) -> None:
    """Do the same with torch's own fused kernel: for CUDA, and to test the CPU's."""
    taken = [torch.tensor(float(step - 1), device=parameter.device)]
    fused_adam(
        [parameter], [gradient], [first], [second], [], taken,
        fused=True, amsgrad=False, beta1=DECAY[0], beta2=DECAY[1], lr=rate, eps=EPS,
        weight_decay=0.0, maximize=False,
    )  # fmt: skip
