"""The Gram-matrix loss: textures are compared by which features of VGG-16 occur together, not where.

Wu et al., Difix3D+ (arXiv 2503.01774), equation 3; constants as in its release.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recgen_bench.methods.priors.vgg import tapped

WEIGHTS = (1 / 2.6, 1 / 4.8, 1 / 3.7, 1 / 5.6, 10 / 1.5)
"""Of the five layers, relu1_2 to relu5_3."""

CROP = 400
"""Side in pixels of the random window that the release takes the loss on."""


def gram_matrix(features: Tensor) -> Tensor:
    """Return F F^T of features (B, D, H, W) as (B D, B D).

    Release code differs from the usual definition: batch and channels are one axis, so channels of different
    images are correlated as well.
    """
    flat = features.flatten(0, 1).flatten(1)
    return flat @ flat.T


def gram_loss(prediction: Tensor, target: Tensor, vgg: nn.Sequential) -> Tensor:
    """Return the sum over five layers of w mean((G_target - G_prediction)^2) / (d h w).

    Args:
        prediction: (B, 3, H, W), normalised for VGG; see `normalised`.
        target: (B, 3, H, W), likewise.
        vgg: Layers 0 to 29 of VGG-16's `features`.
    """
    total = prediction.new_zeros(())
    for weight, made, wanted in zip(WEIGHTS, tapped(vgg, prediction), tapped(vgg, target), strict=True):
        difference = gram_matrix(wanted) - gram_matrix(made)
        total = total + weight * difference.square().mean() / made[0].numel()
    return total


def normalised(images: Tensor) -> Tensor:
    """Return images (B, 3, H, W) in [0, 1] shifted and scaled by ImageNet's channel statistics."""
    mean = images.new_tensor((0.485, 0.456, 0.406)).reshape(3, 1, 1)
    deviation = images.new_tensor((0.229, 0.224, 0.225)).reshape(3, 1, 1)
    return (images - mean) / deviation


def random_window(first: Tensor, second: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return the same 400x400 window of two tensors (B, 3, H, W); a side that is shorter stays whole."""
    rows, columns = (
        int(torch.randint(max(side - CROP, 0) + 1, (), generator=generator)) for side in first.shape[-2:]
    )
    window = (..., slice(rows, rows + CROP), slice(columns, columns + CROP))
    return first[window], second[window]
