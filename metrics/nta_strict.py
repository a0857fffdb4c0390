"""The strict preset: one detection per vehicle, false detections counted, and nobody asked to see the unseen.

Where it differs from the published presets:
- boxes are cut at the near plane and clipped to the image, not mirrored or dropped; nothing is truncated;
- a vehicle must be seen to count: at least `SIDE` pixels wide and high, `SHOWN` of its rectangle inside the
  image, `OPEN` of that not covered by the rectangles of nearer vehicles, and 10 lidar points where counted;
- a detection serves one vehicle: the assignment with the largest sum of IoUs (Hungarian algorithm);
- detections left over are false, unless they lie on a vehicle that is visible too little to count.

The true rectangles are those of whole boxes, detections those of what is visible, and rectangles of nearer
vehicles cover more than the vehicles do, so true images stay below 1: compare with the ceiling.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.scene import Float
from recgen_bench.harness.track import Box, Frame, Track
from recgen_bench.metrics.boxes import areas, corners_of, overlaps, vehicles
from recgen_bench.metrics.detectors.detector import CANVAS, on_canvas
from recgen_bench.metrics.detectors.files import size_of
from recgen_bench.metrics.projection import LEAST_POINTS, Originals, careful_box, has_points

SIDE = 8.0
"""Pixels of the canvas."""
SHOWN, OPEN = 0.3, 0.3
HIT = 0.5
"""IoU from which a pair counts for precision and recall."""
EXCUSED = 0.5
"""Share of a left-over detection inside a vehicle that does not count from which it is not false."""


@dataclass(frozen=True, slots=True)
class Strict:
    """See the module."""

    name: str = "strict"

    def frame(
        self, track: Track, frame: Frame, detections: tuple[Box, ...], originals: Originals
    ) -> dict[str, float]:
        """Return "boxes", "sum" of IoUs, "detections" that count, "hits" of IoU 0.5 and up, and "ignored"."""
        boxes, counts = _from_file(frame) if frame.boxes is not None else _projected(track, frame)
        found = np.clip(corners_of(vehicles(detections)), 0, [*CANVAS, *CANVAS])
        pairs, iou = one_to_one(boxes[counts], found)
        left = np.setdiff1d(np.arange(len(found)), pairs[:, 1])
        excused = int(_excused(found[left], boxes[~counts]).sum())
        return {
            "boxes": int(counts.sum()),
            "sum": math.fsum(iou),
            "detections": len(found) - excused,
            "hits": int((iou >= HIT).sum()),
            "ignored": int((~counts).sum()),
        }

    def parts(self, frames: Iterable[Mapping[str, float]]) -> dict[str, float]:
        """Return precision and recall at IoU 0.5, and the number of boxes that do not count."""
        frames = list(frames)
        hits, boxes, found, ignored = (
            math.fsum(frame[name] for frame in frames) for name in ("hits", "boxes", "detections", "ignored")
        )
        precision = hits / found if found else 0.0
        return {"precision": precision, "recall": hits / boxes if boxes else 0.0, "ignored_boxes": ignored}


STRICT = Strict()


def one_to_one(boxes: NDArray, detections: NDArray) -> tuple[NDArray[np.int64], Float]:
    """Return the pairs of the assignment with the largest sum of IoUs, and their IoUs, all above 0.

    Args:
        boxes: (N, 4).
        detections: (M, 4).

    Returns:
        (P, 2) rows of boxes and of detections, and (P,) IoUs.
    """
    from scipy.optimize import linear_sum_assignment

    iou = overlaps(boxes, detections)
    rows, columns = linear_sum_assignment(iou, maximize=True)
    matched = iou[rows, columns] > 0
    pairs = np.stack([rows[matched], columns[matched]], -1).astype(np.int64)
    return pairs, iou[rows[matched], columns[matched]]


def _projected(track: Track, frame: Frame) -> tuple[Float, NDArray[np.bool_]]:
    """Return (N, 4) rectangles of vehicles that reach into the image, and (N,) which of them count."""
    assert frame.camera is not None
    camera = frame.camera.resized(*CANVAS)
    rows: list[tuple[float, Float, bool]] = []
    for actor in track.actors:
        pose = actor.pose_at(camera.frame)
        if actor.category != "vehicle" or pose is None:
            continue
        box = careful_box(pose, actor.size, camera)
        if box is not None:
            distance = float(np.linalg.norm(pose[:3, 3] - camera.centre))
            rows.append((distance, box, has_points(actor, camera.frame, LEAST_POINTS)))
    rows.sort(key=lambda row: row[0])
    whole = np.array([box for _, box, _ in rows]).reshape(-1, 4)
    boxes, counts = _visible(whole)
    counts &= np.array([measured for _, _, measured in rows], bool)
    inside = areas(boxes) > 0
    return boxes[inside], counts[inside]


def _visible(whole: Float) -> tuple[Float, NDArray[np.bool_]]:
    """Return rectangles clipped to the canvas, and which show enough; the nearest vehicle is the first."""
    boxes = np.clip(whole, 0, [*CANVAS, *CANVAS])
    counts = np.zeros(len(boxes), bool)
    covered = np.zeros(CANVAS[::-1], bool)
    for row, (box, area) in enumerate(zip(boxes, areas(whole), strict=True)):
        x1, y1 = np.floor(box[:2]).astype(int)
        x2, y2 = np.ceil(box[2:]).astype(int)
        patch = covered[y1:y2, x1:x2]
        wide, high = box[2] - box[0], box[3] - box[1]
        if patch.size:
            shown = wide * high / max(area, 1e-9)
            counts[row] = min(wide, high) >= SIDE and shown >= SHOWN and 1 - patch.mean() >= OPEN
            patch[:] = True
    return boxes, counts


def _from_file(frame: Frame) -> tuple[Float, NDArray[np.bool_]]:
    """Return the rectangles of a file, and which are large enough; nothing is known of their order."""
    assert frame.boxes is not None
    boxes = np.clip(on_canvas(vehicles(frame.boxes), *size_of(frame)), 0, [*CANVAS, *CANVAS])
    return boxes, np.all(boxes[:, 2:] - boxes[:, :2] >= SIDE, axis=1)


def _excused(detections: Float, others: Float) -> NDArray[np.bool_]:
    """Return which detections lie mostly on some rectangle that does not count."""
    low = np.maximum(detections[:, None, :2], others[None, :, :2])
    high = np.minimum(detections[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    return (shared >= EXCUSED * np.maximum(areas(detections), 1e-9)[:, None]).any(1)
