"""What every detector is to the metrics: an image in, boxes on one canvas out, computed once per image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.scene import Float, Image
from recgen_bench.harness.track import Box, Picture, Track

CANVAS = (480, 320)
"""Width and height in which boxes are compared, whatever the size of the rendering (DriveDreamer4D)."""


@dataclass(frozen=True, slots=True, eq=False)
class Detector:
    """A loaded detector.

    Attributes:
        name: As metric ids have it, for example "yolo11x".
        purpose: What detections are stored under: network, weights, version and thresholds.
        classes: Names that the last column of `look` counts through.
        facts: How it works, for the record: weights, threshold, suppression, input.
        look: (H, W, 3) uint8 sRGB of any size -> (N, 6) x1, y1, x2, y2 in pixels of the canvas, confidence,
            and index of the class.
    """

    name: str
    purpose: str
    classes: tuple[str, ...]
    facts: Mapping[str, str]
    look: Callable[[Image], NDArray]


def detected(track: Track, detector: Detector, picture: Picture) -> tuple[Box, ...]:
    """Return the detections in an image in pixels of the canvas, from the feature cache when they are there.

    Raises:
        DataError: The detector gave something that is not (N, 6) finite numbers.
    """
    rows = track.stored(detector.purpose, picture.digest, lambda: detector.look(picture.read()))
    if rows.ndim != 2 or rows.shape[1] != 6 or not np.isfinite(rows).all():
        got = f"{rows.dtype} {rows.shape}"
        raise DataError("not detections", got=got, expected="(N, 6) finite numbers", where=detector.name)
    return tuple(
        Box(np.asarray(row[:4], np.float64), detector.classes[int(row[5])], float(row[4])) for row in rows
    )


def on_canvas(boxes: tuple[Box, ...], width: int, height: int) -> Float:
    """Return (N, 4) corners of boxes of a width x height image in pixels of the canvas."""
    from recgen_bench.metrics.boxes import corners_of

    scale = np.array([CANVAS[0] / width, CANVAS[1] / height] * 2)
    return corners_of(boxes) * scale


def shrunk(image: Image, antialias: bool = False) -> Image:
    """Return the image at the canvas's size: plain bilinear as published, or by areas."""
    way = cv2.INTER_AREA if antialias and image.shape[1] > CANVAS[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(image), CANVAS, interpolation=way), np.uint8)
