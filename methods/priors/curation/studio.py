"""One capture, and the models that curation fits to parts of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from recgen_bench.harness import checkpoint
from recgen_bench.harness.checkpoint import Snapshots
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.run import Run
from recgen_bench.harness.scene import Camera, Capture, Image, Scene, View
from recgen_bench.methods.priors.curation.pair import Pair, Provenance
from recgen_bench.methods.priors.restorer import Restorer
from recgen_bench.methods.splats.calling import kernels_on
from recgen_bench.methods.splats.compose import render
from recgen_bench.methods.splats.eig import Information, model_eig, model_information
from recgen_bench.methods.splats.eig_weights import unit
from recgen_bench.methods.splats.ground import on_road
from recgen_bench.methods.splats.initialise import extent, initial_model
from recgen_bench.methods.splats.model import SplatModel
from recgen_bench.methods.splats.optimise import Trainer, train
from recgen_bench.methods.splats.recipe import Recipe
from recgen_bench.methods.splats.target import Target, shuffled, stream, target

SHARE = 0.4
"""Of the steps of distillation that visit a repaired frame."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A model with what made it.

    Attributes:
        name: Unique in the scene.
        model: The Gaussians.
        cameras: The cameras it learned from.
        iterations: Optimiser steps it has had.
    """

    name: str
    model: SplatModel
    cameras: tuple[Camera, ...]
    iterations: int


@dataclass(frozen=True, slots=True, eq=False)
class Studio:
    """Fits models to views of one capture and photographs them.

    Attributes:
        capture: All that is known of the scene.
        recipe: How models are trained; `iterations` is the full schedule.
        models: Folder that keeps fitted models, so that strategies and later calls share them.
        scratch: Folder of the snapshots of a fit in progress.
        count: Pairs that each strategy should yield, at most.
        with_eig: Pairs carry expected information gain.
        threads: CPU threads; they change nothing but the time.
        restorer: For strategies that use one already; None otherwise.
    """

    capture: Capture
    recipe: Recipe
    models: Path
    count: int = 24
    with_eig: bool = False
    threads: int = 1
    restorer: Restorer | None = None
    _information: dict[str, Information] = field(default_factory=dict)

    def draw(self, purpose: str) -> np.random.Generator:
        """Return a generator that depends on the scene and the purpose alone."""
        text = f"{self.capture.dataset}/{self.capture.id}/{purpose}"
        digest = hashlib.sha256(text.encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], "little"))

    def fit(self, views: Sequence[View], name: str, iterations: int | None = None) -> Fitted:
        """Return a model trained on views and stopped at an iteration of the schedule, by default its end.

        Args:
            views: With images.
            name: Unique in the scene for these views.
            iterations: Where to stop; the learning rates still follow the full schedule.
        """
        until = self.recipe.iterations if iterations is None else iterations
        cameras = tuple(view.camera for view in views)
        label = f"{name}-{until}"
        path = self.models / f"{label}.safetensors"
        if path.is_file():
            return Fitted(label, checkpoint.load(path, SplatModel), cameras, until)
        scene = self._scene(views)
        run = self._run(scene, label)
        targets = [target(view, "cpu") for view in views]
        with kernels_on(self.threads):
            start = initial_model(scene, targets, self.recipe, run.seed_for("points"))
        trainer = Trainer(start, self.recipe, extent=extent(scene), seed=run.seed_for("densify"))
        model = train(trainer, shuffled(targets, run.seed_for("views")), run, until=until)
        return self._kept(Fitted(label, model, cameras, until), run)

    def distil(
        self, fitted: Fitted, views: Sequence[View], beside: Sequence[Target], name: str, iterations: int
    ) -> Fitted:
        """Return a fitted model after further training in which four of ten steps visit a repaired frame.

        Args:
            fitted: Where to begin; the learning rates go on where they were.
            views: Recorded views.
            beside: Repaired frames.
            name: Unique in the scene for these frames.
            iterations: Where to stop.
        """
        label = f"{name}-{iterations}"
        path = self.models / f"{label}.safetensors"
        if path.is_file():
            return Fitted(label, checkpoint.load(path, SplatModel), fitted.cameras, iterations)
        scene = self._scene(views)
        run = self._run(scene, label)
        recipe = replace(self.recipe, iterations=iterations)
        trainer = Trainer(fitted.model.copy(), recipe, extent=extent(scene), seed=run.seed_for("densify"))
        trainer.iteration = fitted.iterations
        real = shuffled([target(view, "cpu") for view in views], run.seed_for("views"))
        made = shuffled(beside, run.seed_for("frames"))
        seed = run.seed_for("mix")

        def mixed(iteration: int) -> list[Target]:
            chosen = made if torch.rand((), generator=stream(seed, iteration)) < SHARE else real
            return chosen(iteration)

        model = train(trainer, mixed, run, until=iterations)
        return self._kept(Fitted(label, model, fitted.cameras, iterations), run)

    def photograph(self, model: SplatModel, camera: Camera) -> Image:
        """Return the (H, W, 3) uint8 frame of a model, rounded as the harness stores frames."""
        with torch.no_grad(), kernels_on(self.threads):
            rgb = render(model, camera).rgb.clamp(0, 1)
        return (rgb * 255).round().to(torch.uint8).numpy()

    def repaired(self, fitted: Fitted, camera: Camera, reference: View) -> Image:
        """Return the (H, W, 3) uint8 frame of a model after `restorer`."""
        restorer = self.restorer
        if restorer is None:
            raise DataError("there is no restorer", where=self.capture.id)
        frames = [self.photograph(fitted.model, camera), self.beside(reference, camera)]
        image, second = (torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 255 for frame in frames)
        eig = torch.from_numpy(self.eig(fitted, camera))[None] if restorer.uses_eig else None
        made = restorer.restore(image, second, eig)[0].permute(1, 2, 0)
        return (made * 255).round().to(torch.uint8).numpy()

    def pair(self, fitted: Fitted, truth: View, reference: View, strategy: str) -> Pair:
        """Return the pair of a model's frame and the truth through the truth's camera."""
        provenance = Provenance(
            dataset=self.capture.dataset,
            scene=self.capture.id,
            strategy=strategy,
            view=truth.name,
            reference=reference.name,
            shift=truth.shift,
            iterations=fitted.iterations,
        )
        eig = self.eig(fitted, truth.camera) if self.with_eig else None
        shown = self.photograph(fitted.model, truth.camera)
        return Pair(shown, truth.image, self.beside(reference, truth.camera), eig, provenance)

    def beside(self, reference: View, camera: Camera) -> Image:
        """Return the (H, W, 3) uint8 reference as embedded restorers look at it, see `on_road`."""
        return on_road(reference, self.capture.views, camera)

    def eig(self, fitted: Fitted, camera: Camera) -> NDArray[np.float32]:
        """Return the (H, W) expected information gain of a frame in [0, 1], given the model's own cameras.

        Exact semantics after `eig_weights.unit`, as the loops hand it to restorers.
        """
        if fitted.name not in self._information:
            self._information.clear()
            found = model_information(fitted.model, fitted.cameras, self.threads, "exact")
            self._information[fitted.name] = found
        information = self._information[fitted.name]
        gain = model_eig(fitted.model, camera, information, threads=self.threads)
        return unit(gain, information).numpy()

    def _scene(self, views: Sequence[View]) -> Scene:
        capture = self.capture
        if not views:
            raise DataError("the strategy leaves no view to train on", where=capture.id)
        return Scene(
            dataset=capture.dataset,
            id=capture.id,
            train=tuple(views),
            test=(),
            points=capture.points,
            actors=capture.actors,
            lanes=capture.lanes,
            has_sky=capture.has_sky,
            world=capture.world,
        )

    def _kept(self, fitted: Fitted, run: Run) -> Fitted:
        checkpoint.save(self.models / f"{fitted.name}.safetensors", fitted.model)
        run.snapshots.clear()
        return fitted

    def _run(self, scene: Scene, label: str) -> Run:
        snapshot = self.models / f"{label}.snapshot.safetensors"
        return Run(
            scene=scene,
            config=self.recipe,
            seed=0,
            device="cpu",
            threads=self.threads,
            shift=None,
            scratch=self.models,
            snapshots=Snapshots(snapshot, every_s=60.0),
            report=lambda step, total, values: None,
            weights=lambda weights: self.models,
            phase=f"curation of {label}",
        )
