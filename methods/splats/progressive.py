"""What loops that repair their own renders share: their settings, the mixing of views, and the repairs.

Difix3D+ (Wu et al. 2025) and FaithFusion (2025) alternate: render poses off the track, repair the renders
with a one-step restorer, go on training with recorded and repaired frames mixed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from recgen_bench.harness.errors import NotRunnable, RecgenError
from recgen_bench.harness.frames import quantise
from recgen_bench.harness.method import PseudoView, Refinement, Rendering, Round
from recgen_bench.harness.priors import NO_PRIOR
from recgen_bench.harness.run import Run
from recgen_bench.harness.scene import Camera, View
from recgen_bench.methods.splats.calling import kernels_on
from recgen_bench.methods.splats.compose import render
from recgen_bench.methods.splats.eig import Information, model_eig, model_information
from recgen_bench.methods.splats.eig_weights import pixel_weights, unit
from recgen_bench.methods.splats.ground import on_road
from recgen_bench.methods.splats.losses import depth_distance
from recgen_bench.methods.splats.model import SplatModel
from recgen_bench.methods.splats.poses import nearest
from recgen_bench.methods.splats.recipe import Recipe
from recgen_bench.methods.splats.target import Target, shuffled

EMBEDDED: Mapping[str, Any] = MappingProxyType(
    {
        "random_points": 20_000,
        "most_points": 60_000,
        "initial_opacity": 0.3,
        "sh_degree": 1,
        "sh_every": 0,
        "position_rate": 7e-4,
        "position_rate_end": 1.4e-5,
        "scale_rate": 1e-2,
        "rotation_rate": 2e-3,
        "colour_rate": 5e-3,
        "harmonics_rate": 5e-4,
        "densify_from": 150,
        "densify_until": 350,
        "densify_gradient": 3e-4,
        "split_scale": 0.004,
        "reset_every": 0,
        "most_gaussians": 80_000,
    }
)
"""The training of the embedded street: that of the preset `demo` of `3dgs`, so that methods compare."""


@dataclass(frozen=True)
class Progressive(Recipe):
    """Settings of a loop of rounds, beside those of the training.

    Attributes:
        prior: Name of the restorer; "none" distils the renders as they are.
        first: Iteration after which the first round comes.
        every: Iterations between two rounds.
        last: Iteration after which no round comes any more.
        share: Part of the steps that learn from a pseudo-view.
        real_scale: Factor of the loss of a recorded view.
        pseudo_scale: Factor of the loss of a pseudo-view.
        eig: Which expected information gain weighs the pixels of pseudo-views; "none" weighs them alike.
        weights: How it becomes a weight: "continuous" or "steps"; "uniform" leaves it to the restorer.
        eig_stride: Every n-th training view informs; more is slower and hardly another map.
        view_stride: Every n-th pose of a round becomes a pseudo-view, in the next round the ones beside them.
        min_alpha: Pixels of pseudo-views that the Gaussians covered less than this teach nothing.
        batch: Frames that are repaired at once: by one network call on a GPU, side by side on a CPU.
    """

    prior: str = "difix-ref"
    first: int = 30_000
    every: int = 2_000
    last: int = 60_000
    share: float = 0.3
    real_scale: float = 1.0
    pseudo_scale: float = 1.0
    eig: Literal["none", "exact", "fisherrf"] = "none"
    weights: Literal["uniform", "steps", "continuous"] = "continuous"
    eig_stride: int = 1
    view_stride: int = 1
    min_alpha: float = 0.0
    batch: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("first", "every", "eig_stride", "view_stride", "batch"):
            if getattr(self, name) < 1:
                raise RecgenError(f"{name} must be at least 1", got=getattr(self, name))
        if not 0 <= self.share <= 1:
            raise RecgenError("share is out of range", got=self.share, expected="0 to 1")
        for name in ("real_scale", "pseudo_scale", "min_alpha"):
            if not getattr(self, name) >= 0:
                raise RecgenError(f"{name} must not be negative", got=getattr(self, name))

    @property
    def chosen_prior(self) -> str:
        """The restorer in use."""
        return self.prior

    @property
    def events(self) -> tuple[int, ...]:
        """Iterations after which rounds come, ascending."""
        return tuple(range(self.first, min(self.last, self.iterations) + 1, self.every))

    @property
    def base_end(self) -> int:
        """Iteration up to which the base model is trained: the first round, or the end without any."""
        return min([*self.events, self.iterations])

    def end_of(self, event: int) -> int:
        """Return the iteration up to which the round of an event trains: the next event, or the end."""
        later = [other for other in self.events if other > event]
        return min([*later, self.iterations])

    def some_of(self, cameras: Sequence[Camera], number: int) -> tuple[Camera, ...]:
        """Return the poses of the round of a number that become pseudo-views, at least one."""
        return tuple(cameras[number % self.view_stride :: self.view_stride] or cameras[:1])


@dataclass(frozen=True, slots=True)
class Turn(Round):
    """One round: pseudo-views at `cameras`, then training up to `until`.

    Attributes:
        until: Iteration.
        observed: Cameras of pseudo-views that the model has already learnt from: they count as seen.
    """

    until: int = 0
    observed: tuple[Camera, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Repaired(Refinement):
    """Repaired pseudo-views, and the iteration up to which to train with them."""

    until: int = 0


def restorer(run: Run) -> Any:
    """Return the restorer that the configuration names, None for "none".

    Raises:
        NotRunnable: It needs an EIG and the configuration computes none.
    """
    name = run.config.chosen_prior
    if name == NO_PRIOR:
        return None
    prior = run.prior(name)
    if prior.uses_eig and run.config.eig == "none":
        hint = "add --set eig=exact, or choose a restorer without"
        raise NotRunnable(f"the prior {name} is conditioned on expected information gain", hint=hint)
    return prior


def informed(model: SplatModel, run: Run, observed: Sequence[Camera] = ()) -> Information | None:
    """Return what the training views, and pseudo-views learnt from, tell of a model; None without an EIG."""
    config = run.config
    if config.eig == "none":
        return None
    cameras = [view.camera for view in run.scene.train]
    seen = [*cameras[:: config.eig_stride], *observed[:: config.eig_stride]]
    return model_information(model, seen, run.threads, config.eig)


@dataclass(frozen=True, slots=True, eq=False)
class Repair:
    """A render and what the restorer made of it.

    Attributes:
        camera: Where.
        image: (H, W, 3) float32 in [0, 1], repaired.
        alpha: (H, W) float32 of the Gaussians.
        depth: (H, W) float32 expected z-depth of the Gaussians.
        eig: (H, W) float32 as `eig_map` returns it; None without an EIG.
        guide: (H, W) float32 in [0, 1], the same as networks and thresholds take it, see `eig_weights.unit`.
    """

    camera: Camera
    image: Tensor
    alpha: Tensor
    depth: Tensor
    eig: Tensor | None
    guide: Tensor | None

    def rendering(self) -> Rendering:
        """Return the repaired frame as a final one."""
        depth = torch.where(self.alpha >= 0.5, self.depth, 0.0)
        eig = None if self.guide is None else self.guide.cpu().numpy()
        return Rendering(self.image.cpu().numpy(), depth.cpu().numpy(), eig)


def repaired(
    model: SplatModel, cameras: Sequence[Camera], run: Run, information: Information | None
) -> Iterator[Repair]:
    """Yield a repaired render for each camera, in order; the reference is the nearest recorded frame."""
    prior, config = restorer(run), run.config
    for start in range(0, len(cameras), config.batch):
        some = cameras[start : start + config.batch]
        batch = [_rendered(model, camera, run, information) for camera in some]
        for each, image in zip(batch, _restored(prior, batch, run), strict=True):
            yield replace(each, image=image)


def _rendered(model: SplatModel, camera: Camera, run: Run, information: Information | None) -> Repair:
    with torch.no_grad(), kernels_on(run.threads):
        seen = render(model, camera)
        eig = guide = None
        if information is not None:
            eig = model_eig(model, camera, information)
            guide = unit(eig, information)
    return Repair(camera, seen.rgb.clamp(0, 1), seen.alpha, seen.depth, eig, guide)


def _restored(prior: Any, batch: Sequence[Repair], run: Run) -> list[Tensor]:
    """Return the repaired images, (H, W, 3) each; frames of one size go through the network together."""
    if prior is None:
        return [each.image for each in batch]
    sizes = {each.image.shape for each in batch}
    if len(sizes) > 1:
        return [image for each in batch for image in _restored(prior, [each], run)]
    images = torch.stack([each.image.permute(2, 0, 1) for each in batch])
    references = eig = None
    if prior.uses_reference:
        shown = [_reference(prior, run.scene.train, each.camera) for each in batch]
        references = torch.stack(shown).to(images.device)
    if prior.uses_eig:
        eig = torch.stack([each.guide for each in batch if each.guide is not None])
    answer = _answer(prior, images, references, eig, run)
    return [image.permute(1, 2, 0).clamp(0, 1) for image in answer]


def _answer(prior: Any, images: Tensor, references: Tensor | None, eig: Tensor | None, run: Run) -> Tensor:
    """Return what a restorer makes of a batch, on the CPU the same bytes for any number of threads.

    There, frames go through the network one by one and side by side, each on a thread of its own: a network
    whose operations are split among threads gives other last bits for another number of them.
    """
    if run.device != "cpu":
        with torch.no_grad():
            return prior.restore(images, references, eig)

    def single(index: int) -> Tensor:
        torch.set_num_threads(1)
        place = slice(index, index + 1)
        with torch.no_grad():
            return prior.restore(
                images[place],
                None if references is None else references[place],
                None if eig is None else eig[place],
            )

    with kernels_on(run.threads), ThreadPoolExecutor(run.threads) as pool:
        return torch.cat(list(pool.map(single, range(len(images)))))


def reference(views: Sequence[View], camera: Camera) -> View:
    """Return the recorded view nearest to a camera."""
    return views[nearest(camera, [view.camera for view in views])]


def _reference(prior: Any, views: Sequence[View], camera: Camera) -> Tensor:
    """Return what a restorer looks at beside a camera's render, (3, H, W) float32 in [0, 1]."""
    base = reference(views, camera)
    pixels = on_road(base, views, camera) if prior.reference == "road" else base.image
    image = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    size = (camera.height, camera.width)
    if image.shape[-2:] != size:
        image = interpolate(image[None], size, mode="bilinear", antialias=True)[0]
    return image


