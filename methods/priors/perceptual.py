"""LPIPS on VGG-16 as a loss: differentiable, for batches, sharing its trunk with the Gram loss.

The metric of the same name is in `recgen_bench.metrics.lpips`; heads come from the package lpips.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from recgen_bench.harness.errors import DataError
from recgen_bench.methods.priors.vgg import TAPS, read_pickle, tapped

EPSILON = 1e-10


class PerceptualLoss(nn.Module):
    """LPIPS v0.1 (Zhang et al. 2018, arXiv:1801.03924), mean over the batch.

    Args:
        vgg: Layers 0 to 29 of VGG-16's `features`, frozen.
    """

    def __init__(self, vgg: nn.Sequential) -> None:
        super().__init__()
        self.vgg = vgg
        for index, head in enumerate(_heads()):
            self.register_buffer(f"head{index}", head, persistent=False)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the distance of images (B, 3, H, W) in [0, 1], scaled to [-1, 1] as the heads expect."""
        made, wanted = (tapped(self.vgg, _scaled(images)) for images in (prediction, target))
        total = prediction.new_zeros(())
        for index, (first, second) in enumerate(zip(made, wanted, strict=True)):
            weighted = self.get_buffer(f"head{index}") * (_unit(first) - _unit(second)).square()
            total = total + weighted.sum(dim=1).mean()
        return total


def _heads() -> list[Tensor]:
    """Return the (1, C, 1, 1) channel weights that the package lpips ships for VGG-16.

    Raises:
        DataError: The package is not installed, or its file is not the expected one.
    """
    spec = importlib.util.find_spec("lpips")
    if spec is None or spec.origin is None:
        raise DataError("the package lpips is not installed", hint="pip install lpips")
    path = Path(spec.origin).parent / "weights" / "v0.1" / "vgg.pth"
    state = read_pickle(path)
    names = [f"lin{index}.model.1.weight" for index in range(len(TAPS))]
    if not isinstance(state, Mapping) or any(name not in state for name in names):
        raise DataError("not the heads of LPIPS v0.1", hint="reinstall the package lpips", where=str(path))
    return [state[name] for name in names]


def _scaled(images: Tensor) -> Tensor:
    shift = images.new_tensor((-0.030, -0.088, -0.188)).reshape(3, 1, 1)
    scale = images.new_tensor((0.458, 0.448, 0.450)).reshape(3, 1, 1)
    return (images * 2 - 1 - shift) / scale


def _unit(features: Tensor) -> Tensor:
    # The epsilon inside keeps the gradient finite where all channels are zero; the value changes by 1e-10.
    return features / (torch.sqrt(features.square().sum(dim=1, keepdim=True) + EPSILON**2) + EPSILON)
