"""Generative priors: network families, the official weights they load, and small ones trained here.

This file only registers them.
"""

from __future__ import annotations

from collections.abc import Callable

from recgen_bench.harness.hookspecs import hookimpl
from recgen_bench.harness.registration import PackagedWeights, PriorInfo, WeightsInfo

LICENCE = "NVIDIA License (non-commercial) and Stability AI Community License"

DIFIX_DATA = ("dl3dv", "nvidia-rds")
"""112 of the 140 scenes of DL3DV-Benchmark (which is unpublished) and an internal NVIDIA driving set."""

EMBEDDED_DATA = ("street/1000-1999", "room/1000-1999")


def _published(name: str, hub: str) -> tuple[WeightsInfo, ...]:
    """Return the five files of a published folder; sizes in bytes, of the tokeniser those of CLIP's own."""
    return tuple(
        WeightsInfo(f"{name}-{part}", hub, file, "main", "", LICENCE, size)
        for part, file, size in (
            ("unet", "unet/diffusion_pytorch_model.safetensors", 3_463_700_000),
            ("vae", "vae/diffusion_pytorch_model.safetensors", 338_700_000),
            ("text", "text_encoder/model.safetensors", 1_361_600_000),
            ("vocabulary", "tokenizer/vocab.json", 1_060_000),
            ("merges", "tokenizer/merges.txt", 525_000),
        )
    )


DIFIX = _published("difix", "nvidia/difix")
DIFIX_REF = _published("difix-ref", "nvidia/difix_ref")

CURATE = "recgen_bench.methods.priors.curation.curate:curate"
TRAIN = "recgen_bench.methods.priors.training.train:train"

FAITHFUSION_EIG = WeightsInfo(
    "faithfusion-eig-model", "", "fusion_certainty/model_last.pkl", "", "", "not released", 3_500_000_000
)
FAITHFUSION_VIDEO = WeightsInfo(
    "faithfusion-video-branch", "", "faithfusion_video_branch.safetensors", "", "", "not released", 0
)

PRIORS = (
    PriorInfo(
        name="restorer",
        summary="Embedded one-step restorer that looks at a recorded frame; Difix's design at a small size.",
        target="recgen_bench.methods.priors.shipped:restorer",
        trained_on=EMBEDDED_DATA,
        packaged=(PackagedWeights(f"{__name__}.embedded", "restorer.safetensors", "Apache-2.0"),),
        curate=CURATE,
        train=TRAIN,
    ),
    PriorInfo(
        name="restorer-eig",
        summary="The embedded restorer conditioned on expected information gain, as in FaithFusion.",
        target="recgen_bench.methods.priors.shipped:restorer_eig",
        trained_on=EMBEDDED_DATA,
        packaged=(PackagedWeights(f"{__name__}.embedded", "restorer-eig.safetensors", "Apache-2.0"),),
        curate=CURATE,
        train=TRAIN,
    ),
    PriorInfo(
        name="difix",
        summary="nvidia/difix: one-step restorer from SD-Turbo that looks at the frame alone.",
        target="recgen_bench.methods.priors.official:difix",
        weights=DIFIX,
        trained_on=DIFIX_DATA,
    ),
    PriorInfo(
        name="difix-ref",
        summary="nvidia/difix_ref: one-step restorer from SD-Turbo that also looks at a recorded frame.",
        target="recgen_bench.methods.priors.official:difix_ref",
        weights=DIFIX_REF,
        trained_on=DIFIX_DATA,
    ),
    PriorInfo(
        name="faithfusion-eig",
        summary="FaithFusion's fixer, difix_ref conditioned on information gain; checkpoint not released.",
        target="recgen_bench.methods.priors.official:faithfusion_eig",
        # Its UNet replaces difix_ref's, of which the other files are needed.
        weights=(FAITHFUSION_EIG, *DIFIX_REF[1:]),
        trained_on=("waymo", *DIFIX_DATA),
    ),
    PriorInfo(
        name="faithfusion-video",
        summary="FaithFusion's video branch on CogVideoX; it cannot run, as its weights are not released.",
        target="recgen_bench.methods.priors.official:faithfusion_video",
        weights=(FAITHFUSION_VIDEO,),
        trained_on=("waymo",),
    ),
)


@hookimpl
def register_priors(register: Callable[[PriorInfo], None]) -> None:
    """Register the built-in priors."""
    for prior in PRIORS:
        register(prior)