def pseudo_view(repair: Repair, run: Run, information: Information | None) -> PseudoView:
    """Return a repaired render as a training view, each pixel weighed by its EIG."""
    config = run.config
    weight = torch.ones_like(repair.alpha)
    if repair.eig is not None and information is not None and config.weights != "uniform":
        weight = pixel_weights(repair.eig, information, config.weights)
    if config.min_alpha > 0:
        weight = torch.where(repair.alpha > config.min_alpha, weight, 0.0)
    return PseudoView(repair.camera, quantise(repair.image.cpu().numpy()), weight.float().cpu().numpy())


def as_target(view: PseudoView, scale: float, device: str) -> Target:
    """Return a pseudo-view as something to learn from: its weights count for L1 and SSIM alike."""
    weight = None if view.weight is None else torch.from_numpy(view.weight).to(device)
    image = torch.from_numpy(view.image).to(device)
    return Target(view.camera, image, weight, structure_weight=weight, scale=scale)


class Mix:
    """Which view each step learns from: a fixed share of them, spread at random, from pseudo-views.

    Everything follows from the seed and the iteration, so there is no state to store.

    Args:
        real: Recorded views.
        pseudo: Pseudo-views; without any, every step learns from a recorded view.
        share: Part of the steps that learn from pseudo-views.
        seed: Of the choice and the order.
    """

    def __init__(self, real: Sequence[Target], pseudo: Sequence[Target], share: float, seed: int) -> None:
        self._real, self._pseudo = shuffled(real, seed), shuffled(pseudo, seed + 1)
        self._share = share if pseudo else 0.0
        self._seed = seed

    def __call__(self, iteration: int) -> Sequence[Target]:
        """Return what the step after `iteration` steps learns from."""
        return self._pseudo(iteration) if self.is_pseudo(iteration) else self._real(iteration)

    def is_pseudo(self, iteration: int) -> bool:
        """Return whether that step learns from a pseudo-view."""
        digest = hashlib.sha256(f"{self._seed}/mix/{iteration}".encode()).digest()
        return int.from_bytes(digest[:4], "little") < self._share * 2**32


def depth_term(depth: Tensor | None, weight: float) -> Callable[[Any], Tensor] | None:
    """Return an L1 on known depths as the additional term of a target, None without depths."""
    if depth is None or weight == 0:
        return None
    return lambda rendered: weight * depth_distance(rendered.depth, depth)
