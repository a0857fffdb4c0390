"""YOLO11x through ultralytics, as DriveDreamer4D and ReconDreamer run it.

ultralytics is AGPL-3.0: it is no dependency, and imported only here, when one of the published ids is asked
for. Its weights are a pickle that the library itself loads, the one exception to the rule that no file
may bring code along; their publisher states no sha256, so a record holds the one that was found.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.errors import DataError, PluginError
from recgen_bench.harness.scene import Image
from recgen_bench.harness.track import Track
from recgen_bench.harness.weights import file_hash
from recgen_bench.metrics.detectors.detector import CANVAS, Detector, shrunk

VERSION = 1
CONFIDENCE = 0.5
"""Detections must be more certain than this; the library itself already drops those below 0.25."""
NMS, SIDE, MOST = 0.7, 640, 300
"""The library's own defaults, given explicitly so that a newer version cannot change them."""


def open_detector(track: Track) -> Detector:
    """Load YOLO11x.

    Raises:
        PluginError: ultralytics is not installed.
        WeightsMissing: The weights are not on this machine.
    """
    return open_weights(track.weights("yolo11x"), track.device)


def open_weights(path: Path, device: str) -> Detector:
    """Return a detector for a weights file, or for an architecture (.yaml, random weights) in tests.

    Raises:
        PluginError: ultralytics is not installed.
    """
    library = _library()
    digest = file_hash(path) if path.is_file() else "random"

    @cache
    def model() -> Any:
        try:
            return library.YOLO(str(path), task="detect")
        except (OSError, RuntimeError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise DataError(f"the weights of YOLO cannot be read: {error}", where=str(path)) from error

    def look(image: Image) -> NDArray:
        # The library takes numpy images as BGR.
        pixels = np.ascontiguousarray(shrunk(image)[..., ::-1])
        (result,) = model().predict(
            pixels, conf=0.25, iou=NMS, imgsz=SIDE, max_det=MOST, device=device, verbose=False, save=False
        )
        rows = np.asarray(result.boxes.data.cpu().numpy(), np.float64).reshape(-1, 6)
        return rows[rows[:, 4] > CONFIDENCE]

    facts = {
        "detector": "yolo11x",
        "detector_sha256": digest,
        "detector_library": f"ultralytics {library.__version__}",
        "detector_confidence": f"above {CONFIDENCE:g}",
        "detector_nms": f"{NMS:g}, at most {MOST}",
        "detector_input": f"{CANVAS[0]}x{CANVAS[1]}, bilinear, BGR, letterboxed to {SIDE}",
    }
    purpose = f"detections yolo11x {VERSION} {digest} {library.__version__} {CONFIDENCE} {NMS} {SIDE}"
    return Detector("yolo11x", purpose, COCO, facts, look)


def _library() -> Any:
    # Nothing is fetched or reported unasked.
    os.environ.setdefault("YOLO_OFFLINE", "1")
    try:
        import ultralytics
    except ImportError as error:
        hint = (
            "pip install 'recgen-bench[yolo]' (AGPL-3.0), or use another detector, see recgen-bench metrics"
        )
        raise PluginError("ultralytics is not installed", hint=hint) from error
    return ultralytics


COCO = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"),
    *("traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse"),
    *("sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie"),
    *("suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove"),
    *("skateboard", "surfboard", "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon"),
    *("bowl", "banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut"),
    *("cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse"),
    *("remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book"),
    *("clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush"),
)
"""The 80 classes of COCO detectors, in the order of their indices."""
