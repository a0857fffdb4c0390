"""The methods: one module per paper, and the rooms they share. This file only registers them."""

from __future__ import annotations

from collections.abc import Callable

from recgen_bench.harness.hookspecs import hookimpl
from recgen_bench.harness.registration import CheckInfo, MethodInfo

KERBL_2023 = (
    "Kerbl, Kopanas, Leimkuehler, Drettakis: 3D Gaussian Splatting for Real-Time Radiance Field Rendering. "
    "ACM Transactions on Graphics 42(4), 2023. doi:10.1145/3592433"
)
WU_2025 = (
    "Wu et al.: Difix3D+: Improving 3D Reconstructions with Single-Step Diffusion Models. CVPR 2025. "
    "arXiv:2503.01774"
)
FAITHFUSION_2025 = (
    "FaithFusion: Harmonizing Reconstruction and Generation via Pixel-wise Information Gain. CVPR 2026. "
    "arXiv:2511.21113"
)


@hookimpl
def register_methods(register: Callable[[MethodInfo], None]) -> None:
    """Register the built-in methods."""
    register(
        MethodInfo(
            name="3dgs",
            summary="Plain 3D Gaussian splatting; static background, tracked rigid actors and sky.",
            target="recgen_bench.methods.gaussian_splatting:GaussianSplatting",
            presets=("paper", "quick", "demo"),
            paper=KERBL_2023,
            licence="Apache-2.0 (this implementation)",
            per_shift=False,
        )
    )
    register(
        MethodInfo(
            name="difix3d",
            summary="3dgs that distils renders repaired by a one-step restorer on the way to the test poses.",
            target="recgen_bench.methods.difix3d:Difix3D",
            presets=("paper", "code", "demo"),
            paper=WU_2025,
            licence="NVIDIA License, non-commercial (the authors' release); Apache-2.0 (this implementation)",
        )
    )
    register(
        MethodInfo(
            name="difix3d+",
            summary="difix3d whose output frames go through the restorer once more.",
            target="recgen_bench.methods.difix3d:Difix3DPlus",
            presets=("paper", "code", "demo"),
            trains_as="difix3d",
            paper=WU_2025,
            licence="NVIDIA License, non-commercial (the authors' release); Apache-2.0 (this implementation)",
        )
    )
    register(
        MethodInfo(
            name="faithfusion",
            summary="3dgs that repairs and distils tracks shifted 1 m to 6 m, guided by information gain.",
            target="recgen_bench.methods.faithfusion:FaithFusion",
            presets=("paper", "code", "demo"),
            paper=FAITHFUSION_2025,
            licence="MIT (the authors' release); Apache-2.0 (this implementation)",
        )
    )


@hookimpl
def register_checks(register: Callable[[CheckInfo], None]) -> None:
    """Register the check for the compiled rasteriser."""
    register(CheckInfo("rasteriser", "recgen_bench.methods.splats.native:describe"))
