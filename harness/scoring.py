"""Scoring all frames of a cell: rows of images, then the metrics of the whole scene.

Frames are decoded when they are needed, a few at a time, so memory does not grow with their number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.annotations import Annotation
from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.frames import frame_hash, read_depth, read_eig, read_pixels
from recgen_bench.harness.pair import Pair
from recgen_bench.harness.record import Row, SceneScore, Weights, image_hash, results_hash, summarise
from recgen_bench.harness.scene import Actor, Camera, Depth, Image, Lane, Mask, Scene, View
from recgen_bench.harness.score import Scorer
from recgen_bench.harness.track import Frame, Picture, Track

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One predicted image and what it is compared with; nothing is decoded yet.

    Attributes:
        view: Name of the view.
        shift: Signed metres, left positive.
        read_prediction: () -> (H, W, 3) uint8 sRGB.
        read_reference: () -> the true image; None where there is none.
        read_mask: () -> (H, W) bool, True where pixels count, or None for all.
        read_depth: () -> (H, W) float32 rendered z-depth.
        read_true_depth: () -> (H, W) float32 true z-depth, or None.
        read_eig: () -> (H, W) float32 expected information gain.
        read_paint: () -> (H, W) bool, true lane paint.
        camera: Where it was rendered.
        known: Boxes and lanes from files.
        expected: `recgen_bench.harness.frames.frame_hash` when it was rendered; empty when nobody knows.
        repair: What to do when the prediction is damaged or changed.
        source: The predicted file, for error messages.
    """

    view: str
    shift: float
    read_prediction: Callable[[], Image]
    read_reference: Callable[[], Image] | None = None
    read_mask: Callable[[], Mask | None] | None = None
    read_depth: Callable[[], Depth] | None = None
    read_true_depth: Callable[[], Depth | None] | None = None
    read_eig: Callable[[], NDArray[np.float32]] | None = None
    read_paint: Callable[[], Mask] | None = None
    camera: Camera | None = None
    known: Annotation = field(default_factory=Annotation)
    expected: str = ""
    repair: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """What is known of a scene besides its frames.

    Attributes:
        real: (name, () -> image) of the set that FID and KID compare with; None takes the references.
        actors: Tracked objects in the world.
        lanes: Lines on the road in the world.
        recorded: Views of the original track, in the order of `real`: what ceilings are measured on.
    """

    real: tuple[tuple[str, Callable[[], Image]], ...] | None = None
    actors: tuple[Actor, ...] = ()
    lanes: tuple[Lane, ...] = ()
    recorded: tuple[View, ...] = ()


@dataclass(frozen=True, slots=True)
class Scores:
    """Everything that scoring a cell gives to its record."""

    rows: list[Row]
    scenes: dict[str, SceneScore]
    missing: dict[str, str]
    weights: list[Weights]

    def fields(self) -> dict[str, Any]:
        """Return the record's fields."""
        return {
            "rows": self.rows,
            "summary": summarise(self.rows, self.scenes),
            "scenes": self.scenes,
            "missing": self.missing,
            "metric_weights": self.weights,
            "results_hash": results_hash(self.rows, self.scenes),
        }


def score(shots: Sequence[Shot], around: Surroundings, scorer: Scorer, threads: int) -> Scores:
    """Score every frame, then the track; the numbers do not depend on the number of threads.

    Raises:
        DataError: An image is damaged, changed or of another size than its reference; it is named.
    """
    with _one_thread_each(scorer, threads):
        rows = list(in_order(shots, lambda shot: measure(shot, scorer), threads))
    used = {
        weights.name: scorer.door.facts(weights.name)
        for info, _ in scorer.metrics
        if any(info.name in row.values for row in rows)
        for weights in info.weights
    }
    scenes: dict[str, SceneScore] = {}
    lacking: dict[str, str] = {}
    if scorer.scenes:

        def weights(name: str) -> Path:
            path = scorer.door.path(name)
            used[name] = scorer.door.facts(name)
            return path

        scenes, lacking = scorer.scene(_track(shots, rows, around, (scorer, weights, threads)))
    return Scores(rows, scenes, {**scorer.missing, **lacking}, list(used.values()))


def measure(shot: Shot, scorer: Scorer) -> Row:
    """Decode and score one frame."""
    with located(shot.source or shot.view):
        try:
            pixels = shot.read_prediction()
            depth = shot.read_depth() if shot.read_depth else None
            eig = shot.read_eig() if shot.read_eig and shot.expected else None
            if shot.expected and frame_hash(pixels, depth, eig) != shot.expected:
                raise DataError("the stored frame was changed after rendering")
        except DataError as error:
            error.hint = shot.repair or error.hint
            raise
        if shot.read_reference is None:
            return Row(
                view=shot.view, shift=shot.shift, prediction=image_hash(pixels), reference=None, values={}
            )
        mask = shot.read_mask() if shot.read_mask else None
        truth = shot.read_true_depth() if shot.read_true_depth and depth is not None else None
        return scorer.row(shot.view, shot.shift, Pair(pixels, shot.read_reference(), mask, depth, truth))


