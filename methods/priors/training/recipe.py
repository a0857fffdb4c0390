"""Everything that can be chosen about training a restorer, as one flat record that `--set` can override."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from recgen_bench.harness.errors import RecgenError


@dataclass(frozen=True)
class TrainingRecipe:
    """Hyper-parameters of training.

    The published values are AdamW at 2e-5 (betas 0.9, 0.999, decay 0.01), clipping at 1, batch 1; they belong
    to a network that was trained before. The defaults here are for embedded ones, which begin untrained.

    Attributes:
        batch: Examples per step.
        crop_height: Of random windows in pixels, 0 for whole frames; a multiple of the network's.
        crop_width: The same across.
        jitter: Each colour channel of a pair is multiplied by 1 give or take this much.
        rate: Learning rate at its height.
        rate_end: At the last step, cosine in between.
        warm_up: Steps over which the rate rises from 0.
        decay: AdamW's weight decay.
        second: AdamW's second beta.
        clip: Largest norm of the gradient.
        average: Decay of the moving average of the weights that is kept; 0 keeps the last ones.
        l2: Weight of the published L2.
        lpips: Weight of the published LPIPS.
        gram: Weight of the published Gram term; the release has 1.0.
        gram_from: First step with a Gram term; the release has 2000.
        relative: Weight of the remaining share of squared error, ours; see `objective.py`.
        l1: Weight of the absolute difference, ours.
        edges: Weight of the absolute difference of neighbour differences, ours.
        precision: "bf16" runs matrix products in bfloat16, which is faster where the processor has them.
        validate_every: Steps between validations.
        resident: Archives in memory at a time.
    """

    batch: int = 4
    crop_height: int = 0
    crop_width: int = 0
    jitter: float = 0.0
    rate: float = 1e-3
    rate_end: float = 1e-5
    warm_up: int = 50
    decay: float = 1e-2
    second: float = 0.99
    clip: float = 1.0
    average: float = 0.995
    l2: float = 1.0
    lpips: float = 1.0
    gram: float = 0.5
    gram_from: int = 0
    relative: float = 0.01
    l1: float = 0.02
    edges: float = 0.02
    precision: Literal["float32", "bf16"] = "float32"
    validate_every: int = 500
    resident: int = 96

    def __post_init__(self) -> None:
        for name in ("batch", "rate", "clip", "validate_every", "resident"):
            if not getattr(self, name) > 0:
                raise RecgenError(f"{name} must be positive", got=getattr(self, name))
        for name in (
            "crop_height",
            "crop_width",
            "warm_up",
            "rate_end",
            "decay",
            "relative",
            "l1",
            "edges",
            "jitter",
        ):
            if not getattr(self, name) >= 0:
                raise RecgenError(f"{name} must not be negative", got=getattr(self, name))
        for name in ("average", "second"):
            if not 0 <= getattr(self, name) < 1:
                raise RecgenError(f"{name} is out of range", got=getattr(self, name), expected="0 to below 1")
