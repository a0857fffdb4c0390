"""The one training step that all methods share, and the loop around it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from recgen_bench.harness.errors import MethodFailed
from recgen_bench.harness.run import Run
from recgen_bench.methods.splats.adam import adam
from recgen_bench.methods.splats.calling import kernels_on
from recgen_bench.methods.splats.compose import render
from recgen_bench.methods.splats.densify import Seen, Statistics, no_statistics
from recgen_bench.methods.splats.gaussians import NAMES, Gaussians
from recgen_bench.methods.splats.losses import depth_distance, photometric, sky_entropy
from recgen_bench.methods.splats.model import SplatModel
from recgen_bench.methods.splats.population import Population, found
from recgen_bench.methods.splats.raster import Rendered
from recgen_bench.methods.splats.recipe import Recipe
from recgen_bench.methods.splats.target import Target, stream

REPORT_S = 0.3
"""Seconds between two progress reports, each of which waits for the loss."""

EditGradients = Callable[[SplatModel, int], None]
"""(model, iteration) -> None: changes the gradients of the model's tensors in place, for example `freeze`."""


class Trainer:
    """A model in training: parameters, moments, statistics and the number of steps taken.

    Whatever is random in a step comes from the seed and the step's number, so `state` holds no generator.

    Attributes:
        population: The Gaussians with their moments.
        iteration: Steps taken.
    """

    def __init__(self, model: SplatModel, recipe: Recipe, *, extent: float, seed: int) -> None:
        self.population = found(model.gaussians, model.owner, model.born)
        self.iteration = 0
        self._recipe, self._extent, self._seed = recipe, extent, seed
        self._strategy = recipe.strategy(extent)
        self._tracks = model.tracks
        self._statistics = no_statistics(len(model), model.owner.device)
        self._sky: tuple[Tensor, Tensor, Tensor] | None = None
        if model.sky is not None:
            moments = torch.zeros_like(model.sky), torch.zeros_like(model.sky)
            self._sky = (model.sky.clone().requires_grad_(), *moments)

    def model(self) -> SplatModel:
        """Return the model whose tensors are the ones in training; they change with the next step."""
        population, sky = self.population, None if self._sky is None else self._sky[0]
        return SplatModel(population.gaussians, population.owner, population.born, self._tracks, sky)

    def step(self, targets: Sequence[Target], edit_gradients: EditGradients | None = None) -> Tensor:
        """Render the targets, sum their losses, update all parameters once, and adapt the population.

        Returns:
            The loss, a scalar that was not waited for.
        """
        self.iteration += 1
        model, degree = self.model(), self._recipe.degree_at(self.iteration)
        total = torch.zeros((), device=model.owner.device)
        for target in targets:
            rendered = render(model, target.camera, degree)
            loss = self._loss(rendered, target)
            loss.backward()  # type: ignore[no-untyped-call] # torch does not annotate it.
            total = total + loss.detach()
            self._observe(rendered, target)
        if self._recipe.densify == "mcmc":
            self._penalty(model.gaussians).backward()  # type: ignore[no-untyped-call] # As above.
        if edit_gradients is not None:
            edit_gradients(model, self.iteration)
        self._update()
        generator = stream(self._seed, self.iteration, total.device)
        before, self.population = (
            self.population,
            self._strategy.refine(self.population, self._statistics, self.iteration, generator),
        )
        if len(self.population) == 0:
            raise MethodFailed("every Gaussian was pruned", hint="lower the learning rates or prune_opacity")
        if self.population is not before:
            self._statistics = no_statistics(len(self.population), total.device)
        return total

    def state(self) -> dict[str, Any]:
        """Return everything that `restore` needs, as plain tensors and numbers."""
        population = self.population
        tables = {"gaussians": population.gaussians, "first": population.first, "second": population.second}
        tensors = {f"{table}.{name}": getattr(part, name) for table, part in tables.items() for name in NAMES}
        tensors |= {"owner": population.owner, "born": population.born}
        tensors |= {"gradient": self._statistics.gradient, "seen": self._statistics.seen}
        if self._sky is not None:
            tensors |= dict(zip(("sky", "sky.first", "sky.second"), self._sky, strict=True))
        return {"iteration": self.iteration, **{name: tensor.detach() for name, tensor in tensors.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of a trainer with the same recipe, tracks and seed."""
        device = self.population.owner.device
        own = {name: value.to(device, copy=True) for name, value in state.items() if name != "iteration"}
        gaussians, first, second = (
            Gaussians(*(own[f"{table}.{name}"] for name in NAMES))
            for table in ("gaussians", "first", "second")
        )
        self.population = Population(gaussians, first, second, own["owner"], own["born"]).trainable()
        self._statistics = Statistics(own["gradient"], own["seen"])
        if self._sky is not None:
            self._sky = (own["sky"].requires_grad_(), own["sky.first"], own["sky.second"])
        self.iteration = int(state["iteration"])

    def _loss(self, rendered: Rendered, target: Target) -> Tensor:
        recipe, loss = self._recipe, rendered.rgb.new_zeros(())
        if target.image is not None:
            loss = photometric(
                rendered.rgb,
                target.image.float() / 255,
                structure=recipe.structure,
                padding=recipe.padding,
                weight=target.weight,
                structure_weight=target.structure_weight,
            )
        if target.depth is not None and recipe.depth_weight:
            loss = loss + recipe.depth_weight * depth_distance(rendered.depth, target.depth, target.weight)
        if target.sky is not None and recipe.sky_weight:
            loss = loss + recipe.sky_weight * sky_entropy(rendered.alpha, target.sky)
        if target.scale != 1:
            loss = loss * target.scale
        return loss if target.prior is None else loss + target.prior(rendered)

    def _penalty(self, gaussians: Gaussians) -> Tensor:
        opacity = self._recipe.opacity_penalty * torch.sigmoid(gaussians.opacities).mean()
        return opacity + self._recipe.scale_penalty * gaussians.scales.exp().mean()

    @torch.no_grad()
    def _observe(self, rendered: Rendered, target: Target) -> None:
        if self.iteration < self._recipe.densify_until and rendered.screen.grad is not None:
            camera = target.camera
            seen = Seen(rendered.screen.grad, rendered.radii, camera.width, camera.height)
            self._strategy.observe(self._statistics, seen)

    def _update(self) -> None:
        recipe, population = self._recipe, self.population
        position_rate = recipe.position_rate_at(self.iteration) * self._extent
        rates = [position_rate, recipe.rotation_rate, recipe.scale_rate, recipe.opacity_rate]
        rates += [recipe.colour_rate, recipe.harmonics_rate]
        tables = zip(population.gaussians, population.first, population.second, strict=True)
        groups = [(*group, rate) for group, rate in zip(tables, rates, strict=True)]
        if self._sky is not None:
            groups.append((*self._sky, recipe.sky_rate))
        for parameter, first, second, rate in groups:
            if parameter.grad is not None:
                adam(parameter, parameter.grad, first, second, step=self.iteration, rate=rate)
                parameter.grad = None


def train(
    trainer: Trainer,
    targets: Callable[[int], Sequence[Target]],
    run: Run,
    *,
    until: int,
    edit_gradients: EditGradients | None = None,
) -> SplatModel:
    """Train up to an iteration, from the phase's snapshot if there is one, and return a copy of the model.

    Args:
        trainer: What to train; restored from the snapshot.
        targets: (iterations done) -> what the next step learns from; must depend on nothing else.
        run: Snapshots, progress and threads.
        until: Value of `trainer.iteration` at which to stop.
        edit_gradients: Called before each update.

    Raises:
        MethodFailed: The loss is not finite any more, or no Gaussian is left.
    """
    snapshot = run.snapshots.latest()
    if snapshot is not None:
        trainer.restore(snapshot.state)
    start, reported = trainer.iteration, -math.inf
    with kernels_on(run.threads):
        while trainer.iteration < until:
            loss = trainer.step(targets(trainer.iteration), edit_gradients)
            done = trainer.iteration
            run.snapshots.save_if_due(done, trainer.state)
            if time.monotonic() - reported >= REPORT_S or done in (start + 1, until):
                reported = time.monotonic()
                value = loss.item()
                if not math.isfinite(value):
                    raise MethodFailed("training diverged: the loss is not finite", got=f"iteration {done}")
                run.report(done, until, {"loss": value, "gaussians": float(len(trainer.population))})
    return trainer.model().copy()


def freeze(model: SplatModel, rows: Tensor, names: Sequence[str]) -> None:
    """Zero the gradients of some parameters for the rows of a mask (N,) bool; call it as `edit_gradients`."""
    for name in names:
        gradient = getattr(model.gaussians, name).grad
        if gradient is not None:
            gradient[rows] = 0
