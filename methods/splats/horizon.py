"""Which pixels of an unrecorded view show sky: what every recorded view saw through, in that direction.

The paper of FaithFusion takes the farthest depth of Depth-Anything-V2 for sky. No network is needed where a
model of the scene exists: sky is infinitely far, so it lies in the same directions from everywhere. A hole in
the model is transparent too, but the recorded views saw a facade there.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from recgen_bench.harness.scene import Camera
from recgen_bench.methods.splats.calling import kernels_on
from recgen_bench.methods.splats.compose import render
from recgen_bench.methods.splats.model import SplatModel
from recgen_bench.methods.splats.sky import directions, unfold

CLEAR = 0.1
"""A pixel of less alpha was seen through."""

SIZE = 96
"""Side of the table of directions."""


def open_directions(model: SplatModel, cameras: Sequence[Camera], threads: int) -> Tensor:
    """Return (SIZE, SIZE) bool: directions that some view saw and that were clear in most of their pixels."""
    clear, seen = torch.zeros(SIZE * SIZE), torch.zeros(SIZE * SIZE)
    for camera in cameras:
        with torch.no_grad(), kernels_on(threads):
            alpha = render(model, camera).alpha.reshape(-1).cpu()
        index = _cells(camera).reshape(-1)
        clear.index_add_(0, index, (alpha < CLEAR).float())
        seen.index_add_(0, index, torch.ones_like(alpha))
    return (2 * clear > seen).reshape(SIZE, SIZE)


def sky_mask(alpha: Tensor, camera: Camera, known: Tensor) -> Tensor:
    """Return (H, W) bool: pixels in open directions that the Gaussians cover less than half."""
    return known.reshape(-1)[_cells(camera)].to(alpha.device) & (alpha < 0.5)


def _cells(camera: Camera) -> Tensor:
    """Return the (H, W) int64 cell of each pixel's direction."""
    cells = ((unfold(directions(camera)) + 1) * (SIZE / 2)).long().clamp_(0, SIZE - 1)
    return cells[..., 1] * SIZE + cells[..., 0]
