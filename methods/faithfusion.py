"""FaithFusion (2025, arXiv 2511.21113): repair the lane-shifted track metre by metre, where little is known.

Train on the recorded track. Then, one metre further out each round: render the shifted track, compute the
expected information gain (EIG) of every pixel, repair the renders with a restorer that sees the EIG, and go
on training with repaired frames whose pixels count the more the less was known of them.

Not here: appearance embeddings, exposure and pose corrections (the embedded world has neither), pedestrians,
and the video model, whose weights were never released.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import torch

from recgen_bench.harness.errors import NotRunnable, RecgenError
from recgen_bench.harness.method import Method, PseudoView, Rendering
from recgen_bench.harness.run import Run
from recgen_bench.harness.scene import Camera, Scene
from recgen_bench.methods.splats.horizon import open_directions, sky_mask
from recgen_bench.methods.splats.lidar import sparse_depth, static_points
from recgen_bench.methods.splats.model import BACKGROUND, SplatModel
from recgen_bench.methods.splats.optimise import EditGradients, freeze
from recgen_bench.methods.splats.poses import beside
from recgen_bench.methods.splats.progressive import (
    EMBEDDED,
    Mix,
    Progressive,
    Repaired,
    Turn,
    as_target,
    depth_term,
    informed,
    pseudo_view,
    repaired,
    restorer,
)
from recgen_bench.methods.splats.rendering import renderings
from recgen_bench.methods.splats.shape import add_shape_gradients
from recgen_bench.methods.splats.target import Target, shuffled, target
from recgen_bench.methods.splats.training import Training, begin, eig, go_on, write_ply


@dataclass(frozen=True)
class Fusion(Progressive):
    """The paper: 1 m to 6 m from iteration 3,000 on, every 2,000; continuous weights on L1 and SSIM.

    What the paper does not say is taken from its release, see `FusionCode`.

    Attributes:
        condition: The restorer sees the EIG; without, `plain_prior` repairs.
        plain_prior: The restorer that does not.
        step: Metres from one round to the next.
        reach: Metres, the last of them.
        refresh_every: Once there, rounds repeat at iterations this far apart, counted from `first`.
        follow: Rounds end at the distance that is asked for, if that is not 0 and nearer than `reach`.
        spread: Refreshes stand at all distances up to `reach`, each pose at another, instead of at `reach`.
        sides: "both", "left" or "right", as far as the road goes.
        structure_by_eig: The EIG weighs the SSIM term too.
        weights_until: Iteration from which pseudo-views weigh `pseudo_scale` everywhere.
        depth_weight: Of the L1 on the depths of scene points in recorded views.
        pseudo_depth_weight: The same in pseudo-views.
        sharp_weight: Of the regulariser against Gaussians longer than `sharp_ratio` times their width.
        sharp_ratio: See there.
        sharp_every: Iterations between two uses of it.
        size_weight: Of the mean square of the background's longest axes.
        freeze: Pseudo-views do not move or turn the original Gaussians of the background; as in the release
            they get no gradient, and momentum from recorded views goes on.
        video: Repair with the paper's video model; never runnable.
    """

    prior: str = "faithfusion-eig"
    iterations: int = 30_000
    first: int = 3_000
    every: int = 2_000
    last: int = 29_999
    share: float = 0.4
    eig: Literal["none", "exact", "fisherrf"] = "exact"
    condition: bool = True
    plain_prior: str = "difix-ref"
    step: float = 1.0
    reach: float = 6.0
    refresh_every: int = 6_000
    follow: bool = False
    spread: bool = False
    sides: Literal["both", "left", "right"] = "both"
    structure_by_eig: bool = True
    weights_until: int = 10**9
    depth_weight: float = 0.001
    pseudo_depth_weight: float = 0.001
    sharp_weight: float = 1.0
    sharp_ratio: float = 10.0
    sharp_every: int = 10
    size_weight: float = 1.0
    freeze: bool = True
    video: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("step", "reach", "refresh_every", "sharp_every"):
            if not getattr(self, name) > 0:
                raise RecgenError(f"{name} must be positive", got=getattr(self, name))

    @property
    def distances(self) -> tuple[float, ...]:
        """Metres of the rounds until the track is `reach` away."""
        count = max(1, round(self.reach / self.step))
        return (*((i + 1) * self.step for i in range(count - 1)), self.reach)

    @property
    def schedule(self) -> tuple[tuple[int, float], ...]:
        """(iteration, metres) of every round, in order.

        >>> [metres for _, metres in Fusion().schedule]
        [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 6.0, 6.0, 6.0]
        """
        growing = [(self.first + i * self.every, metres) for i, metres in enumerate(self.distances)]
        end = min(self.last, self.iterations - 1)
        repeats = range(self.first, end + 1, self.refresh_every)
        later = [(iteration, self.reach) for iteration in repeats if iteration > growing[-1][0]]
        return tuple((iteration, metres) for iteration, metres in [*growing, *later] if iteration <= end)

    @property
    def events(self) -> tuple[int, ...]:
        """Iterations after which rounds come, ascending."""
        return tuple(iteration for iteration, _ in self.schedule)

    def towards(self, shift: float | None) -> Fusion:
        """Return the settings for a distance that is asked for, None or 0 for the track."""
        return replace(self, reach=min(shift, self.reach)) if self.follow and shift else self

    @property
    def chosen_prior(self) -> str:
        """The restorer in use: an EIG that is not there cannot condition one."""
        return self.prior if self.condition and self.eig != "none" else self.plain_prior


@dataclass(frozen=True)
class FusionCode(Fusion):
    """The release (wangyuanbiubiubiu/FaithFusion): left only, weights in four steps and on L1 alone.

    After iteration 20,000 pseudo-views weigh 0.7 everywhere; so does their SSIM from the start. The EIG is
    the released code's (`fisherrf`). Its densification, which follows absolute gradients, is 3DGS's here.
    """

    eig: Literal["none", "exact", "fisherrf"] = "fisherrf"
    weights: Literal["uniform", "steps", "continuous"] = "steps"
    sides: Literal["both", "left", "right"] = "left"
    structure_by_eig: bool = False
    weights_until: int = 20_000
    pseudo_scale: float = 0.7
    pseudo_depth_weight: float = 0.0001
    most_points: int = 800_000
    densify_gradient: float = 5e-4
    split_scale: float = 0.003


DEMO = Fusion(
    **EMBEDDED,
    iterations=1_500,
    first=150,
    every=100,
    last=1_499,
    refresh_every=300,
    follow=True,
    share=0.15,
    view_stride=4,
    eig_stride=4,
    prior="restorer-eig",
    plain_prior="restorer",
    weights="steps",
    structure_by_eig=False,
    pseudo_scale=0.7,
    sharp_weight=0.0,
    size_weight=0.0,
)
"""The embedded street on two CPU cores: the paper's schedule at a twentieth of its length.

