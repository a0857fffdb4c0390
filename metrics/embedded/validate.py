"""How well an eye sees streets it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recgen_bench.metrics.boxes import corners_of, overlaps
from recgen_bench.metrics.embedded.eye import Eye
from recgen_bench.metrics.embedded.samples import Samples, counted


@dataclass(frozen=True, slots=True)
class Figures:
    """Results over all views of a set.

    Attributes:
        recall: Share of vehicles that count with a detection of IoU 0.5 and more of their own.
        precision: Share of detections with such a vehicle; those on vehicles that do not count are left out.
        box_iou: Mean IoU of these pairs.
        lane_iou: Intersection over union of lane paint, pooled over all pixels.
        vehicles: How many count.
        images: Number of views.
    """

    recall: float
    precision: float
    box_iou: float
    lane_iou: float
    vehicles: int
    images: int


def validate(eye: Eye, samples: Samples) -> Figures:
    """Look at every view and compare with the truth; matching is greedy, the most certain detection first."""
    found = wrong = vehicles = 0
    shared: list[float] = []
    both = either = 0
    counts = counted(samples)
    for index, image in enumerate(samples.images):
        mine = samples.view == index
        truth, matters = samples.boxes[mine], counts[mine]
        iou = overlaps(corners_of(eye.detect(image)), truth)
        vehicles += int(matters.sum())
        free = np.ones(len(truth), bool)
        for row in iou:
            best = int(np.argmax(np.where(free, row, -1))) if len(row) else -1
            if best < 0 or not free[best] or row[best] < 0.5:
                # A detection that lies on a vehicle too small to count is neither right nor wrong.
                wrong += not (row[~matters] > 0.2).any()
                continue
            free[best] = False
            if matters[best]:
                found += 1
                shared.append(float(row[best]))
        lanes = eye.lanes(image)
        both += int((lanes & samples.paint[index]).sum())
        either += int((lanes | samples.paint[index]).sum())
    return Figures(
        recall=found / max(vehicles, 1),
        precision=found / max(found + wrong, 1),
        box_iou=float(np.mean(shared)) if shared else 0.0,
        lane_iou=both / max(either, 1),
        vehicles=vehicles,
        images=len(samples.images),
    )
