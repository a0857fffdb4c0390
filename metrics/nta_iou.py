"""NTA-IoU: are vehicles where they should be in views from a novel trajectory?

A detector looks at the rendered frame, its boxes are compared with the projected boxes of tracked vehicles,
all in pixels of a 480x320 canvas. The two published presets (DriveDreamer4D, arXiv:2410.13571; ReconDreamer)
follow the released scripts, see `recgen_bench.metrics.nta_published`; `strict` is ours, see
`recgen_bench.metrics.nta_strict`. The detector is part of a metric's id, because another one gives another
number. The ids "+file" take detections that somebody brings along; no other id looks at those.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from recgen_bench.harness.errors import PluginError, WeightsMissing, located
from recgen_bench.harness.track import Box, Frame, SceneValue, Track
from recgen_bench.metrics.detectors.detector import CANVAS, Detector, detected
from recgen_bench.metrics.detectors.files import detections_of
from recgen_bench.metrics.nta_published import DRIVEDREAMER4D, RECONDREAMER
from recgen_bench.metrics.nta_strict import STRICT
from recgen_bench.metrics.projection import LEAST_POINTS, Originals

Open = Callable[[Track], Detector]
See = Callable[[Frame], tuple[Box, ...]]


class Preset(Protocol):
    """How true boxes are made and compared with detections."""

    @property
    def name(self) -> str:
        """For the record."""
        ...

    def frame(
        self, track: Track, frame: Frame, detections: tuple[Box, ...], originals: Originals
    ) -> dict[str, float]:
        """Return a frame's statistics: at least "boxes", "sum", "detections"."""
        ...

    def parts(self, frames: Iterable[Mapping[str, float]]) -> dict[str, float]:
        """Return what belongs beside the value."""
        ...


def measure(track: Track, preset: Preset, open_detector: Open | None) -> SceneValue:
    """Return the mean IoU over all true boxes of all frames, 0 for each that is not found.

    Beside it stand the counts per shift, the ceiling (the same on the recorded images of the original track),
    and where a generated world knows the true images of the novel views, the value of those ("reference").

    Args:
        track: With actors and cameras, or boxes from a file.
        preset: How boxes are made and compared.
        open_detector: None takes the detections of the frames' file.

    Returns:
        No value when there are no frames with known boxes, or the detector cannot run here; 0 when it can and
        finds nothing.

    Raises:
        DataError: An image, a box or the detector's weights are damaged.
    """
    facts = {"preset": preset.name, "canvas": f"{CANVAS[0]}x{CANVAS[1]}", **_box_facts(track)}
    if not any(True for _ in _known(track)):
        return SceneValue(None, 0, facts=facts, reason="no boxes: the data set tracks no objects")
    detector = None
    if open_detector is None:
        facts["detector"] = "file"
        if not any(frame.detections is not None for frame in track.frames):
            return SceneValue(None, 0, facts=facts, reason="no detections from a file were given")
    else:
        try:
            detector = open_detector(track)
        except (WeightsMissing, PluginError) as error:
            return SceneValue(None, 0, facts=facts, reason=str(error))
        facts |= detector.facts
    views = _views(track, preset, _known(track), _look(track, detector))
    value = from_views(views)
    if value is None:
        return SceneValue(None, 0, facts=facts, per_view=views, reason="no vehicle is visible in any frame")
    parts = {**_shifts(views), **preset.parts(views.values())}
    if detector is not None:
        parts |= _ceilings(track, preset, detector)
    count = round(math.fsum(view["boxes"] for view in views.values()))
    return SceneValue(value, count, parts=parts, facts=facts, per_view=views)


def from_views(per_view: Mapping[str, Mapping[str, float]]) -> float | None:
    """Return the value that follows from a record's statistics: the sum of IoUs over the number of boxes."""
    boxes = math.fsum(view["boxes"] for view in per_view.values())
    return math.fsum(view["sum"] for view in per_view.values()) / boxes if boxes else None


def _known(track: Track) -> Iterator[Frame]:
    """Yield the frames whose boxes are known; made one at a time, because they may hold masks from files."""
    for frame in track.frames:
        if frame.boxes is not None or (frame.camera is not None and track.actors):
            yield frame


def _look(track: Track, detector: Detector | None) -> See:
    """Return how vehicles are found in a frame's prediction."""
    if detector is None:
        return detections_of
    return lambda frame: detected(track, detector, frame.prediction)


