"""How the released scripts of DriveDreamer4D and ReconDreamer compare boxes with detections.

Defects that only crash or mix up files are not copied; those that shape every published number are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.track import Box, Frame, Track
from recgen_bench.metrics.boxes import corners_of, overlaps, vehicles
from recgen_bench.metrics.detectors.detector import CANVAS, on_canvas
from recgen_bench.metrics.detectors.files import size_of
from recgen_bench.metrics.projection import LEAST_POINTS, Originals, labelled, published_box

GATE = 10.0
"""Pixels of the canvas: a detection whose centre is this far from a box's, or farther, does not match it."""


@dataclass(frozen=True, slots=True)
class Published:
    """A preset that follows a released script.

    Attributes:
        name: For the record.
        needs_front: See `published_box`.
        classes: Detections of other classes are left out; None keeps all.
    """

    name: str
    needs_front: bool
    classes: frozenset[str] | None

    def frame(
        self, track: Track, frame: Frame, detections: tuple[Box, ...], originals: Originals
    ) -> dict[str, float]:
        """Return "boxes", "detections" and the "sum" of matched IoUs, all truncated to whole pixels."""
        boxes = self._boxes(track, frame, originals)
        kept = [box for box in detections if self.classes is None or box.category in self.classes]
        found = np.trunc(corners_of(kept))
        matched = nearest_overlaps(boxes, found)
        return {"boxes": len(boxes), "sum": math.fsum(matched), "detections": len(found)}

    def parts(self, frames: Iterable[Mapping[str, float]]) -> dict[str, float]:
        """Return nothing more: surplus detections cost nothing in these scripts."""
        return {}

    def _boxes(self, track: Track, frame: Frame, originals: Originals) -> NDArray:
        if frame.boxes is not None:
            # Boxes from a file are truncated and dropped at the border as projected ones are.
            whole = np.trunc(on_canvas(vehicles(frame.boxes), *size_of(frame)))
            inside = (whole >= 0).all(1) & (whole[:, 2] <= CANVAS[0]) & (whole[:, 3] <= CANVAS[1])
            return whole[inside]
        assert frame.camera is not None
        camera = frame.camera.resized(*CANVAS)
        original = originals.get((camera.frame, camera.sensor))
        kept = labelled(track.actors, camera.frame, original, LEAST_POINTS)
        boxes = [published_box(pose, size, camera, self.needs_front) for pose, size in kept]
        return np.array([box for box in boxes if box is not None], np.float64).reshape(-1, 4)


DRIVEDREAMER4D = Published("drivedreamer4d", needs_front=True, classes=None)
RECONDREAMER = Published("recondreamer", needs_front=False, classes=frozenset({"car", "bus", "vehicle"}))


def nearest_overlaps(boxes: NDArray, detections: NDArray) -> list[float]:
    """Return for each box the IoU with the detection of nearest centre, 0 when none is within the gate.

    The nearest detection is not always the one that overlaps most, and one may serve several boxes; of those
    equally near the first counts. Two boxes without area give 0; the released scripts stop with an error.

    Args:
        boxes: (N, 4) pixels of the canvas.
        detections: (M, 4).
    """
    boxes, detections = np.reshape(boxes, (-1, 4)), np.reshape(detections, (-1, 4))
    if not len(detections):
        return [0.0] * len(boxes)
    iou = overlaps(boxes, detections)
    middle, other = ((each[:, :2] + each[:, 2:]) / 2 for each in (boxes, detections))
    away = np.linalg.norm(middle[:, None] - other[None], axis=2)
    nearest = away.argmin(1)
    rows = np.arange(len(boxes))
    return np.where(away[rows, nearest] < GATE, iou[rows, nearest], 0.0).tolist()
