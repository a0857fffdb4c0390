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
            summary="Procedural driving street with ground truth at every pose; scenes are integers.",
            target="recgen_bench.datasets.street.dataset:Street",
            protocol="street-laneshift",
            embedded=True,
            licence="Apache-2.0",
            obtain="Nothing to do: it is generated on this machine and cached.",
        )
    )
    register(
        DatasetInfo(
            name="room",
            summary="Procedural furnished room with ground truth at every pose; scenes are integers.",
            target="recgen_bench.datasets.room.dataset:Room",
            protocol="room-3view",
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
    register(
        DatasetInfo(
            name="waymo",
            summary="Waymo Open Dataset segments: v1 records, v2 tables, DriveStudio or Street Gaussians "
            "folders.",
            target="recgen_bench.datasets.waymo.dataset:Waymo",
            protocol="waymo-laneshift",
            licence="Waymo Dataset License Agreement for Non-Commercial Use",
            obtain="Accept the licence on the Waymo Open Dataset site and download the segments of the "
            "protocol (v1.4.2 or newer holds the map); pip install 'recgen-bench[waymo]' to read "
            "them.",
            layout="segment-*_with_camera_labels.tfrecord | {training,validation}/camera_image/*.parquet "
            "... | <scene>/{images,ego_pose,extrinsics,intrinsics}/",
        )
    )
    register(
        DatasetInfo(
            name="dtu",
            summary="DTU multi-view stereo scans with object masks: raw, IDR/NeuS or MVSNet layout.",
            target="recgen_bench.datasets.dtu:Dtu",
            protocol="dtu-3view",
            licence="not stated in what we could find",
            obtain="Download Rectified and Calibration of the DTU MVS data set, and idrmasks as RegNeRF "
            "names them, and keep them side by side; or take the DTU package of IDR/NeuS.",
            layout="Rectified/scanN/ Calibration/cal18/ idrmasks/scanN/ | scanN/cameras_sphere.npz "
            "image/ mask/ | Cameras/train/ Rectified/scanN_train/",
        )
    )
    register(
        DatasetInfo(
            name="replica",
            summary="Replica rooms as rendered for Semantic-NeRF or for NICE-SLAM, with depth.",
            target="recgen_bench.datasets.replica:Replica",
            protocol="replica-6view",
            licence="Replica Dataset Research Terms, non-commercial",
            obtain="Accept the Replica terms, download Semantic-NeRF's pre-rendered Replica (for "
            "replica-*view) or NICE-SLAM's, and unpack it.",
            layout="room_0/Sequence_1/{rgb,depth}/ traj_w_c.txt | room0/results/ traj.txt",
        )
    )
    register(
        DatasetInfo(
            name="scannetpp",
            summary="ScanNet++ DSLR photographs, fisheye or undistorted, with anonymisation masks.",
            target="recgen_bench.datasets.scannetpp:Scannetpp",
            protocol="scannetpp-6view",
            licence="ScanNet++ Terms of Use, non-commercial, no redistribution",
            obtain="Apply for access on the ScanNet++ site and download the DSLR assets of the scenes "
            "with the official script; undistorting with its toolkit is optional.",
            layout="data/<scene_id>/dslr/{resized_images,nerfstudio,colmap,...}",
        )
    )
    register(
        DatasetInfo(
            name="dl3dv",
            summary="DL3DV scenes by hash: benchmark (nerfstudio/, gaussian_splat/) or 10K layout.",
            target="recgen_bench.datasets.dl3dv:Dl3dv",
            protocol="dl3dv-benchmark-140",
            licence="DL3DV-10K Terms of Use and CC BY-NC 4.0",
            obtain="Accept the terms on the Hugging Face page and download the scenes; images_4 is "
            "enough (GenFusion's 24 are Inception3D/GenFusion_DL3DV_24Benchmark).",
            layout="<hash>/nerfstudio/ | <hash>/gaussian_splat/ | <hash>/colmap/",
        )
    )


@hookimpl
def register_checks(register: Callable[[CheckInfo], None]) -> None:
    """Register the check for the ray tracer of the embedded worlds."""
    register(CheckInfo("ray-tracer", "recgen_bench.datasets.street.render:describe"))