Weights are the release's: continuous ones on L1 and SSIM gain less beside the track for the same loss on
it. The regularisers of shape are off: with so few Gaussians they cost 0.7 dB on the track and 1.1 dB at 3 m.
"""


class FaithFusion(Method):
    """Reconstruct; for 1 m to 6 m: render, measure what is unknown, repair it, distil it."""

    presets: Mapping[str, Fusion] = MappingProxyType({"paper": Fusion(), "code": FusionCode(), "demo": DEMO})
    model = Training
    refinement = Repaired
    write_ply = staticmethod(write_ply)
    eig = staticmethod(eig)

    def reconstruct(self, scene: Scene, run: Run) -> Training:
        """Train on the recorded track: L1, SSIM and the depths of scene points (L_ori)."""
        config: Fusion = run.config
        _check(run)
        views = _recorded(run)
        visit = shuffled(views, run.seed_for("views"))
        return begin(views, visit, run, until=config.base_end, edit_gradients=_compact(config))

    def rounds(self, model: Training, run: Run) -> Iterator[Turn]:
        """Move the recorded track one step further out each round, then repeat the outermost."""
        config = run.config.towards(run.shift)
        observed: tuple[Camera, ...] = ()
        for number, (iteration, metres) in enumerate(config.schedule):
            refreshes = config.spread and number >= len(config.distances)
            distances = config.distances if refreshes else (metres,)
            tracks = [beside(run.scene, distance, config.sides) for distance in distances]
            poses = [camera for i, track in enumerate(tracks) for camera in track[i :: len(tracks)]]
            cameras = config.some_of(poses, number)
            label = f"shift {metres:g} m" if not refreshes else f"shifts up to {metres:g} m"
            yield Turn(label, cameras, config.end_of(iteration), observed)
            observed = cameras

    def refine(self, model: Training, turn: Turn, run: Run) -> Repaired:
        """Render the shifted track, compute EIG, repair; recorded frames of the same time are references."""
        splats = model.model.to(run.device)
        information = informed(splats, run, turn.observed)
        recorded = [view.camera for view in run.scene.train]
        known = open_directions(splats, recorded[:: run.config.eig_stride], run.threads)
        static = static_points(run.scene)
        views: list[PseudoView] = []
        for each in repaired(splats, turn.cameras, run, information):
            view = pseudo_view(each, run, information)
            depth = sparse_depth(static, run.scene, each.camera)
            sky = sky_mask(each.alpha, each.camera, known).cpu().numpy() if run.scene.has_sky else None
            views.append(replace(view, depth=depth, sky=sky))
            run.report(len(views), len(turn.cameras), {})
        return Repaired(tuple(views), len(views) * (run.config.chosen_prior != "none"), turn.until)

    def distill(self, model: Training, refinement: Repaired, run: Run) -> Training:
        """Train on: recorded views, and this round's pseudo-views by their EIG (L_novel)."""
        config: Fusion = run.config
        real, seed = _recorded(run), run.seed_for("views")
        early = Mix(real, [_weighed(view, run) for view in refinement.views], config.share, seed)
        late = Mix(real, [_unweighed(view, run) for view in refinement.views], config.share, seed)

        compact = _compact(config)

        def edit(splats: SplatModel, iteration: int) -> None:
            compact(splats, iteration)
            if config.freeze and early.is_pseudo(iteration - 1):
                freeze(splats, (splats.born == 0) & (splats.owner == BACKGROUND), ("means", "quats"))

        def mix(iteration: int) -> Sequence[Target]:
            return early(iteration) if iteration < config.weights_until else late(iteration)

        return go_on(model, config, mix, run, until=refinement.until, edit_gradients=edit)

    def render(self, model: Training, cameras: Sequence[Camera], run: Run) -> Iterator[Rendering]:
        """Render the Gaussians, and the EIG that recorded views leave, for the scores of UCR and HPR."""
        splats = model.model.to(run.device)
        information = informed(splats, run)
        return renderings(splats, cameras, run, information)


