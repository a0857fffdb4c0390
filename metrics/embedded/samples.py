"""What the embedded eye learns from: views of training streets with every visible vehicle and all lane paint.

One file per world, drawn once and kept, so that training can be repeated and interrupted.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.dataset import Request, load_dataset
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.files import write_atomic
from recgen_bench.harness.plugins import load_registry
from recgen_bench.harness.scene import (
    Actor,
    Camera,
    Capture,
    Depth,
    Float,
    Image,
    Mask,
    PaintOracle,
    invert_rigid,
)
from recgen_bench.harness.trajectory import shift_lane

VERSION = 1
"""Raised whenever a world gives other samples; part of the files' names."""
STRAIGHT = 0.3
"""Share of the views on the recorded track; the others are moved sideways as far as the road allows."""
CLEARANCE = 0.05
"""Metres by which a box is inflated when surface points are matched with it, and of ground it leaves out."""

MIN_PIXELS, MIN_SIDE = 16, 4
"""A vehicle counts when this many pixels show it and its box is this wide and high; others are neither
learnt nor missed."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """N views and what is in them.

    Attributes:
        images: (N, H, W, 3) uint8 sRGB.
        paint: (N, H, W) bool, lane paint.
        boxes: (M, 4) float32 x1, y1, x2, y2 in pixels: the visible part of each vehicle.
        view: (M,) int64, index of the view of each box.
        pixels: (M,) int64, how many pixels show the vehicle.
    """

    images: Image
    paint: NDArray[np.bool_]
    boxes: NDArray[np.float32]
    view: NDArray[np.int64]
    pixels: NDArray[np.int64]


def visible_boxes(depth: Depth, camera: Camera, actors: Sequence[Actor]) -> tuple[Float, NDArray[np.int64]]:
    """Return the rectangles around what a view shows of each vehicle, occlusion and all.

    A pixel shows a vehicle when its surface point lies in the vehicle's box; points on the ground do not.

    Args:
        depth: (H, W) z-depth in metres, 0 for the sky.
        camera: Its camera.
        actors: Of any category; only vehicles are looked for.

    Returns:
        (M, 4) float64 x1, y1, x2, y2 in pixels, and (M,) the number of pixels inside that show the vehicle.
    """
    y, x = np.nonzero(depth)
    z = depth[y, x].astype(np.float64)
    rays = np.stack([x + 0.5, y + 0.5, np.ones(len(x))], -1) @ np.linalg.inv(camera.K).T
    places = (rays * z[:, None]) @ camera.c2w[:3, :3].T + camera.centre
    boxes, pixels = [], []
    for actor in actors:
        pose = actor.pose_at(camera.frame)
        if actor.category != "vehicle" or pose is None:
            continue
        back = invert_rigid(pose)
        local = places @ back[:3, :3].T + back[:3, 3]
        half = actor.size / 2 + CLEARANCE
        inside = (np.abs(local) < half).all(1) & (local[:, 2] > CLEARANCE - actor.size[2] / 2)
        if inside.any():
            columns, rows = x[inside], y[inside]
            boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            pixels.append(int(inside.sum()))
    return np.array(boxes, np.float64).reshape(-1, 4), np.array(pixels, np.int64)


def draw_samples(capture: Capture, count: int) -> Samples:
    """Return views of one generated world: some on the recorded track, the others moved sideways.

    Raises:
        DataError: The world does not know where its lane paint is, or how wide its road is.
    """
    oracle = capture.oracle
    if oracle is None or not isinstance(oracle, PaintOracle) or capture.drivable is None:
        raise DataError("the embedded eye learns only from generated streets", got=capture.dataset)
    rng = np.random.default_rng([VERSION, int(capture.id)])
    right, left = capture.drivable
    chosen = rng.choice(len(capture.views), min(count, len(capture.views)), replace=False)
    images, paint, boxes, view, pixels = [], [], [], [], []
    for index, number in enumerate(chosen):
        metres = 0.0 if rng.random() < STRAIGHT else float(rng.uniform(-right, left))
        (camera,) = shift_lane([capture.views[number].camera], metres)
        seen = oracle.view(f"sample{index:02d}", camera)
        assert seen.depth is not None
        found, size = visible_boxes(seen.depth, camera, capture.actors)
        images.append(seen.image)
        paint.append(oracle.paint(camera))
        boxes.append(found)
        pixels.append(size)
        view.append(np.full(len(size), index))
    return Samples(
        np.stack(images),
        np.stack(paint),
        np.concatenate(boxes).astype(np.float32),
        np.concatenate(view).astype(np.int64),
        np.concatenate(pixels),
    )


def kept_samples(folder: Path, seed: int, count: int) -> Samples:
    """Return the samples of `street/<seed>`, from the folder when they were drawn before.

    Raises:
        DataError: A kept file is damaged.
        OutputError: The folder cannot be written.
    """
    path = folder / f"street-{seed}-{count}-v{VERSION}.npz"
    if not path.exists():
        street = load_dataset(load_registry().dataset("street"))
        samples = draw_samples(street.open(Request(str(seed), None)), count)
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            images=samples.images,
            paint=samples.paint,
            boxes=samples.boxes,
            view=samples.view,
            pixels=samples.pixels,
        )
        write_atomic(path, buffer.getvalue())
        return samples
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            return Samples(kept["images"], kept["paint"], kept["boxes"], kept["view"], kept["pixels"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
        hint = "delete the file; it is drawn again"
        raise DataError(f"the samples cannot be read: {error}", hint=hint, where=str(path)) from error


def counted(samples: Samples) -> Mask:
    """Return (M,) which boxes are large and visible enough to count."""
    sides = samples.boxes[:, 2:] - samples.boxes[:, :2]
    return (samples.pixels >= MIN_PIXELS) & (sides >= MIN_SIDE).all(1)


def join(parts: Sequence[Samples]) -> Samples:
    """Return the samples of several worlds as one set."""
    first = np.cumsum([0, *(len(part.images) for part in parts)])
    return Samples(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.paint for part in parts]),
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.view + start for part, start in zip(parts, first[:-1], strict=True)]),
        np.concatenate([part.pixels for part in parts]),
    )
