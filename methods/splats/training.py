"""A training that is taken up again: what a method with rounds stores between its phases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recgen_bench.harness.gain import GainView
from recgen_bench.harness.run import Run
from recgen_bench.harness.scene import Camera
from recgen_bench.methods.splats import ply
from recgen_bench.methods.splats.actors import at_frame
from recgen_bench.methods.splats.calling import kernels_on
from recgen_bench.methods.splats.eig import Semantics
from recgen_bench.methods.splats.eig_export import gain_views
from recgen_bench.methods.splats.gaussians import NAMES, Gaussians
from recgen_bench.methods.splats.initialise import extent, initial_model
from recgen_bench.methods.splats.model import SplatModel, Track
from recgen_bench.methods.splats.optimise import EditGradients, Trainer, train
from recgen_bench.methods.splats.recipe import Recipe
from recgen_bench.methods.splats.target import Target


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """A model with its moments and statistics, so that a later phase goes on as if nothing had been between.

    Attributes:
        state: Of the trainer, see `Trainer.state`.
        tracks: The actors.
    """

    state: dict[str, Any]
    tracks: tuple[Track, ...] = ()

    @property
    def iteration(self) -> int:
        """Steps taken."""
        return int(self.state["iteration"])

    @property
    def model(self) -> SplatModel:
        """The scene as it is now."""
        gaussians = Gaussians(*(self.state[f"gaussians.{name}"] for name in NAMES))
        owner, born = self.state["owner"], self.state["born"]
        return SplatModel(gaussians, owner, born, self.tracks, self.state.get("sky"))


TargetsAt = Callable[[int], Sequence[Target]]
"""(iterations done) -> what the next step learns from."""


def begin(
    views: Sequence[Target],
    targets: TargetsAt,
    run: Run,
    *,
    until: int,
    edit_gradients: EditGradients | None = None,
) -> Training:
    """Initialise from the run's scene and train up to an iteration with the recipe `run.config`.

    Args:
        views: The decoded training views, to initialise from.
        targets: What each step learns from.
        run: Recipe, seeds, snapshots, progress and threads.
        until: Iterations.
        edit_gradients: Called before each update.
    """
    with kernels_on(run.threads):
        start = initial_model(run.scene, views, run.config, run.seed_for("points")).to(run.device)
    return _trained(_trainer(start, run.config, run), targets, run, until, edit_gradients)


def go_on(
    training: Training,
    recipe: Recipe,
    targets: TargetsAt,
    run: Run,
    *,
    until: int,
    edit_gradients: EditGradients | None = None,
) -> Training:
    """Train further, up to an iteration; the recipe may differ from the one before."""
    model = training.model.to(run.device)
    trainer = _trainer(model, recipe, run)
    trainer.restore(training.state)
    return _trained(trainer, targets, run, until, edit_gradients)


def write_ply(training: Training, path: Path, frame: int | None) -> None:
    """Write the background as a 3DGS PLY, with the actors of a frame if one is named, without the sky."""
    ply.write_ply(path, at_frame(training.model, frame))


def eig(
    training: Training, known: Sequence[Camera], cameras: Sequence[Camera], semantics: Semantics
) -> Iterator[GainView]:
    """Yield the expected information gain of each camera's pixels after the `known` views."""
    return gain_views(training.model, known, cameras, semantics)


def _trainer(model: SplatModel, recipe: Recipe, run: Run) -> Trainer:
    return Trainer(model, recipe, extent=extent(run.scene), seed=run.seed_for("densify"))


def _trained(
    trainer: Trainer, targets: TargetsAt, run: Run, until: int, edit_gradients: EditGradients | None
) -> Training:
    model = train(trainer, targets, run, until=until, edit_gradients=edit_gradients)
    return Training(trainer.state(), model.tracks)
