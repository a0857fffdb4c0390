"""The data sets: one module each. This file only registers them."""

from __future__ import annotations

from collections.abc import Callable

from recgen_bench.harness.hookspecs import hookimpl
from recgen_bench.harness.registration import CheckInfo, DatasetInfo


@hookimpl
def register_datasets(register: Callable[[DatasetInfo], None]) -> None:
    """Register the built-in data sets."""
    register(
        DatasetInfo(
            name="street",
            summary="Procedural driving street with ground truth at every pose; any non-negative integer is a scene.",
            target="recgen_bench.datasets.street.dataset:Street",
            protocol="street-laneshift",
            embedded=True,
            licence="Apache-2.0",
            obtain="Nothing to do: it is generated on this machine and cached.",
        )
    )
    register(
        DatasetInfo(
            name="colmap",
            summary="A capture with a COLMAP sparse model, binary or text.",
            target="recgen_bench.datasets.colmap:Colmap",
            protocol="heldout-8",
            licence="yours",
            obtain="Run COLMAP on your photographs.",
            layout="images/ [images_2/ images_4/ images_8/] sparse/0/{cameras,images,points3D}.{bin,txt}",
        )
    )
    register(
        DatasetInfo(
            name="nerfstudio",
            summary="A capture with a transforms.json, as nerfstudio and instant-ngp write it.",
            target="recgen_bench.datasets.nerfstudio:Nerfstudio",
            protocol="heldout-8",
            licence="yours",
            obtain="Run ns-process-data, or instant-ngp's colmap2nerf, on your photographs.",
            layout="transforms.json images/ [images_2/ ...] [sparse_pc.ply]",
        )
    )
    register(
        DatasetInfo(
            name="llff",
            summary="A forward-facing capture with poses_bounds.npy.",
            target="recgen_bench.datasets.llff:Llff",
            protocol="heldout-8/f4",
            licence="not stated by its authors for the eight scenes",
            obtain="nerf_llff_data from the NeRF authors, or LLFF's imgs2poses on your photographs.",
            layout="<scene>/poses_bounds.npy images/ [images_4/ images_8/] [sparse/0/]",
        )
    )


@hookimpl
def register_checks(register: Callable[[CheckInfo], None]) -> None:
    """Register the check for the ray tracer of the embedded worlds."""
    register(CheckInfo("ray-tracer", "recgen_bench.datasets.street.render:describe"))
