"""Random changes to training views: geometry, light, and the kinds of damage that renderings have."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.scene import Float, Image, Mask

Rng = np.random.Generator


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One view: (H, W, 3) image, (H, W) lane paint, (M, 4) boxes of vehicles, (M,) boxes that count."""

    image: Image
    paint: Mask
    boxes: Float
    counts: Mask


def varied(sample: Sample, rng: Rng) -> Sample:
    """Return a view as another drive might have seen it and a rendering might have damaged it."""
    sample = _mirrored(sample) if rng.random() < 0.5 else sample
    sample = _zoomed(sample, rng) if rng.random() < 0.5 else sample
    image = _lit(sample.image.astype(np.float32), rng)
    if rng.random() < 0.4:
        image = _smeared(image, rng)
    if rng.random() < 0.4:
        image = _blurred(image, rng)
    if rng.random() < 0.4:
        image = image + rng.normal(0, rng.uniform(1, 9), image.shape).astype(np.float32)
    return Sample(np.clip(image, 0, 255).astype(np.uint8), sample.paint, sample.boxes, sample.counts)


def _mirrored(sample: Sample) -> Sample:
    boxes = sample.boxes.copy()
    boxes[:, [0, 2]] = sample.image.shape[1] - boxes[:, [2, 0]]
    return Sample(sample.image[:, ::-1], sample.paint[:, ::-1], boxes, sample.counts)


def _zoomed(sample: Sample, rng: Rng) -> Sample:
    """Return the view at another scale and place; boxes that mostly leave the image no longer count."""
    height, width = sample.paint.shape
    scale = rng.uniform(0.8, 1.35)
    shift = rng.uniform(-0.08, 0.08, 2) * (width, height) + (1 - scale) / 2 * np.array([width, height])
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    # OpenCV puts pixel centres at whole numbers, boxes put them at +0.5.
    moved = matrix.copy()
    moved[:, 2] += 0.5 * scale - 0.5
    size = (width, height)
    image = cv2.warpAffine(np.ascontiguousarray(sample.image), moved, size, borderMode=cv2.BORDER_REFLECT_101)
    bits = np.ascontiguousarray(sample.paint).astype(np.uint8)
    paint = cv2.warpAffine(bits, moved, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101)
    boxes = sample.boxes * scale + np.tile(shift, 2)
    inside = np.clip(boxes, 0, [width, height, width, height])
    share = _area(inside) / np.maximum(_area(boxes), 1e-9)
    seen = share > 0.05
    counts = sample.counts & (share > 0.4)
    return Sample(np.asarray(image, np.uint8), np.asarray(paint) > 0, inside[seen], counts[seen])


def _area(boxes: Float) -> Float:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _lit(image: NDArray[np.float32], rng: Rng) -> NDArray[np.float32]:
    """Return the image under another exposure, contrast and white balance."""
    gain = rng.uniform(0.7, 1.3) * rng.uniform(0.93, 1.07, 3)
    mean = image.mean()
    return ((image - mean) * rng.uniform(0.75, 1.2) + mean).astype(np.float32) * gain.astype(np.float32)


def _smeared(image: NDArray[np.float32], rng: Rng) -> NDArray[np.float32]:
    """Return the image with translucent stretched blobs in its own colours, as misplaced Gaussians look."""
    height, width = image.shape[:2]
    veil, alpha = image.copy(), np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(3, 30))):
        colour = image[rng.integers(height), rng.integers(width)].tolist()
        middle = int(rng.integers(width)), int(rng.integers(height))
        axes = int(rng.integers(2, 22)), int(rng.integers(1, 4))
        turn = float(rng.uniform(0, 180))
        cv2.ellipse(veil, middle, axes, turn, 0, 360, colour, -1)
        cv2.ellipse(alpha, middle, axes, turn, 0, 360, float(rng.uniform(0.15, 0.7)), -1)
    soft = cv2.GaussianBlur(alpha, (0, 0), 1.0)[..., None]
    return image * (1 - soft) + np.asarray(cv2.GaussianBlur(veil, (0, 0), 1.0)) * soft


def _blurred(image: NDArray[np.float32], rng: Rng) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.6))), np.float32)
