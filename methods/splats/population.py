"""Everything that training keeps for each Gaussian, in one table whose rows stay together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recgen_bench.methods.splats.gaussians import Gaussians, concatenate


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """N Gaussians in training.

    Attributes:
        gaussians: The parameters, leaves of autograd.
        first: Adam's first moments.
        second: Adam's second moments.
        owner: (N,) int32, see `SplatModel`.
        born: (N,) int32, see `SplatModel`.
    """

    gaussians: Gaussians
    first: Gaussians
    second: Gaussians
    owner: Tensor
    born: Tensor

    def __len__(self) -> int:
        return len(self.gaussians)

    def select(self, rows: Tensor) -> Population:
        """Return the rows named by indices (M,) int64 or by a mask (N,) bool, with their moments."""
        gaussians, first, second = (part.select(rows) for part in (self.gaussians, self.first, self.second))
        return Population(gaussians, first, second, self.owner[rows], self.born[rows])

    def children(self, rows: Tensor, iteration: int) -> Population:
        """Return copies of rows born now: with zero moments, as in the 3DGS release."""
        chosen = self.select(rows)
        born = torch.full_like(chosen.born, iteration)
        return replace(chosen, first=chosen.first.zeros(), second=chosen.second.zeros(), born=born)

    def trainable(self) -> Population:
        """Return the same rows with fresh leaves of autograd."""
        return replace(self, gaussians=self.gaussians.trainable())


def found(gaussians: Gaussians, owner: Tensor, born: Tensor) -> Population:
    """Return a population at the start of training: no moments yet."""
    own = gaussians.map(lambda tensor: tensor.detach().clone())
    return Population(own, own.zeros(), own.zeros(), owner.clone(), born.clone()).trainable()


def join(parts: Sequence[Population]) -> Population:
    """Return the rows of all parts, in order."""
    return Population(
        gaussians=concatenate([part.gaussians for part in parts]),
        first=concatenate([part.first for part in parts]),
        second=concatenate([part.second for part in parts]),
        owner=torch.cat([part.owner for part in parts]),
        born=torch.cat([part.born for part in parts]),
    )
