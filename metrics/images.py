"""The metrics of one rendered image and its reference, as they are registered.

Only metrics with a mask policy in their name look at `Pair.mask`: the policy changes what a number means.
Variants never share a column, because their values differ by more than the methods do.
"""

from __future__ import annotations

from recgen_bench.harness.registration import MetricInfo
from recgen_bench.metrics.published import ALEXNET, VGG16

DECIBELS = (0.0, float("inf"))
SIMILARITY = (-1.0, 1.0)
DISTANCE = (0.0, float("inf"))
_DEPTH = frozenset({"depth"})
_MASK = frozenset({"mask"})

PIXELS = (
    MetricInfo(
        name="psnr",
        summary="Peak signal-to-noise ratio, images rounded to 8 bits, all pixels; equal images give inf.",
        target="recgen_bench.metrics.psnr:psnr",
        unit="dB",
        bounds=DECIBELS,
        digits=2,
    ),
    MetricInfo(
        name="psnr_masked/select",
        summary="psnr over the pixels that the mask selects, and no others (DriveStudio, DTU).",
        target="recgen_bench.metrics.psnr:psnr_masked_select",
        unit="dB",
        bounds=DECIBELS,
        needs=_MASK,
        digits=2,
    ),
    MetricInfo(
        name="psnr_masked/multiply",
        summary="psnr over all pixels of image times mask (NeRFBaselines); higher the less is covered.",
        target="recgen_bench.metrics.psnr:psnr_masked_multiply",
        unit="dB",
        bounds=DECIBELS,
        needs=_MASK,
        digits=2,
    ),
)

STRUCTURE = (
    MetricInfo(
        name="ssim",
        summary="Structural similarity, 11x11 Gaussian window (sigma 1.5) inside the image (mip-NeRF).",
        target="recgen_bench.metrics.ssim:ssim",
        bounds=SIMILARITY,
    ),
    MetricInfo(
        name="ssim_3dgs",
        summary="Structural similarity, 11x11 Gaussian window (sigma 1.5), zeros beyond the border (3DGS).",
        target="recgen_bench.metrics.ssim:ssim_3dgs",
        bounds=SIMILARITY,
    ),
    MetricInfo(
        name="ssim_uniform7",
        summary="Structural similarity, 7x7 uniform window, sample covariance (scikit-image, DriveStudio).",
        target="recgen_bench.metrics.ssim:ssim_uniform7",
        bounds=SIMILARITY,
    ),
    MetricInfo(
        name="ssim_uniform7_masked/select",
        summary="Mean over the mask's pixels of the whole image's ssim_uniform7 map (DriveStudio).",
        target="recgen_bench.metrics.ssim:ssim_uniform7_masked_select",
        bounds=SIMILARITY,
        needs=_MASK,
    ),
    MetricInfo(
        name="ssim_3dgs_masked/white",
        summary="ssim_3dgs of both images painted white outside the mask.",
        target="recgen_bench.metrics.ssim:ssim_3dgs_masked_white",
        bounds=SIMILARITY,
        needs=_MASK,
    ),
    MetricInfo(
        name="ssim_3dgs_masked/black",
        summary="ssim_3dgs of both images painted black outside the mask.",
        target="recgen_bench.metrics.ssim:ssim_3dgs_masked_black",
        bounds=SIMILARITY,
        needs=_MASK,
    ),
    MetricInfo(
        name="gmsd",
        summary="Gradient magnitude similarity deviation of luma at half size (Xue et al. 2014).",
        target="recgen_bench.metrics.gradients:gmsd",
        direction="lower",
        bounds=(0.0, 1.0),
        digits=4,
    ),
    MetricInfo(
        name="sharpness_ratio",
        summary="Smaller over larger mean squared luma gradient: 1 is as sharp as the reference.",
        target="recgen_bench.metrics.gradients:sharpness_ratio",
        bounds=(0.0, 1.0),
    ),
)

PERCEPTUAL = (
    MetricInfo(
        name="lpips_alex",
        summary="LPIPS v0.1 on AlexNet, input in [-1, 1] (NeRFBaselines, DriveStudio, nerfstudio).",
        target="recgen_bench.metrics.lpips:lpips_alex",
        direction="lower",
        bounds=DISTANCE,
        weights=(ALEXNET,),
    ),
    MetricInfo(
        name="lpips_vgg",
        summary="LPIPS v0.1 on VGG-16, input in [-1, 1].",
        target="recgen_bench.metrics.lpips:lpips_vgg",
        direction="lower",
        bounds=DISTANCE,
        weights=(VGG16,),
    ),
    MetricInfo(
        name="lpips_vgg_3dgs",
        summary="LPIPS v0.1 on VGG-16, input in [0, 1] (3DGS); reads lower than lpips_vgg.",
        target="recgen_bench.metrics.lpips:lpips_vgg_3dgs",
        direction="lower",
        bounds=DISTANCE,
        weights=(VGG16,),
    ),
    MetricInfo(
        name="avge_image/alex",
        summary="Cube root of MSE sqrt(1 - ssim) lpips_alex per image (mip-NeRF's average error).",
        target="recgen_bench.metrics.avge:avge_image_alex",
        direction="lower",
        bounds=DISTANCE,
        weights=(ALEXNET,),
    ),
    MetricInfo(
        name="avge_image/vgg",
        summary="Cube root of MSE sqrt(1 - ssim) lpips_vgg per image (mip-NeRF's average error).",
        target="recgen_bench.metrics.avge:avge_image_vgg",
        direction="lower",
        bounds=DISTANCE,
        weights=(VGG16,),
    ),
    MetricInfo(
        name="avge_image/3dgs",
        summary="Cube root of MSE sqrt(1 - ssim_3dgs) lpips_vgg_3dgs per image (few-view papers on 3DGS).",
        target="recgen_bench.metrics.avge:avge_image_3dgs",
        direction="lower",
        bounds=DISTANCE,
        weights=(VGG16,),
    ),
)

DEPTH = (
    MetricInfo(
        name="depth_abs_rel",
        summary="Mean of |d - g| / g over pixels of known depth g; a pixel not rendered counts as 1.",
        target="recgen_bench.metrics.depth:depth_abs_rel",
        direction="lower",
        bounds=DISTANCE,
        needs=_DEPTH,
    ),
    MetricInfo(
        name="depth_rmse",
        summary="Root mean square of d - g over pixels of known depth g; a pixel not rendered has d = 0.",
        target="recgen_bench.metrics.depth:depth_rmse",
        direction="lower",
        unit="m",
        bounds=DISTANCE,
        needs=_DEPTH,
        digits=2,
    ),
    MetricInfo(
        name="depth_abs_rel_80m",
        summary="As depth_abs_rel, for reference depths up to 80 m; predictions are clipped to 80 m.",
        target="recgen_bench.metrics.depth:depth_abs_rel_80m",
        direction="lower",
        bounds=DISTANCE,
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

IMAGES = (*PIXELS, *STRUCTURE, *PERCEPTUAL, *DEPTH)
