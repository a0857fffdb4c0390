"""The built-in metrics, one module each; registered here without importing any of them.

Only metrics with a mask policy in their name look at `Pair.mask`: the policy changes what a number means.
"""

from __future__ import annotations

from collections.abc import Callable

from recgen_bench.harness.hookspecs import hookimpl
from recgen_bench.harness.registration import MetricInfo

_DEPTH = frozenset({"depth"})

METRICS = (
    MetricInfo(
        name="psnr",
        summary="Peak signal-to-noise ratio of 8-bit images, all pixels and channels; equal images give inf.",
        target="recgen_bench.metrics.psnr:psnr",
        unit="dB",
        bounds=(0.0, float("inf")),
        digits=2,
    ),
    MetricInfo(
        name="psnr_masked/select",
        summary="psnr over the pixels that the mask selects, and no others.",
        target="recgen_bench.metrics.psnr:psnr_masked_select",
        unit="dB",
        bounds=(0.0, float("inf")),
        needs=frozenset({"mask"}),
        digits=2,
    ),
    MetricInfo(
        name="ssim",
        summary="Structural similarity, 11x11 Gaussian window (sigma 1.5) inside the image (mip-NeRF).",
        target="recgen_bench.metrics.ssim:ssim",
        bounds=(-1.0, 1.0),
    ),
    MetricInfo(
        name="ssim_3dgs",
        summary="Structural similarity, 11x11 Gaussian window (sigma 1.5), zeros beyond the border (3DGS).",
        target="recgen_bench.metrics.ssim:ssim_3dgs",
        bounds=(-1.0, 1.0),
    ),
    MetricInfo(
        name="ssim_uniform7",
        summary="Structural similarity, 7x7 uniform window, sample covariance (scikit-image, DriveStudio).",
        target="recgen_bench.metrics.ssim:ssim_uniform7",
        bounds=(-1.0, 1.0),
    ),
    MetricInfo(
        name="depth_abs_rel",
        summary="Mean of |d - g| / g over pixels of known depth g; a pixel not rendered counts as 1.",
        target="recgen_bench.metrics.depth:depth_abs_rel",
        direction="lower",
        bounds=(0.0, float("inf")),
        needs=_DEPTH,
    ),
    MetricInfo(
        name="depth_rmse",
        summary="Root mean square of d - g over pixels of known depth g; a pixel not rendered has d = 0.",
        target="recgen_bench.metrics.depth:depth_rmse",
        direction="lower",
        unit="m",
        bounds=(0.0, float("inf")),
        needs=_DEPTH,
        digits=2,
    ),
    MetricInfo(
        name="depth_abs_rel_80m",
        summary="As depth_abs_rel, for reference depths up to 80 m; predictions are clipped to 80 m.",
        target="recgen_bench.metrics.depth:depth_abs_rel_80m",
        direction="lower",
        bounds=(0.0, float("inf")),
        needs=_DEPTH,
    ),
    MetricInfo(
        name="depth_rmse_80m",
        summary="As depth_rmse, for reference depths up to 80 m; predictions are clipped to 80 m.",
        target="recgen_bench.metrics.depth:depth_rmse_80m",
        direction="lower",
        unit="m",
        bounds=(0.0, 80.0),
        needs=_DEPTH,
        digits=2,
    ),
    MetricInfo(
        name="depth_delta1",
        summary="Share of pixels of known depth g with max(d / g, g / d) < 1.25; not rendered is a miss.",
        target="recgen_bench.metrics.depth:depth_delta1",
        bounds=(0.0, 1.0),
        needs=_DEPTH,
    ),
)


@hookimpl
def register_metrics(register: Callable[[MetricInfo], None]) -> None:
    """Register the metrics of this folder."""
    for info in METRICS:
        register(info)
