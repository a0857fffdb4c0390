"""What one rendering is compared with, and in which order the training views are visited."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recgen_bench.harness.scene import Camera, View
from recgen_bench.methods.splats.raster import Rendered


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A view to learn from: recorded, generated, or judged by a function.

    Attributes:
        camera: Where to render.
        image: (H, W, 3) uint8; None when only `prior` judges the rendering.
        weight: (H, W) float32 weight of each pixel in the L1 term, None for 1.
        structure_weight: (H, W) float32 weight of each window in the SSIM term, None for 1.
        depth: (H, W) float32 z-depth in world units, 0 where unknown; None when there is none.
        sky: (H, W) bool, True where the pixel shows sky; None when that is not known.
        scale: Factor of all terms above.
        prior: (rendered) -> scalar, an additional term, for example a score distillation.
    """

    camera: Camera
    image: Tensor | None = None
    weight: Tensor | None = None
    structure_weight: Tensor | None = None
    depth: Tensor | None = None
    sky: Tensor | None = None
    scale: float = 1.0
    prior: Callable[[Rendered], Tensor] | None = None


def target(view: View, device: str, *, with_depth: bool = False) -> Target:
    """Decode a training view; pixels that its mask leaves out get weight 0."""
    mask = view.mask
    weight = None if mask is None else torch.from_numpy(mask).float().to(device)
    depth = view.depth if with_depth else None
    return Target(
        camera=view.camera,
        image=torch.from_numpy(view.image).to(device),
        weight=weight,
        structure_weight=weight,
        depth=None if depth is None else torch.from_numpy(depth).to(device),
    )


def shuffled(targets: Sequence[Target], seed: int) -> Callable[[int], list[Target]]:
    """Return (iteration, from 0) -> the one target to visit: each epoch sees each target once, shuffled.

    The order depends on nothing but the seed and the iteration, so there is no state to store.
    """

    @functools.lru_cache(maxsize=2)
    def order(epoch: int) -> list[int]:
        return torch.randperm(len(targets), generator=stream(seed, epoch)).tolist()

    def visit(iteration: int) -> list[Target]:
        epoch, place = divmod(iteration, len(targets))
        return [targets[order(epoch)[place]]]

    return visit


def stream(seed: int, step: int, device: str | torch.device = "cpu") -> torch.Generator:
    """Return a generator for one step: unrelated between steps and seeds, the same after a restart."""
    digest = hashlib.sha256(f"{seed}/{step}".encode()).digest()
    # torch's Mersenne twister looks at 32 bits of its seed.
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:4], "little"))
