"""The loss of embedded restorers: the published terms, and three of ours for untrained networks."""

from __future__ import annotations

import torch
from torch import Tensor

from recgen_bench.methods.priors.losses import RestorationLoss
from recgen_bench.methods.priors.training.recipe import TrainingRecipe

FLOOR = 3e-4
"""Squared error from which a render counts as good: 35 dB."""


class Objective:
    """The published terms (L2, LPIPS, Gram, see `losses.py`) plus three of ours, whose weights may be 0.

    relative: what is left of each render's squared error, on average. L2 alone is ruled by the worst frames,
        while PSNR is averaged over frames; this makes good frames worth keeping.
    l1: mean absolute difference.
    edges: mean absolute difference of the differences between neighbouring pixels, for thin paint.

    Args:
        published: The published terms whose networks are on this machine.
        recipe: Weights of the others.
    """

    def __init__(self, published: RestorationLoss, recipe: TrainingRecipe) -> None:
        self._published = published
        self._recipe = recipe
        ours = {name: getattr(recipe, name) for name in ("relative", "l1", "edges")}
        self.terms = (
            *published.terms,
            *(f"{name} {value:g} (ours)" for name, value in ours.items() if value),
        )

    def __call__(
        self, made: Tensor, target: Tensor, render: Tensor, step: int, generator: torch.Generator
    ) -> Tensor:
        """Return the loss of frames (B, 3, H, W) in [0, 1]; the generator places the Gram window."""
        recipe = self._recipe
        total = self._published(made, target, step, generator).total
        if recipe.relative:
            before, after = (_squared(image, target) for image in (render, made))
            total = total + recipe.relative * (after / (before + FLOOR)).mean()
        if recipe.l1:
            total = total + recipe.l1 * (made - target).abs().mean()
        if recipe.edges:
            for axis in (-2, -1):
                difference = (made - target).diff(dim=axis)
                total = total + recipe.edges * difference.abs().mean()
        return total


def _squared(image: Tensor, target: Tensor) -> Tensor:
    """Return the (B,) mean squared differences."""
    return (image - target).square().flatten(1).mean(dim=1)
