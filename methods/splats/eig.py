"""The expected information gain (EIG) of every pixel of a view: where one more observation would teach most.

Two semantics:

`exact`. After training, the posterior of the parameters is taken as normal with the diagonal precision
H + regulariser, H the Fisher diagonal over the training views (noise of variance 1 per channel). A pixel's
gain is at most half the trace of its own information times that variance (FisherRF; FaithFusion, Alg. 1):

    EIG(p) = 1/2 sum_theta sum_c (dC_c(p) / dtheta)^2 / (H_theta + regulariser)

This bound is what `eig_map` returns, in nats, without a further logarithm. Over all training pixels it sums
to half the number of parameters that the views determine, which is what `Information.typical` builds on.

`fisherrf`. What the released code of FaithFusion computes instead, see `fisherrf.py`: information is summed
per Gaussian, blended as a colour, divided by a counter and by 1000, and returned as log(1 + gain).
"""

from __future__ import annotations

import ctypes
import math
import operator
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import torch
from torch import Tensor

from recgen_bench.harness.errors import MethodFailed, did_you_mean
from recgen_bench.harness.scene import Camera
from recgen_bench.methods.splats import fisherrf, native
from recgen_bench.methods.splats.calling import kernels_on
from recgen_bench.methods.splats.compose import activated
from recgen_bench.methods.splats.fisher import FisherDiagonal, fisher_diagonal, look, require_cpu
from recgen_bench.methods.splats.model import SplatModel
from recgen_bench.methods.splats.raster import Gaussians, Pinhole
from recgen_bench.methods.splats.raster_cpu import contiguous
from recgen_bench.methods.splats.sky import directions, look_up, unfold

Semantics = Literal["exact", "fisherrf"]
SEMANTICS: tuple[Semantics, ...] = ("exact", "fisherrf")

EMPTY = 100.0
"""The value of pixels that the Gaussians hardly cover: nothing was learnt of them."""

MIN_ALPHA = 0.1
"""Pixels of less alpha are EMPTY."""

REGULARISER = 1e-6
"""Precision of the activated parameters before any view was seen, in colour^2 / parameter^2."""


@dataclass(frozen=True)
class Prior:
    """Precisions before any view was seen, one per group of parameters, in the units of `FisherDiagonal`."""

    means: float = REGULARISER
    quats: float = REGULARISER
    scales: float = REGULARISER
    opacities: float = REGULARISER
    colors: float = REGULARISER

    def __post_init__(self) -> None:
        if not all(0 < value < math.inf for value in self.groups):
            raise MethodFailed("a prior precision must be positive", got=self, expected="finite, above 0")

    @property
    def groups(self) -> tuple[float, ...]:
        """The five values in the order of `FisherDiagonal.groups`."""
        return self.means, self.quats, self.scales, self.opacities, self.colors


@dataclass(frozen=True, eq=False)
class Information:
    """What a set of views tells about Gaussians.

    Attributes:
        semantics: How it was computed; maps are computed alike.
        diagonal: Per parameter, the Fisher diagonal (`exact`) or the sums of the squared derivatives of
            single pixel-Gaussian pairs (`fisherrf`).
        pixels: Number of pixels of the views.
    """

    semantics: Semantics
    diagonal: FisherDiagonal
    pixels: int

    def __len__(self) -> int:
        return len(self.diagonal.means)

    def __add__(self, other: Information) -> Information:
        """Return the information of both sets of views on the same Gaussians.

        Raises:
            MethodFailed: They were computed in different ways.
        """
        if self.semantics != other.semantics:
            raise MethodFailed("two kinds of information", got=f"{self.semantics} and {other.semantics}")
        diagonal = self.diagonal + other.diagonal
        return Information(self.semantics, diagonal, self.pixels + other.pixels)

    def typical(self, regulariser: float | Prior = REGULARISER) -> float:
        """Return the mean EIG of the pixels that the information came from, 0 without any.

        Exactly sum_theta H / (H + regulariser) / (2 pixels), for `exact` only: the number of parameters
        that the views determine, shared among their pixels. An EIG divided by it has no unit and does not
        depend on the scale of the world, the contrast of the images or the number of views, so that maps
        of different scenes compare; see `eig_weights.relative`.

        Raises:
            MethodFailed: The information is of the other semantics.
        """
        if self.semantics != "exact":
            raise MethodFailed("only exact information has a typical gain", got=self.semantics)
        if not self.pixels:
            return 0.0
        known = 0.0
        for total, precision in zip(self.diagonal.groups, _prior(regulariser).groups, strict=True):
            known += float((total / (total + precision)).sum(dtype=torch.float64))
        return known / (2 * self.pixels)


