"""What a restorer is trained with: L2 + LPIPS + Gram, each perceptual term only where its network is.

Wu et al., Difix3D+ (arXiv 2503.01774), equation 3, with a Gram weight of 0.5. Release code differs: 1.0, from
step 2,000 on.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recgen_bench.methods.priors.gram import gram_loss, normalised, random_window
from recgen_bench.methods.priors.perceptual import PerceptualLoss


@dataclass(frozen=True, slots=True)
class LossWeights:
    """Weights of the terms; `gram_from` is the first step with a Gram term."""

    l2: float = 1.0
    lpips: float = 1.0
    gram: float = 0.5
    gram_from: int = 0


PAPER = LossWeights()
CODE = LossWeights(gram=1.0, gram_from=2000)


@dataclass(frozen=True, slots=True, eq=False)
class Loss:
    """One value of the loss: the weighted total, and the terms before weighting; None for an absent one."""

    total: Tensor
    l2: Tensor
    lpips: Tensor | None = None
    gram: Tensor | None = None


class RestorationLoss:
    """Compares restored frames with true ones.

    Args:
        weights: Of the terms.
        vgg: From `load_vgg`, on the device of the frames; None leaves out LPIPS and Gram.
    """

    def __init__(self, weights: LossWeights = PAPER, vgg: nn.Sequential | None = None) -> None:
        self.weights = weights
        self._vgg = vgg
        device = None if vgg is None else next(vgg.parameters()).device
        self._lpips = PerceptualLoss(vgg).to(device) if vgg is not None else None

    @property
    def terms(self) -> tuple[str, ...]:
        """The terms that are present, for the model card."""
        return ("l2",) if self._vgg is None else ("l2", "lpips", "gram")

    def __call__(self, prediction: Tensor, target: Tensor, step: int, generator: torch.Generator) -> Loss:
        """Return the loss of one batch.

        Args:
            prediction: (B, 3, H, W), nominally in [0, 1].
            target: (B, 3, H, W) in [0, 1].
            step: Of training, from 0.
            generator: Places the Gram window in frames larger than 400 pixels.
        """
        l2 = F.mse_loss(prediction, target)
        total, lpips, gram = self.weights.l2 * l2, None, None
        if self._lpips is not None and self.weights.lpips:
            lpips = self._lpips(prediction, target)
            total = total + self.weights.lpips * lpips
        if self._vgg is not None and self.weights.gram and step >= self.weights.gram_from:
            first, second = random_window(prediction, target, generator)
            gram = gram_loss(normalised(first), normalised(second), self._vgg)
            total = total + self.weights.gram * gram
        return Loss(total, l2, lpips, gram)