def _check(run: Run) -> None:
    """Say before any training what cannot be done.

    Raises:
        NotRunnable: The video model is asked for, or the scene has no vehicle poses or no road beside it.
    """
    config: Fusion = run.config
    if config.video:
        what = "the video model of FaithFusion has no public weights"
        raise NotRunnable(what, hint="leave video=false: the per-frame restorer runs without it")
    restorer(run)
    if any(view.camera.ego is None for view in run.scene.train):
        raise NotRunnable("FaithFusion shifts the track of a vehicle, and this scene has no vehicle poses")
    if not beside(run.scene, config.step, config.sides):
        got = f"{config.sides}, road {run.scene.drivable}"
        raise NotRunnable("the road leaves no room beside the recorded track", got=got)


def _compact(config: Fusion) -> EditGradients:
    """Return what adds the gradients of the regularisers of shape, every so many iterations."""

    def edit(splats: SplatModel, iteration: int) -> None:
        now = config.sharp_weight if iteration % config.sharp_every == 0 else 0.0
        add_shape_gradients(splats, sharp=now, ratio=config.sharp_ratio, large=config.size_weight)

    return edit


def _recorded(run: Run) -> list[Target]:
    static, weight = static_points(run.scene), run.config.depth_weight
    views = []
    for view in run.scene.train:
        depth = sparse_depth(static, run.scene, view.camera) if weight else None
        views.append(replace(target(view, run.device), depth=_tensor(depth, run.device)))
    return views


def _weighed(view: PseudoView, run: Run) -> Target:
    """Return a pseudo-view whose L1, and SSIM where so configured, is weighed by its EIG."""
    config: Fusion = run.config
    plain = _unweighed(view, run)
    if config.eig == "none" or config.weights == "uniform":
        return plain
    weight = _tensor(view.weight, run.device)
    assert weight is not None  # There is an EIG.
    if config.structure_by_eig:
        return replace(plain, weight=weight, structure_weight=weight)
    # The release's L1 weights are absolute; its factor of pseudo-views is for the other terms.
    return replace(plain, weight=weight / config.pseudo_scale)


def _unweighed(view: PseudoView, run: Run) -> Target:
    config: Fusion = run.config
    depth = _tensor(view.depth, run.device)
    whole = as_target(replace(view, weight=None), config.pseudo_scale, run.device)
    sky = None if view.sky is None else torch.from_numpy(view.sky).to(run.device)
    return replace(whole, sky=sky, prior=depth_term(depth, config.pseudo_depth_weight))


def _tensor(plane: object, device: str) -> torch.Tensor | None:
    return None if plane is None else torch.as_tensor(plane).to(device)
