"""What the eye's network should say of a view, and how far off it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from recgen_bench.metrics.embedded.damage import Sample
from recgen_bench.metrics.embedded.network import STRIDE, Sight

SPREAD = 0.11
"""Standard deviation of the peak that marks a vehicle, as a share of the box's sides."""
OWN = 0.6
"""Cells in which a peak is at least this high also learn the box."""


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Targets of B views.

    Attributes:
        images: (B, 3, H, W) float32 in [0, 1].
        paint: (B, H, W) float32, 1 on lane paint.
        peaks: (B, H/4, W/4) float32, 1 in the cell of a vehicle's centre, falling off around it.
        weight: (B, H/4, W/4) float32, 0 where a vehicle is too small or too hidden to count either way.
        sides: (B, 4, H/4, W/4) float32 pixels from a cell's middle to its box's sides.
        own: (B, H/4, W/4) bool, cells that learn a box.
    """

    images: Tensor
    paint: Tensor
    peaks: Tensor
    weight: Tensor
    sides: Tensor
    own: Tensor


def truth_of(samples: Sequence[Sample]) -> Truth:
    """Return the targets of views of equal size."""
    cells = [_cells(sample) for sample in samples]
    images = np.stack([sample.image for sample in samples]).transpose(0, 3, 1, 2)
    paint = np.stack([sample.paint for sample in samples])
    peaks, weight, sides, own = (torch.from_numpy(np.stack([cell[i] for cell in cells])) for i in range(4))
    pixels = torch.from_numpy(np.ascontiguousarray(images)).float() / 255
    return Truth(pixels, torch.from_numpy(paint).float(), peaks, weight, sides, own)


def _cells(sample: Sample) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return peaks, weight, sides and own of one view."""
    rows, columns = (size // STRIDE for size in sample.paint.shape)
    y, x = (np.mgrid[:rows, :columns] + 0.5) * STRIDE
    peaks, weight = np.zeros((rows, columns), np.float32), np.ones((rows, columns), np.float32)
    sides = np.ones((4, rows, columns), np.float32)
    for box, counts in zip(sample.boxes, sample.counts, strict=True):
        x1, y1, x2, y2 = box
        if not counts:
            weight[(x > x1 - 2) & (x < x2 + 2) & (y > y1 - 2) & (y < y2 + 2)] = 0
            continue
        column = min(int((x1 + x2) / 2 / STRIDE), columns - 1)
        row = min(int((y1 + y2) / 2 / STRIDE), rows - 1)
        spread = np.maximum(SPREAD * np.array([x2 - x1, y2 - y1]), STRIDE * 0.45)
        # Around the middle of the cell, so that the peak is exactly 1 there.
        peak = np.exp(
            -0.5 * (((x - x[row, column]) / spread[0]) ** 2 + ((y - y[row, column]) / spread[1]) ** 2)
        )
        nearer = peak > peaks
        peaks[nearer] = peak[nearer]
        distances = np.stack([x - x1, y - y1, x2 - x, y2 - y])
        sides[:, nearer] = distances[:, nearer]
    own = (peaks > OWN) & (sides > 0).all(0)
    weight[peaks > OWN] = 1
    return peaks, weight, sides, own


def loss_of(sight: Sight, truth: Truth) -> tuple[Tensor, Tensor, Tensor]:
    """Return the losses of centres (CenterNet's focal loss), boxes (1 - IoU), lane paint (BCE and Dice)."""
    return _centre_loss(sight, truth), _box_loss(sight, truth), _paint_loss(sight, truth)


def _centre_loss(sight: Sight, truth: Truth) -> Tensor:
    found = torch.sigmoid(sight.centres)
    yes, no = functional.logsigmoid(sight.centres), functional.logsigmoid(-sight.centres)
    hit = (truth.peaks == 1).float()
    loss = hit * (1 - found) ** 2 * yes + (1 - hit) * (1 - truth.peaks) ** 4 * found**2 * no
    return -(loss * truth.weight).sum() / hit.sum().clamp(min=1)


def _box_loss(sight: Sight, truth: Truth) -> Tensor:
    if not truth.own.any():
        return sight.sides.sum() * 0
    found = sight.sides.permute(0, 2, 3, 1)[truth.own]
    wanted = truth.sides.permute(0, 2, 3, 1)[truth.own]
    share = torch.minimum(found, wanted)
    shared = (share[:, 0] + share[:, 2]) * (share[:, 1] + share[:, 3])
    area, other = ((box[:, 0] + box[:, 2]) * (box[:, 1] + box[:, 3]) for box in (found, wanted))
    # The logarithm of sides keeps a gradient where the overlap saturates.
    off = (found.log() - wanted.log()).abs().mean()
    return (1 - shared / (area + other - shared)).mean() + 0.2 * off


def _paint_loss(sight: Sight, truth: Truth) -> Tensor:
    found = torch.sigmoid(sight.lanes)
    cross = functional.binary_cross_entropy_with_logits(
        sight.lanes, truth.paint, pos_weight=torch.tensor(3.0, device=found.device)
    )
    shared = (found * truth.paint).sum()
    dice = 1 - (2 * shared + 1) / (found.sum() + truth.paint.sum() + 1)
    return 4 * cross + 0.5 * dice
