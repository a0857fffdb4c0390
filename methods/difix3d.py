"""Difix3D and Difix3D+ (Wu et al. 2025, arXiv 2503.01774): distil repaired renders on the way to the targets.

Two entries: `difix3d` renders the distilled Gaussians; `difix3d+` repairs every output frame once more. The
poses that are rendered for testing take part in the training, as in the paper; `--set targets=shifts` gives
the loop poses of its own instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from recgen_bench.harness.errors import NotRunnable, RecgenError
from recgen_bench.harness.method import Method, Rendering
from recgen_bench.harness.run import Run
from recgen_bench.harness.scene import Camera, Scene
from recgen_bench.harness.trajectory import interpolate
from recgen_bench.methods.splats.losses import Padding
from recgen_bench.methods.splats.poses import beside, farthest, spacing, step_towards
from recgen_bench.methods.splats.progressive import (
    EMBEDDED,
    Mix,
    Progressive,
    Repaired,
    Turn,
    as_target,
    informed,
    pseudo_view,
    repaired,
    restorer,
)
from recgen_bench.methods.splats.rendering import renderings
from recgen_bench.methods.splats.target import shuffled, target
from recgen_bench.methods.splats.training import Training, begin, eig, go_on, write_ply

OWN_VIEWS = 40
"""Poses between the recorded ones that a loop without vehicle poses makes for itself."""


@dataclass(frozen=True)
class Difix(Progressive):
    """The paper: 30,000 iterations, then a step towards the targets every 1,500.

    What the paper does not say (weights, rates, length) is taken from its release, see `DifixCode`.

    Attributes:
        targets: Where the poses walk to: "test" is the paper's, the poses that will be rendered for testing;
            "shifts" are tracks beside the road up to `reach` metres, or without a vehicle poses between the
            recorded ones, so that no test pose is known to the training.
        reach: Metres, with "shifts".
        sides: "left", "right" or "both", with "shifts".
        step: How far a pose walks in one round.
        step_unit: "world": units of the data, as in the release. "spacing": times the mean distance between
            neighbouring training cameras, so that the scale of the world does not matter. "way": part of
            the longest way, so that 0.25 arrives after four rounds.
        resumes: A finished base training is resumed with divided rates; otherwise it is one training, whose
            rates fall over all iterations.
        position_divisor: The positions' rates are divided by this once rounds begin.
        shape_divisor: The same for scales, rotations and opacities.
        colour_divisor: The same for the harmonics.
    """

    every: int = 1_500
    last: int = 58_500
    iterations: int = 60_000
    targets: Literal["test", "shifts"] = "test"
    reach: float = 6.0
    sides: Literal["left", "right", "both"] = "both"
    step: float = 0.5
    step_unit: Literal["world", "spacing", "way"] = "spacing"
    real_scale: float = 1.5
    pseudo_scale: float = 0.3
    min_alpha: float = 0.5
    resumes: bool = True
    position_divisor: float = 10.0
    shape_divisor: float = 5.0
    colour_divisor: float = 50.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("step", "reach", "position_divisor", "shape_divisor", "colour_divisor"):
            if not getattr(self, name) > 0:
                raise RecgenError(f"{name} must be positive", got=getattr(self, name))

    @property
    def uses_test_poses(self) -> bool:
        """Poses of test views enter the training; the record says so."""
        return self.targets == "test"

    @property
    def base(self) -> Difix:
        """The recipe before the first round."""
        return replace(self, iterations=self.first) if self.resumes else self

    @property
    def resumed(self) -> Difix:
        """The recipe from the first round on."""
        if not self.resumes:
            return self
        return replace(
            self,
            position_rate=self.position_rate / self.position_divisor,
            position_rate_end=self.position_rate_end / self.position_divisor,
            scale_rate=self.scale_rate / self.shape_divisor,
            rotation_rate=self.rotation_rate / self.shape_divisor,
            opacity_rate=self.opacity_rate / self.shape_divisor,
            colour_rate=self.colour_rate / self.colour_divisor,
            harmonics_rate=self.harmonics_rate / self.colour_divisor,
        )


@dataclass(frozen=True)
class DifixCode(Difix):
    """The release (nv-tlabs/Difix3D, gsplat trainer): every 2,000 iterations, steps of 0.5 world units.

    Rounds come after 30,000, 32,000, ... 60,000: 16, the last of which trains nothing. Its SSIM uses windows
    inside the image only. Release code zeroes pixels below alpha 0.5 in both images; here they have weight 0.
    """

    every: int = 2_000
    last: int = 60_000
    step_unit: Literal["world", "spacing", "way"] = "world"
    padding: Padding = "valid"


DEMO = Difix(
    **EMBEDDED,
    iterations=1_500,
    first=250,
    every=250,
    last=1_250,
    prior="restorer",
    step=0.25,
    step_unit="way",
    view_stride=4,
    min_alpha=0.0,
    resumes=False,
)
"""The embedded street on two CPU cores, in one training: four steps to the targets, and once more there."""


class Difix3D(Method):
    """Train; then again and again: step towards the targets, repair the renders there, train on."""

    presets: Mapping[str, Difix] = MappingProxyType({"paper": Difix(), "code": DifixCode(), "demo": DEMO})
    model = Training
    refinement = Repaired
    write_ply = staticmethod(write_ply)
    eig = staticmethod(eig)

    def reconstruct(self, scene: Scene, run: Run) -> Training:
        """Train the base model on the recorded views."""
        config: Difix = run.config
        restorer(run)
        _goals(scene, config)
        views = [target(view, run.device) for view in scene.train]
        base = replace(run, config=config.base)
        return begin(views, shuffled(views, run.seed_for("views")), base, until=config.base_end)

    def rounds(self, model: Training, run: Run) -> Iterator[Turn]:
        """Walk from the training poses to the targets, one step per round, and stay there."""
        config: Difix = run.config
        recorded = [view.camera for view in run.scene.train]
        goals = _goals(run.scene, config)
        step = _step(recorded, goals, config)
        here: Sequence[Camera] = recorded
        for number, event in enumerate(config.events):
            here = step_towards(here, goals, step)
            label = f"{farthest(recorded, here):.2g} from the track"
            yield Turn(label, config.some_of(here, number), until=config.end_of(event))

    def refine(self, model: Training, turn: Turn, run: Run) -> Repaired:
        """Render the poses and repair the renders, each beside the nearest recorded frame."""
        splats = model.model.to(run.device)
        information = informed(splats, run)
        views = []
        for each in repaired(splats, turn.cameras, run, information):
            views.append(pseudo_view(each, run, information))
            run.report(len(views), len(turn.cameras), {})
        return Repaired(tuple(views), len(views) * (run.config.prior != "none"), turn.until)

    def distill(self, model: Training, refinement: Repaired, run: Run) -> Training:
        """Go on training with recorded views and this round's pseudo-views mixed."""
        config: Difix = run.config
        real = [replace(target(view, run.device), scale=config.real_scale) for view in run.scene.train]
        pseudo = [as_target(view, config.pseudo_scale, run.device) for view in refinement.views]
        mix = Mix(real, pseudo, config.share, run.seed_for("views"))
        return go_on(model, config.resumed, mix, run, until=refinement.until)

    def render(self, model: Training, cameras: Sequence[Camera], run: Run) -> Iterator[Rendering]:
        """Render the Gaussians as they are."""
        return renderings(model.model, cameras, run)


