"""NTL-IoU (DriveDreamer4D): are lane lines where they should be in views from a novel trajectory?

A lane model looks at the rendered frame, its mask is compared with the map's lines drawn into the same view.
The published value is the mean of the IoUs of lanes and of background, averaged over frames: with thin lines
even no prediction at all scores nearly 0.5, so the floor (an empty prediction), the ceiling (the recorded
images) and the IoU of lanes alone stand beside every value. `paint_iou` compares with true paint instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recgen_bench.harness.errors import DataError, WeightsMissing, located
from recgen_bench.harness.scene import Image, Mask
from recgen_bench.harness.track import Frame, Picture, SceneValue, Track
from recgen_bench.harness.weights import file_hash
from recgen_bench.metrics.lane_labels import Agreement, agreement, at_compared, label

VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class LaneDetector:
    """A loaded lane model.

    Attributes:
        purpose: What its masks are stored under.
        facts: For the record.
        look: (H, W, 3) uint8 sRGB -> bool mask of any size, True on lanes.
    """

    purpose: str
    facts: Mapping[str, str]
    look: Callable[[Image], Mask]


Open = Callable[[Track], LaneDetector]


def drivedreamer4d(track: Track) -> SceneValue:
    """Return `measure` with TwinLiteNet."""
    return measure(track, _twinlitenet)


def drivedreamer4d_embedded(track: Track) -> SceneValue:
    """Return `measure` with the embedded eye."""
    return measure(track, _embedded)


def drivedreamer4d_file(track: Track) -> SceneValue:
    """Return `measure` with predicted lanes from files."""
    return measure(track, None)


def measure(track: Track, open_lanes: Open | None) -> SceneValue:
    """Return the mean over frames of the two-class mean IoU at 640x360.

    Args:
        track: With lanes and cameras, or true lanes from files.
        open_lanes: None takes the predicted lanes of the frames' files.

    Returns:
        No value when no frame has known lanes, or the lane model cannot run here. A frame whose label and
        prediction are both empty counts 0.5, as in the released script.

    Raises:
        DataError: An image, a mask or the model's weights are damaged.
    """
    facts = {"label": "1920x1280, 20 px thick, to 640x360", "threshold": "argmax"}
    if not any(True for _ in _known(track)):
        return SceneValue(None, 0, facts=facts, reason="no lanes: the data set has no map of them")
    if open_lanes is None:
        facts["lane_model"] = "file"
        if not any(frame.lane_prediction is not None for frame in track.frames):
            return SceneValue(None, 0, facts=facts, reason="no predicted lanes from files were given")
        views = _views(track, _known(track), _from_file)
        return _value(views, {}, facts)
    try:
        model = open_lanes(track)
    except WeightsMissing as error:
        return SceneValue(None, 0, facts=facts, reason=str(error))
    views = _views(track, _known(track), lambda frame: predicted(track, model, frame.prediction))
    return _value(views, _ceilings(track, model), facts | dict(model.facts))


def paint_iou(track: Track) -> SceneValue:
    """Return the IoU of lane paint that the embedded eye sees with the true visible paint, over all pixels.

    Pooled: the intersections of all frames over the unions of all frames, at the size of the rendering, so a
    frame without paint adds only what is invented there.

    Returns:
        No value when nobody knows the true paint, or there is none in any frame and none is seen.
    """
    known = [frame for frame in track.frames if frame.read_paint is not None]
    if not known:
        return SceneValue(None, 0, reason="the true lane paint is not known: only generated streets know it")
    model = _embedded(track)
    views = _paint_views(known, lambda frame: predicted(track, model, frame.prediction))
    value = from_paint_views(views)
    facts = {"pooling": "all pixels of all frames", **model.facts}
    if value is None:
        return SceneValue(None, 0, facts=facts, per_view=views, reason="no lane paint in any frame")
    parts = {}
    true = [frame for frame in known if frame.reference is not None]
    if len(true) == len(known):
        reference = from_paint_views(_paint_views(true, lambda frame: predicted(track, model, _true(frame))))
        parts["reference"] = reference if reference is not None else 0.0
    real = [frame for frame in track.real_frames if frame.read_paint is not None]
    ceiling = from_paint_views(_paint_views(real, lambda frame: predicted(track, model, frame.prediction)))
    if ceiling is not None:
        parts["ceiling"] = ceiling
    return SceneValue(value, len(known), parts=parts, facts=facts, per_view=views)


def from_views(per_view: Mapping[str, Mapping[str, float]]) -> float | None:
    """Return the value that follows from a record's statistics: the mean of "mean_iou" over frames."""
    return _mean(per_view, "mean_iou")


def from_paint_views(per_view: Mapping[str, Mapping[str, float]]) -> float | None:
    """Return the value of `paint_iou` that follows from a record's statistics."""
    union = math.fsum(view["union"] for view in per_view.values())
    return math.fsum(view["both"] for view in per_view.values()) / union if union else None


def predicted(track: Track, model: LaneDetector, picture: Picture) -> Mask:
    """Return the mask a model sees in an image, from the feature cache when it is there.

    Masks are kept as bits with their height and width before them.
    """

    def compute() -> np.ndarray:
        mask = model.look(picture.read())
        sizes = np.array(mask.shape, "<u4").view(np.uint8)
        return np.concatenate([sizes, np.packbits(mask)])

    stored = track.stored(model.purpose, picture.digest, compute)
    if stored.dtype != np.uint8 or stored.ndim != 1 or len(stored) < 8:
        raise DataError("not a stored mask", got=f"{stored.dtype} {stored.shape}", where=picture.name)
    height, width = (int(size) for size in stored[:8].copy().view("<u4"))
    return np.unpackbits(stored[8:], count=height * width).reshape(height, width).astype(bool)


