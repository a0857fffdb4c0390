"""AVGE, the average error of few-view papers: the geometric mean of MSE, sqrt(1 - SSIM) and LPIPS.

mip-NeRF's form (Barron et al. 2021, arXiv:2103.13415): the cube root of 10^(-PSNR / 10) sqrt(1 - SSIM) LPIPS.
Its author later named sqrt((1 - SSIM) / 2) as what was meant, which is the same number times 0.891; the
papers of the field use the form without the half. The variants name the LPIPS that they contain; `3dgs`
contains `ssim_3dgs` besides.

`avge_image` is computed per image and averaged by tables; `avge_scene` is computed from the means of PSNR,
SSIM and LPIPS over the images. The two differ, and papers do not say which they print.

An image that is equal to its reference has an AVGE of 0. In the means of a scene its infinite PSNR counts as
120 dB, which no two different images of up to 5 megapixels reach.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recgen_bench.harness.pair import ImageMetric, Pair
from recgen_bench.harness.track import SceneValue, Track
from recgen_bench.harness.weights import file_hash
from recgen_bench.metrics.lpips import lpips_alex, lpips_vgg, lpips_vgg_3dgs
from recgen_bench.metrics.psnr import psnr
from recgen_bench.metrics.published import ALEXNET, VGG16
from recgen_bench.metrics.ssim import ssim, ssim_3dgs

Weights = Callable[[str], Path]

PERFECT = 120.0
"""dB."""

MEANS = ("psnr", "ssim", "lpips")
VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class Ingredients:
    """What an AVGE is made of: a similarity, and LPIPS with its factory, its name and that of its weights."""

    ssim: ImageMetric
    lpips: Callable[[Weights, str], ImageMetric]
    name: str
    weights: str


ALEX = Ingredients(ssim, lpips_alex, "lpips_alex", ALEXNET.name)
VGG = Ingredients(ssim, lpips_vgg, "lpips_vgg", VGG16.name)
VGG_3DGS = Ingredients(ssim_3dgs, lpips_vgg_3dgs, "lpips_vgg_3dgs", VGG16.name)


def avge(psnr: float, ssim: float, lpips: float) -> float:
    """Return the cube root of 10^(-psnr / 10) sqrt(1 - ssim) lpips, 0 when a factor is.

    >>> round(avge(20.44, 0.702, 0.207), 3)
    0.101
    """
    # Rounding can leave SSIM above 1 or LPIPS below 0 by a last digit.
    factors = 10 ** (-psnr / 10), math.sqrt(max(0.0, 1 - ssim)), max(0.0, lpips)
    return math.cbrt(math.prod(factors))


def avge_image_alex(weights: Weights, device: str) -> ImageMetric:
    """Return AVGE of one image from psnr, ssim and lpips_alex."""
    return _per_image(ALEX, weights, device)


def avge_image_vgg(weights: Weights, device: str) -> ImageMetric:
    """Return AVGE of one image from psnr, ssim and lpips_vgg."""
    return _per_image(VGG, weights, device)


def avge_image_3dgs(weights: Weights, device: str) -> ImageMetric:
    """Return AVGE of one image from psnr, ssim_3dgs and lpips_vgg_3dgs (3DGS)."""
    return _per_image(VGG_3DGS, weights, device)


def avge_scene_alex(track: Track) -> SceneValue:
    """Return AVGE from the scene's means of psnr, ssim and lpips_alex."""
    return _of_means(ALEX, track)


def avge_scene_vgg(track: Track) -> SceneValue:
    """Return AVGE from the scene's means of psnr, ssim and lpips_vgg."""
    return _of_means(VGG, track)


def avge_scene_3dgs(track: Track) -> SceneValue:
    """Return AVGE from the scene's means of psnr, ssim_3dgs and lpips_vgg_3dgs (3DGS)."""
    return _of_means(VGG_3DGS, track)


def from_views(per_view: Mapping[str, Mapping[str, float]]) -> float:
    """Return the value that follows from a record's statistics: AVGE of the means over its views."""
    return avge(**_means(per_view))


def _means(per_view: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    return {name: math.fsum(row[name] for row in per_view.values()) / len(per_view) for name in MEANS}


def _per_image(ingredients: Ingredients, weights: Weights, device: str) -> ImageMetric:
    lpips = ingredients.lpips(weights, device)
    return lambda pair: avge(psnr(pair), ingredients.ssim(pair), lpips(pair))


def _of_means(ingredients: Ingredients, track: Track) -> SceneValue:
    """Return AVGE of the means over all frames with a reference."""
    compared = [(frame.view, frame.prediction, frame.reference) for frame in track.frames if frame.reference]
    if not compared:
        return SceneValue(None, 0, reason="no frame has a reference")
    digest = file_hash(track.weights(ingredients.weights))
    lpips = ingredients.lpips(track.weights, track.device)
    per_view = {}
    for view, prediction, reference in compared:
        pair = Pair(prediction.read(), reference.read())
        distance = track.stored(
            f"{ingredients.name}/v{VERSION}/{digest[:16]}",
            f"{prediction.digest} {reference.digest}",
            lambda pair=pair: np.array([lpips(pair)]),  # type: ignore[misc] # Binds the pair of this turn.
        )
        per_view[view] = {
            "psnr": min(psnr(pair), PERFECT),
            "ssim": ingredients.ssim(pair),
            "lpips": float(distance[0]),
        }
    means = _means(per_view)
    perfect = sum(row["psnr"] == PERFECT for row in per_view.values())
    return SceneValue(
        avge(**means),
        len(per_view),
        parts={**means, "perfect": float(perfect)},
        facts={"lpips": ingredients.name, "weights": digest},
        per_view=per_view,
    )