def _views(track: Track, preset: Preset, frames: Iterable[Frame], see: See) -> dict[str, dict[str, float]]:
    """Return the statistics of each frame, its shift among them, by its view."""
    originals = {
        (frame.camera.frame, frame.camera.sensor): frame.camera
        for frame in track.real_frames
        if frame.camera is not None
    }
    views = {}
    for frame in frames:
        with located(frame.view):
            views[frame.view] = {
                "shift": frame.shift,
                **preset.frame(track, frame, see(frame), originals),
            }
    return views


def _shifts(views: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return boxes, detections and value per shift, because the number of boxes changes with it."""
    parts = {}
    for shift in sorted({view["shift"] for view in views.values()}):
        mine = {name: view for name, view in views.items() if view["shift"] == shift}
        for name in ("boxes", "detections"):
            parts[f"{name}@{shift:+g}m"] = math.fsum(view[name] for view in mine.values())
        value = from_views(mine)
        if value is not None:
            parts[f"value@{shift:+g}m"] = value
    return parts


def _ceilings(track: Track, preset: Preset, detector: Detector) -> dict[str, float]:
    """Return what the same metric says of recorded images, and of true images at the novel poses."""

    def reference(frame: Frame) -> tuple[Box, ...]:
        assert frame.reference is not None
        return detected(track, detector, frame.reference)

    parts = {}
    real = [frame for frame in track.real_frames if frame.camera is not None]
    views = _views(track, preset, real, _look(track, detector))
    value = from_views(views)
    if value is not None:
        parts["ceiling"] = value
        parts["ceiling_boxes"] = math.fsum(view["boxes"] for view in views.values())
    if all(frame.reference is not None for frame in _known(track)):
        value = from_views(_views(track, preset, _known(track), reference))
        if value is not None:
            parts["reference"] = value
    return parts


def _box_facts(track: Track) -> dict[str, str]:
    """Return where the true boxes come from and which filters could be applied."""
    if any(frame.boxes is not None for frame in track.frames):
        return {"boxes": "file"}
    counted = [actor for actor in track.actors if actor.category == "vehicle" and actor.counts is not None]
    points = f"at least {LEAST_POINTS}" if counted else "not known, not filtered"
    seen = "some corner in the recorded image" if track.real_frames else "not known, not filtered"
    return {"boxes": "projected", "lidar_points": points, "labelled": seen}


def drivedreamer4d(track: Track) -> SceneValue:
    """Return `measure` by DriveDreamer4D's rules with YOLO11x."""
    return measure(track, DRIVEDREAMER4D, _yolo)


def recondreamer(track: Track) -> SceneValue:
    """Return `measure` by ReconDreamer's rules with YOLO11x."""
    return measure(track, RECONDREAMER, _yolo)


def strict_rtdetr(track: Track) -> SceneValue:
    """Return `measure` one to one with RT-DETR."""
    return measure(track, STRICT, _rtdetr)


def drivedreamer4d_embedded(track: Track) -> SceneValue:
    """Return `measure` by DriveDreamer4D's rules with the embedded eye."""
    return measure(track, DRIVEDREAMER4D, _embedded)


def strict_embedded(track: Track) -> SceneValue:
    """Return `measure` one to one with the embedded eye."""
    return measure(track, STRICT, _embedded)


def drivedreamer4d_file(track: Track) -> SceneValue:
    """Return `measure` by DriveDreamer4D's rules with detections from a file."""
    return measure(track, DRIVEDREAMER4D, None)


def recondreamer_file(track: Track) -> SceneValue:
    """Return `measure` by ReconDreamer's rules with detections from a file."""
    return measure(track, RECONDREAMER, None)


def strict_file(track: Track) -> SceneValue:
    """Return `measure` one to one with detections from a file."""
    return measure(track, STRICT, None)


def _yolo(track: Track) -> Detector:
    from recgen_bench.metrics.detectors.yolo import open_detector

    return open_detector(track)


def _rtdetr(track: Track) -> Detector:
    from recgen_bench.metrics.detectors.rtdetr import open_detector

    return open_detector(track)


def _embedded(track: Track) -> Detector:
    from recgen_bench.metrics.detectors.embedded import open_detector

    return open_detector(track)
