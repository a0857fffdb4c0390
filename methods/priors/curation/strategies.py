"""How true frames are broken: the curation strategies of Difix3D+ and FaithFusion, as plain functions.

Difix3D+ (Wu et al. 2025), Table 1: sparse reconstruction, cycle reconstruction, cross reference, model
underfitting. FaithFusion trains on cross-camera pairs. `shifted` is ours: a generated world knows the truth
beside the track, which no recorded capture does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType

import numpy as np
import torch

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.protocol import Convention
from recgen_bench.harness.scene import Camera, View
from recgen_bench.harness.trajectory import shift_lane
from recgen_bench.methods.priors.curation.pair import Pair
from recgen_bench.methods.priors.curation.studio import Studio
from recgen_bench.methods.splats.target import Target

FARTHEST = 6.0
"""Metres; the largest lateral shift of the papers' tables."""
NEAREST = 0.5
"""Metres; below that a frame beside the track is as good as one on it."""


def shifted(studio: Studio) -> Iterator[Pair]:
    """Fit to the track, render beside it; the truth comes from the generated world.

    Half of the pairs show a model at the end of the schedule, half the same poses of a model stopped at 25
    to 75 % of it, because loops restore renders of both. Every twelfth pose stands on the track itself, so
    that a restorer learns to leave good frames alone.

    Raises:
        DataError: The capture is recorded, so that there is no truth beside the track.
    """
    views = studio.capture.views
    poses = _beside(studio, max(1, studio.count // 2))
    for fitted in (studio.fit(views, "track"), studio.fit(views, "track", _part(studio, "shifted"))):
        for truth, reference in poses:
            yield studio.pair(fitted, truth, reference, "shifted")


def underfit(studio: Studio) -> Iterator[Pair]:
    """Stop training at 25 to 75 % of the schedule and render the training poses.

    The reference is another recorded frame a few steps away, because the frame itself is the answer.
    """
    views = studio.capture.views
    fitted = studio.fit(views, "track", _part(studio, "underfit"))
    for place in _some(studio, "underfit", len(views)):
        yield studio.pair(fitted, views[place], views[_neighbour(place, len(views))], "underfit")


def sparse(studio: Studio) -> Iterator[Pair]:
    """Train on every n-th frame, n from 3 to 8, and render the skipped ones; the paper does not give n."""
    views = studio.capture.views
    every = int(studio.draw("sparse").integers(3, 9))
    train = views[::every]
    fitted = studio.fit(train, f"every-{every}")
    skipped = [view for place, view in enumerate(views) if place % every]
    for place in _some(studio, "sparse views", len(skipped)):
        truth = skipped[place]
        yield studio.pair(fitted, truth, _nearest(truth.camera, train), "sparse")


def cycle(studio: Studio) -> Iterator[Pair]:
    """Render a track 1 to 6 m beside the recorded one, fit a second model to that, and render back.

    So the truth is recorded, and the damage is that of a lane shift. How the authors choose the reference is
    not published; here it is a recorded frame a few steps away.

    Raises:
        ProtocolError: The capture has no vehicle poses.
    """
    views = studio.capture.views
    metres = float(studio.draw("cycle").uniform(1.0, FARTHEST))
    sign = 1.0 if studio.draw("cycle side").random() < 0.5 else -1.0
    cameras = shift_lane([view.camera for view in views], sign * metres)
    first = studio.fit(views, "track")
    beside = [
        replace(view, camera=camera, read_image=partial(studio.photograph, first.model, camera))
        for view, camera in zip(views, cameras, strict=True)
    ]
    second = studio.fit(beside, f"beside-{sign * metres:.3f}")
    for place in _some(studio, "cycle views", len(views)):
        reference = views[_neighbour(place, len(views))]
        # Seen from the second model's track, the recorded pose is the shifted one.
        truth = replace(views[place], shift=-sign * metres)
        yield studio.pair(second, truth, reference, "cycle")


def cross_camera(studio: Studio) -> Iterator[Pair]:
    """Train on one camera of the rig and render what the others recorded, each camera in turn.

    Raises:
        DataError: The capture has one camera only.
    """
    views = studio.capture.views
    sensors = list(dict.fromkeys(view.camera.sensor for view in views))
    if len(sensors) < 2:
        hint = "name the cameras, for example --cameras front,left,right"
        raise DataError("cross-camera pairs need a rig", got=f"camera {sensors[0]} alone", hint=hint)
    for sensor in sensors:
        train = [view for view in views if view.camera.sensor == sensor]
        others = [view for view in views if view.camera.sensor != sensor]
        fitted = studio.fit(train, f"camera-{sensor}")
        share = max(1, studio.count // len(sensors))
        for place in _some(studio, f"cross-camera {sensor}", len(others), share):
            truth = others[place]
            same_time = min(train, key=lambda view: abs(view.camera.frame - truth.camera.frame))
            yield studio.pair(fitted, truth, same_time, "cross-camera")


def distilled(studio: Studio) -> Iterator[Pair]:
    """Render a model that has learned once from frames that a restorer repaired beside the track; ours.

    Loops hand a restorer such renders from their second round on, and so does a filter after the last.

    Raises:
        DataError: No restorer is given, or the capture is recorded.
    """
    if studio.restorer is None:
        hint = "give the weights of one with --restorer FILE"
        raise DataError("distilled pairs need a restorer", hint=hint)
    views, full = studio.capture.views, studio.recipe.iterations
    first = studio.fit(views, "track", max(1, round(0.6 * full)))
    repaired = []
    for truth, reference in _beside(studio, studio.count, "distilled frames"):
        frame = studio.repaired(first, truth.camera, reference)
        repaired.append(Target(truth.camera, torch.from_numpy(frame), scale=0.7))
    second = studio.distil(first, views, repaired, f"distilled-{studio.restorer.name}", round(1.5 * full))
    for truth, reference in _beside(studio, studio.count):
        yield studio.pair(second, truth, reference, "distilled")


STRATEGIES: Mapping[str, Callable[[Studio], Iterator[Pair]]] = MappingProxyType(
    {
        "shifted": shifted,
        "underfit": underfit,
        "sparse": sparse,
        "cycle": cycle,
        "cross-camera": cross_camera,
        "distilled": distilled,
    }
)
"""By the names that commands use."""


def _beside(studio: Studio, count: int, purpose: str = "shifted poses") -> list[tuple[View, View]]:
    """Return views with the truth beside the track, and the recorded views of the same instants."""
    capture, draw = studio.capture, studio.draw(purpose)
    if capture.oracle is None:
        hint = "use cycle, sparse, underfit or cross-camera on recorded captures"
        what = "the truth beside the track is known in generated worlds only"
        raise DataError(what, got=capture.dataset, hint=hint)
    right, left = capture.drivable or (FARTHEST, FARTHEST)
    convention: Convention = "camera-x" if capture.views[0].camera.ego is None else "ego-y"
    poses = []
    for number in range(count):
        reference = capture.views[int(draw.integers(len(capture.views)))]
        distance, side = draw.uniform(NEAREST, FARTHEST), draw.choice((-1.0, 1.0))
        if distance > (left if side > 0 else right):
            side = -side
        metres = 0.0 if number % 12 == 0 else side * min(distance, left if side > 0 else right)
        (camera,) = shift_lane([reference.camera], metres, convention)
        truth = capture.oracle.view(f"{reference.name}_{metres:+.3f}m", camera)
        poses.append((replace(truth, shift=float(metres)), reference))
    return poses


def _part(studio: Studio, purpose: str) -> int:
    """Return an iteration at 25 to 75 % of the schedule."""
    return max(1, round(studio.recipe.iterations * studio.draw(purpose).uniform(0.25, 0.75)))


def _some(studio: Studio, purpose: str, total: int, count: int | None = None) -> list[int]:
    """Return distinct places, ascending, as many as there are or are wanted."""
    wanted = min(total, studio.count if count is None else count)
    return sorted(studio.draw(purpose).choice(total, wanted, replace=False).tolist())


def _neighbour(place: int, total: int) -> int:
    """Return a place four steps away, or as far as a short capture allows."""
    step = min(4, total - 1)
    return place - step if place >= step else place + step


def _nearest(camera: Camera, views: Sequence[View]) -> View:
    return min(views, key=lambda view: float(np.linalg.norm(view.camera.centre - camera.centre)))