def _known(track: Track) -> Iterator[Frame]:
    """Yield the frames whose lanes are known; made one at a time, because masks from files are large."""
    for frame in track.frames:
        if frame.lanes is not None or (frame.camera is not None and track.lanes):
            yield frame


def _views(
    track: Track, frames: Iterable[Frame], see: Callable[[Frame], Mask]
) -> dict[str, dict[str, float]]:
    """Return statistics of each frame: IoUs, what an empty prediction would have, and pixel counts."""
    views = {}
    for frame in frames:
        with located(frame.view):
            truth = _truth(track, frame)
            found = agreement(truth, at_compared(see(frame)))
            floor = Agreement(0, found.both + found.missed, 0, found.invented + found.neither)
        views[frame.view] = {
            "mean_iou": found.mean_iou,
            "lane_iou": found.lane_iou,
            "floor": floor.mean_iou,
            "both": found.both,
            "missed": found.missed,
            "invented": found.invented,
        }
    return views


def _value(
    views: Mapping[str, Mapping[str, float]], ceilings: Mapping[str, float], facts: Mapping[str, str]
) -> SceneValue:
    value = from_views(views)
    assert value is not None
    both, missed, invented = (
        math.fsum(view[name] for view in views.values()) for name in ("both", "missed", "invented")
    )
    union = both + missed + invented
    parts = {name: _mean(views, name) or 0.0 for name in ("lane_iou", "floor")}
    parts["lane_iou_pooled"] = both / union if union else 0.0
    return SceneValue(value, len(views), parts=parts | dict(ceilings), facts=facts, per_view=views)


def _ceilings(track: Track, model: LaneDetector) -> dict[str, float]:
    """Return the same on recorded images, and on true images at the novel poses where they are known."""
    parts = {}
    real = [frame for frame in track.real_frames if frame.camera is not None and track.lanes]
    if real:
        views = _views(track, real, lambda frame: predicted(track, model, frame.prediction))
        parts["ceiling"] = _mean(views, "mean_iou") or 0.0
        parts["ceiling_lane_iou"] = _mean(views, "lane_iou") or 0.0
    if all(frame.reference is not None for frame in _known(track)):
        views = _views(track, _known(track), lambda frame: predicted(track, model, _true(frame)))
        parts["reference"] = _mean(views, "mean_iou") or 0.0
        parts["reference_lane_iou"] = _mean(views, "lane_iou") or 0.0
    return parts


def _truth(track: Track, frame: Frame) -> Mask:
    if frame.lanes is not None:
        return at_compared(_mask(frame.lanes))
    assert frame.camera is not None
    return label(track.lanes, frame.camera)


def _from_file(frame: Frame) -> Mask:
    if frame.lane_prediction is None:
        hint = "give a mask for every frame, black where no lane is seen"
        raise DataError("there is no predicted lane mask for this frame", hint=hint, where=frame.view)
    return _mask(frame.lane_prediction)


def _mask(mask: Mask) -> Mask:
    if mask.ndim != 2 or mask.dtype != np.bool_ or 0 in mask.shape:
        raise DataError("not a lane mask", got=f"{mask.dtype} {mask.shape}", expected="bool (H, W)")
    return mask


def _paint_views(frames: Sequence[Frame], see: Callable[[Frame], Mask]) -> dict[str, dict[str, float]]:
    views: dict[str, dict[str, float]] = {}
    for frame in frames:
        assert frame.read_paint is not None
        with located(frame.view):
            truth, seen = frame.read_paint(), see(frame)
            if truth.shape != seen.shape:
                raise DataError("the paint mask has the wrong size", got=truth.shape, expected=seen.shape)
            found = agreement(truth, seen)
        views[frame.view] = {"both": found.both, "union": found.both + found.missed + found.invented}
    return views


def _true(frame: Frame) -> Picture:
    assert frame.reference is not None
    return frame.reference


def _mean(views: Mapping[str, Mapping[str, float]], name: str) -> float | None:
    return math.fsum(view[name] for view in views.values()) / len(views) if views else None


def _twinlitenet(track: Track) -> LaneDetector:
    from recgen_bench.metrics.twinlitenet import HEIGHT, WIDTH, LaneModel, load_twinlitenet

    path = track.weights("twinlitenet")
    digest = file_hash(path)
    loaded: list[LaneModel] = []

    def look(image: Image) -> Mask:
        # Stored masks need no network, so it is built when the first image comes.
        if not loaded:
            loaded.append(load_twinlitenet(path, track.device))
        return loaded[0].lanes(image)

    facts = {
        "lane_model": "twinlitenet",
        "lane_model_sha256": digest,
        "lane_model_input": f"{WIDTH}x{HEIGHT}, bilinear",
    }
    return LaneDetector(f"lanes twinlitenet {VERSION} {digest}", facts, look)


def _embedded(track: Track) -> LaneDetector:
    from recgen_bench.metrics.embedded.eye import HEIGHT, WIDTH, load_eye

    eye = load_eye(track.device)
    facts = {
        "lane_model": "embedded eye",
        "lane_model_sha256": eye.digest,
        "lane_model_input": f"{WIDTH}x{HEIGHT}",
    }
    return LaneDetector(f"lanes embedded-eye {VERSION} {eye.digest}", facts, eye.lanes)
