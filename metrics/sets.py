"""The metrics of all frames of a scene that need no labels, as they are registered.

Ids ending in `/embedded` use this project's own small network and are no FID and no KID; the published
numbers are those with `pytorch-fid` in their id.
"""

from __future__ import annotations

from recgen_bench.harness.registration import MetricInfo
from recgen_bench.metrics.published import ALEXNET, INCEPTION, VGG16

DISTANCE = (0.0, float("inf"))
UNBIASED = (float("-inf"), float("inf"))

DISTRIBUTIONS = (
    MetricInfo(
        name="fid/pytorch-fid",
        summary="Fréchet inception distance from the real set, Inception and bilinear resize of pytorch-fid.",
        target="recgen_bench.metrics.fid:fid_pytorch_fid",
        direction="lower",
        bounds=DISTANCE,
        digits=2,
        scope="scene",
        weights=(INCEPTION,),
    ),
    MetricInfo(
        name="fid/antialias",
        summary="As fid/pytorch-fid, after an antialiased resize.",
        target="recgen_bench.metrics.fid:fid_antialias",
        direction="lower",
        bounds=DISTANCE,
        digits=2,
        scope="scene",
        weights=(INCEPTION,),
    ),
    MetricInfo(
        name="fid/embedded",
        summary="Fréchet distance from the real set in the features of the embedded eye; not FID.",
        target="recgen_bench.metrics.fid:fid_embedded",
        direction="lower",
        bounds=DISTANCE,
        scope="scene",
    ),
    MetricInfo(
        name="kid/pytorch-fid",
        summary="Kernel inception distance on the features of fid/pytorch-fid, all pairs, with interval.",
        target="recgen_bench.metrics.fid:kid_pytorch_fid",
        direction="lower",
        bounds=UNBIASED,
        digits=4,
        scope="scene",
        weights=(INCEPTION,),
    ),
    MetricInfo(
        name="kid/embedded",
        summary="Kernel distance from the real set in the features of the embedded eye; not KID.",
        target="recgen_bench.metrics.fid:kid_embedded",
        direction="lower",
        bounds=UNBIASED,
        digits=4,
        scope="scene",
    ),
)

REGIONS = (
    MetricInfo(
        name="fid_ucr/pytorch-fid",
        summary="fid/pytorch-fid of the pixels with information gain above 0.4, others grey.",
        target="recgen_bench.metrics.fid_regions:fid_ucr_pytorch_fid",
        direction="lower",
        bounds=DISTANCE,
        digits=2,
        scope="scene",
        weights=(INCEPTION,),
    ),
    MetricInfo(
        name="fid_hpr/pytorch-fid",
        summary="fid/pytorch-fid of the pixels with information gain up to 0.4, others grey.",
        target="recgen_bench.metrics.fid_regions:fid_hpr_pytorch_fid",
        direction="lower",
        bounds=DISTANCE,
        digits=2,
        scope="scene",
        weights=(INCEPTION,),
    ),
    MetricInfo(
        name="fid_ucr/embedded",
        summary="fid/embedded of the pixels with information gain above 0.4, others grey; not FID.",
        target="recgen_bench.metrics.fid_regions:fid_ucr_embedded",
        direction="lower",
        bounds=DISTANCE,
        scope="scene",
    ),
    MetricInfo(
        name="fid_hpr/embedded",
        summary="fid/embedded of the pixels with information gain up to 0.4, others grey; not FID.",
        target="recgen_bench.metrics.fid_regions:fid_hpr_embedded",
        direction="lower",
        bounds=DISTANCE,
        scope="scene",
    ),
)

TRACKS = (
    MetricInfo(
        name="warp_l1/depth",
        summary="Mean absolute difference of neighbouring frames, warped by rendered depth.",
        target="recgen_bench.metrics.temporal:warp_l1_depth",
        direction="lower",
        bounds=(0.0, 1.0),
        needs=frozenset({"depth"}),
        digits=4,
        scope="scene",
        aggregate="recgen_bench.metrics.temporal:from_views",
    ),
    MetricInfo(
        name="avge_scene/alex",
        summary="Cube root of MSE sqrt(1 - ssim) lpips_alex from the scene's means of the three.",
        target="recgen_bench.metrics.avge:avge_scene_alex",
        direction="lower",
        bounds=DISTANCE,
        scope="scene",
        weights=(ALEXNET,),
        aggregate="recgen_bench.metrics.avge:from_views",
    ),
    MetricInfo(
        name="avge_scene/vgg",
        summary="Cube root of MSE sqrt(1 - ssim) lpips_vgg from the scene's means of the three.",
        target="recgen_bench.metrics.avge:avge_scene_vgg",
        direction="lower",
        bounds=DISTANCE,
        scope="scene",
        weights=(VGG16,),
        aggregate="recgen_bench.metrics.avge:from_views",
    ),
    MetricInfo(
        name="avge_scene/3dgs",
        summary="As avge_scene/vgg, from ssim_3dgs and lpips_vgg_3dgs.",
        target="recgen_bench.metrics.avge:avge_scene_3dgs",
        direction="lower",
        bounds=DISTANCE,
        scope="scene",
        weights=(VGG16,),
        aggregate="recgen_bench.metrics.avge:from_views",
    ),
)

SETS = (*DISTRIBUTIONS, *REGIONS, *TRACKS)
