"""Metrics of driving scenes from novel trajectories: vehicles and lanes where they should be."""

from __future__ import annotations

from recgen_bench.harness.registration import MetricInfo, WeightsInfo

YOLO11X = WeightsInfo(
    name="yolo11x",
    hub="Ultralytics/YOLO11",
    file="yolo11x.pt",
    revision="",
    sha256="",
    licence="AGPL-3.0-only",
    size=114_636_239,
)
"""Published without a checksum; a pickle that ultralytics itself loads."""

RTDETR = WeightsInfo(
    name="rtdetr_r50vd",
    hub="PekingU/rtdetr_r50vd",
    file="model.safetensors",
    revision="",
    sha256="",
    licence="Apache-2.0",
    size=171_944_624,
)

TWINLITENET = WeightsInfo(
    name="twinlitenet",
    hub="",
    file="best.pth",
    revision="5241418",
    sha256="98ffc6c8abc98fda72052117249ce4e2dbc85e58cfcfc6ee2d42f5398c772463",
    licence="MIT",
    size=1_837_662,
)
"""pretrained/best.pth of github.com/chequanghuy/TwinLiteNet at that commit, trained on BDD100K."""


def _nta(name: str, function: str, summary: str, weights: tuple[WeightsInfo, ...] = ()) -> MetricInfo:
    return MetricInfo(
        name=f"nta_iou/{name}",
        summary=summary,
        target=f"recgen_bench.metrics.nta_iou:{function}",
        bounds=(0.0, 1.0),
        scope="scene",
        weights=weights,
        aggregate="recgen_bench.metrics.nta_iou:from_views",
    )


def _ntl(name: str, function: str, summary: str, weights: tuple[WeightsInfo, ...] = ()) -> MetricInfo:
    return MetricInfo(
        name=f"ntl_iou/{name}",
        summary=summary,
        target=f"recgen_bench.metrics.ntl_iou:{function}",
        bounds=(0.0, 1.0),
        scope="scene",
        weights=weights,
        aggregate="recgen_bench.metrics.ntl_iou:from_views",
    )


_DD = "Mean IoU of each vehicle with the detection of nearest centre within 10 px of 480 (DriveDreamer4D)"
_RD = "As nta_iou/drivedreamer4d, but only cars and buses, and boxes behind the camera stay (ReconDreamer)"
_STRICT = "Mean IoU of vehicles with detections assigned one to one, with precision and recall"
_LANES = "Mean over frames of the mean IoU of lanes and background (DriveDreamer4D)"

DRIVING = (
    _nta("drivedreamer4d", "drivedreamer4d", f"{_DD}; YOLO11x.", (YOLO11X,)),
    _nta("recondreamer", "recondreamer", f"{_RD}; YOLO11x.", (YOLO11X,)),
    _nta("strict+rtdetr", "strict_rtdetr", f"{_STRICT}; RT-DETR R50vd.", (RTDETR,)),
    _nta("drivedreamer4d+embedded", "drivedreamer4d_embedded", f"{_DD}; the embedded eye, streets only."),
    _nta("strict+embedded", "strict_embedded", f"{_STRICT}; the embedded eye, streets only."),
    _nta("drivedreamer4d+file", "drivedreamer4d_file", f"{_DD}; detections from a file."),
    _nta("recondreamer+file", "recondreamer_file", f"{_RD}; detections from a file."),
    _nta("strict+file", "strict_file", f"{_STRICT}; detections from a file."),
    _ntl("drivedreamer4d", "drivedreamer4d", f"{_LANES}; TwinLiteNet.", (TWINLITENET,)),
    _ntl("drivedreamer4d+embedded", "drivedreamer4d_embedded", f"{_LANES}; the embedded eye, streets only."),
    _ntl("drivedreamer4d+file", "drivedreamer4d_file", f"{_LANES}; predicted lanes from files."),
    MetricInfo(
        name="paint_iou/embedded",
        summary="IoU of lane paint seen by the embedded eye with the true visible paint, pooled over frames.",
        target="recgen_bench.metrics.ntl_iou:paint_iou",
        bounds=(0.0, 1.0),
        scope="scene",
        aggregate="recgen_bench.metrics.ntl_iou:from_paint_views",
    ),
)
