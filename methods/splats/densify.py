"""Adaptive density control: where Gaussians are added and removed during training.

A strategy is a frozen dataclass of settings with three methods; what it remembers between steps is an
explicit `Statistics`. Iterations count from 1, as in the 3DGS release.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from recgen_bench.methods.splats.gaussians import Gaussians
from recgen_bench.methods.splats.population import Population, join
from recgen_bench.methods.splats.rotation import rotate


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """What was seen of each Gaussian since the last refinement; the tensors are updated in place.

    Attributes:
        gradient: (N,) float32 sum of the screen gradients' norms, in normalised device coordinates.
        seen: (N,) float32 number of renderings in which it was visible.
    """

    gradient: Tensor
    seen: Tensor


def no_statistics(count: int, device: str | torch.device) -> Statistics:
    """Return the statistics of a population that was not rendered yet."""
    return Statistics(torch.zeros(count, device=device), torch.zeros(count, device=device))


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What one rendering and its backward pass tell a strategy.

    Attributes:
        screen: (N, 2) gradient of the loss by the projected centre in pixels.
        radii: (N,) float32 pixels, 0 where the Gaussian is not visible.
        width: Pixels.
        height: Pixels.
    """

    screen: Tensor
    radii: Tensor
    width: int
    height: int


class Strategy(Protocol):
    """How the population changes."""

    def observe(self, statistics: Statistics, seen: Seen) -> None:
        """Take note of one rendering after its backward pass."""
        ...

    def refine(
        self, population: Population, statistics: Statistics, iteration: int, generator: torch.Generator
    ) -> Population:
        """Return the population after an optimiser step, the same object when its rows did not change."""
        ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """The number of Gaussians never changes."""

    def observe(self, statistics: Statistics, seen: Seen) -> None:
        """Do nothing."""

    def refine(
        self, population: Population, statistics: Statistics, iteration: int, generator: torch.Generator
    ) -> Population:
        """Return the population unchanged."""
        return population


@dataclass(frozen=True, slots=True)
class CloneAndSplit:
    """Clone small and split large Gaussians with a large screen gradient, prune faint and huge ones.

    Kerbl et al. 2023, section 5.2, with the choices of their release: the gradient is the mean over the
    renderings that showed the Gaussian; the size test on the screen, which the release never reaches, is left
    out. Splits replace their parents; clones and splits start with zero moments.

    Attributes:
        begin: Refine after this iteration.
        end: No statistics, refinement or reset from this iteration on.
        every: Iterations between two refinements.
        gradient: Threshold of the mean screen gradient, in normalised device coordinates.
        split_scale: Gaussians above this are split, below cloned, as a fraction of the extent.
        prune_opacity: Gaussians below this opacity are removed.
        prune_scale: Gaussians above this fraction of the extent are removed after the first opacity reset.
        reset_every: Iterations between two opacity resets to twice `prune_opacity`; 0 means never.
        most: The population never grows beyond this; the largest gradients go first.
        extent: Size of the scene in world units.
    """

    begin: int
    end: int
    every: int
    gradient: float
    split_scale: float
    prune_opacity: float
    prune_scale: float
    reset_every: int
    most: int
    extent: float

    def observe(self, statistics: Statistics, seen: Seen) -> None:
        """Add the norms of the screen gradients, scaled from pixels to normalised device coordinates."""
        visible = seen.radii > 0
        size = seen.screen.new_tensor([seen.width / 2, seen.height / 2])
        x, y = (seen.screen * size).unbind(-1)
        statistics.gradient.add_(torch.sqrt(x * x + y * y) * visible)
        statistics.seen.add_(visible)

    @torch.no_grad()
    def refine(
        self, population: Population, statistics: Statistics, iteration: int, generator: torch.Generator
    ) -> Population:
        """Clone, split, prune and reset when the iteration asks for it."""
        if iteration >= self.end:
            return population
        if iteration > self.begin and iteration % self.every == 0:
            population = self._grow(population, statistics, iteration, generator)
            population = population.select(~self._doomed(population.gaussians, iteration)).trainable()
        if self.reset_every and iteration % self.reset_every == 0:
            population = _reset_opacities(population, 2 * self.prune_opacity)
        return population

    def _grow(
        self, population: Population, statistics: Statistics, iteration: int, generator: torch.Generator
    ) -> Population:
        mean = statistics.gradient / statistics.seen.clamp_min(1)
        chosen = mean > self.gradient
        room = max(self.most - len(population), 0)
        if int(chosen.sum()) > room:
            best = torch.sort(mean, descending=True, stable=True).indices[:room]
            chosen = torch.zeros_like(chosen).index_fill_(0, best, True)
        largest = population.gaussians.scales.max(dim=-1).values.exp()
        large = largest > self.split_scale * self.extent
        clones = population.children(torch.nonzero(chosen & ~large)[:, 0], iteration)
        parents = population.children(torch.nonzero(chosen & large)[:, 0], iteration)
        halves = [replace(parents, gaussians=_offspring(parents.gaussians, generator)) for _ in range(2)]
        return join([population.select(~(chosen & large)), clones, *halves])

    def _doomed(self, gaussians: Gaussians, iteration: int) -> Tensor:
        doomed = torch.sigmoid(gaussians.opacities) < self.prune_opacity
        if self.reset_every and iteration > self.reset_every:
            doomed |= gaussians.scales.max(dim=-1).values.exp() > self.prune_scale * self.extent
        return doomed


def _offspring(parents: Gaussians, generator: torch.Generator) -> Gaussians:
    """Return one sample of each parent, 1.6 times smaller."""
    deviations = parents.scales.exp() * normal(parents.scales, generator)
    means = parents.means + rotate(parents.quats, deviations)
    return replace(parents, means=means, scales=parents.scales - torch.log(torch.tensor(1.6)).item())


def _reset_opacities(population: Population, opacity: float) -> Population:
    """Clamp all opacities from above and forget their moments."""
    most = float(torch.logit(torch.tensor(opacity, dtype=torch.float64)))
    gaussians = replace(population.gaussians, opacities=population.gaussians.opacities.clamp_max(most))
    first, second = (
        replace(moments, opacities=torch.zeros_like(moments.opacities))
        for moments in (population.first, population.second)
    )
    return replace(population, gaussians=gaussians, first=first, second=second).trainable()


def normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Return standard normal values of a tensor's shape; the generator lives on its device."""
    return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=like.device)
