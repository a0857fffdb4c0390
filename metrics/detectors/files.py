"""Detections that somebody brings along in a file, such as those of a detector we may not link with."""

from __future__ import annotations

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.track import Box, Frame
from recgen_bench.metrics.detectors.detector import on_canvas

CONFIDENCE = 0.5
"""What a detection from a file must exceed, as those of YOLO11x must in the released scripts."""


def detections_of(frame: Frame) -> tuple[Box, ...]:
    """Return a frame's own detections of confidence above 0.5, in pixels of the canvas.

    Raises:
        DataError: The file has none for this frame, or a box is damaged.
    """
    if frame.detections is None:
        hint = "list every frame, with an empty list where nothing was found"
        raise DataError("the file of detections does not name this frame", hint=hint, where=frame.view)
    kept = tuple(box for box in frame.detections if box.confidence > CONFIDENCE)
    corners = on_canvas(kept, *size_of(frame))
    return tuple(Box(corner, box.category, box.confidence) for corner, box in zip(corners, kept, strict=True))


def size_of(frame: Frame) -> tuple[int, int]:
    """Return width and height of the prediction in pixels."""
    if frame.camera is not None:
        return frame.camera.width, frame.camera.height
    height, width = frame.prediction.read().shape[:2]
    return width, height