class Difix3DPlus(Difix3D):
    """The same model; every output frame goes through the restorer once more."""

    def render(self, model: Training, cameras: Sequence[Camera], run: Run) -> Iterator[Rendering]:
        """Yield repaired renders, and the depth of the Gaussians."""
        splats = model.model.to(run.device)
        information = informed(splats, run)
        for each in repaired(splats, cameras, run, information):
            yield each.rendering()


def _goals(scene: Scene, config: Difix) -> tuple[Camera, ...]:
    """Return where the poses walk to."""
    if config.targets == "test":
        return tuple(view.camera for view in scene.test)
    recorded = [view.camera for view in scene.train]
    if all(camera.ego is not None for camera in recorded):
        beyond = beside(scene, config.reach, config.sides)
        if not beyond:
            what = "the road leaves no room beside the recorded track"
            raise NotRunnable(what, got=f"{config.sides}, road {scene.drivable}")
        return beyond
    return interpolate(recorded, 2 * OWN_VIEWS + 1)[1::2]


def _step(recorded: Sequence[Camera], goals: Sequence[Camera], config: Difix) -> float:
    """Return the step in world units; a single camera has no spacing, and then the way counts."""
    match config.step_unit:
        case "world":
            return config.step
        case "spacing" if spacing(recorded) > 0:
            return config.step * spacing(recorded)
    return max(config.step * farthest(recorded, goals), 1e-9)
