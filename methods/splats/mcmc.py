"""3DGS as Markov Chain Monte Carlo (Kheradmand et al. 2024): move the dead, add few, shake all."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recgen_bench.methods.splats.densify import Seen, Statistics, normal
from recgen_bench.methods.splats.gaussians import Gaussians
from recgen_bench.methods.splats.population import Population, join
from recgen_bench.methods.splats.rotation import quaternion_to_matrix, transform

MOST_COPIES = 51
"""More Gaussians than this are never made to share one place in one refinement, as in the release."""


@dataclass(frozen=True, slots=True)
class Relocate:
    """Relocation, growth by 5 % and noise on the positions.

    Attributes:
        begin: Refine after this iteration.
        end: No refinement from this iteration on; noise goes on.
        every: Iterations between two refinements.
        dead_opacity: Gaussians up to this opacity are moved onto live ones.
        most: The population never grows beyond this.
        noise: Standard deviation of the noise, as a multiple of the learning rate of the positions.
        rates: Learning rate of the positions at the first and the last iteration.
        iterations: Length of the training, between which the rate decays exponentially.
    """

    begin: int
    end: int
    every: int
    dead_opacity: float
    most: int
    noise: float
    rates: tuple[float, float]
    iterations: int

    def observe(self, statistics: Statistics, seen: Seen) -> None:
        """Do nothing: opacities tell enough."""

    @torch.no_grad()
    def refine(
        self, population: Population, statistics: Statistics, iteration: int, generator: torch.Generator
    ) -> Population:
        """Relocate and add when due, then add noise to the positions in place."""
        if self.begin < iteration < self.end and iteration % self.every == 0:
            population = self._relocate(population, iteration, generator)
            population = self._add(population, iteration, generator).trainable()
        first, last = self.rates
        rate = first * (last / first) ** (iteration / self.iterations)
        _shake(population.gaussians, self.noise * rate, generator)
        return population

    def _relocate(self, population: Population, iteration: int, generator: torch.Generator) -> Population:
        opacities = torch.sigmoid(population.gaussians.opacities)
        dead, alive = opacities <= self.dead_opacity, opacities > self.dead_opacity
        places = torch.nonzero(alive)[:, 0]
        count = int(dead.sum())
        if not count or not len(places):
            return population
        chosen = places[_draw(opacities[places], count, generator)]
        shared = self._share(population, chosen)
        return join([shared.select(alive), shared.children(chosen, iteration)])

    def _add(self, population: Population, iteration: int, generator: torch.Generator) -> Population:
        count = min(self.most, int(1.05 * len(population))) - len(population)
        if count <= 0:
            return population
        chosen = _draw(torch.sigmoid(population.gaussians.opacities), count, generator)
        shared = self._share(population, chosen)
        return join([shared, shared.children(chosen, iteration)])

    def _share(self, population: Population, chosen: Tensor) -> Population:
        """Return the rows to be copied with opacity and scale shared among the copies, moments forgotten."""
        copies = torch.bincount(chosen, minlength=len(population)) + 1
        rows = torch.nonzero(copies > 1)[:, 0]
        gaussians = population.gaussians
        opacities, scales = divided(
            torch.sigmoid(gaussians.opacities[rows]), gaussians.scales[rows].exp(), copies[rows]
        )
        opacities = opacities.clamp(self.dead_opacity, 1 - torch.finfo(torch.float32).eps)
        changed = replace(
            gaussians,
            opacities=gaussians.opacities.detach().index_copy(0, rows, torch.logit(opacities)),
            scales=gaussians.scales.detach().index_copy(0, rows, scales.log()),
        )
        first, second = (
            moments.map(lambda tensor: tensor.index_fill(0, rows, 0.0))
            for moments in (population.first, population.second)
        )
        return replace(population, gaussians=changed, first=first, second=second)


def divided(opacities: Tensor, scales: Tensor, copies: Tensor) -> tuple[Tensor, Tensor]:
    """Return opacity and scale with which that many copies at one place look like the one Gaussian before.

    Equation 9 of the paper: o' = 1 - (1 - o)^(1/n), s' = o / D s with D the double sum over binomials;
    summing over its outer index first leaves D = sum_k C(n, k+1) (-1)^k o'^(k+1) / sqrt(k + 1), k = 0 .. n-1.

    Args:
        opacities: (N,) in (0, 1).
        scales: (N, 3) standard deviations.
        copies: (N,) int64, at least 1; more than MOST_COPIES count as MOST_COPIES.
    """
    n = copies.clamp(1, MOST_COPIES).double()[:, None]
    o = opacities.double()[:, None]
    shared = 1 - (1 - o) ** (1 / n)
    k = torch.arange(1, MOST_COPIES + 1, dtype=torch.float64, device=o.device)[None]
    # Binomials through logarithms of factorials; terms beyond n vanish, which the mask says exactly.
    log_binomial = torch.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma((n - k).clamp_min(0) + 1)
    terms = torch.exp(log_binomial + k * torch.log(shared)) / torch.sqrt(k)
    signs = 1 - 2 * ((k - 1) % 2)
    total = torch.where(k <= n, signs * terms, 0.0).sum(-1, keepdim=True)
    return shared[:, 0].to(opacities.dtype), (scales.double() * o / total).to(scales.dtype)


def _draw(weights: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return (count,) indices drawn with replacement in proportion to weights, of any number of rows."""
    edges = torch.cumsum(weights.double(), 0)
    targets = torch.rand(count, generator=generator, dtype=torch.float64, device=weights.device) * edges[-1]
    return torch.searchsorted(edges, targets, right=True).clamp_max(len(weights) - 1)


def _shake(gaussians: Gaussians, size: float, generator: torch.Generator) -> None:
    """Add noise shaped like each Gaussian to its position: much for transparent, none for opaque ones."""
    openness = torch.sigmoid(100 * (0.005 - torch.sigmoid(gaussians.opacities)))
    noise = normal(gaussians.means, generator) * openness[:, None] * size
    turn = quaternion_to_matrix(gaussians.quats)
    along = transform(turn.transpose(-1, -2), noise) * (2 * gaussians.scales).exp()
    gaussians.means.add_(transform(turn, along))
