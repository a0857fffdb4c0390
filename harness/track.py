"""What a metric of a whole scene sees: the frames of one cell, the recorded images, what is known of both.

Frames are decoded when read, so memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.scene import Actor, Camera, Depth, Float, Image, Lane, Mask


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """A rectangle in an image: left, top, right, bottom in pixels of that image, and what it holds.

    Attributes:
        corners: (4,) float64 x1, y1, x2, y2.
        category: "vehicle" or a detector's own class name.
        confidence: In [0, 1]; 1 for true boxes.
    """

    corners: Float
    category: str
    confidence: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """An image that is decoded when read, and the hash that features of it are stored under.

    Attributes:
        name: Of its view.
        digest: `recgen_bench.harness.record.image_hash` of the pixels.
        read: () -> (H, W, 3) uint8 sRGB.
    """

    name: str
    digest: str
    read: Callable[[], Image]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One predicted frame of a track with what is known of its view; None where nothing is.

    Attributes:
        view: Name of the view.
        shift: Signed metres, left positive.
        prediction: What the method rendered.
        reference: The true image.
        camera: Where it was rendered.
        read_depth: () -> (H, W) float32 rendered z-depth, 0 where nothing was hit.
        read_paint: () -> (H, W) bool, true lane paint visible in the view; only generated worlds know it.
        read_eig: () -> (H, W) float32 expected information gain of the pixels, as the method stored it.
        boxes: True 2D boxes from a file, in pixels of the prediction; they replace the scene's actors.
        detections: Detected 2D boxes from a file, in pixels of the prediction; they replace the detector.
        lanes: True lane pixels from a file; they replace the scene's lanes.
        lane_prediction: Predicted lane pixels from a file; they replace the lane model.
    """

    view: str
    shift: float
    prediction: Picture
    reference: Picture | None = None
    camera: Camera | None = None
    read_depth: Callable[[], Depth] | None = None
    read_paint: Callable[[], Mask] | None = None
    read_eig: Callable[[], NDArray[np.float32]] | None = None
    boxes: tuple[Box, ...] | None = None
    detections: tuple[Box, ...] | None = None
    lanes: Mask | None = None
    lane_prediction: Mask | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """All frames of one cell.

    Attributes:
        frames: In the order of the rows; the loop makes each when it is asked for.
        real: The set that FID and KID compare with: the recorded images of the original track for lane
            shifts, the references otherwise.
        actors: Tracked objects in the world.
        lanes: Lines on the road in the world.
        weights: (name) -> path of verified pretrained weights; raises WeightsMissing.
        stored: (purpose, digest, compute) -> array: what was computed of an image before, from the feature
            cache, or else compute() after storing it. The purpose names network, weights and version.
        threads: CPU threads.
        device: "cpu" or "cuda".
        real_frames: The recorded frames of the original track as they would be scored, with their own cameras
            and shift 0; the recorded image is the prediction. Metrics with a ceiling score them too.
    """

    frames: Sequence[Frame]
    real: tuple[Picture, ...]
    actors: tuple[Actor, ...]
    lanes: tuple[Lane, ...]
    weights: Callable[[str], Path]
    stored: Callable[[str, str, Callable[[], NDArray]], NDArray]
    threads: int = 1
    device: str = "cpu"
    real_frames: tuple[Frame, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class SceneValue:
    """The value of a scene metric with everything that makes it auditable.

    Attributes:
        value: None where it is not defined; then `reason` says why.
        count: Number of items behind it: images for FID, boxes for NTA-IoU, frames for NTL-IoU.
        low: Lower end of a 95 % interval, None where the metric has none.
        high: Upper end.
        parts: Values that belong beside it, such as lane IoU, floor, ceiling, precision and recall.
        facts: How it was made, such as detector, weights' sha256, resizer, hash of the real set.
        per_view: View -> statistics from which `value` follows; empty when it follows only from images.
        reason: Why there is no value.
    """

    value: float | None
    count: int
    low: float | None = None
    high: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    per_view: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    reason: str = ""


SceneMetric = Callable[[Track], SceneValue]
"""The value of one scene: what `MetricInfo.target` names when `MetricInfo.scope` is "scene"."""
