"""From expected information gain to loss weights, generator inputs, and maps that compare across scenes.

Maps of the released code's semantics (`fisherrf`) have thresholds of their own, which depend on the scene, as
its README says. Maps of the exact semantics are first divided by the mean gain of a training pixel
(`Information.typical`): the ratio has no unit and depends neither on the scale of the world nor on the
contrast or the number of the images. About 1 is as well known as the training views; 100 was hardly seen.
Everywhere, pixels without Gaussians (EMPTY) count as least known.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from recgen_bench.harness.errors import MethodFailed
from recgen_bench.methods.splats.eig import EMPTY, REGULARISER, Information, Prior

STEPS = ((0.05, 0.3), (0.2, 0.7), (1.0, 1.0))
"""Thresholds of the released code and the weight from each one on; below the first it is `LEAST`."""

LEAST = 0.1
"""Weight of well known pixels in the released code."""

UNSEEN = 99.0
"""The released code takes values above this for its mark of empty pixels."""

TAU = 0.4
"""FaithFusion's threshold between under-constrained (UCR) and high-precision regions (HPR)."""

SATURATION = 100.0
"""Gain in units of a typical training pixel from which `unit` is 1."""


def steps(eig: Tensor) -> Tensor:
    """Return the released code's weights of an L1 loss: 0.1, 0.3 from 0.05, 0.7 from 0.2, 1 from 1.0 on.

    Source: the weighting lines of FaithFusion's compute_losses. Compared in float32: the float32 nearest to
    0.05 already gets 0.3.

    Args:
        eig: Of any shape; EMPTY gets 1.
    """
    weights = torch.full_like(eig, LEAST, dtype=torch.float32)
    for threshold, weight in STEPS:
        weights = torch.where(eig.float() >= threshold, weight, weights)
    return weights


def generator_input(eig: Tensor, threshold: float = 1.0) -> Tensor:
    """Return the released code's input of its generators, min(EIG, threshold) / threshold, 1 above 99.

    Args:
        eig: Of any shape.
        threshold: 1.0 for the per-frame fixer, 0.1 for the video branch.
    """
    if not threshold > 0:
        raise MethodFailed("the threshold of a generator's input must be positive", got=threshold)
    scaled = eig.float().clamp_max(threshold) / threshold
    return torch.where(eig > UNSEEN, 1.0, scaled)


def normalised(eig: Tensor) -> Tensor:
    """Return a map stretched to [0, 1] by its own least and largest value, 1 where it is EMPTY.

    FaithFusion's paper weighs with "the normalised EIG map" and does not say how it normalises; this is the
    plain reading. A map of one value gives 0.
    """
    empty = eig == EMPTY
    seen = eig[~empty]
    if not seen.numel():
        return torch.ones_like(eig)
    low, high = seen.min(), seen.max()
    return torch.where(empty, 1.0, ((eig - low) / (high - low).clamp_min(1e-12)).clamp(0, 1))


def relative(eig: Tensor, information: Information, regulariser: float | Prior = REGULARISER) -> Tensor:
    """Return exact EIG in units of a typical training pixel, infinity where it is EMPTY.

    Raises:
        MethodFailed: The information is not exact, or it says nothing of any parameter.
    """
    typical = information.typical(regulariser)
    if not typical > 0:
        raise MethodFailed("no view tells anything of the Gaussians", got=f"typical gain {typical:g}")
    return torch.where(eig == EMPTY, math.inf, eig / typical)


def unit(eig: Tensor, information: Information, regulariser: float | Prior = REGULARISER) -> Tensor:
    """Return a map in [0, 1], 1 where it is EMPTY, that a network or a threshold can take.

    For exact information log(1 + g) / log(101) of the relative gain g, at most 1: comparable across scenes.
    A typical training pixel gets 0.15, one of five times its gain 0.39 (about TAU), one of a hundred times 1.
    For fisherrf the generator's input of the released code, min(EIG, 1).

    Args:
        eig: (..., H, W) as `eig_map` returns it.
        information: What the map was computed from.
        regulariser: What the map was computed with.
    """
    if information.semantics == "fisherrf":
        return generator_input(eig)
    gain = relative(eig, information, regulariser)
    return (gain.log1p() / math.log1p(SATURATION)).clamp_max(1)


def pixel_weights(eig: Tensor, information: Information, kind: Literal["steps", "continuous"]) -> Tensor:
    """Return the loss weight of each pixel of a pseudo-view, in [0, 1], 1 where it is EMPTY.

    Args:
        eig: (H, W) as `eig_map` returns it.
        information: What the map was computed from.
        kind: "continuous" (FaithFusion's paper): `unit` for exact information, `normalised` for fisherrf.
            "steps" (its code): the four weights; exact maps are measured against the same thresholds after
            `unit`, whose TAU lies within the third step.

    Raises:
        MethodFailed: The kind is unknown.
    """
    exact = information.semantics == "exact"
    if kind == "continuous":
        return unit(eig, information) if exact else normalised(eig)
    if kind == "steps":
        return steps(unit(eig, information) if exact else eig)
    raise MethodFailed("unknown kind of pixel weights", got=kind, expected="steps or continuous")


def under_constrained(eig: Tensor, information: Information, tau: float = TAU) -> Tensor:
    """Return (H, W) bool, True in the under-constrained region (UCR); the rest is high-precision (HPR).

    FaithFusion splits at tau = 0.4 of its EIG; exact maps are split after `unit`. EMPTY pixels are UCR.
    """
    return (unit(eig, information) if information.semantics == "exact" else eig) > tau
