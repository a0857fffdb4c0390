"""The scene as Gaussians: a static background, rigid actors in the axes of their boxes, and a sky."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recgen_bench.harness.errors import MethodFailed
from recgen_bench.methods.splats.gaussians import Gaussians

BACKGROUND = -1
"""Owner of the Gaussians that belong to no actor."""


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """Where a rigid actor was.

    Attributes:
        name: Unique in the scene.
        frames: (T,) int64 time steps at which it was seen, ascending.
        poses: (T, 4, 4) float64 rigid box-to-world.
    """

    name: str
    frames: NDArray[np.int64]
    poses: NDArray[np.float64]

    def pose_at(self, frame: int) -> NDArray[np.float64] | None:
        """Return the (4, 4) box-to-world at a time step, None when the actor was not seen then."""
        index = int(np.searchsorted(self.frames, frame))
        if index < len(self.frames) and self.frames[index] == frame:
            return self.poses[index]
        return None


@dataclass(frozen=True, slots=True, eq=False)
class SplatModel:
    """All Gaussians of a scene in one table, plain data that the harness can store.

    Attributes:
        gaussians: Background rows in world coordinates, actor rows in the axes of the actor's box.
        owner: (N,) int32 index into `tracks`, or BACKGROUND.
        born: (N,) int32 iteration at which densification made the row, 0 for the initial ones.
        tracks: The actors.
        sky: (S, S, 3) float32 colours by direction, see `sky.py`; None indoors, where rays end in black.
    """

    gaussians: Gaussians
    owner: Tensor
    born: Tensor
    tracks: tuple[Track, ...] = ()
    sky: Tensor | None = None

    def __post_init__(self) -> None:
        count = len(self.gaussians)
        if self.owner.shape != (count,) or self.born.shape != (count,):
            got = f"owner {tuple(self.owner.shape)}, born {tuple(self.born.shape)}"
            raise MethodFailed("every Gaussian needs an owner and a birth", got=got, expected=(count,))

    def __len__(self) -> int:
        return len(self.gaussians)

    @property
    def background(self) -> Gaussians:
        """The static Gaussians."""
        return self.gaussians.select(self.owner == BACKGROUND)

    def actor(self, name: str) -> Gaussians:
        """Return the Gaussians of one actor, in the axes of its box."""
        index = [track.name for track in self.tracks].index(name)
        return self.gaussians.select(self.owner == index)

    def copy(self) -> SplatModel:
        """Return the same values in memory of their own and without gradients."""
        gaussians = self.gaussians.map(lambda tensor: tensor.detach().clone())
        sky = None if self.sky is None else self.sky.detach().clone()
        return replace(self, gaussians=gaussians, owner=self.owner.clone(), born=self.born.clone(), sky=sky)

    def to(self, device: str | torch.device) -> SplatModel:
        """Return the same model on a device."""
        sky = None if self.sky is None else self.sky.to(device)
        owner, born = self.owner.to(device), self.born.to(device)
        return replace(self, gaussians=self.gaussians.to(device), owner=owner, born=born, sky=sky)


def static(gaussians: Gaussians, sky: Tensor | None = None) -> SplatModel:
    """Return a model without actors."""
    owner = torch.full((len(gaussians),), BACKGROUND, dtype=torch.int32, device=gaussians.means.device)
    return SplatModel(gaussians, owner, torch.zeros_like(owner), sky=sky)