def observe(
    gaussians: Gaussians,
    cameras: Iterable[Pinhole],
    *,
    semantics: Semantics = "exact",
    skies: Iterable[Tensor | None] | None = None,
    masks: Iterable[Tensor | None] | None = None,
) -> Information:
    """Return what views through the cameras tell about the Gaussians.

    Args:
        gaussians: Activated parameters; rows that are not finite are left out and learn nothing.
        cameras: One per view.
        semantics: "exact" or "fisherrf".
        skies: For exact: per view the (H, W, 3) colours far behind the Gaussians. The released code renders
            on black, so fisherrf does not use them.
        masks: For fisherrf: per view (H, W), pixels below 0.5 (sky) do not count. The exact information needs
            none: with the sky behind the Gaussians, its pixels count for what they show.

    Raises:
        MethodFailed: The semantics are unknown, there are not as many skies or masks as cameras, or the sums
            are not finite.
    """
    cameras = list(cameras)
    _known(semantics)
    if semantics == "exact":
        diagonal = fisher_diagonal(gaussians, cameras, skies)
    else:
        diagonal = fisherrf.observe(gaussians, cameras, masks)
    information = Information(semantics, diagonal, sum(c.width * c.height for c in cameras))
    return _finite(information)


def eig_map(
    gaussians: Gaussians,
    camera: Pinhole,
    information: Information,
    *,
    sky: Tensor | None = None,
    regulariser: float | Prior = REGULARISER,
) -> Tensor:
    """Return the EIG of each pixel of a view, (H, W) float32, at least 0, EMPTY where alpha is below 0.1.

    Args:
        gaussians: Those that the information is about.
        camera: The view.
        information: What is known from other views; its semantics decide how the map is computed.
        sky: (H, W, 3) colours far behind the Gaussians, for exact.
        regulariser: Prior precision; fisherrf takes one number, which it adds to a Gaussian's whole sum.

    Raises:
        MethodFailed: The information is not about these Gaussians, or a gain is not finite.
    """
    count, known = len(gaussians.means), len(information)
    if count != known or information.diagonal.colors.shape != gaussians.colors.shape:
        got = f"{known} for {count}, colours {tuple(information.diagonal.colors.shape)}"
        raise MethodFailed("the information is about other Gaussians", got=got)
    if information.semantics == "fisherrf":
        if isinstance(regulariser, Prior):
            raise MethodFailed(
                "fisherrf has one prior for a whole Gaussian", got=regulariser, expected="a number"
            )
        values, alpha = fisherrf.eig(gaussians, camera, information.diagonal, regulariser)
    else:
        values, alpha = _exact(gaussians, camera, information.diagonal, sky, _prior(regulariser))
    bad = int((~torch.isfinite(values)).sum())
    if bad:
        hint = "a variance or a colour is too large: raise the regulariser or check the Gaussians"
        raise MethodFailed("the EIG is not finite", got=f"{bad} of {values.numel()} pixels", hint=hint)
    return torch.where(alpha < MIN_ALPHA, EMPTY, values)


