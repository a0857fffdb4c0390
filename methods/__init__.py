"""The methods: one module per paper, and the rooms they share. This file only registers them."""

from __future__ import annotations

from collections.abc import Callable

from recgen_bench.harness.hookspecs import hookimpl
from recgen_bench.harness.registration import CheckInfo, MethodInfo

KERBL_2023 = (
    "Kerbl, Kopanas, Leimkuehler, Drettakis: 3D Gaussian Splatting for Real-Time Radiance Field Rendering. "
    "ACM Transactions on Graphics 42(4), 2023. doi:10.1145/3592433"
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


@hookimpl
def register_checks(register: Callable[[CheckInfo], None]) -> None:
    """Register the check for the compiled rasteriser."""
    register(CheckInfo("rasteriser", "recgen_bench.methods.splats.native:describe"))
