"""Lanes of a map drawn into an image, and compared with a prediction, as DriveDreamer4D's script does it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.scene import Camera, Float, Lane, Mask

DRAWN = (1920, 1280)
"""Width and height at which lines are drawn."""
COMPARED = (640, 360)
"""Width and height at which labels and predictions are compared; another shape than the image's."""
THICKNESS = 20
FAR, HIGH, NEAR = 75.0, 10.0, 1e-3
"""Metres from the camera, above or below it, and in front of it, within which points are drawn."""
NO_LINES = frozenset({"lane_centre", "speed_bump", "driveway"})
"""Kinds that show nothing a lane model looks for; every other kind of line is drawn, all into one class."""


def label(lanes: Iterable[Lane], camera: Camera) -> Mask:
    """Return (360, 640) bool, True where lines lie in a view; nothing hides them.

    Drawn at 1920x1280, 20 pixels thick, and shrunk bilinearly; a pixel that a line touches at all counts.

    Args:
        lanes: In the world.
        camera: Of any size; resized to 1920x1280.
    """
    return shrunk(drawn(lanes, camera))


def drawn(lanes: Iterable[Lane], camera: Camera) -> NDArray[np.uint8]:
    """Return (1280, 1920) uint8, 255 on lines; points are truncated to whole pixels, then joined."""
    camera = camera.resized(*DRAWN)
    image = np.zeros(DRAWN[::-1], np.uint8)
    for line in _lines(lanes):
        local = line @ camera.w2c[:3, :3].T + camera.w2c[:3, 3]
        near = (np.linalg.norm(local, axis=1) < FAR) & (np.abs(local[:, 1]) < HIGH)
        kept = np.flatnonzero(near)
        for run in np.split(kept, np.flatnonzero(np.diff(kept) != 1) + 1):
            if len(run) < 2:
                continue
            places = local[run]
            places = places[places[:, 2] > NEAR] @ camera.K.T
            pixels = np.trunc(places[:, :2] / places[:, 2:])
            # Points that nearly touch the camera plane leave the range that OpenCV draws in.
            whole = np.clip(pixels, -(2**30), 2**30).astype(np.int32)
            cv2.polylines(image, [whole.reshape(-1, 1, 2)], False, 255, THICKNESS)
    return image


def shrunk(image: NDArray[np.uint8]) -> Mask:
    """Return (360, 640) bool: a drawn label at the size of comparison."""
    return np.asarray(cv2.resize(image, COMPARED, interpolation=cv2.INTER_LINEAR)) > 1


def at_compared(mask: Mask) -> Mask:
    """Return (360, 640) bool: a predicted mask of any size at the size of comparison, by nearest pixels."""
    if mask.shape == COMPARED[::-1]:
        return mask
    small = cv2.resize(np.ascontiguousarray(mask).astype(np.uint8), COMPARED, interpolation=cv2.INTER_NEAREST)
    return np.asarray(small) > 0


def _lines(lanes: Iterable[Lane]) -> Iterator[Float]:
    """Yield (P, 3) polylines; of a crosswalk with four corners its two long sides, of others nothing."""
    for lane in lanes:
        if lane.kind == "crosswalk":
            corners = lane.polyline
            if len(corners) == 5 and np.array_equal(corners[0], corners[-1]):
                corners = corners[:4]
            if len(corners) == 4:
                sides = np.stack([corners, np.roll(corners, -1, axis=0)], 1)
                length = np.linalg.norm(sides[:, 1] - sides[:, 0], axis=1)
                first = 0 if length[0] + length[2] >= length[1] + length[3] else 1
                yield sides[first]
                yield sides[first + 2]
        elif lane.kind not in NO_LINES:
            yield lane.polyline


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a predicted mask meets a label, in pixels.

    Attributes:
        both: Predicted and labelled.
        missed: Labelled only.
        invented: Predicted only.
        neither: The rest.
    """

    both: int
    missed: int
    invented: int
    neither: int

    @property
    def lane_iou(self) -> float:
        """Intersection over union of lanes; 0 when there are none in either."""
        union = self.both + self.missed + self.invented
        return self.both / union if union else 0.0

    @property
    def mean_iou(self) -> float:
        """Mean of the IoUs of lanes and of background, 0/0 counting as 0.

        An empty label with an empty prediction therefore has 0.5, not 1, as in the released script.
        """
        union = self.neither + self.missed + self.invented
        return (self.lane_iou + (self.neither / union if union else 0.0)) / 2


def agreement(truth: Mask, prediction: Mask) -> Agreement:
    """Compare two masks of equal shape."""
    both = int(np.count_nonzero(truth & prediction))
    labelled, predicted = int(np.count_nonzero(truth)), int(np.count_nonzero(prediction))
    missed, invented = labelled - both, predicted - both
    return Agreement(both, missed, invented, truth.size - both - missed - invented)
