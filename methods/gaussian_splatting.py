"""3D Gaussian Splatting (Kerbl et al. 2023): the baseline that the other methods start from.

Driving scenes follow Street Gaussians (Yan et al. 2024) in one point: moving vehicles with points on them are
Gaussians in the axes of their tracked boxes. Poses stay as given; the sky is a texture behind the Gaussians.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from recgen_bench.harness.method import Method, Rendering
from recgen_bench.harness.run import Run
from recgen_bench.harness.scene import Camera, Scene
from recgen_bench.methods.splats.model import SplatModel
from recgen_bench.methods.splats.recipe import Recipe

if TYPE_CHECKING:
    from recgen_bench.harness.gain import GainView
    from recgen_bench.methods.splats.eig import Semantics


@dataclass(frozen=True)
class Quick(Recipe):
    """Small captures (about 240x135) in 2,000 iterations: higher rates, fewer and larger Gaussians."""

    iterations: int = 2000
    random_points: int = 20_000
    most_points: int = 60_000
    sh_degree: int = 1
    sh_every: int = 0
    position_rate: float = 7e-4
    position_rate_end: float = 1.4e-5
    scale_rate: float = 1e-2
    rotation_rate: float = 2e-3
    colour_rate: float = 5e-3
    harmonics_rate: float = 5e-4
    densify_from: int = 300
    densify_until: int = 2000
    densify_gradient: float = 3e-4
    split_scale: float = 0.004
    reset_every: int = 0
    most_gaussians: int = 80_000


@dataclass(frozen=True)
class Demo(Quick):
    """The embedded street in 500 iterations: lidar-like points are dense enough to start from."""

    iterations: int = 500
    initial_opacity: float = 0.3
    densify_from: int = 150
    densify_until: int = 350


class GaussianSplatting(Method):
    """Fit Gaussians to the training views; there are no rounds."""

    presets: Mapping[str, Recipe] = MappingProxyType({"paper": Recipe(), "quick": Quick(), "demo": Demo()})
    model = SplatModel

    def reconstruct(self, scene: Scene, run: Run) -> SplatModel:
        """Train from the scene's points, or from random pixels where it has none."""
        from recgen_bench.methods.splats.calling import kernels_on
        from recgen_bench.methods.splats.initialise import extent, initial_model
        from recgen_bench.methods.splats.optimise import Trainer, train
        from recgen_bench.methods.splats.target import shuffled, target

        recipe: Recipe = run.config
        views = [target(view, run.device, with_depth=recipe.depth_weight > 0) for view in scene.train]
        with kernels_on(run.threads):
            start = initial_model(scene, views, recipe, run.seed_for("points")).to(run.device)
        trainer = Trainer(start, recipe, extent=extent(scene), seed=run.seed_for("densify"))
        return train(trainer, shuffled(views, run.seed_for("views")), run, until=recipe.iterations)

    def render(self, model: SplatModel, cameras: Sequence[Camera], run: Run) -> Iterator[Rendering]:
        """Render the Gaussians with the actors of each camera's time, and the expected depth."""
        from recgen_bench.methods.splats.rendering import renderings

        return renderings(model, cameras, run)

    def write_ply(self, model: SplatModel, path: Path, frame: int | None) -> None:
        """Write the background as a 3DGS PLY, with the actors of a frame if one is named, without the sky."""
        from recgen_bench.methods.splats.actors import at_frame
        from recgen_bench.methods.splats.ply import write_ply

        write_ply(path, at_frame(model, frame))

    def read_ply(self, path: Path) -> SplatModel:
        """Return the model of a 3DGS PLY: without actors and sky."""
        from recgen_bench.methods.splats.model import static
        from recgen_bench.methods.splats.ply import read_ply

        return static(read_ply(path))

    def eig(
        self, model: SplatModel, known: Sequence[Camera], cameras: Sequence[Camera], semantics: Semantics
    ) -> Iterator[GainView]:
        """Yield the expected information gain of each camera's pixels after the `known` views."""
        from recgen_bench.methods.splats.eig_export import gain_views

        return gain_views(model, known, cameras, semantics)