def _exact(
    gaussians: Gaussians, camera: Pinhole, diagonal: FisherDiagonal, sky: Tensor | None, prior: Prior
) -> tuple[Tensor, Tensor]:
    """Return the trace bound and alpha, each (H, W)."""
    variances = [1 / (h + precision) for h, precision in zip(diagonal.groups, prior.groups, strict=True)]
    if gaussians.means.device.type == "cuda":
        from recgen_bench.methods.splats.fisher_cuda import gain_cuda

        return gain_cuda(gaussians, camera, FisherDiagonal(*variances), sky)
    require_cpu(gaussians)
    parameters = [tensor.detach() for tensor in contiguous(gaussians)]
    view = look(parameters, gaussians.sh_degree, camera, sky)
    variances = [tensor.to(torch.float32).contiguous() for tensor in variances]
    values = torch.empty_like(view.alpha)
    native.check(
        native.kernel("splats_gain")(
            ctypes.byref(view.scene),
            view.replay.handle,
            ctypes.byref(native.Image(view.rgb.data_ptr())),
            ctypes.byref(native.PerGaussian(*map(native.address, variances))),
            ctypes.c_void_p(values.data_ptr()),
        )
    )
    return values, view.alpha


def model_information(
    model: SplatModel,
    cameras: Sequence[Camera],
    threads: int | None = None,
    semantics: Semantics = "exact",
    masks: Sequence[Tensor | None] | None = None,
) -> Information:
    """Return what views of a model tell about its Gaussians, actors posed at each camera's time.

    Squares are taken by the posed parameters. For an actor that turns during the views, its diagonal is
    therefore one in the axes of the world, not of its box.

    Args:
        model: Its sky stands behind the Gaussians (exact).
        cameras: The views, for example of `scene.train`.
        threads: For the kernels; None for those of `kernels_on`, outside of it torch's.
        semantics: "exact" or "fisherrf".
        masks: As in `observe`.

    Raises:
        MethodFailed: As `observe`, or there are no cameras.
    """
    if not cameras:
        raise MethodFailed("information needs at least one view", got="no cameras")
    if masks is not None and len(masks) != len(cameras):
        raise MethodFailed("every camera needs its mask", got=f"{len(masks)} for {len(cameras)} cameras")

    def one(camera: Camera, mask: Tensor | None) -> Information:
        gaussians, sky = activated(model, camera), sky_of(model, camera)
        return observe(gaussians, [pinhole(camera)], semantics=semantics, skies=[sky], masks=[mask])

    each = [None] * len(cameras) if masks is None else masks
    with torch.no_grad(), _on(threads):
        return reduce(operator.add, map(one, cameras, each))


def model_eig(
    model: SplatModel,
    camera: Camera,
    information: Information,
    *,
    threads: int | None = None,
    regulariser: float | Prior = REGULARISER,
) -> Tensor:
    """Return the EIG of each pixel of a model's view, (H, W) float32; see `eig_map`."""
    with torch.no_grad(), _on(threads):
        return eig_map(
            activated(model, camera),
            pinhole(camera),
            information,
            sky=sky_of(model, camera),
            regulariser=regulariser,
        )


def pinhole(camera: Camera) -> Pinhole:
    """Return a camera as the rasterisers take it, with a black background."""
    return Pinhole(torch.from_numpy(camera.w2c), torch.from_numpy(camera.K), camera.width, camera.height)


def sky_of(model: SplatModel, camera: Camera) -> Tensor | None:
    """Return the (H, W, 3) sky that a camera would see without Gaussians, None indoors."""
    if model.sky is None:
        return None
    return look_up(model.sky.detach(), unfold(directions(camera, model.sky.device)))


def _known(semantics: str) -> None:
    if semantics not in SEMANTICS:
        raise MethodFailed(
            "unknown semantics of the EIG", got=semantics, hint=did_you_mean(semantics, SEMANTICS)
        )


def _prior(regulariser: float | Prior) -> Prior:
    return regulariser if isinstance(regulariser, Prior) else Prior(*(regulariser,) * 5)


def _on(threads: int | None) -> AbstractContextManager[None]:
    return nullcontext() if threads is None else kernels_on(threads)


def _finite(information: Information) -> Information:
    for name, total in zip(FisherDiagonal.__annotations__, information.diagonal.groups, strict=True):
        bad = int((~torch.isfinite(total)).sum())
        if bad:
            what = f"the information on the {name} is not finite"
            raise MethodFailed(what, got=f"{bad} of {total.numel()} numbers", hint="check the Gaussians")
    return information