def stored_shots(scene: Scene, folder: Path, hashes: Sequence[str] = ()) -> list[Shot]:
    """Return the frames that `write_frame` left in a folder, for the test views of a scene.

    Args:
        scene: With its answers.
        folder: The cell's frames.
        hashes: Of every frame as it was rendered; empty when they shall not be compared.
    """
    shots = []
    for view, expected in zip(scene.test, hashes or [""] * len(scene.test), strict=True):
        truth = partial(_true_depth, view) if view.read_depth else None
        shots.append(
            Shot(
                view=view.name,
                shift=view.shift,
                read_prediction=partial(read_pixels, folder, view),
                read_reference=partial(_image, view) if view.read_image else None,
                read_mask=partial(_mask, view) if view.read_mask else None,
                read_depth=read_depth(folder, view),
                read_true_depth=truth,
                read_eig=read_eig(folder, view),
                read_paint=view.read_paint,
                camera=view.camera,
                expected=expected,
                repair=f"delete {folder.parent} and repeat the command" if expected else "",
            )
        )
    return shots


def surroundings(scene: Scene, shifted: bool) -> Surroundings:
    """Return what is known of a scene: its recorded track is the real set of protocols with a shift."""
    recorded = tuple((view.name, partial(_image, view)) for view in scene.train if view.read_image)
    if not shifted:
        return Surroundings(None, scene.actors, scene.lanes)
    track = tuple(view for view in scene.train if view.read_image)
    return Surroundings(recorded, scene.actors, scene.lanes, track)


def in_order(items: Iterable[Item], function: Callable[[Item], Result], threads: int) -> Iterator[Result]:
    """Yield function(item) for each item in order, on several threads, at most two per thread ahead.

    The first error in the order of the items is the one raised.
    """
    if threads == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _track(
    shots: Sequence[Shot],
    rows: Sequence[Row],
    around: Surroundings,
    means: tuple[Scorer, Callable[[str], Path], int],
) -> Track:
    scorer, weights, threads = means
    if around.real is None:
        real = tuple(
            Picture(shot.view, row.reference, shot.read_reference)
            for shot, row in zip(shots, rows, strict=True)
            if shot.read_reference is not None and row.reference is not None
        )
    else:
        real = tuple(in_order(around.real, lambda named: _picture(*named), threads))
    return Track(
        frames=_Frames(shots, rows),
        real=real,
        actors=around.actors,
        lanes=around.lanes,
        weights=weights,
        stored=scorer.stored,
        threads=threads,
        device=scorer.device,
        real_frames=tuple(
            Frame(view.name, 0.0, picture, camera=view.camera)
            for view, picture in zip(around.recorded, real, strict=True)
        )
        if around.recorded
        else (),
    )


class _Frames(Sequence[Frame]):
    """The frames of a track, made when asked for, so that masks from files are in memory one at a time."""

    def __init__(self, shots: Sequence[Shot], rows: Sequence[Row]) -> None:
        self._shots, self._rows = shots, rows

    def __len__(self) -> int:
        return len(self._shots)

    @overload
    def __getitem__(self, index: int) -> Frame: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Frame]: ...

    def __getitem__(self, index: int | slice) -> Frame | Sequence[Frame]:
        if isinstance(index, slice):
            return _Frames(self._shots[index], self._rows[index])
        return _frame(self._shots[index], self._rows[index])


def _frame(shot: Shot, row: Row) -> Frame:
    reference, known = None, shot.known
    if shot.read_reference is not None and row.reference is not None:
        reference = Picture(shot.view, row.reference, shot.read_reference)
    return Frame(
        view=shot.view,
        shift=shot.shift,
        prediction=Picture(shot.view, row.prediction, shot.read_prediction),
        reference=reference,
        camera=shot.camera,
        read_depth=shot.read_depth,
        read_paint=shot.read_paint,
        read_eig=shot.read_eig,
        boxes=known.boxes,
        detections=known.detections,
        lanes=known.read_lanes() if known.read_lanes else None,
        lane_prediction=known.read_lane_prediction() if known.read_lane_prediction else None,
    )


def _picture(name: str, read: Callable[[], Image]) -> Picture:
    return Picture(name, image_hash(read()), read)


def _image(view: View) -> Image:
    return view.image


def _mask(view: View) -> Mask | None:
    return view.mask


def _true_depth(view: View) -> Depth | None:
    return view.depth


@contextmanager
def _one_thread_each(scorer: Scorer, threads: int) -> Iterator[None]:
    """Let each image have one thread: images side by side are faster, and sums keep their order."""
    import cv2

    networks = any(info.weights for info, _ in scorer.metrics)
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        if networks:
            import torch

            torch.set_num_threads(1)
        yield
    finally:
        cv2.setNumThreads(before)
        if networks:
            torch.set_num_threads(threads)
