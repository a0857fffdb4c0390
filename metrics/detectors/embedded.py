"""Vehicles as the embedded eye sees them; for embedded streets only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.scene import Image
from recgen_bench.harness.track import Track
from recgen_bench.metrics.detectors.detector import CANVAS, Detector
from recgen_bench.metrics.embedded.eye import CONFIDENCE, HEIGHT, OVERLAP, WIDTH, load_eye

VERSION = 1


def open_detector(track: Track) -> Detector:
    """Load the eye.

    Raises:
        DataError: The file in the package is damaged.
    """
    eye = load_eye(track.device)

    def look(image: Image) -> NDArray:
        scale = np.array([CANVAS[0] / image.shape[1], CANVAS[1] / image.shape[0]] * 2)
        rows = [[*(box.corners * scale), box.confidence, 0] for box in eye.detect(image)]
        return np.array(rows, np.float64).reshape(-1, 6)

    facts = {
        "detector": "embedded eye",
        "detector_sha256": eye.digest,
        "detector_confidence": f"{CONFIDENCE:g}",
        "detector_nms": f"{OVERLAP:g}",
        "detector_input": f"{WIDTH}x{HEIGHT}, by areas",
    }
    purpose = f"detections embedded-eye {VERSION} {eye.digest} {CONFIDENCE:g} {OVERLAP:g}"
    return Detector("embedded", purpose, ("vehicle",), facts, look)
